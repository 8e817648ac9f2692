// The Go program (github.com/benben/knaller), which knaller re-implements, at the same work on the same
// engine.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/process.h"

namespace knaller::bench {

// Its home is a folder of its own, and its VMs end with the object.
class GoProgram {
 public:
  // Why it can't be measured here; empty when it can.
  static std::string reason_to_skip();

  GoProgram(std::string folder, std::string engine_binary);

  // Milliseconds until it says that the VM is there.
  double start(const std::string& name, const std::vector<std::string>& options);
  double restore(const std::string& name, const std::string& snapshot);
  struct Snapshot {
    std::string id;
    double took = 0;  // milliseconds, of the whole command
    double sync = 0;  // and until all of it is on the disk, which it leaves to whoever needs that
  };
  Snapshot snapshot(const std::string& vm) const;
  void remove_snapshot(const std::string& id) const;
  void kill(const std::string& name);

 private:
  void sync_snapshot(const std::string& id) const;
  SpawnOptions command(std::vector<std::string> words) const;

  std::string folder_;
  std::string engine_;
  struct Running {
    Child process;
    UniqueFd output;  // kept: writing to nobody would end it
  };
  std::map<std::string, Running> vms_;
};

}  // namespace knaller::bench
