// QEMU's control protocol (QMP) over a connected socket: one command at a time, its answer awaited.
//
// Not thread-safe. QEMU's end of file, and anything that is not QMP, is kEngineDied; a command that QEMU
// refuses is kEngineRefused with QEMU's words.
#ifndef KNALLER_QEMU_QMP_H_
#define KNALLER_QEMU_QMP_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/deadline.h"
#include "base/fd.h"

namespace knaller::qemu {

class Qmp {
 public:
  explicit Qmp(UniqueFd socket) : socket_(std::move(socket)) {}

  // Reads the greeting and leaves negotiation mode. Call it before anything else.
  void greet(const Deadline& deadline);
  const std::string& version() const { return version_; }  // "7.2.22"

  // Returns what QEMU returned. `passed_fd` goes along with the command (getfd, add-fd).
  nlohmann::json execute(const std::string& command, const nlohmann::json& arguments,
                         const Deadline& deadline, int passed_fd = -1);
  // Waits until the migration that was started last has ended, either way. Needs the capability "events".
  void await_migration(const Deadline& deadline);

  // Takes in events that are there, without waiting. False: QEMU has closed the connection.
  bool drain();
  int fd() const { return socket_.get(); }
  // Why the guest ended ("guest-reset", "guest-shutdown", …); empty while it has not.
  const std::string& shutdown_reason() const { return shutdown_reason_; }

 private:
  nlohmann::json next_message(const Deadline& deadline);
  bool next_line(std::string& line, const Deadline& deadline);
  void note_event(const nlohmann::json& event);
  void send(const std::string& text, int passed_fd, const Deadline& deadline);

  UniqueFd socket_;
  std::string buffer_;
  std::string version_;
  std::string migration_status_;
  std::string shutdown_reason_;
};

}  // namespace knaller::qemu

#endif  // KNALLER_QEMU_QMP_H_
