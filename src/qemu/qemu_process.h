// The QEMU process below knaller-qemu: starting it, its last words, its end.
#ifndef KNALLER_QEMU_QEMU_PROCESS_H_
#define KNALLER_QEMU_QEMU_PROCESS_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/process.h"
#include "qemu/qmp.h"

namespace knaller::qemu {

// Which descriptors QEMU gets, under which numbers.
class Descriptors {
 public:
  // What was inherited keeps its numbers.
  explicit Descriptors(const std::vector<int>& inherited);
  // Keeps `ours` open until QEMU has been started. Returns QEMU's number for it.
  int add(UniqueFd ours);
  const std::vector<std::pair<int, int>>& pairs() const { return pairs_; }

 private:
  std::vector<std::pair<int, int>> pairs_;  // {ours, QEMU's}
  std::vector<UniqueFd> owned_;
  int next_ = 3;
};

class QemuProcess {
 public:
  struct Options {
    std::vector<std::string> arguments;
    Descriptors descriptors;
    UniqueFd control;            // our end of the socket whose other end QEMU inherits
    int console_fd = 1;          // ours; becomes QEMU's standard output
    int private_memory_fd = -1;  // QEMU's number of the memory file to be mapped privately; -1: none
    std::function<void(std::string_view line)> on_stderr;
  };
  // Starts QEMU and shakes hands. When that fails, the error carries QEMU's own words.
  static QemuProcess start(Options options, const Deadline& deadline);

  Qmp& qmp() { return qmp_; }
  pid_t pid() const { return child_.pid(); }

  // For an event loop: what may be readable, and what to do then.
  int pidfd() const { return child_.pidfd(); }
  int stderr_fd() const { return stderr_.get(); }
  void read_stderr();
  // Not before pidfd() is readable, or after QMP ended. Reads what is left.
  ExitStatus finish();
  // QEMU's last lines on standard error, joined into one.
  std::string last_words();

 private:
  QemuProcess(Child child, UniqueFd control, UniqueFd errors,
              std::function<void(std::string_view)> on_stderr);

  Child child_;
  Qmp qmp_;
  UniqueFd stderr_;
  std::function<void(std::string_view)> on_stderr_;
  std::string partial_line_;
  std::string tail_;
};

// The descriptors above standard error that this process was started with. They are QEMU's to keep too: a
// lock that tells others that the VM is alive must be held until QEMU is gone. Call it before anything is
// opened.
std::vector<int> inherited_descriptors();

}  // namespace knaller::qemu

#endif  // KNALLER_QEMU_QEMU_PROCESS_H_
