#include "image/kernel_args.h"

#include "base/error.h"
#include "base/text.h"

namespace knaller::image {
namespace {

// x86's COMMAND_LINE_SIZE is 2048, with the NUL; engines add the root device, and up to 40 bytes for each of
// the others.
constexpr size_t kMostBytes = 2047 - 256;

// reboot=k and panic=-1: a reset through the keyboard controller is how a guest ends on Firecracker, and a
// panic must end it too. no_timer_check: the check fails now and then when the host is busy. nr_uarts:
// probing for the three others takes long.
constexpr char kAlways[] =
    "console=ttyS0 reboot=k panic=-1 quiet cryptomgr.notests random.trust_cpu=on no_timer_check "
    "8250.nr_uarts=1";

std::string key_part(const std::string& line) {
  const auto words = split(trim(line), ' ');
  if (words.size() < 2 || words[0] != "ssh-ed25519" || words[1].empty())
    fail(Code::kInvalidArgument, "'{}' is not an ssh-ed25519 public key", printable(line));
  return std::string(words[1]);
}

}  // namespace

std::string kernel_arguments(const KernelArgs& args) {
  std::string line = kAlways;
  line += args.overlay ? " knaller.root=overlay" : " knaller.root=plain";
  if (args.network) {
    line += fmt::format(" knaller.net={}/{},{},{}", args.network->address, args.network->prefix,
                        args.network->gateway, args.network->dns);
  }
  if (!args.hostname.empty()) line += " knaller.hostname=" + args.hostname;
  if (!args.public_key.empty()) line += " knaller.key=" + key_part(args.public_key);
  if (!args.extra.empty()) line += " " + args.extra;
  for (const char c : line)
    if (static_cast<unsigned char>(c) < 0x20)
      fail(Code::kInvalidArgument, "the kernel arguments '{}' hold a control character", printable(line));
  if (line.size() > kMostBytes)
    fail(Code::kInvalidArgument, "the kernel arguments are {} bytes long, {} are possible", line.size(),
         kMostBytes);
  return line;
}

}  // namespace knaller::image
