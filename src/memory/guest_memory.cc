#include "memory/guest_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/all_processes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "memory/own_pages.h"
#include "memory/process_file.h"

namespace knaller::memory {
namespace {

constexpr int kMostDepth = 8;
constexpr size_t kMostMaps = 64 << 20;

// Firecracker puts guest memory above 3 GiB behind the 4 GiB line, in a second region that is mapped first.
constexpr uint64_t kLowMemory = 3ULL << 30;
// What glibc's arena adds to an anonymous mapping that it happens to follow.
constexpr uint64_t kMostMergedBehind = 64ULL << 20;
// Where Firecracker writes the ACPI root pointer when it boots an x86 guest.
constexpr uint64_t kAcpiRoot = 0xE0000;
constexpr std::string_view kAcpiRootSignature = "RSD PTR ";

const std::string kMemfdPath = fmt::format("/memfd:{} (deleted)", kMemfdName);

std::string in_proc(pid_t pid, std::string_view file) {
  return fmt::format("/proc/{}/{}", pid, file);
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> children;
  const UniqueFd tasks(::open(in_proc(pid, "task").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!tasks) return children;  // it has ended
  for (const std::string& task : list_directory(tasks.get())) {
    const auto text = read_file_if_exists(tasks.get(), task + "/children", 1 << 20);
    if (!text) continue;
    for (const std::string_view word : split(*text, ' ')) {
      if (const auto child = parse_integer(trim(word), 1, INT32_MAX))
        children.push_back(static_cast<pid_t>(*child));
    }
  }
  return children;
}

// Breadth first.
std::vector<pid_t> with_descendants(pid_t pid) {
  std::vector<pid_t> all = {pid};
  size_t generation = 0;
  for (int depth = 1; depth < kMostDepth; ++depth) {
    const size_t next = all.size();
    for (; generation < next; ++generation) {
      const auto children = children_of(all[generation]);
      all.insert(all.end(), children.begin(), children.end());
    }
  }
  return all;
}

uint64_t inode_of(int fd) {
  struct stat file = {};
  if (::fstat(fd, &file) != 0) fail_errno("look at the parent's memory file");
  return file.st_ino;
}

// Not by device number: maps and fstat() disagree about it on btrfs and overlayfs.
bool is_of_file(const Mapping& mapping, uint64_t inode) {
  return mapping.inode == inode && !mapping.path.empty();
}

bool maps_file(pid_t pid, uint64_t inode) {
  const auto maps = read_file_if_exists(AT_FDCWD, in_proc(pid, "maps"), kMostMaps);
  return maps && std::ranges::any_of(parse_mappings(*maps),
                                     [inode](const Mapping& mapping) { return is_of_file(mapping, inode); });
}

// Nothing when it has ended.
UniqueFd open_process(pid_t pid) {
  return UniqueFd(::open(fmt::format("/proc/{}", pid).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// Does /proc number processes as we do? Otherwise its pids are not for system calls.
bool is_own_proc() {
  char self[32] = {};
  const ssize_t size = ::readlink("/proc/self", self, sizeof self - 1);
  return size > 0 && std::string_view(self) == std::to_string(::getpid());
}

bool holds_acpi_root(int content, uint64_t low_memory) {
  char found[8] = {};
  const auto at = static_cast<off_t>(low_memory + kAcpiRoot);
  return read_whole(content, found, sizeof found, at) &&
         std::string_view(found, sizeof found) == kAcpiRootSignature;
}

// All memfds lie on one file system, the kernel's own.
bool is_memfd(int fd, uint64_t inode) {
  const UniqueFd one(::memfd_create("knaller-any", MFD_CLOEXEC));
  struct stat of_one = {};
  struct stat info = {};
  return one && ::fstat(one.get(), &of_one) == 0 && ::fstat(fd, &info) == 0 && info.st_dev == of_one.st_dev &&
         info.st_ino == inode;
}

// The descriptor with which a process holds the guest's memfd of that inode. The number alone does not tell:
// it counts from one on each file system, and the engine has other files open, its disk among them.
UniqueFd open_memfd(int process, uint64_t inode) {
  const UniqueFd descriptors(::openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptors) return {};
  for (const std::string& name : list_directory(descriptors.get())) {
    if (descriptor_name(process, name) != kMemfdPath) continue;
    UniqueFd found(::openat(descriptors.get(), name.c_str(), O_RDONLY | O_CLOEXEC));
    if (found && is_memfd(found.get(), inode)) return found;
  }
  return {};
}

}  // namespace

std::optional<GuestMemory> GuestMemory::find(pid_t pid, uint64_t size, int parent) {
  const std::vector<pid_t> processes = with_descendants(pid);
  const auto look = [&](int file) -> std::optional<GuestMemory> {
    for (const pid_t candidate : processes)
      if (auto found = find_in(open_process(candidate), candidate, size, file)) return found;
    return {};
  };
  if (parent < 0) return look(-1);
  if (auto restored = look(parent)) return restored;
  const uint64_t inode = inode_of(parent);
  const bool is_mapped =
      std::ranges::any_of(processes, [inode](pid_t process) { return maps_file(process, inode); });
  return is_mapped ? std::nullopt : look(-1);
}

// Through its directory, which stays this process's when another gets its pid.
std::optional<GuestMemory> GuestMemory::find_again(int parent) const {
  return find_in(process_.duplicate(), pid_, size_, backing_ == Backing::kPrivateFile ? parent : -1);
}

std::optional<GuestMemory> GuestMemory::find_in(UniqueFd process, pid_t pid, uint64_t size, int parent) {
  GuestMemory memory(pid, size);
  memory.is_own_proc_ = is_own_proc();
  memory.process_ = std::move(process);
  if (!memory.process_) return {};  // it has ended
  const auto maps = memory.read_maps();
  if (!maps) return {};
  memory.content_ = UniqueFd(::openat(memory.process_.get(), "mem", O_RDONLY | O_CLOEXEC));
  const auto mappings = parse_mappings(*maps);
  const bool found = parent >= 0 ? memory.take_private(mappings, parent)
                                 : memory.take_shared(mappings) || memory.take_anonymous(mappings);
  if (!found) return {};
  if (memory.backing_ != Backing::kShared)
    memory.pagemap_ = open_at(memory.process_.get(), "pagemap", O_RDONLY);
  return memory;
}

std::optional<std::string> GuestMemory::read_maps() const {
  const UniqueFd maps(::openat(process_.get(), "maps", O_RDONLY | O_CLOEXEC));
  if (!maps && (errno == ESRCH || errno == ENOENT)) return std::nullopt;
  if (!maps) fail_errno("look at the memory of process {}", pid_);
  return read_to_end(maps.get(), kMostMaps, "a process's mappings");
}

pid_t pid_in_proc(int pidfd) {
  const std::string info = read_file(fmt::format("/proc/self/fdinfo/{}", pidfd));
  for (const std::string_view line : split(info, '\n')) {
    if (!line.starts_with("Pid:")) continue;
    const auto pid = parse_integer(trim(line.substr(4)), 1, INT32_MAX);
    if (pid) return static_cast<pid_t>(*pid);
  }
  fail(Code::kEngineDied, "the engine has ended, or /proc does not show it");
}

bool GuestMemory::take_private(const std::vector<Mapping>& mappings, int parent) {
  backing_ = Backing::kPrivateFile;
  return take_whole(mappings, [inode = inode_of(parent)](const Mapping& mapping) {
    return mapping.writable && !mapping.shared && is_of_file(mapping, inode);
  });
}

bool GuestMemory::take_shared(const std::vector<Mapping>& mappings) {
  uint64_t inode = 0;
  backing_ = Backing::kShared;
  const bool whole = take_whole(mappings, [&](const Mapping& mapping) {
    const bool is_it = mapping.shared && mapping.path == kMemfdPath;
    if (is_it) inode = mapping.inode;
    return is_it;
  });
  if (whole) shared_ = open_memfd(process_.get(), inode);
  return static_cast<bool>(shared_);
}

bool GuestMemory::take_anonymous(const std::vector<Mapping>& mappings) {
  const uint64_t high = size_ > kLowMemory ? size_ - kLowMemory : 0;
  backing_ = Backing::kAnonymous;
  for (const Mapping& mapping : mappings) {
    const uint64_t length = mapping.end - mapping.start;
    if (!mapping.writable || mapping.shared || mapping.inode != 0 || !mapping.path.empty()) continue;
    if (length < size_ || length - size_ > kMostMergedBehind) continue;
    if (!holds_acpi_root(content_.get(), mapping.start + high)) continue;
    stretches_ = {{mapping.start + high, {0, size_ - high}}};
    if (high > 0) stretches_.push_back({mapping.start, {size_ - high, size_}});
    return true;
  }
  return false;
}

// The mappings that belong must give the memory without a gap, without an overlap, and all of it.
bool GuestMemory::take_whole(const std::vector<Mapping>& mappings,
                             const std::function<bool(const Mapping&)>& belongs) {
  stretches_.clear();
  for (const Mapping& mapping : mappings) {
    if (belongs(mapping))
      stretches_.push_back({mapping.start, {mapping.offset, mapping.offset + (mapping.end - mapping.start)}});
  }
  std::ranges::sort(stretches_, {}, [](const Stretch& stretch) { return stretch.extent.begin; });
  uint64_t next = 0;
  for (const Stretch& stretch : stretches_) {
    if (stretch.extent.begin != next) return false;
    next = stretch.extent.end;
  }
  return next == size_;
}

void GuestMemory::add_addresses(const Extent& extent, std::vector<iovec>& addresses) const {
  uint64_t at = extent.begin;
  for (const Stretch& stretch : stretches_) {
    if (at < stretch.extent.begin || at >= stretch.extent.end) continue;
    const uint64_t end = std::min(extent.end, stretch.extent.end);
    addresses.push_back({reinterpret_cast<void*>(stretch.address + (at - stretch.extent.begin)), end - at});
    at = end;
    if (at == extent.end) return;
  }
  fail(Code::kInternal, "offset {} is outside of the guest's memory", at);
}

void GuestMemory::read(const std::vector<Piece>& pieces) const {
  if (is_own_proc_ && backing_ != Backing::kShared) return read_process(pieces);
  for (const Piece& piece : pieces) {
    if (backing_ == Backing::kShared) {
      read_at(shared_.get(), piece.to, piece.extent.size(), piece.extent.begin);
      continue;
    }
    std::vector<iovec> parts;
    add_addresses(piece.extent, parts);
    char* to = piece.to;
    for (const iovec& part : parts) {
      read_or_fail(content_.get(), to, part.iov_len, reinterpret_cast<off_t>(part.iov_base),
                   fmt::format("read the memory of process {}", pid_));
      to += part.iov_len;
    }
  }
}

// process_vm_readv() is nearly twice as fast as reading /proc/PID/mem. A share has at most 512 pieces, and
// the kernel takes 1024.
void GuestMemory::read_process(const std::vector<Piece>& pieces) const {
  std::vector<iovec> local;
  std::vector<iovec> remote;
  size_t size = 0;
  for (const Piece& piece : pieces) {
    local.push_back({piece.to, piece.extent.size()});
    add_addresses(piece.extent, remote);
    size += piece.extent.size();
  }
  const ssize_t got = ::process_vm_readv(pid_, local.data(), local.size(), remote.data(), remote.size(), 0);
  if (got < 0) fail_errno("read the memory of process {}", pid_);
  if (static_cast<size_t>(got) != size)
    fail(Code::kIo, "process {} took away a part of the guest's memory while it was read", pid_);
}

std::vector<Extent> GuestMemory::changed_in(const Extent& within) const {
  std::vector<Extent> changed;
  for (const Stretch& stretch : stretches_) {
    const uint64_t begin = std::max(within.begin, stretch.extent.begin);
    const uint64_t end = std::min(within.end, stretch.extent.end);
    if (begin >= end) continue;
    const uint64_t offset = stretch.address - stretch.extent.begin;  // of an address, modulo 2^64
    const Extent addresses = {begin + offset, end + offset};
    auto own = scan_own_pages(pagemap_.get(), addresses);
    if (!own) own = read_own_pages(pagemap_.get(), addresses);
    for (const Extent& pages : *own) append(changed, {pages.begin - offset, pages.end - offset});
  }
  return changed;
}

}  // namespace knaller::memory
