// pasta, the program that carries a VM's connections: attached to the engine's network namespace, run in the
// foreground as a child of the monitor, and ended with it.
//
// It binds the forwarded ports itself, then makes `pasta0` in the namespace, then prints its pid: that line
// means ready. Not thread-safe. The thread that calls start() must live as long as pasta is to (parent-death
// signal).
#ifndef KNALLER_NET_PASTA_H_
#define KNALLER_NET_PASTA_H_

#include <optional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/process.h"
#include "net/plan.h"
#include "net/vm_namespaces.h"

namespace knaller::net {

struct PastaOptions {
  std::string binary;  // absolute; empty: found on PATH
  Plan plan;           // no host port 0 any more
};

// The full command line; pure. `holder` is a process in the namespaces that pasta is to join.
std::vector<std::string> pasta_arguments(const PastaOptions& options, pid_t holder, bool as_root);

class Pasta {
 public:
  // kNotFound, with the package to install, when there is no pasta.
  static Pasta start(const PastaOptions& options, const VmNamespaces& namespaces);

  // Readable when there is something for take_answer(). Not to be watched after that was true.
  int ready_fd() const { return output_.get(); }
  // Takes what pasta has said so far: true once all ports are bound, false as long as it says neither that
  // nor why not. Throws pasta's own words when it failed, after up to a second's wait for its end; a port
  // that is taken is kBusy, naming the port and, where it can be seen, its holder. After a failure pasta is
  // gone.
  bool take_answer();
  // Returns when take_answer() is true.
  void wait_ready(const Deadline& deadline);
  // The host port that take_answer() found taken.
  std::optional<uint16_t> taken_port() const { return taken_port_; }

  // Its pidfd is readable when pasta has ended.
  Child& child() { return child_; }
  // What it last said on its standard error, at most 4 KiB; never blocks.
  std::string last_words();

 private:
  Pasta(Child holder, Child child, UniqueFd output, UniqueFd errors, Plan plan)
      : holder_(std::move(holder)),
        child_(std::move(child)),
        output_(std::move(output)),
        errors_(std::move(errors)),
        plan_(std::move(plan)) {}

  [[noreturn]] void throw_failure();

  Child holder_;  // of the namespaces, until pasta has joined them
  Child child_;
  UniqueFd output_;
  UniqueFd errors_;
  Plan plan_;
  std::string buffer_;
  std::optional<uint16_t> taken_port_;
};

}  // namespace knaller::net

#endif  // KNALLER_NET_PASTA_H_
