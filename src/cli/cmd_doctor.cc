#include "cli/checks.h"
#include "cli/commands.h"

namespace knaller::cli {

int cmd_doctor(Context& context) {
  return print_checks(context, context.manager().doctor()) ? 0 : 1;
}

}  // namespace knaller::cli
