#include "guest/channel.h"

#include <algorithm>
#include <new>

#include "base/error.h"
#include "guest/signals.h"

namespace knaller::guest {
namespace {

// libssh 0.10 opens its window to at most 1.28 MB (WINDOWBASE), but takes in whatever a peer sends beyond it.
constexpr int kMostUnread = 4 << 20;
// As shells report a command that a signal ended, where SSH has no name for the signal.
constexpr int kUnnamedSignalStatus = 128;
// MAX_CMD_LEN of its sources. It ends the connection over a longer one.
constexpr size_t kDropbearsMost = 9000;

}  // namespace

Channel::Channel(Link& link, const Deadline& deadline)
    : link_(link), channel_(libssh().ssh_channel_new(link.session())) {
  if (!channel_) throw std::bad_alloc();
  callbacks_.userdata = this;
  callbacks_.channel_data_function = on_data;
  callbacks_.channel_write_wontblock_function = on_window;
  callbacks_.channel_close_function = on_close;
  callbacks_.channel_exit_status_function = on_exit_status;
  callbacks_.channel_exit_signal_function = on_exit_signal;
  ssh_callbacks_init(&callbacks_);
  libssh().ssh_set_channel_callbacks(channel_.get(), &callbacks_);
  open(deadline);
}

Channel::~Channel() {
  libssh().ssh_remove_channel_callbacks(channel_.get(), &callbacks_);
}

void Channel::open(const Deadline& deadline) {
  const PacketSizeWatch watch;
  const int rc = link_.drive([&] { return libssh().ssh_channel_open_session(channel_.get()); }, SSH_AGAIN,
                             deadline, "the guest to open a channel");
  if (rc != SSH_OK) link_.fail_with("the guest opened no channel for a command");
  packet_size_ = watch.seen();
  check_packet_size(packet_size_);
}

void Channel::request_terminal(const std::string& kind, int columns, int rows, const Deadline& deadline) {
  const int rc = link_.drive(
      [&] { return libssh().ssh_channel_request_pty_size(channel_.get(), kind.c_str(), columns, rows); },
      SSH_AGAIN, deadline, "the guest to give a terminal");
  if (rc != SSH_OK) link_.fail_with("the guest gave no terminal");
}

void Channel::execute(const std::string& command_line, const Deadline& deadline) {
  const int rc =
      link_.drive([&] { return libssh().ssh_channel_request_exec(channel_.get(), command_line.c_str()); },
                  SSH_AGAIN, deadline, "the guest to start the command");
  if (rc == SSH_OK) return;
  const char* const banner = libssh().ssh_get_serverbanner(link_.session());
  if (command_line.size() > kDropbearsMost && banner != nullptr &&
      std::string_view(banner).find("dropbear") != std::string_view::npos)
    throw Error(
        Code::kIo, fmt::format("the guest's SSH server took no command of {} bytes", command_line.size()),
        fmt::format("dropbear takes at most {} bytes; copy longer ones in as a file", kDropbearsMost));
  if (link_.alive()) fail(Code::kIo, "the guest's SSH server refused to run the command");
  link_.fail_with("the connection to the guest ended as the command was started");
}

void Channel::pump() {
  // Once libssh has seen the end of a connection it gives out nothing more of what it holds.
  if (closed_) return;
  link_.pump();
  news_ = false;
  if (std::max(unread(Stream::kOutput), unread(Stream::kError)) > kMostUnread)
    fail(Code::kIo, "the guest ({}) sends more than it was allowed to", link_.where());
}

int Channel::unread(Stream stream) const {
  return std::max(0, libssh().ssh_channel_poll(channel_.get(), stream == Stream::kError ? 1 : 0));
}

bool Channel::takes_input() const {
  return !eof_sent_ && !link_.has_unsent() && libssh().ssh_channel_is_open(channel_.get()) != 0 &&
         libssh().ssh_channel_window_size(channel_.get()) > 0;
}

size_t Channel::write_some(std::string_view data) {
  if (data.empty() || !takes_input()) return 0;
  const size_t size = std::min<size_t>(data.size(), libssh().ssh_channel_window_size(channel_.get()));
  const int taken = libssh().ssh_channel_write(channel_.get(), data.data(), static_cast<uint32_t>(size));
  return taken > 0 ? static_cast<size_t>(taken) : 0;
}

void Channel::send_eof() {
  if (!std::exchange(eof_sent_, true)) libssh().ssh_channel_send_eof(channel_.get());
}

size_t Channel::read_some(Stream stream, char* buffer, size_t size) {
  if (unread(stream) == 0) return 0;
  const int got = libssh().ssh_channel_read_nonblocking(channel_.get(), buffer, static_cast<uint32_t>(size),
                                                        stream == Stream::kError ? 1 : 0);
  return got > 0 ? static_cast<size_t>(got) : 0;
}

void Channel::send_signal(int number) {
  const std::string_view name = signal_name(number);
  if (!name.empty() && libssh().ssh_channel_is_open(channel_.get()))
    libssh().ssh_channel_request_send_signal(channel_.get(), std::string(name).c_str());
}

void Channel::resize(int columns, int rows) {
  if (libssh().ssh_channel_is_open(channel_.get()))
    libssh().ssh_channel_change_pty_size(channel_.get(), columns, rows);
}

bool Channel::ended() const {
  if (!closed_) return !link_.alive();
  return unread(Stream::kOutput) == 0 && unread(Stream::kError) == 0;
}

ExecResult Channel::result() const {
  // A status without the close behind it: output may be missing.
  if (result_ && closed_) return *result_;
  if (!closed_) link_.fail_with("the connection to the guest ended before the command did");
  fail(Code::kIo, "the guest ({}) ended the command without telling its exit status", link_.where());
}

// Takes nothing: it stays with libssh until it is read.
int Channel::on_data(ssh_session, ssh_channel, void*, uint32_t, int, void* self) {
  static_cast<Channel*>(self)->news_ = true;
  return 0;
}

int Channel::on_window(ssh_session, ssh_channel, uint32_t, void* self) {
  static_cast<Channel*>(self)->news_ = true;
  return 0;
}

void Channel::on_close(ssh_session, ssh_channel, void* self) {
  static_cast<Channel*>(self)->closed_ = true;
}

void Channel::on_exit_status(ssh_session, ssh_channel, int status, void* self) {
  static_cast<Channel*>(self)->result_ = ExecResult{.exit_code = status & 0xff, .signal = 0};
}

void Channel::on_exit_signal(ssh_session, ssh_channel, const char* name, int, const char*, const char*,
                             void* self) {
  const auto number = signal_number(name);
  static_cast<Channel*>(self)->result_ = number ? ExecResult{.exit_code = 0, .signal = *number}
                                                : ExecResult{.exit_code = kUnnamedSignalStatus, .signal = 0};
}

}  // namespace knaller::guest
