#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/creation.h"

namespace knaller::cli {

int cmd_doctor(Context& context) {
  return print_checks(context, doctor(context.manager_options(), engine_choice(context))) ? 0 : 1;
}

}  // namespace knaller::cli
