#include "qemu/qemu_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "qemu/call_list.h"
#include "qemu/shim_image.h"

namespace knaller::qemu {
namespace {

constexpr size_t kTailSize = 4096;
constexpr int kMostDescriptors = 4096;

// The library that shim_*.c were made into, as a file that QEMU's loader can open.
UniqueFd make_shim_file() {
  UniqueFd file(::memfd_create("knaller-shim", MFD_CLOEXEC));
  if (!file) fail_errno("make a file in memory");
  write_all(file.get(), shim_image(), "the shim");
  return file;
}

std::string as_one_line(std::string_view text) {
  std::string line;
  for (const std::string_view part : split(trim(text), '\n')) {
    if (!line.empty()) line += "; ";
    line += printable(trim(part));
  }
  return line;
}

}  // namespace

Descriptors::Descriptors(const std::vector<int>& inherited) {
  for (const int fd : inherited) pairs_.emplace_back(fd, fd);
}

int Descriptors::add(UniqueFd ours) {
  const auto taken = [&](int number) {
    return std::ranges::any_of(pairs_, [&](const auto& pair) { return pair.second == number; });
  };
  while (taken(next_)) ++next_;
  pairs_.emplace_back(ours.get(), next_);
  owned_.push_back(std::move(ours));
  return next_;
}

QemuProcess::QemuProcess(Child child, UniqueFd control, UniqueFd errors,
                         std::function<void(std::string_view)> on_stderr)
    : child_(std::move(child)),
      qmp_(std::move(control)),
      stderr_(std::move(errors)),
      on_stderr_(std::move(on_stderr)) {}

QemuProcess QemuProcess::start(Options options, const Deadline& deadline) {
  Pipe errors = make_pipe();
  SpawnOptions spawned;
  spawned.argv = std::move(options.arguments);
  spawned.environment.emplace();
  spawned.stdout_fd = options.console_fd;
  spawned.stderr_fd = errors.write_end.get();
  const int shim = options.descriptors.add(make_shim_file());
  spawned.environment->push_back(fmt::format("LD_PRELOAD=/proc/self/fd/{}", shim));
  if (options.private_memory_fd >= 0)
    spawned.environment->push_back(
        fmt::format("KNALLER_PRIVATE_MEMORY=/proc/self/fd/{}", options.private_memory_fd));
  spawned.descriptors = options.descriptors.pairs();
  spawned.call_filter = &qemu_call_list();
  QemuProcess process(spawn(spawned), std::move(options.control), std::move(errors.read_end),
                      std::move(options.on_stderr));
  // QEMU alone holds them now: its end shows on our ends.
  options.descriptors = Descriptors({});
  errors.write_end.reset();
  try {
    process.qmp().greet(deadline);
  } catch (const Error& error) {
    if (error.code() != Code::kEngineDied) throw;
    const ExitStatus status = process.finish();
    const std::string words = process.last_words();
    fail(Code::kEngineDied, "QEMU did not start: {}", words.empty() ? status.describe() : words);
  }
  return process;
}

void QemuProcess::read_stderr() {
  char buffer[4096];
  for (;;) {
    pollfd poll_fd = {stderr_.get(), POLLIN, 0};
    if (!stderr_ || ::poll(&poll_fd, 1, 0) <= 0) return;
    const ssize_t size = ::read(stderr_.get(), buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return stderr_.reset();
    tail_.append(buffer, static_cast<size_t>(size));
    if (tail_.size() > kTailSize) tail_.erase(0, tail_.size() - kTailSize);
    partial_line_.append(buffer, static_cast<size_t>(size));
    size_t end = 0;
    while ((end = partial_line_.find('\n')) != std::string::npos || partial_line_.size() > kTailSize) {
      end = std::min(end, kTailSize);
      if (on_stderr_) on_stderr_(std::string_view(partial_line_).substr(0, end));
      partial_line_.erase(0, end + 1);
    }
  }
}

ExitStatus QemuProcess::finish() {
  const auto status = child_.wait(Deadline::after(std::chrono::seconds(5)));
  if (!status) {
    child_.kill_and_reap();
    return {.signaled = true, .value = SIGKILL};
  }
  qmp_.drain();
  read_stderr();
  return *status;
}

std::string QemuProcess::last_words() {
  read_stderr();
  return as_one_line(tail_);
}

std::vector<int> inherited_descriptors() {
  std::vector<int> inherited;
  for (int fd = STDERR_FILENO + 1; fd < kMostDescriptors; ++fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags < 0 || (flags & FD_CLOEXEC) != 0) continue;
    if (::fcntl(fd, F_SETFD, flags | FD_CLOEXEC) != 0) fail_errno("keep descriptor {} from strangers", fd);
    inherited.push_back(fd);
  }
  return inherited;
}

}  // namespace knaller::qemu
