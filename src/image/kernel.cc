#include "image/kernel.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/elf_note.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "disk/check.h"
#include "image/decompress.h"

namespace knaller::image {
namespace {

// An allmodconfig vmlinux with its symbols is some 900 MiB; one that boots has a few dozen.
constexpr size_t kMostKernelBytes = 1 << 30;
// A bzImage, which is in memory while it is unpacked; Debian's has 8 MiB, an allmodconfig's some 150.
constexpr size_t kMostBzImageBytes = 256 << 20;
constexpr std::string_view kElfMagic(
    "\x7f"
    "ELF",
    4);

// Documentation/arch/x86/boot.rst
constexpr size_t kSetupSectors = 0x1f1;
constexpr size_t kMagicAt = 0x202;
constexpr size_t kProtocolAt = 0x206;
constexpr size_t kPayloadOffset = 0x248;
constexpr size_t kPayloadLength = 0x24c;
constexpr size_t kHeaderEnd = 0x250;
constexpr size_t kSectorBytes = 512;
constexpr uint16_t kProtocolWithPayload = 0x0208;

template <typename Number>
Number number_at(std::string_view bytes, size_t offset) {
  Number number{};
  std::memcpy(&number, bytes.data() + offset, sizeof(number));
  return number;
}

// The compressed kernel in a bzImage.
std::string_view payload_of(std::string_view kernel, std::string_view what) {
  if (number_at<uint16_t>(kernel, kProtocolAt) < kProtocolWithPayload)
    fail(Code::kUnsupported, "{} is a kernel from before 2008: its header does not say where its payload is",
         what);
  const uint8_t sectors = number_at<uint8_t>(kernel, kSetupSectors);
  const uint64_t start = (sectors == 0 ? 4 + 1 : uint64_t{sectors} + 1) * kSectorBytes +
                         number_at<uint32_t>(kernel, kPayloadOffset);
  const uint64_t length = number_at<uint32_t>(kernel, kPayloadLength);
  if (start > kernel.size() || length > kernel.size() - start || length < 8)
    fail(Code::kCorrupt, "{} is cut short: its header tells of {} bytes at {}, the file has {}", what, length,
         start, kernel.size());
  return kernel.substr(static_cast<size_t>(start), static_cast<size_t>(length));
}

}  // namespace

namespace {

// Passes on what came out of a bzImage, to see at the end whether it is a kernel.
class Unpacked {
 public:
  Unpacked(const ByteSink& sink, std::string_view what) : sink_(sink), what_(what) {}

  void write(std::string_view piece) {
    if (size_ == 0 && !piece.empty() && !piece.starts_with(kElfMagic))
      fail(Code::kCorrupt, "{} is damaged: what came out of it is not an ELF file", what_);
    size_ += piece.size();
    sink_(piece);
  }
  size_t size() const { return size_; }

 private:
  const ByteSink& sink_;
  std::string_view what_;
  size_t size_ = 0;
};

void unpack_bzimage(std::string_view kernel, std::string_view what, const ByteSink& sink) {
  if (kernel.size() < kHeaderEnd || kernel.substr(kMagicAt, 4) != "HdrS") {
    throw Error(Code::kInvalidArgument, fmt::format("{} is not a kernel for x86-64", what),
                "a kernel is a vmlinux (ELF) or a bzImage, as /boot/vmlinuz-* are");
  }
  const std::string_view payload = payload_of(kernel, what);
  Unpacked vmlinux(sink, what);
  decompress(payload, kMostKernelBytes, what, [&](std::string_view piece) { vmlinux.write(piece); });
  // The last four bytes are the length that the kernel's own decompressor relies on; for gzip they are part
  // of the format.
  const size_t expected = number_at<uint32_t>(payload, payload.size() - 4);
  if (compression_of(payload) != Compression::kNone && vmlinux.size() != expected)
    fail(Code::kCorrupt, "{} is damaged: {} bytes came out of it instead of {}", what, vmlinux.size(),
         expected);
  if (vmlinux.size() == 0) fail(Code::kCorrupt, "{} is damaged: nothing came out of it", what);
}

bool is_elf_file(int fd) {
  char magic[kElfMagic.size()] = {};
  return ::pread(fd, magic, sizeof magic, 0) == sizeof magic &&
         std::string_view(magic, sizeof magic) == kElfMagic;
}

// Of a file, a piece at a time.
std::string version_of_file(int fd) {
  constexpr size_t kPiece = 1 << 20;
  constexpr size_t kLongestBanner = 256;
  const uint64_t size = file_size(fd);
  std::string piece;
  for (uint64_t at = 0; at < size; at += kPiece) {
    piece.resize(std::min<uint64_t>(kPiece + kLongestBanner, size - at));
    read_at(fd, piece.data(), piece.size(), at);
    if (std::string version = version_of_vmlinux(piece); !version.empty()) return version;
  }
  return {};
}

}  // namespace

std::string extract_vmlinux(std::string_view kernel, std::string_view what) {
  if (compression_of(kernel) == Compression::kNone) return std::string(kernel);
  std::string vmlinux;
  unpack_bzimage(kernel, what, [&](std::string_view piece) { vmlinux += piece; });
  return vmlinux;
}

std::string version_of_vmlinux(std::string_view vmlinux) {
  static constexpr std::string_view kMark = "Linux version ";
  static constexpr size_t kMostVersion = 64;
  for (size_t at = vmlinux.find(kMark); at != std::string_view::npos; at = vmlinux.find(kMark, at + 1)) {
    const std::string_view rest = vmlinux.substr(at + kMark.size(), kMostVersion + 1);
    const size_t end =
        rest.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+-_~");
    // The banner's format string ("Linux version %s") lies in the same file.
    if (end != std::string_view::npos && end > 0 && rest[0] >= '0' && rest[0] <= '9')
      return std::string(rest.substr(0, end));
  }
  return {};
}

void require_pvh(int vmlinux, std::string_view what) {
  constexpr uint32_t kPvhEntry = 18;  // XEN_ELFNOTE_PHYS32_ENTRY
  if (has_elf_note(vmlinux, "Xen", kPvhEntry)) return;
  throw Error(
      Code::kInvalidArgument, fmt::format("{} has no PVH note, by which QEMU boots a kernel", what),
      "use one that was built with CONFIG_PVH=y, as distributions' are; Firecracker boots it as it is "
      "(on a host with KVM, or with KNALLER_ENGINE=firecracker)");
}

std::string copy_kernel(int from, int to, std::string_view what) {
  const ByteSink write = [&](std::string_view piece) { write_all(to, piece, "the vmlinux"); };
  if (is_elf_file(from)) {
    const uint64_t size = file_size(from);
    if (size > kMostKernelBytes)
      fail(Code::kInvalidArgument, "{} is longer than {} bytes", what, kMostKernelBytes);
    copy_sparse(from, to, size, Deadline::never());
  } else {
    const std::string kernel = read_to_end(from, kMostBzImageBytes, what);
    if (kernel.starts_with(kElfMagic))
      write(kernel);  // from a pipe
    else
      unpack_bzimage(kernel, what, write);
  }
  disk::check_kernel(to, what);
  return version_of_file(to);
}

}  // namespace knaller::image
