#include "image/kernel.h"

#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "base/fd.h"
#include "disk/check.h"
#include "image/decompress.h"

namespace knaller::image {
namespace {

// An allmodconfig vmlinux with its symbols is some 900 MiB; one that boots has a few dozen.
constexpr size_t kMostKernelBytes = 1 << 30;

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

std::string extract_vmlinux(std::string_view kernel, std::string_view what) {
  if (compression_of(kernel) == Compression::kNone) return std::string(kernel);
  if (kernel.size() < kHeaderEnd || kernel.substr(kMagicAt, 4) != "HdrS") {
    throw Error(Code::kInvalidArgument, fmt::format("{} is no kernel for x86-64", what),
                "a kernel is a vmlinux (ELF) or a bzImage, as /boot/vmlinuz-* are");
  }
  const std::string_view payload = payload_of(kernel, what);
  std::string vmlinux = decompress(payload, kMostKernelBytes, what);
  // The last four bytes are the length that the kernel's own decompressor relies on; for gzip they are part
  // of the format.
  const size_t expected = number_at<uint32_t>(payload, payload.size() - 4);
  if (compression_of(payload) != Compression::kNone && vmlinux.size() != expected)
    fail(Code::kCorrupt, "{} is damaged: {} bytes came out of it instead of {}", what, vmlinux.size(),
         expected);
  if (compression_of(vmlinux) != Compression::kNone)
    fail(Code::kCorrupt, "{} is damaged: what came out of it is no ELF file", what);
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

std::string copy_kernel(int from, int to, std::string_view what) {
  const std::string kernel = read_to_end(from, kMostKernelBytes, what);
  const std::string vmlinux = extract_vmlinux(kernel, what);
  write_all(to, vmlinux, "the vmlinux");
  disk::check_kernel(to, what);
  return version_of_vmlinux(vmlinux);
}

}  // namespace knaller::image
