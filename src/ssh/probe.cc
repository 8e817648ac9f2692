#include "ssh/probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/poller.h"
#include "base/text.h"

namespace knaller::ssh {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kOurBanner = "SSH-2.0-knaller\r\n";
// RFC 4253 lets a server say other lines before its banner; this is as much as is listened to.
constexpr size_t kMostBytesBeforeBanner = 4096;
constexpr auto kRetryPause = 4ms;
constexpr auto kAliveCheckEvery = 50ms;
// A connection that stays silent may be one whose first packet the guest never saw, or one to a guest that is
// slow. So it is kept while others are begun beside it. dropbear allows 5 of them from one address.
constexpr size_t kMostConnections = 3;
constexpr auto kLeastPatience = 250ms;
constexpr auto kMostPatience = 1000ms;

enum class Seen { kNothing, kRefused, kSilent, kClosed, kNotSsh };

class Attempt {
 public:
  enum class State { kWaiting, kReady, kOver };

  explicit Attempt(const sockaddr_in& address) : began_(Deadline::Clock::now()) {
    socket_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket_) fail_errno("make a socket");
    const int rc = ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    refused_ = rc != 0 && errno != EINPROGRESS;
  }

  State advance() {
    if (refused_) return over(Seen::kRefused);
    if (!spoke_) {
      const ssize_t sent = ::send(socket_.get(), kOurBanner.data(), kOurBanner.size(), MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN || errno == EINTR ? State::kWaiting : over(Seen::kRefused);
      spoke_ = true;
      seen_ = Seen::kSilent;
    }
    return listen();
  }

  pollfd poll_entry() const { return {socket_.get(), static_cast<short>(spoke_ ? POLLIN : POLLOUT), 0}; }
  Deadline::Clock::time_point began() const { return began_; }
  Seen seen() const { return seen_; }
  const std::string& heard() const { return heard_; }

 private:
  State over(Seen seen) {
    seen_ = seen;
    return State::kOver;
  }

  State listen() {
    char buffer[512];
    const ssize_t got = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return State::kWaiting;
    if (got <= 0) return over(heard_.empty() ? Seen::kClosed : Seen::kNotSsh);
    heard_.append(buffer, static_cast<size_t>(got));
    if (has_banner(heard_)) return State::kReady;
    return heard_.size() > kMostBytesBeforeBanner ? over(Seen::kNotSsh) : State::kWaiting;
  }

  UniqueFd socket_;
  Deadline::Clock::time_point began_;
  bool refused_ = false;
  bool spoke_ = false;
  Seen seen_ = Seen::kNothing;
  std::string heard_;
};

class Prober {
 public:
  Prober(const std::string& host, uint16_t port) : where_(fmt::format("{}:{}", host, port)) {
    address_.sin_family = AF_INET;
    address_.sin_port = htons(port);
    if (::inet_pton(AF_INET, host.c_str(), &address_.sin_addr) != 1)
      fail(Code::kInvalidArgument, "'{}' is not a numeric IPv4 address", printable(host));
  }

  void run(const Deadline& deadline, const std::function<void()>& alive_check) {
    Poller poller(deadline.stop());
    while (!deadline.expired()) {
      if (alive_check) alive_check();
      begin_when_due();
      if (advance_all()) return;
      wait(poller, deadline);
    }
    give_up();
  }

 private:
  void begin_when_due() {
    const auto now = Deadline::Clock::now();
    if (now < next_) return;
    if (attempts_.size() == kMostConnections) drop(attempts_.begin());
    if (!attempts_.empty()) patience_ = std::min<std::chrono::milliseconds>(patience_ * 2, kMostPatience);
    attempts_.emplace_back(address_);
    next_ = now + patience_;
  }

  bool advance_all() {
    for (auto attempt = attempts_.begin(); attempt != attempts_.end();) {
      const auto state = attempt->advance();
      if (state == Attempt::State::kReady) return true;
      if (state == Attempt::State::kWaiting) {
        ++attempt;
        continue;
      }
      attempt = drop(attempt);
      next_ = std::min(next_, Deadline::Clock::now() + kRetryPause);
    }
    return false;
  }

  std::deque<Attempt>::iterator drop(const std::deque<Attempt>::iterator& attempt) {
    seen_ = attempt->seen();
    if (!attempt->heard().empty()) heard_ = attempt->heard();
    return attempts_.erase(attempt);
  }

  void wait(Poller& poller, const Deadline& deadline) {
    std::vector<pollfd> entries;
    for (const auto& attempt : attempts_) entries.push_back(attempt.poll_entry());
    const auto until = std::min(next_, Deadline::Clock::now() + kAliveCheckEvery);
    poller.wait(entries, Deadline::at(std::min(until, deadline.when()), deadline.stop()));
  }

  [[noreturn]] void give_up() {
    // A connection that has only just begun says less than one that has ended.
    const auto long_ago = Deadline::Clock::now() - kLeastPatience;
    if (!attempts_.empty() && (seen_ == Seen::kNothing || attempts_.front().began() < long_ago))
      drop(attempts_.begin());
    fail(Code::kTimeout, "timed out waiting for the guest's SSH server on {}: {}", where_, describe());
  }

  std::string describe() const {
    switch (seen_) {
      case Seen::kRefused:
        return "nothing listens on that port";
      case Seen::kClosed:
        return "connections are accepted and closed without an answer (no SSH server runs in the guest)";
      case Seen::kNotSsh:
        return fmt::format("what answers is no SSH server: '{}'",
                           printable(std::string_view(heard_).substr(0, 80)));
      default:
        return "the port accepts connections but stays silent (the guest's network is not up)";
    }
  }

  std::string where_;
  sockaddr_in address_{};
  std::deque<Attempt> attempts_;
  Deadline::Clock::time_point next_{};
  std::chrono::milliseconds patience_ = kLeastPatience;
  Seen seen_ = Seen::kNothing;
  std::string heard_;
};

}  // namespace

bool has_banner(std::string_view heard) {
  const auto lines = split(heard, '\n');
  // The last piece has no newline yet.
  return std::any_of(lines.begin(), lines.end() - 1, [](std::string_view line) {
    return line.starts_with("SSH-2.0-") || line.starts_with("SSH-1.99-");
  });
}

void probe(const std::string& host, uint16_t port, const Deadline& deadline,
           const std::function<void()>& alive_check) {
  Prober(host, port).run(deadline, alive_check);
}

}  // namespace knaller::ssh
