// What has to be known about a kind of engine beyond Firecracker's API, which all of them serve: how its
// program is found and read, what it is given, and on which hosts its saved states load. Everything that
// differs between the kinds is here; above this folder nothing asks which one it is.
//
// Families have no state and live forever; any thread.
#ifndef KNALLER_ENGINE_ENGINE_FAMILY_H_
#define KNALLER_ENGINE_ENGINE_FAMILY_H_

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/deadline.h"
#include "engine/engine_facts.h"
#include "engine/host.h"
#include "engine/program_files.h"
#include "knaller/types.h"
#include "store/snapshot_record.h"

namespace knaller::engine {

// The list of system calls that an engine may make (monitor/call_filter.h).
enum class CallFilter { kFirecracker, kQemu };

// Whether a VM gets it when nobody has named an engine.
struct Fitness {
  bool fits = false;
  std::string reason;  // why, or why not; empty: there is nothing to say
};

// What a saved state needs from the host.
struct StateNeeds {
  enum class Processor {
    kHosts,     // the guest saw the host's
    kUnknown,   // it did, and nobody noted which that was
    kEmulated,  // the same on every host
  };
  CheckRow version;  // whether the engine reads it
  Processor processor = Processor::kHosts;
  uint64_t tsc_khz = 0;  // the rate of the guest's time stamp counter; 0: not known
};

class EngineFamily {
 public:
  virtual ~EngineFamily() = default;

  virtual store::EngineType type() const = 0;
  virtual std::string_view title() const = 0;  // for people: "Firecracker"

  // --- Its program
  // On this host, or at `path` if that is not empty. kNotFound, with what to do, when it or something that it
  // can't do without is missing.
  virtual std::string find(const Host& host, const std::string& path) const = 0;
  virtual Fitness fitness(const Host& host) const = 0;
  // How the first line of its `--version` begins.
  virtual std::string_view calls_itself() const = 0;
  // What its `--version` printed: type and versions. kUnsupported when that means nothing, or is too old.
  virtual EngineFacts facts_in(std::string_view said, const std::string& binary) const = 0;
  // The other program that it runs guests on, where it is found; empty: there is none.
  virtual std::string backend(const Host& host) const = 0;
  virtual CheckRow doctor_row(const Host& host, const Deadline& deadline) const = 0;

  // --- What it is given
  virtual void add_files(ProgramFiles& files) const = 0;  // besides what its own program needs
  virtual bool is_shown_kvm(const Host& host) const = 0;
  virtual CallFilter call_filter() const = 0;
  // Memory, on top of its guest's (ADR 88).
  virtual uint64_t overhead_mib() const = 0;
  // Its limiters reach the network; else the namespace's devices limit it (ADR 89).
  virtual bool limits_network() const = 0;
  virtual bool needs_pvh_kernel() const = 0;  // it boots only kernels with a PVH note

  // --- Its saved states
  // `read_state` is asked at most once. kCorrupt for a state that is not this family's.
  virtual StateNeeds needs_of(const store::SnapshotRecord& record,
                              const std::function<std::string()>& read_state, const EngineFacts& here,
                              const Host& host) const = 0;
  virtual std::string_view where_states_load() const = 0;  // "start it on a host with …"
};

const EngineFamily& family_of(store::EngineType type);
// All of them, those first that are preferred.
std::array<const EngineFamily*, std::size(store::kEngineTypes)> all_families();
// Of the program whose `--version` printed this. What introduces itself as none of them is taken for
// Firecracker, which then says that it is not.
const EngineFamily& family_that_said(std::string_view said);

}  // namespace knaller::engine

#endif  // KNALLER_ENGINE_ENGINE_FAMILY_H_
