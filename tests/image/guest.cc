#include "guest.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <x86intrin.h>

#include <array>

#include "base/error.h"
#include "base/file.h"
#include "base/socket.h"
#include "image/kernel_args.h"

namespace knaller::image {
namespace {

constexpr int kControlFd = 3;

// Without it the cloud kernel hangs when it measures its clock under emulation.
uint64_t host_tsc_khz() {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  const uint64_t first = __rdtsc();
  while (Clock::now() - begin < std::chrono::milliseconds(20)) {
  }
  const uint64_t ticks = __rdtsc() - first;
  return ticks * 1'000'000 / static_cast<uint64_t>(std::chrono::nanoseconds(Clock::now() - begin).count());
}

// Taken by QEMU a moment later; in between it may be lost to somebody else, who would have to hit one in 28
// 000.
uint16_t free_port() {
  const UniqueFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (::bind(probe.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    fail_errno("find a free port");
  return ntohs(address.sin_port);
}

std::string make_key(const std::string& folder) {
  const std::string path = folder + "/key";
  if (exists(path)) return path;
  SpawnOptions options;
  options.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path};
  options.search_path = true;
  run_checked(std::move(options), Deadline::after(std::chrono::minutes(1)));
  return path;
}

std::vector<std::string> qemu_command(const Image& image, const GuestOptions& options,
                                      const std::string& kernel_arguments, uint16_t port) {
  std::vector<std::string> argv = {"qemu-system-x86_64",
                                   "-nodefaults",
                                   "-no-user-config",
                                   "-display",
                                   "none",
                                   "-no-reboot",
                                   "-machine",
                                   "microvm,acpi=on",
                                   "-accel",
                                   "tcg,thread=multi",
                                   "-cpu",
                                   "max",
                                   "-m",
                                   "256",
                                   "-device",
                                   "i8042",
                                   "-kernel",
                                   image.kernel,
                                   "-initrd",
                                   image.initramfs,
                                   "-append",
                                   kernel_arguments,
                                   "-drive",
                                   "id=a,format=raw,if=none,readonly=on,file=" + image.base,
                                   "-device",
                                   "virtio-blk-device,drive=a",
                                   "-drive",
                                   "id=b,format=raw,if=none,file=" + options.disk,
                                   "-device",
                                   "virtio-blk-device,drive=b",
                                   "-serial",
                                   "stdio",
                                   "-chardev",
                                   fmt::format("socket,id=q,fd={}", kControlFd),
                                   "-mon",
                                   "chardev=q,mode=control"};
  if (options.network) {
    argv.insert(argv.end(),
                {"-netdev", fmt::format("user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{}-:22", port),
                 "-device", "virtio-net-device,netdev=n"});
  }
  return argv;
}

}  // namespace

Guest::Guest(const Image& image, const GuestOptions& options)
    : key_file_(make_key(options.folder)), port_(free_port()), begin_(std::chrono::steady_clock::now()) {
  KernelArgs args{.overlay = true,
                  .hostname = options.hostname,
                  .public_key = read_file(key_file_ + ".pub"),
                  .extra = fmt::format("mitigations=off tsc_early_khz={} root=/dev/vda ro {}", host_tsc_khz(),
                                       options.extra)};
  if (options.network) args.network = GuestNetwork{"10.0.2.15", 24, "10.0.2.2", "10.0.2.3"};
  Pipe console = make_pipe();
  auto [ours, theirs] = make_socket_pair();
  SpawnOptions spawn_options;
  spawn_options.argv = qemu_command(image, options, kernel_arguments(args), port_);
  spawn_options.search_path = true;
  spawn_options.stdout_fd = console.write_end.get();
  spawn_options.stderr_fd = console.write_end.get();
  spawn_options.descriptors = {{theirs.get(), kControlFd}};
  qemu_ = spawn(spawn_options);
  console_pipe_ = std::move(console.read_end);
  control_ = std::move(ours);
}

std::chrono::milliseconds Guest::since_start() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin_);
}

bool Guest::wait_for(const std::string& text, std::chrono::seconds patience) {
  const Deadline deadline = Deadline::after(patience);
  while (console_.find(text) == std::string::npos) {
    if (poll_until(console_pipe_.get(), POLLIN, deadline) == 0) break;
    std::array<char, 4096> buffer;
    const ssize_t count = ::read(console_pipe_.get(), buffer.data(), buffer.size());
    if (count <= 0) break;
    console_.append(buffer.data(), static_cast<size_t>(count));
  }
  const bool found = console_.find(text) != std::string::npos;
  EXPECT_TRUE(found) << "no '" << text << "' in:\n" << console_;
  return found;
}

void Guest::send(const std::string& request) {
  const Deadline deadline = Deadline::after(std::chrono::seconds(30));
  send_all(control_.get(), request + "\n", deadline, "QMP");
}

void Guest::press_ctrl_alt_del() {
  send(R"({"execute":"qmp_capabilities"})");
  send(
      R"({"execute":"send-key","arguments":{"keys":[{"type":"qcode","data":"ctrl"},{"type":"qcode","data":"alt"},)"
      R"({"type":"qcode","data":"delete"}]}})");
}

bool Guest::wait_for_end() {
  const Deadline deadline = Deadline::after(std::chrono::minutes(2));
  for (std::array<char, 4096> buffer;;) {
    if (poll_until(console_pipe_.get(), POLLIN, deadline) == 0) return false;
    const ssize_t count = ::read(console_pipe_.get(), buffer.data(), buffer.size());
    if (count <= 0) break;
    console_.append(buffer.data(), static_cast<size_t>(count));
  }
  return qemu_.wait(deadline).has_value();
}

std::string Guest::run(const std::string& command, const std::string& input, int* exit_code) {
  SpawnOptions options;
  options.argv = {"ssh",
                  "-F",
                  "/dev/null",
                  "-q",
                  "-i",
                  key_file_,
                  "-p",
                  std::to_string(port_),
                  "-o",
                  "BatchMode=yes",
                  "-o",
                  "StrictHostKeyChecking=no",
                  "-o",
                  "UserKnownHostsFile=/dev/null",
                  "-o",
                  "ConnectTimeout=60",
                  "root@127.0.0.1",
                  command};
  options.search_path = true;
  const ProgramOutput result =
      run_program(std::move(options), Deadline::after(std::chrono::minutes(2)), input);
  if (exit_code != nullptr) {
    *exit_code = result.status.value;
  } else {
    EXPECT_TRUE(result.status.success()) << command << ": " << result.status.describe() << '\n' << result.err;
  }
  return result.out;
}

}  // namespace knaller::image
