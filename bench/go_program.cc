#include "go_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "base/deadline.h"
#include "base/error.h"
#include "base/file.h"
#include "figures.h"

namespace knaller::bench {
namespace {

constexpr std::chrono::seconds kPatience{60};

Deadline patience() {
  return Deadline::after(kPatience);
}

// Its words when a VM is there, fresh or restored.
void wait_for_start(int fd, const std::string& name) {
  std::string said;
  char piece[4096];
  const Deadline deadline = patience();
  while (said.find(fmt::format("VM \"{}\" started", name)) == std::string::npos) {
    if (poll_until(fd, POLLIN, deadline) == 0)
      throw Error(Code::kTimeout, "the Go program did not start its VM: " + said);
    const ssize_t size = ::read(fd, piece, sizeof piece);
    if (size <= 0) throw Error(Code::kInternal, "the Go program ended: " + said);
    said.append(piece, static_cast<size_t>(size));
  }
}

}  // namespace

std::string GoProgram::reason_to_skip() {
  if (::geteuid() == 0) return "the Go program's pasta does not run as root";
  for (const char* program : {"knaller-go", "pasta", "ip", "nft", "sysctl", "unshare"})
    if (find_program(program).empty()) return fmt::format("there is no {} on PATH", program);
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) return "/dev/net/tun does not open";
  return {};
}

GoProgram::GoProgram(std::string folder, std::string engine_binary)
    : folder_(std::move(folder)), engine_(std::move(engine_binary)) {}

SpawnOptions GoProgram::command(std::vector<std::string> words) const {
  SpawnOptions options;
  options.argv = std::move(words);
  options.search_path = true;
  options.working_directory = folder_;
  options.environment = {"HOME=" + folder_, fmt::format("PATH={}:/usr/sbin:/sbin", std::getenv("PATH"))};
  return options;
}

// In a pid namespace of its own, for it leaves processes behind.
double GoProgram::start(const std::string& name, const std::vector<std::string>& options) {
  std::vector<std::string> words = {
      "unshare",      "--user", "--map-current-user", "--mount", "--pid", "--fork", "--kill-child",
      "--mount-proc", "--",     "knaller-go",         "start",   "-name", name,     "-firecracker",
      engine_};
  words.insert(words.end(), options.begin(), options.end());
  SpawnOptions spawned = command(std::move(words));
  Pipe output = make_pipe();
  spawned.stdout_fd = output.write_end.get();
  spawned.stderr_fd = output.write_end.get();
  return time_of([&] {
    Running& running = vms_[name] = {.process = spawn(spawned), .output = std::move(output.read_end)};
    output.write_end.reset();
    wait_for_start(running.output.get(), name);
  });
}

double GoProgram::restore(const std::string& name, const std::string& snapshot) {
  return start(name, {"-from-snapshot", snapshot});
}

GoProgram::Snapshot GoProgram::snapshot(const std::string& vm) const {
  Snapshot taken;
  ProgramOutput output;
  taken.took = time_of([&] {
    output = run_program(command({"knaller-go", "snapshot", "-name", vm}), patience());
  });
  const std::string said = output.out + output.err;
  const size_t at = said.find("snap_");
  if (!output.status.success() || at == std::string::npos)
    throw Error(Code::kInternal, "the Go program took no snapshot: " + said);
  taken.id = said.substr(at, std::string("snap_01234567").size());
  taken.sync = time_of([&] { sync_snapshot(taken.id); });
  return taken;
}

void GoProgram::sync_snapshot(const std::string& id) const {
  const UniqueFd all = open_directory(folder_ + "/.local/share/knaller/snapshots");
  const UniqueFd snapshot = open_at(all.get(), id, O_RDONLY | O_DIRECTORY);
  for (const std::string& name : list_directory(snapshot.get()))
    fsync_fd(open_at(snapshot.get(), name, O_RDONLY).get(), name);
  fsync_fd(snapshot.get(), id);
  fsync_fd(all.get(), "snapshots");
}

void GoProgram::remove_snapshot(const std::string& id) const {
  run_checked(command({"knaller-go", "snapshot", "delete", "-id", id}), patience());
}

void GoProgram::kill(const std::string& name) {
  vms_.erase(name);
}

}  // namespace knaller::bench
