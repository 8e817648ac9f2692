// A command in the guest whose input we write and whose output we read, as with a pipe. Keeps the last 16 KiB
// of its error output. Every wait ends with the deadline or the stop token given at the start. Internal to
// this folder.
#ifndef KNALLER_GUEST_REMOTE_COMMAND_H_
#define KNALLER_GUEST_REMOTE_COMMAND_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "base/deadline.h"
#include "base/poller.h"
#include "guest/channel.h"
#include "guest/session.h"

namespace knaller::guest {

class RemoteCommand {
 public:
  RemoteCommand(Session& session, const std::string& command_line, const Deadline& deadline);

  // Returns when all was sent, or when the command has ended and takes no more. Output that comes meanwhile
  // is kept. False in the latter case.
  bool write(std::string_view data);
  void close_input();
  // 0 at the end of the output.
  size_t read(char* buffer, size_t size);
  bool ended() const { return channel_.ended(); }
  // Waits for the end. Output that nobody read is dropped; a command that goes on writing is kIo.
  ExecResult finish();
  const std::string& error_output() const { return error_output_; }

 private:
  // Waits for something to happen, then takes in the error output.
  void turn();
  void keep_error_output();
  void keep_output();

  Channel channel_;
  Deadline deadline_;
  Poller poller_;
  std::string output_;  // that came while we wrote
  std::string error_output_;
};

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_REMOTE_COMMAND_H_
