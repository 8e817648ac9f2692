#include "host_state.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/all_processes.h"
#include "base/error.h"
#include "base/file.h"

namespace knaller::test {
namespace {

std::string describe(const std::string& path) {
  const auto status = stat_if_exists(AT_FDCWD, path);
  if (!status) return "absent";
  return fmt::format("mode {:o}, owner {}:{}, {} links, {} bytes, modified {}.{:09}", status->st_mode,
                     status->st_uid, status->st_gid, status->st_nlink, status->st_size,
                     status->st_mtim.tv_sec, status->st_mtim.tv_nsec);
}

std::string text_of(const std::string& path) {
  try {
    return read_file(path);
  } catch (const Error& error) {
    return error.what();
  }
}

void look_at_files(const std::string& home, const std::string& except, HostState& state) {
  for (std::filesystem::recursive_directory_iterator entry(home), end; entry != end; ++entry) {
    const std::string path = entry->path();
    if (path == except) {
      entry.disable_recursion_pending();
      continue;
    }
    state[path] = describe(path);
    if (entry->is_regular_file()) state[path] += ", " + text_of(path);
  }
}

}  // namespace

HostState look_at_host(const std::string& home, const std::string& except) {
  HostState state;
  for (const std::string device : {"null", "zero", "urandom", "kvm", "net/tun"})
    state["/dev/" + device] = describe("/dev/" + device);
  for (const std::string setting :
       {"kernel/core_pattern", "kernel/domainname", "kernel/hostname", "kernel/modprobe", "kernel/printk",
        "kernel/randomize_va_space", "user/max_user_namespaces", "vm/overcommit_memory"})
    state[setting] = text_of("/proc/sys/" + setting);
  state["mounts"] = text_of("/proc/self/mountinfo");
  look_at_files(home, except, state);
  return state;
}

std::vector<pid_t> processes_that_run(const std::string& program) {
  std::vector<pid_t> found;
  struct stat wanted = {};
  if (::stat(program.c_str(), &wanted) != 0) fail_errno("look at '{}'", program);
  for_each_process([&](pid_t pid, int directory) {
    struct stat status = {};
    const bool known = ::fstatat(directory, "exe", &status, 0) == 0;
    if (known && status.st_dev == wanted.st_dev && status.st_ino == wanted.st_ino) found.push_back(pid);
    return true;
  });
  return found;
}

}  // namespace knaller::test
