// Commands in guests, as users name them: by the beginning of their session's id.
#ifndef KNALLER_CLI_SESSIONS_H_
#define KNALLER_CLI_SESSIONS_H_

#include <string>

#include "cli/context.h"

namespace knaller::cli {

// What of an id is shown; it tells thousands apart.
std::string short_id(const std::string& session);
// kNotFound when there is none, kInvalidArgument when there are several.
SessionInfo find_session(Context& context, const std::string& vm, const std::string& beginning);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_SESSIONS_H_
