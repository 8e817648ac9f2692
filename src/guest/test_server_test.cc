#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "guest/test_server.h"

namespace knaller::guest {
namespace {

// $1: the test's folder, with the keys, and with what is to lie over /usr/bin/tar and /usr/lib if the test
// wants that; the rest: what to execute.
constexpr const char* kOpenSshScript = R"(set -e
mount -t tmpfs -o mode=755 none /run; mkdir /run/sshd
mount -t tmpfs -o mode=700 none /root
[ ! -e "$1/tar" ] || mount --bind "$1/tar" /usr/bin/tar
[ ! -e "$1/lib" ] || mount -t overlay -o "lowerdir=$1/lib:/usr/lib" none /usr/lib
shift; exec "$@")";
constexpr const char* kDropbearScript = R"(set -e
mount -t tmpfs -o mode=700 none /root; mkdir -m 700 /root/.ssh
cp "$1/authorized_keys" /root/.ssh/authorized_keys
mount --bind "$1/passwd" /etc/passwd
for tool in tar readlink; do mount --bind /usr/bin/busybox /usr/bin/$tool; done
# busybox's shell would take its own tar.
if [ -e "$1/tar" ]; then mount --bind "$1/tar" /usr/bin/tar; else mount --bind /usr/bin/busybox /usr/bin/dash; fi
[ ! -e "$1/lib" ] || mount -t overlay -o "lowerdir=$1/lib:/usr/lib" none /usr/lib
shift; exec "$@")";

void run(const std::vector<std::string>& argv) {
  SpawnOptions options;
  options.argv = argv;
  run_checked(options, Deadline::after(std::chrono::seconds(20)));
}

}  // namespace

std::string why_no_server(ServerKind kind) {
  if (::geteuid() != 0) return "SSH servers for tests need root, for mount namespaces of their own";
  const std::vector<std::string> openssh{"/usr/sbin/sshd"};
  const std::vector<std::string> dropbear{"/usr/sbin/dropbear", "/usr/bin/dropbearkey", "/usr/bin/busybox"};
  for (const auto& program : kind == ServerKind::kOpenSsh ? openssh : dropbear)
    if (!exists(program)) return program + " is not installed";
  return {};
}

Listener::Listener(std::function<void(UniqueFd)> serve) : serve_(std::move(serve)) {
  socket_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) fail_errno("bind");
  if (::listen(socket_.get(), 16) != 0) fail_errno("listen");
  ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  thread_ = std::jthread([this](const std::stop_token& stop) { accept_all(stop); });
}

Listener::~Listener() = default;

void Listener::accept_all(const std::stop_token& stop) {
  const auto deadline = Deadline::never(stop);
  try {
    while (true) {
      poll_until(socket_.get(), POLLIN, deadline);
      UniqueFd connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      // As servers set it on what they accept themselves.
      const int on = 1;
      ::setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      if (connection) serve_(std::move(connection));
    }
  } catch (const Error& error) {
    if (error.code() != Code::kCancelled) ADD_FAILURE() << error.what();
  }
}

TestServer::TestServer(ServerKind kind)
    : kind_(kind), listener_([this](UniqueFd connection) { serve(std::move(connection)); }) {
  prepare_keys();
}

void TestServer::prepare_keys() {
  const auto write = [&](const char* name, const std::string& text) {
    write_file_atomically(folder_.fd(), name, text, Durability::kNoSync);
  };
  const auto key = make_ed25519_key("test");
  write("key", key.private_key);
  write("authorized_keys", key.public_line + "\n");
  write("host_key", make_ed25519_key("host").private_key);
  if (kind_ == ServerKind::kDropbear)
    run({"/usr/bin/dropbearkey", "-t", "ed25519", "-f", folder_.path("dropbear_key")});
  std::string passwd = read_file("/etc/passwd");
  const size_t end = passwd.find('\n');
  write("passwd", "root:x:0:0:root:/root:/bin/sh" + passwd.substr(end));
  run({"/usr/bin/chmod", "644", folder_.path("passwd")});
  write("sshd_config",
        fmt::format("HostKey {0}/host_key\nAuthorizedKeysFile {0}/authorized_keys\nStrictModes no\n"
                    "PermitRootLogin yes\nUsePAM no\nPidFile none\nPasswordAuthentication no\n",
                    folder_.path()));
}

std::vector<std::string> TestServer::server_argv() const {
  const bool is_openssh = kind_ == ServerKind::kOpenSsh;
  std::vector<std::string> argv{
      "/usr/bin/unshare", "--mount", "/bin/sh", "-c", is_openssh ? kOpenSshScript : kDropbearScript, "sh",
      folder_.path()};
  const std::vector<std::string> server =
      is_openssh ? std::vector<std::string>{"/usr/sbin/sshd", "-i", "-e", "-f", folder_.path("sshd_config")}
                 : std::vector<std::string>{"/usr/sbin/dropbear", "-i", "-r", folder_.path("dropbear_key")};
  argv.insert(argv.end(), server.begin(), server.end());
  return argv;
}

void TestServer::serve(UniqueFd connection) {
  const UniqueFd log = open_at(folder_.fd(), "log", O_WRONLY | O_CREAT | O_APPEND);
  SpawnOptions options;
  options.argv = server_argv();
  options.stdin_fd = connection.get();
  options.stdout_fd = connection.get();
  options.stderr_fd = log.get();
  Child server = spawn(options);
  const std::lock_guard lock(mutex_);
  servers_.push_back(std::move(server));
}

Address TestServer::address() const {
  return {.host = "127.0.0.1",
          .port = listener_.port(),
          .user = "root",
          .key_file = folder_.path("key"),
          .known_hosts_file = folder_.path("known_hosts"),
          .host_alias = "guest"};
}

std::string TestServer::log() const {
  return read_file_if_exists(folder_.fd(), "log").value_or("");
}

void TestServer::kill_all() {
  const std::lock_guard lock(mutex_);
  servers_.clear();
}

}  // namespace knaller::guest
