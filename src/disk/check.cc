#include "disk/check.h"

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace knaller::disk {
namespace {

constexpr size_t kHeadBytes = 4096;
constexpr uint64_t kLeastKernelBytes = 64 << 10;

void require_regular(int fd, std::string_view what) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) fail_errno("look at {}", what);
  if (!S_ISREG(info.st_mode)) fail(Code::kInvalidArgument, "{} is not a regular file", what);
}

// The first bytes of the file, padded with zeros.
std::string read_head(int fd, std::string_view what) {
  std::string head(kHeadBytes, '\0');
  size_t done = 0;
  while (done < head.size()) {
    const ssize_t count = ::pread(fd, head.data() + done, head.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_errno("read {}", what);
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  return head;
}

template <typename Number>
Number number_at(std::string_view bytes, size_t offset) {
  Number number{};
  std::memcpy(&number, bytes.data() + offset, sizeof(number));
  return number;
}

bool is_bzimage(std::string_view head) {
  return head.substr(0x202, 4) == "HdrS";
}

// What the file seems to be, when it is none of what was wanted.
std::string guess(std::string_view head) {
  struct Magic {
    size_t offset;
    std::string_view bytes;
    const char* name;
  };
  static constexpr std::array<Magic, 11> kMagics = {
      {{0, "QFI\xfb", "a qcow2 disk image"},
       {0, "hsqs", "a squashfs image"},
       {0, "XFSB", "an XFS file system"},
       {0,
        "\x7f"
        "ELF",
        "an ELF program"},
       {0, "\x1f\x8b", "a gzip file"},
       {0, "\x28\xb5\x2f\xfd", "a zstd file"},
       {0,
        "\xfd"
        "7zXZ",
        "an xz file"},
       {257, "ustar", "a tar archive"},
       {0, "#!", "a script"},
       {0, "070701", "a cpio archive"},
       {510, "\x55\xaa", "a disk with a boot sector or partitions"}}};
  if (is_bzimage(head)) return "a compressed kernel (bzImage)";
  for (const Magic& magic : kMagics) {
    if (head.substr(magic.offset, magic.bytes.size()) == magic.bytes) return magic.name;
  }
  if (head.find_first_not_of('\0') == std::string_view::npos) return "empty, or zeros";
  for (const char c : head.substr(0, head.find('\0'))) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') return "something unknown";
  }
  return "a text file";
}

struct SuperBlock {
  uint64_t blocks = 0;
  uint64_t block_bytes = 0;
};

SuperBlock read_super_block(std::string_view head) {
  static constexpr size_t kAt = 1024;
  static constexpr uint32_t kIncompat64Bit = 0x80;
  SuperBlock super;
  super.blocks = number_at<uint32_t>(head, kAt + 4);
  if ((number_at<uint32_t>(head, kAt + 96) & kIncompat64Bit) != 0) {
    super.blocks |= uint64_t{number_at<uint32_t>(head, kAt + 0x150)} << 32;
  }
  const uint32_t shift = number_at<uint32_t>(head, kAt + 24);
  super.block_bytes = shift <= 6 ? uint64_t{1024} << shift : 0;
  return super;
}

std::string hint_for_file_system(std::string_view seems) {
  if (seems.find("partitions") != std::string_view::npos)
    return "give the partition's own file system: cut it out of the disk image";
  if (seems.find("qcow2") != std::string_view::npos)
    return "convert it first: qemu-img convert -O raw IN OUT";
  return "a root file system is a raw ext4 image, as mke2fs -d FOLDER makes one";
}

void check_program_headers(std::string_view head, const Elf64_Ehdr& elf, uint64_t size,
                           std::string_view what) {
  bool loads = false;
  for (size_t i = 0; i < elf.e_phnum; ++i) {
    const uint64_t at = elf.e_phoff + i * sizeof(Elf64_Phdr);
    if (at > head.size() - sizeof(Elf64_Phdr))
      fail(Code::kInvalidArgument, "{} has program headers far from its start", what);
    const auto program = number_at<Elf64_Phdr>(head, static_cast<size_t>(at));
    if (program.p_type == PT_INTERP) fail(Code::kInvalidArgument, "{} is a program, not a kernel", what);
    if (program.p_type != PT_LOAD) continue;
    loads = true;
    if (program.p_offset > size || program.p_filesz > size - program.p_offset) {
      fail(Code::kInvalidArgument, "{} is cut short: its header tells of more than its {} bytes", what, size);
    }
  }
  if (!loads) fail(Code::kInvalidArgument, "{} has nothing to load", what);
}

}  // namespace

void check_ext4(int fd, std::string_view what) {
  static constexpr size_t kMagicAt = 1024 + 56;
  static constexpr uint16_t kMagic = 0xEF53;
  require_regular(fd, what);
  const std::string head = read_head(fd, what);
  if (number_at<uint16_t>(head, kMagicAt) != kMagic) {
    const std::string seems = guess(head);
    throw Error(Code::kInvalidArgument, fmt::format("{} is not an ext4 file system: it is {}", what, seems),
                hint_for_file_system(seems));
  }
  const SuperBlock super = read_super_block(head);
  const uint64_t size = file_size(fd);
  if (super.block_bytes == 0 || super.blocks == 0)
    fail(Code::kInvalidArgument, "{} has a damaged ext4 super block", what);
  if (super.blocks > size / super.block_bytes) {
    fail(Code::kInvalidArgument,
         "{} is cut short: its file system has {} blocks of {} bytes, the file {} bytes", what, super.blocks,
         super.block_bytes, size);
  }
}

void check_kernel(int fd, std::string_view what) {
  require_regular(fd, what);
  const std::string head = read_head(fd, what);
  const uint64_t size = file_size(fd);
  const auto elf = number_at<Elf64_Ehdr>(head, 0);
  if (std::memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0) {
    throw Error(Code::kInvalidArgument,
                fmt::format("{} is not a kernel in ELF form: it is {}", what, guess(head)),
                is_bzimage(head) ? "knaller image import takes the vmlinux out of it"
                                 : "a kernel is a vmlinux or a bzImage (/boot/vmlinuz-*)");
  }
  if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_ident[EI_DATA] != ELFDATA2LSB ||
      elf.e_machine != EM_X86_64)
    fail(Code::kInvalidArgument, "{} is not for x86-64", what);
  const bool has_headers = elf.e_phnum > 0 && elf.e_phnum <= 64 && elf.e_phentsize == sizeof(Elf64_Phdr) &&
                           elf.e_phoff < kHeadBytes;
  if (elf.e_type != ET_EXEC || !has_headers || size < kLeastKernelBytes)
    fail(Code::kInvalidArgument, "{} is an ELF file, but not a kernel", what);
  check_program_headers(head, elf, size, what);
}

}  // namespace knaller::disk
