#include "agent/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "agent/connection.h"
#include "agent/loop.h"
#include "agent/session.h"
#include "channel/message.h"

namespace knaller::agent {
namespace {

constexpr size_t kMostConnections = 256;
constexpr size_t kMostSessions = 512;
// A session whose connection broke is kept so long for another one; a program that does not end when its
// client is gone is killed after that.
constexpr int kReattachMilliseconds = 5000;
constexpr int kKillMilliseconds = 2000;
// When the guest ends, how long its programs' last words may take to be heard.
constexpr int kLastWordsMilliseconds = 500;
constexpr int kDrainLookMilliseconds = 5;

std::string random_id() {
  std::string id(16, '\0');
  if (getrandom(id.data(), id.size(), 0) < 0) id.clear();
  return id;
}

class Server : public Sessions {
 public:
  Server(int listener, const Guest& guest) : listener_(listener), guest_(guest) {
    hello_.program = KNALLER_VERSION;
    hello_.run = random_id();
  }

  int run() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    signal(SIGPIPE, SIG_IGN);
    const int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signal_fd < 0 ||
        !loop_.watch(signal_fd, EPOLLIN, [this, signal_fd](uint32_t) { on_signal(signal_fd); }) ||
        !loop_.watch(listener_, EPOLLIN, [this](uint32_t) { accept_one(); }))
      return 1;
    loop_.run();
    return 0;
  }

  // --- Sessions

  void greet(const channel::Hello& hello) override {
    if (hello.vm.empty() || hello.vm == vm_) return;
    const bool is_clone = !vm_.empty();
    vm_ = hello.vm;
    if (!is_clone) return;
    // Their other ends are in another VM; nobody would ever tell them.
    for (const pid_t process : handed_over_) kill(process, SIGKILL);
    if (!hello.keep_sessions) end_all_sessions();
  }

  std::shared_ptr<Session> begin(channel::ExecRequest request, std::function<void()> on_change) override {
    if (sessions_.size() >= kMostSessions) forget_an_end();
    if (sessions_.size() >= kMostSessions || sessions_.contains(request.session)) return nullptr;
    const std::string id = request.session;
    auto& held = sessions_[id];
    held.session = std::make_shared<Session>(loop_, std::move(request), [this, id] { changed(id); });
    held.on_change = std::move(on_change);
    held.session->start(guest_);
    return held.session;
  }

  std::shared_ptr<Session> take_over(const std::string& id, std::function<void()> on_change) override {
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) return nullptr;
    for (const auto& connection : connections_) connection->lose(found->second.session.get());
    found->second.on_change = std::move(on_change);
    found->second.session->set_alone(false);
    return found->second.session;
  }

  void let_go(const std::shared_ptr<Session>& session, Parting parting) override {
    const auto found = sessions_.find(session->id());
    if (found == sessions_.end() || found->second.session != session) return;
    found->second.on_change = nullptr;
    session->set_alone(true);
    // Whoever detaches hears all that a short program says, and does not listen.
    const bool is_known = parting == Parting::kDone || !session->is_detached();
    if (session->is_told() && is_known) {
      forget(session->id());
    } else if (parting == Parting::kBroken) {
      loop_.after(kReattachMilliseconds, [this, id = session->id()] { end_unless_taken(id); });
    } else {
      end_unless_taken(session->id());
    }
  }

  std::vector<channel::SessionEntry> list() const override {
    std::vector<channel::SessionEntry> entries;
    for (const auto& [id, held] : sessions_) {
      entries.push_back(held.session->entry());
      entries.back().attached = held.on_change != nullptr;
    }
    return entries;
  }

  bool signal_session(const std::string& id, int number) override {
    const auto found = sessions_.find(id);
    if (found == sessions_.end() || found->second.session->pid() < 0) return false;
    found->second.session->signal(number);
    return true;
  }

  void handed_over(pid_t process) override { handed_over_.insert(process); }
  const Guest& guest() const override { return guest_; }

 private:
  struct Held {
    std::shared_ptr<Session> session;
    std::function<void()> on_change;  // none: no connection has it
  };

  void changed(const std::string& id) {
    const auto found = sessions_.find(id);
    if (found != sessions_.end() && found->second.on_change) found->second.on_change();
  }

  // Not at once: it may be the session that calls.
  void forget(const std::string& id) {
    loop_.after(0, [this, id] {
      const auto found = sessions_.find(id);
      if (found != sessions_.end() && !found->second.on_change) sessions_.erase(found);
    });
  }

  // Of a detached program that has ended, and whose end nobody has asked for.
  void forget_an_end() {
    for (auto held = sessions_.begin(); held != sessions_.end(); ++held) {
      if (held->second.on_change || !held->second.session->has_ended()) continue;
      sessions_.erase(held);
      return;
    }
  }

  // A client that is gone takes its program along, unless it was to be left.
  void end_unless_taken(const std::string& id) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end() || found->second.on_change) return;
    Session& session = *found->second.session;
    if (session.is_detached()) return;
    if (session.pid() < 0) return forget(id);
    session.signal(SIGHUP);
    session.signal(SIGCONT);
    loop_.after(kKillMilliseconds, [this, id] {
      const auto late = sessions_.find(id);
      if (late == sessions_.end() || late->second.on_change) return;
      late->second.session->signal(SIGKILL);
    });
  }

  void end_all_sessions() {
    for (auto& [id, held] : sessions_) {
      for (const auto& connection : connections_) connection->lose(held.session.get());
      held.on_change = nullptr;
      held.session->set_alone(true);
    }
    for (const auto& [id, held] : std::map(sessions_)) end_unless_taken(id);
  }

  void accept_one() {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0) return wait_for_descriptors();
    const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connections_.size() + handed_over_.size() >= kMostConnections) {
      close(socket);
      return;
    }
    const auto place = connections_.emplace(connections_.end());
    *place = std::make_unique<Connection>(loop_, socket, *this, hello_,
                                          [this, place] { connections_.erase(place); });
  }

  // The connection that could not be taken stays where it is; without this, the loop would be told of it
  // again at once.
  void wait_for_descriptors() {
    if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS) return;
    loop_.change(listener_, 0);
    loop_.after(100, [this] { loop_.change(listener_, EPOLLIN); });
  }

  void on_signal(int fd) {
    signalfd_siginfo info{};
    while (read(fd, &info, sizeof info) == sizeof info)
      if (info.ssi_signo == SIGTERM && info.ssi_pid == kInit) drain();
    int status = 0;
    for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) on_exit(pid, status);
  }

  void on_exit(pid_t pid, int status) {
    if (handed_over_.erase(pid) != 0) return;
    for (auto& [id, held] : sessions_) {
      if (held.session->pid() != pid) continue;
      held.session->on_exit(status);
      if (!held.on_change && !held.session->is_detached()) forget(id);
      return;
    }
  }

  // The guest ends, and its init has told every process. Init waits for the keeper, which waits for this,
  // which waits for the programs.
  void drain() {
    if (std::exchange(draining_, true)) return;
    loop_.forget(listener_);
    stop_when_drained();
  }

  void stop_when_drained() {
    const auto runs = [](const auto& held) { return held.second.session->pid() >= 0; };
    const auto is_heard = [](const auto& held) { return static_cast<bool>(held.second.on_change); };
    if (!std::ranges::any_of(sessions_, runs)) {
      if (!std::ranges::any_of(sessions_, is_heard)) return loop_.stop();
      if (!std::exchange(said_all_, true)) loop_.after(kLastWordsMilliseconds, [this] { loop_.stop(); });
    }
    loop_.after(kDrainLookMilliseconds, [this] { stop_when_drained(); });
  }

  int listener_;
  Guest guest_;
  Loop loop_;
  channel::Hello hello_;
  std::string vm_;
  bool draining_ = false;
  bool said_all_ = false;
  std::map<std::string, Held> sessions_;
  std::list<std::unique_ptr<Connection>> connections_;
  std::set<pid_t> handed_over_;
};

}  // namespace

int serve(int listener, const Guest& guest) {
  return Server(listener, guest).run();
}

}  // namespace knaller::agent
