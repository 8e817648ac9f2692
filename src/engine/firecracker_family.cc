#include "engine/firecracker_family.h"

#include <fmt/format.h>

#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "engine/check_row.h"

namespace knaller::engine {
namespace {

constexpr char kFirecracker[] = "firecracker";

struct Numbers {
  int64_t major = 0;
  int64_t minor = 0;
};

// Of "10.0.0".
std::optional<Numbers> numbers_of(const std::string& version) {
  const auto parts = split(version, '.');
  if (parts.size() < 2) return std::nullopt;
  const auto major = parse_integer(parts[0], 0, 1 << 20);
  const auto minor = parse_integer(parts[1], 0, 1 << 20);
  if (!major || !minor) return std::nullopt;
  return Numbers{*major, *minor};
}

std::string or_unknown(const std::string& version) {
  return version.empty() ? "an unknown version" : printable(version);
}

class FirecrackerFamily : public EngineFamily {
 public:
  store::EngineType type() const override { return store::EngineType::kFirecracker; }
  std::string_view title() const override { return "Firecracker"; }

  std::string find(const Host& host, const std::string& path) const override {
    const std::string found = host.find(path.empty() ? kFirecracker : path);
    if (!found.empty()) return found;
    throw Error(
        Code::kNotFound,
        path.empty() ? "there is no 'firecracker' on PATH" : fmt::format("there is no engine '{}'", path),
        "install Firecracker (https://github.com/firecracker-microvm/firecracker/releases), or "
        "choose --engine qemu");
  }

  Fitness fitness(const Host& host) const override {
    if (host.find(kFirecracker).empty()) return {false, "there is no 'firecracker' on PATH"};
    const KvmStatus kvm = host.kvm();
    return {kvm.usable, kvm.reason};
  }

  std::string_view calls_itself() const override { return "Firecracker"; }

  EngineFacts facts_in(std::string_view said, const std::string& binary) const override {
    return {.type = type(),
            .version = firecracker::version_in(said, binary),
            .state_version = {},
            .backend_version = {},
            .files = {}};
  }

  std::string backend(const Host&) const override { return {}; }

  CheckRow doctor_row(const Host& host, const Deadline& deadline) const override {
    const std::string name(title());
    const std::string binary = host.find(kFirecracker);
    const std::string remedy = "install it from https://github.com/firecracker-microvm/firecracker/releases";
    if (binary.empty())
      return doubtful(name, "there is no 'firecracker' on PATH; VMs run on QEMU, which uses KVM where it can",
                      remedy);
    try {
      return passed(name,
                    fmt::format("{} ({})", firecracker::query_version(binary, deadline).text(), binary));
    } catch (const Error& error) {
      return failed(name, error.what(), remedy);
    }
  }

  void add_files(ProgramFiles&) const override {}
  bool is_shown_kvm(const Host&) const override { return true; }
  CallFilter call_filter() const override { return CallFilter::kFirecracker; }
  uint64_t overhead_mib() const override { return 128; }
  bool limits_network() const override { return true; }
  bool needs_pvh_kernel() const override { return false; }

  // It says nothing that the record does not have, so the state is not read. Snapshots of the Go program's
  // have no processor.
  StateNeeds needs_of(const store::SnapshotRecord& record, const std::function<std::string()>&,
                      const EngineFacts& here, const Host&) const override {
    return {firecracker_state_row({record.state_version, record.engine_version},
                                  {here.state_version, here.version.text()}),
            record.cpu.vendor.empty() ? StateNeeds::Processor::kUnknown : StateNeeds::Processor::kHosts,
            record.tsc_khz};
  }

  std::string_view where_states_load() const override {
    return "start it on a host with Firecracker and KVM";
  }
};

}  // namespace

const EngineFamily& firecracker_family() {
  static const FirecrackerFamily family;
  return family;
}

CheckRow firecracker_state_row(const StateOrigin& there, const StateOrigin& here) {
  const std::string name = "state version";
  const auto written = numbers_of(there.version);
  const auto read = numbers_of(here.version);
  if (written && read) {
    const std::string detail =
        fmt::format("the state is of version {} (Firecracker {}), Firecracker {} reads {}", there.version,
                    or_unknown(there.engine_version), here.engine_version, here.version);
    if (written->major == read->major && written->minor <= read->minor) return passed(name, detail);
    return refused(name, Code::kUnsupported, detail,
                   fmt::format("name a Firecracker {} with --engine PATH", or_unknown(there.engine_version)));
  }
  if (there.engine_version.empty())
    return doubtful(name, "the snapshot does not say which Firecracker wrote it; the engine decides");
  if (there.engine_version == here.engine_version)
    return passed(name, fmt::format("written and read by Firecracker {}", here.engine_version));
  return judged(name, Code::kUnsupported,
                fmt::format("written by Firecracker {}, and whether {} reads it is not known",
                            printable(there.engine_version), here.engine_version),
                fmt::format("name a Firecracker {} with --engine PATH", printable(there.engine_version)));
}

}  // namespace knaller::engine
