// One command in the guest, as SSH sees it: its input, output, error output, terminal, signals and end. Never
// waits except where a deadline is taken. Internal to this folder; include in .cc files only.
#ifndef KNALLER_GUEST_CHANNEL_H_
#define KNALLER_GUEST_CHANNEL_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/deadline.h"
#include "guest/libssh_types.h"
#include "guest/link.h"
#include "guest/packet_size.h"
#include "knaller/manager.h"

namespace knaller::guest {

enum class Stream { kOutput, kError };

class Channel {
 public:
  Channel(Link& link, const Deadline& deadline);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel();

  void request_terminal(const std::string& kind, int columns, int rows, const Deadline& deadline);
  void execute(const std::string& command_line, const Deadline& deadline);

  Link& link() { return link_; }
  std::optional<uint32_t> packet_size() const { return packet_size_; }
  // Throws kIo when the peer sends more than it was allowed to.
  void pump();
  // Something came in since pump(): libssh looks for more whenever it is asked what there is. Whoever then
  // waits for the connection to be readable would wait for what is already here.
  bool has_news() const { return news_; }

  // How much of `data` was taken; 0 while the peer or the connection takes no more.
  size_t write_some(std::string_view data);
  bool takes_input() const;
  void send_eof();
  // 0 when nothing is there now.
  size_t read_some(Stream stream, char* buffer, size_t size);

  void send_signal(int number);
  void resize(int columns, int rows);

  // The command has ended, or the connection, and all that was sent has been read.
  bool ended() const;
  // After ended(). Throws kIo when the end came without an exit status.
  ExecResult result() const;

 private:
  static int on_data(ssh_session, ssh_channel, void* data, uint32_t size, int is_error, void* self);
  static int on_window(ssh_session, ssh_channel, uint32_t bytes, void* self);
  static void on_close(ssh_session, ssh_channel, void* self);
  static void on_exit_status(ssh_session, ssh_channel, int status, void* self);
  static void on_exit_signal(ssh_session, ssh_channel, const char* name, int core, const char* text,
                             const char* language, void* self);
  void open(const Deadline& deadline);
  int unread(Stream stream) const;

  Link& link_;
  ssh_channel_callbacks_struct callbacks_{};
  ChannelHandle channel_;
  bool eof_sent_ = false;
  bool news_ = false;
  bool closed_ = false;  // by the peer, in good order
  std::optional<uint32_t> packet_size_;
  std::optional<ExecResult> result_;
};

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_CHANNEL_H_
