#include "guest/signal_sender.h"

#include "base/error.h"

namespace knaller::guest {
namespace {

using namespace std::chrono_literals;

// The server's process for this connection ($PPID) is the parent of all its commands, each of which leads a
// process group.
std::string kill_siblings(int number) {
  return fmt::format(
      "for status in /proc/[0-9]*/status; do pid=${{status#/proc/}}; pid=${{pid%/status}}; [ \"$pid\" = $$ ] "
      "|| "
      "while read -r key value; do if [ \"$key\" = PPid: ]; then "
      "[ \"$value\" != \"$PPID\" ] || kill -{} -\"$pid\"; break; fi; done <\"$status\"; done 2>/dev/null",
      number);
}

}  // namespace

SignalSender::SignalSender(Channel& channel, std::stop_token stop)
    : channel_(channel), stop_(std::move(stop)) {
  const char* banner = libssh().ssh_get_serverbanner(channel.link().session());
  by_command_ = banner != nullptr && std::string_view(banner).find("OpenSSH") != std::string_view::npos;
}

void SignalSender::send(int number) {
  if (!by_command_) {
    channel_.send_signal(number);
    return;
  }
  const auto deadline = Deadline::after(5s, stop_);
  const size_t before = commands_.size();
  try {
    commands_.emplace_back(channel_.link(), deadline);
    commands_.back().execute(kill_siblings(number), deadline);
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled) throw;
    // The server allows no second command, or the guest is too busy for one: the first goes on without the
    // signal. If it is the connection that has ended, the first one's next step says so.
    if (commands_.size() > before) commands_.pop_back();
  }
}

void SignalSender::tidy() {
  commands_.remove_if([](const Channel& command) { return command.ended(); });
}

}  // namespace knaller::guest
