#include "net/pasta.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "net/ports.h"

namespace knaller::net {
namespace {

constexpr size_t kLastWords = 4096;
constexpr const char* kInstallHint = "install it with: sudo apt install passt";

// As pasta takes it and repeats it in its errors: "127.0.0.1/8080:80" for TCP. For UDP the port stays what it
// is, "…/8080:8080", and the packet filter changes it: Debian's pasta (2023-03-09) sends answers from the
// host socket that has the namespace's number, so a changed number loses every answer to the host's loopback.
std::string port_specification(const PortForward& port) {
  const uint16_t inside = port.protocol == Protocol::kTcp ? port.guest : port.host;
  return fmt::format("{}/{}:{}", port.address, port.host, inside);
}

void add_ports(std::vector<std::string>& arguments, const Plan& plan, Protocol protocol) {
  const std::string option = protocol == Protocol::kTcp ? "-t" : "-u";
  bool any = false;
  for (const auto& port : plan.ports) {
    if (port.protocol != protocol) continue;
    arguments.insert(arguments.end(), {option, port_specification(port)});
    any = true;
  }
  if (!any) arguments.insert(arguments.end(), {option, "none"});
}

// Standard error must never make pasta wait for a reader, nor kill it with SIGPIPE.
void never_block(const UniqueFd& fd) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0)
    fail_errno("prepare pasta's standard error");
}

}  // namespace

std::vector<std::string> pasta_arguments(const PastaOptions& options, pid_t holder, bool as_root) {
  const Plan& plan = options.plan;
  // Without `-T none -U none` and `--no-map-gw` the namespace would reach the host's loopback. With a
  // constant address, gateway and `lo` as the template, nothing of the host's network shows in the namespace,
  // and none is needed.
  std::vector<std::string> arguments = {options.binary,
                                        "-f",
                                        "-q",
                                        "-4",
                                        "--config-net",
                                        "--no-map-gw",
                                        "-T",
                                        "none",
                                        "-U",
                                        "none",
                                        "--no-dhcp",
                                        "--no-dhcpv6",
                                        "--no-ndp",
                                        "--no-ra",
                                        "-i",
                                        "lo",
                                        "-I",
                                        kPastaDevice,
                                        "--ns-mac-addr",
                                        kPastaDeviceMac,
                                        "-M",
                                        kPastaMac,
                                        "-a",
                                        kPastaAddress,
                                        "-n",
                                        std::to_string(kPastaPrefix),
                                        "-g",
                                        kPastaGateway,
                                        "--dns",
                                        "none",  // the monitor answers the guest's queries
                                        "--pid",
                                        "/proc/self/fd/1"};  // small systems have no /dev/stdout
  // As root it would become "nobody", whom the namespace does not know.
  if (as_root) arguments.insert(arguments.end(), {"--runas", "0"});
  add_ports(arguments, plan, Protocol::kTcp);
  add_ports(arguments, plan, Protocol::kUdp);
  arguments.insert(arguments.end(), {"--userns", fmt::format("/proc/{}/ns/user", holder),  //
                                     "--netns", fmt::format("/proc/{}/ns/net", holder)});
  return arguments;
}

Pasta Pasta::start(const PastaOptions& options, const VmNamespaces& namespaces) {
  check_plan(options.plan);
  PastaOptions found = options;
  if (found.binary.empty()) found.binary = find_program("pasta");
  if (found.binary.empty())
    throw Error(Code::kNotFound, "no pasta on PATH: it carries a VM's network", kInstallHint);
  Pipe output = make_pipe();
  Pipe errors = make_pipe();
  never_block(output.read_end);
  never_block(errors.read_end);
  never_block(errors.write_end);
  // pasta opens namespaces by path, as an older one may, and a newer one closes what it inherits. A path that
  // leads through another process's descriptors is refused to root's pasta, which gives up its capabilities
  // first.
  Child holder = namespaces.hold_open();
  SpawnOptions spawn_options;
  spawn_options.argv = pasta_arguments(found, holder.pid(), ::geteuid() == 0);
  spawn_options.stdout_fd = output.write_end.get();
  spawn_options.stderr_fd = errors.write_end.get();
  try {
    return Pasta(std::move(holder), spawn(spawn_options), std::move(output.read_end),
                 std::move(errors.read_end), found.plan);
  } catch (Error& error) {
    if (error.code() == Code::kNotFound) error.with_hint(kInstallHint);
    throw;
  }
}

bool Pasta::take_answer() {
  char piece[64];
  ssize_t length = 0;
  while (buffer_.find('\n') == std::string::npos) {
    length = ::read(output_.get(), piece, sizeof piece);
    if (length < 0 && errno == EAGAIN) return false;
    if (length < 0 && errno != EINTR) fail_errno("read pasta's pid");
    if (length == 0 || buffer_.size() > sizeof piece) throw_failure();
    if (length > 0) buffer_.append(piece, static_cast<size_t>(length));
  }
  holder_.kill_and_reap();
  return true;
}

void Pasta::wait_ready(const Deadline& deadline) {
  do {
    wait_readable(output_.get(), deadline, "pasta to set up the VM's network");
  } while (!take_answer());
}

// A pasta that closed its output is ending, and how it ends is worth a moment.
void Pasta::throw_failure() {
  const auto status = child_.wait(Deadline::after(std::chrono::seconds(1)));
  child_.kill_and_reap();
  const std::string words = last_words();
  for (const auto& port : plan_.ports) {
    if (words.find(port_specification(port) + "'") == std::string::npos) continue;
    Error error = port_refused(port, bind_error(port));
    if (error.code() == Code::kBusy) taken_port_ = port.host;
    throw error;
  }
  const std::string how = status ? status->describe() : "it closed its output";
  if (words.find("tun") != std::string::npos) {
    throw Error(Code::kPermission, fmt::format("pasta cannot open /dev/net/tun: {}", words),
                "allow it with: sudo chmod 0666 /dev/net/tun (or load the driver: sudo modprobe tun)");
  }
  throw Error(Code::kIo,
              fmt::format("pasta failed ({}): {}", how, words.empty() ? "it said nothing" : words));
}

std::string Pasta::last_words() {
  std::string words;
  char piece[1024];
  for (ssize_t length; (length = ::read(errors_.get(), piece, sizeof piece)) > 0;) {
    words.append(piece, static_cast<size_t>(length));
    if (words.size() > kLastWords) words.erase(0, words.size() - kLastWords);
  }
  // Where the host has no system log, Debian's pasta complains about that on every line.
  std::string kept;
  for (const std::string_view line : split(words, '\n')) {
    const std::string_view text = trim(line);
    if (text.empty() || text.find("to syslog") != std::string_view::npos) continue;
    kept += (kept.empty() ? "" : "; ") + printable(text);
  }
  return kept;
}

}  // namespace knaller::net
