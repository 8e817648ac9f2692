#include "live_vm.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cstdlib>
#include <tuple>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "image/kernel.h"
#include "monitor/engine_process.h"

namespace knaller::test {

using firecracker::Request;

namespace {

constexpr auto kDownload = std::chrono::minutes(5);

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Below the build's folder; who may not write there has a copy of his own.
std::string make_guest_files() {
  if (find_program("qemu-system-x86_64").empty()) fail(Code::kUnsupported, "no qemu-system-x86_64 on PATH");
  std::vector<std::string> places;
  if (!variable("KNALLER_BUILD").empty()) places.push_back(variable("KNALLER_BUILD") + "/test-guest");
  if (!variable("HOME").empty()) places.push_back(variable("HOME") + "/.cache/knaller-test-guest");
  places.push_back(fmt::format("/tmp/knaller-test-guest-{}", ::getuid()));
  for (const std::string& place : places) {
    if (exists(place)) return place;
  }
  std::string reason;
  for (const std::string& place : places) {
    SpawnOptions options;
    options.argv = {KNALLER_MAKE_GUEST, place};
    const auto output = run_program(options, Deadline::after(kDownload));
    if (output.status.success()) return place;
    reason = trim(output.err);
  }
  fail(Code::kUnsupported, "the test guest cannot be made: {}", reason);
}

std::vector<std::string> engine_arguments() {
  return {"--api-sock", "api.sock", "--accel", "tcg", "--log-path", "log"};
}

// What is refused is on the console.
void answer_until_stopped(const std::stop_token& stop, UniqueFd listener, const UniqueFd& console) {
  monitor::CallGuard guard(std::move(listener), monitor::CallFilter::kQemu,
                           [&](std::string_view line) { write_all(console.get(), line, "the console"); });
  while (guard.fd() >= 0 && !stop.stop_requested())
    if (poll_until(guard.fd(), POLLIN, Deadline::after(std::chrono::milliseconds(50))) != 0) guard.answer();
}

RunningEngine start_in_jail(const EngineFolder& folder, const LiveOptions& options, const UniqueFd& console) {
  // The monitor's way: relative to its working directory.
  const UniqueFd before = open_directory(".");
  if (::fchdir(folder.fd()) != 0) fail_errno("enter '{}'", folder.path());
  const UniqueFd alive = open_at(folder.fd(), "alive", O_RDWR | O_CREAT);
  monitor::EngineOptions engine;
  engine.lock_fd = alive.get();
  engine.jail.engine_binary = KNALLER_QEMU;
  engine.jail.files =
      engine::engine_files(KNALLER_QEMU, engine::family_of(store::EngineType::kQemu), guest_patience());
  engine.jail.directory = ".";
  engine.jail.identity = monitor::engine_identity(folder.path());
  engine.jail.devices = {"net/tun"};
  if (options.prepare) engine.jail.immutable = options.prepare(folder);
  engine.arguments = engine_arguments();
  engine.filter = monitor::CallFilter::kQemu;
  engine.stdout_fd = console.get();
  engine.stderr_fd = console.get();
  auto process = monitor::EngineProcess::start(engine);
  if (::fchdir(before.get()) != 0) fail_errno("go back");
  RunningEngine started;
  if (process.advance_start())
    fail(Code::kInternal, "the engine executes without having said that it is filtered");
  started.guard = std::jthread(
      [listener = process.take_listener(), to = console.duplicate()](const std::stop_token& stop) mutable {
        answer_until_stopped(stop, std::move(listener), to);
      });
  process.advance_start();
  started.child = std::move(process.child());
  return started;
}

RunningEngine start(const EngineFolder& folder, const LiveOptions& options) {
  const UniqueFd console = open_at(folder.fd(), "console", O_WRONLY | O_CREAT | O_APPEND);
  if (options.jailed) return start_in_jail(folder, options, console);
  SpawnOptions spawned;
  spawned.argv = options.wrapper;
  spawned.argv.emplace_back(KNALLER_QEMU);
  for (const std::string& argument : engine_arguments()) spawned.argv.push_back(argument);
  spawned.search_path = true;
  spawned.working_directory = folder.path();
  spawned.stdout_fd = console.get();
  spawned.stderr_fd = console.get();
  return {.child = spawn(spawned), .guard = {}};
}

// "tick 12. mem=ok …\r"; nothing for another line.
Tick parse_tick(std::string_view line) {
  constexpr std::string_view kStart = "tick ";
  if (!line.starts_with(kStart)) return {};
  const size_t end = line.find('.');
  if (end == std::string_view::npos) return {};
  const auto number = parse_integer(line.substr(kStart.size(), end - kStart.size()), 1, 1'000'000);
  return number ? Tick{static_cast<int>(*number), std::string(trim(line))} : Tick{};
}

}  // namespace

const std::string& guest_files() {
  static const std::string files = make_guest_files();
  return files;
}

Deadline guest_patience() {
  return Deadline::after(std::chrono::seconds(120));
}

Request request(const std::string& method, const std::string& path, const std::string& body) {
  return {method, path, body};
}

void add_disk(const EngineFolder& folder, const std::string& name, uint64_t bytes, const std::string& label) {
  folder.make_sparse(name, bytes);
  const UniqueFd file = open_at(folder.fd(), name, O_WRONLY);
  write_all(file.get(), fmt::format("{:-<16}", label), name);
}

std::string digest_of(const EngineFolder& folder, const std::string& name) {
  SpawnOptions options;
  options.argv = {"sha256sum", folder.path(name)};
  options.search_path = true;
  return run_checked(options, guest_patience()).substr(0, 64);
}

LiveVm::LiveVm(const LiveOptions& options)
    : engine_(start(folder_, options)), client_(folder_.fd(), "api.sock") {
  client_.wait_until_listening(guest_patience(), engine_.child.pidfd());
}

void LiveVm::add_guest_files() {
  const UniqueFd files = open_directory(guest_files());
  for (const char* name : {"bzImage", "initramfs"}) {
    const UniqueFd from = open_at(files.get(), name, O_RDONLY);
    const UniqueFd to = open_at(folder_.fd(), name, O_WRONLY | O_CREAT | O_EXCL);
    copy_sparse(from.get(), to.get(), file_size(from.get()), guest_patience());
  }
  add_disk(folder_, "disk.ext4", 16 << 20, "DISK-A");
  add_disk(folder_, "other.ext4", 24 << 20, "DISK-B");
}

void LiveVm::boot(uint32_t vcpus, const std::string& kernel) {
  if (!stat_if_exists(folder_.fd(), "bzImage")) add_guest_files();
  if (kernel == "vmlinux") {
    const UniqueFd from = open_at(folder_.fd(), "bzImage", O_RDONLY);
    const UniqueFd to = open_at(folder_.fd(), "vmlinux", O_RDWR | O_CREAT | O_EXCL);
    image::copy_kernel(from.get(), to.get(), "bzImage");
  }
  for (const Request& each :
       {firecracker::put_boot_source(
            {kernel, "initramfs",
             "console=ttyS0 quiet reboot=k panic=-1 cryptomgr.notests random.trust_cpu=on "
             "no_timer_check mitigations=off"}),
        firecracker::put_drive({"rootfs", "disk.ext4", true, false}),
        firecracker::put_machine_config({vcpus, 192}), firecracker::start_instance()}) {
    client_.apply(each, guest_patience());
  }
}

void LiveVm::pause() {
  client_.apply(firecracker::set_state(firecracker::VmState::kPaused), guest_patience());
}

void LiveVm::resume() {
  client_.apply(firecracker::set_state(firecracker::VmState::kResumed), guest_patience());
}

void LiveVm::save() {
  client_.apply(firecracker::create_snapshot({"state", "memory"}, {1, 16, 1, {}}), guest_patience());
}

void copy_snapshot(const EngineFolder& from, const EngineFolder& to) {
  for (const auto& [name, as, mode] :
       {std::tuple("state", "parent-state", 0400), std::tuple("memory", "parent-memory", 0400),
        std::tuple("disk.ext4", "disk.ext4", 0600)}) {
    const UniqueFd source = open_at(from.fd(), name, O_RDONLY);
    const UniqueFd target = open_at(to.fd(), as, O_WRONLY | O_CREAT | O_EXCL, static_cast<mode_t>(mode));
    copy_sparse(source.get(), target.get(), file_size(source.get()), guest_patience());
  }
}

void LiveVm::load_from(const EngineFolder& snapshot, bool resume,
                       std::vector<firecracker::NetworkOverride> overrides) {
  copy_snapshot(snapshot, folder_);
  load(resume, std::move(overrides));
}

void LiveVm::load(bool resume, std::vector<firecracker::NetworkOverride> overrides) {
  client_.apply(firecracker::load_snapshot({"parent-state", "parent-memory", resume, std::move(overrides)},
                                           {1, 16, 1, {}}),
                guest_patience());
}

std::string LiveVm::wait_for_line(const std::string& text) {
  const UniqueFd watcher(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watcher || ::inotify_add_watch(watcher.get(), folder_.path("console").c_str(), IN_MODIFY) < 0) {
    fail_errno("watch the console");
  }
  const Deadline deadline = guest_patience();
  for (;;) {
    const std::string all = console();
    for (size_t end = all.find('\n', looked_at_); end != std::string::npos;
         end = all.find('\n', looked_at_)) {
      const std::string line(trim(std::string_view(all).substr(looked_at_, end - looked_at_)));
      looked_at_ = end + 1;
      if (line.find(text) != std::string::npos) return line;
    }
    char events[4096];
    while (::read(watcher.get(), events, sizeof events) > 0) {
    }
    if (poll_until(engine_.child.pidfd(), POLLIN, Deadline::after(std::chrono::seconds(0))) != 0) {
      fail(Code::kEngineDied, "the engine ended while '{}' was awaited; its console:\n{}\nits log:\n{}", text,
           console(), folder_.read("log"));
    }
    if (console().size() != all.size()) continue;
    try {
      wait_readable(watcher.get(), deadline, fmt::format("'{}' on the console", text));
    } catch (Error& error) {
      throw error.in(console() + folder_.read("log"));
    }
  }
}

Tick LiveVm::next_tick() {
  return parse_tick(wait_for_line("tick "));
}

Tick LiveVm::last_tick() const {
  const std::string all = console();
  Tick last;
  for (const std::string_view line : split(std::string_view(all).substr(0, all.rfind('\n') + 1), '\n')) {
    if (Tick tick = parse_tick(line); tick.number > 0) last = std::move(tick);
  }
  return last;
}

std::string LiveVm::answer_to(const Request& each) {
  const auto response = client_.send(each, guest_patience());
  return fmt::format("{} {}", response.status, response.body);
}

pid_t LiveVm::qemu_pid() const {
  const std::string children = read_file(fmt::format("/proc/{0}/task/{0}/children", engine_.child.pid()));
  const auto pid = parse_integer(trim(children), 1, INT32_MAX);
  if (!pid) fail(Code::kNotFound, "knaller-qemu has not one child: '{}'", children);
  return static_cast<pid_t>(*pid);
}

}  // namespace knaller::test
