// connect, forward: ports of a guest.
#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/values.h"

namespace knaller::cli {

int cmd_connect(Context& context) {
  const auto& arguments = context.args().arguments;
  ConnectOptions options;
  options.vm = arguments[0];
  check_vm_name(options.vm);
  const auto port = parse_integer(arguments[1], 1, 65535);
  if (!port) fail(Code::kInvalidArgument, "'{}' is not a port: 1 to 65535", printable(arguments[1]));
  options.port = static_cast<uint16_t>(*port);
  options.input_fd = STDIN_FILENO;
  options.output_fd = STDOUT_FILENO;
  options.stop = context.stop();
  // Its parent ends it so: ssh does, when it has ended.
  return until_cancelled(
      context, [&] { suggest_vm(context, options.vm, [&] { context.manager().connect(options); }); });
}

int cmd_forward(Context& context) {
  const auto& arguments = context.args().arguments;
  ForwardOptions options;
  options.vm = arguments[0];
  check_vm_name(options.vm);
  for (size_t i = 1; i < arguments.size(); ++i) options.ports.push_back(parse_port(arguments[i]));
  options.stop = context.stop();
  options.on_listening = [&](const PortForward& port) {
    if (context.out().json())
      context.out().raw(json_line(
          {{"name", options.vm}, {"address", port.address}, {"host", port.host}, {"guest", port.guest}}));
    else
      context.out().note(fmt::format("{}:{} leads to port {} of VM '{}' until this command ends",
                                     port.address, port.host, port.guest, options.vm));
  };
  return until_cancelled(
      context, [&] { suggest_vm(context, options.vm, [&] { context.manager().forward(options); }); });
}

}  // namespace knaller::cli
