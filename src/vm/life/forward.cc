#include "vm/life/forward.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <list>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/poller.h"
#include "channel/pump.h"
#include "entry/connect.h"
#include "net/ports.h"
#include "vm/life/enter.h"
#include "vm/life/list.h"

namespace knaller::vm {
namespace {

constexpr std::chrono::seconds kPortPatience{10};
// Of one command; those beyond it wait in the kernel's queue.
constexpr size_t kMostConnections = 256;

// What threads have to say, for the one that may say it.
class Notes {
 public:
  void add(std::string text) {
    const std::scoped_lock lock(mutex_);
    if (texts_.size() < kMost) texts_.push_back(std::move(text));
  }
  std::list<std::string> take() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(texts_, {});
  }

 private:
  static constexpr size_t kMost = 16;
  std::mutex mutex_;
  std::list<std::string> texts_;
};

class Forwarding {
 public:
  Forwarding(const Context& context, const ForwardOptions& options)
      : context_(context), options_(options), ended_(make_pipe()) {
    for (const PortForward& port : options.ports) listen(port);
  }

  [[noreturn]] void run() {
    Poller poller(options_.stop);
    while (true) {
      std::vector<pollfd> entries{{ended_.read_end.get(), POLLIN, 0}};
      const short wanted = connections_.size() < kMostConnections ? POLLIN : 0;
      for (const Listener& one : listeners_) entries.push_back({one.socket.get(), wanted, 0});
      poller.wait(entries, Deadline::never(options_.stop));
      if (entries[0].revents != 0) reap();
      for (size_t i = 0; i < listeners_.size(); ++i)
        if (entries[i + 1].revents != 0) accept(listeners_[i]);
    }
  }

 private:
  struct Listener {
    UniqueFd socket;
    PortForward port;
  };
  struct Connection {
    std::atomic<bool> over = false;
    std::jthread thread;
  };

  void listen(PortForward port) {
    if (port.protocol != Protocol::kTcp)
      throw Error(Code::kUnsupported, "only TCP ports can be forwarded while a VM runs",
                  "forward a UDP port when it starts: --port HOST:GUEST/udp");
    UniqueFd socket = net::listen_on(port);
    if (options_.on_listening) options_.on_listening(port);
    listeners_.push_back({std::move(socket), port});
  }

  void accept(const Listener& listener) {
    UniqueFd client(::accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client) return pause_without_descriptors();
    const int on = 1;
    ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Connection& connection = connections_.emplace_back();
    connection.thread = std::jthread([this, &connection, guest = listener.port.guest,
                                      client = std::move(client)](const std::stop_token& stop) {
      serve(client.get(), guest, stop);
      connection.over = true;
      write_without_sigpipe(ended_.write_end.get(), "x");
    });
  }

  // The connection stays in the queue, and poll(2) would tell of it again at once.
  void pause_without_descriptors() const {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
      pause_for(std::chrono::milliseconds(100), Deadline::never(options_.stop));
  }

  void serve(int client, uint16_t port, const std::stop_token& stop) {
    try {
      entry::RawLink link = open_port(context_, options_.vm, port, Deadline::after(kPortPatience, stop));
      entry::relay(link, client, client, stop);
    } catch (const Error& error) {
      channel::reset_at_close(client);
      if (error.code() != Code::kCancelled) notes_.add(error.what());
    }
  }

  void reap() {
    char buffer[256];
    [[maybe_unused]] const ssize_t got = ::read(ended_.read_end.get(), buffer, sizeof buffer);
    connections_.remove_if([](const Connection& one) { return one.over.load(); });
    for (const std::string& text : notes_.take()) context_.note(text);
  }

  const Context& context_;
  const ForwardOptions& options_;
  Pipe ended_;  // a byte for each connection that is over
  Notes notes_;
  std::vector<Listener> listeners_;
  std::list<Connection> connections_;  // last: its threads use the others
};

}  // namespace

void forward_ports(const Context& context, const ForwardOptions& options) {
  if (options.ports.empty()) fail(Code::kInvalidArgument, "there is no port to forward");
  require_agent(context, options.vm);
  Forwarding(context, options).run();
}

}  // namespace knaller::vm
