#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/context.h"

namespace knaller::cli {
namespace {

constexpr std::string_view kStream = "-";

struct CopyPaths {
  CopyPath guest, host;
  bool to_guest = false;
};

CopyPaths paths_of(const std::string& source, const std::string& destination) {
  CopyPath from = parse_copy_path(source), to = parse_copy_path(destination);
  if (from.vm.empty() == to.vm.empty())
    throw Error(
        Code::kInvalidArgument,
        from.vm.empty() ? "neither path is in a VM" : "both paths are in VMs, and one of them must be local",
        "knaller cp FILE NAME:PATH, or knaller cp NAME:PATH FILE");
  const bool to_guest = from.vm.empty();
  if (to_guest) std::swap(from, to);
  return {.guest = std::move(from), .host = std::move(to), .to_guest = to_guest};
}

}  // namespace

int cmd_cp(Context& context) {
  const Invocation& args = context.args();
  const CopyPaths paths = paths_of(args.arguments[0], args.arguments[1]);
  check_vm_name(paths.guest.vm);
  CopyOptions options{
      .vm = paths.guest.vm,
      .direction = paths.to_guest ? CopyOptions::Direction::kToGuest : CopyOptions::Direction::kFromGuest,
      .host_path = paths.host.path,
      .guest_path = paths.guest.path,
      .user = args.text("user"),
      .archive = args.has("archive"),
      .xattrs = args.has("xattrs"),
      .links = args.has("links"),
      .stop = context.stop()};
  if (const auto most = args.get<int64_t>("max-size")) options.max_bytes = static_cast<uint64_t>(*most) << 20;
  if (options.host_path == kStream) options.stream_fd = paths.to_guest ? STDIN_FILENO : STDOUT_FILENO;
  if (options.stream_fd == STDOUT_FILENO && context.out().json())
    throw Error(Code::kInvalidArgument, "'-' is the standard output, which --json needs", "name a file");
  suggest_vm(context, options.vm, [&] { context.manager().copy(options); });
  context.progress().finish();
  if (context.out().json())
    context.out().document({{"name", options.vm}, {"from", args.arguments[0]}, {"to", args.arguments[1]}});
  return 0;
}

}  // namespace knaller::cli
