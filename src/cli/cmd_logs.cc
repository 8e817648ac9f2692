#include "base/error.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/console_filter.h"

namespace knaller::cli {
namespace {

int64_t line_count(const Invocation& args) {
  const auto text = args.value("lines");
  if (!text || *text == "all") return -1;
  const auto count = parse_integer(*text, 0, 1'000'000'000);
  if (!count) fail(Code::kInvalidArgument, "--lines: '{}' is no number of lines", printable(*text));
  return *count;
}

}  // namespace

int cmd_logs(Context& context) {
  const Invocation& args = context.args();
  Output& out = context.out();
  if (out.json())
    throw Error(Code::kUnsupported, "a console is no JSON", "`knaller inspect` tells the state as JSON");
  LogOptions options{.vm = one_vm(context),
                     .engine = args.has("engine"),
                     .lines = line_count(args),
                     .follow = args.has("follow"),
                     .stop = context.stop()};
  check_vm_name(options.vm);
  ConsoleFilter filter;
  const auto write = [&](std::string_view piece) {
    out.raw(out.out().terminal ? filter.filter(piece) : std::string(piece));
  };
  try {
    suggest_vm(context, options.vm, [&] { context.manager().logs(options, write); });
  } catch (const Error& error) {
    // Ctrl-C is how one leaves `logs -f`.
    if (error.code() != Code::kCancelled || !options.follow) throw;
    return context.cancelled_code();
  }
  const VmInfo vm = context.manager().inspect(options.vm);
  if (vm.state == VmState::kStopped || vm.state == VmState::kCrashed)
    out.note(fmt::format("VM '{}' has {}{}", vm.name, vm.state == VmState::kStopped ? "stopped" : "crashed",
                         vm.reason.empty() ? "" : ": " + printable(vm.reason)));
  return 0;
}

}  // namespace knaller::cli
