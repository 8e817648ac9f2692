// Help and man pages, written from the tables of spec.h. Pure text: nothing here fails.
#ifndef KNALLER_CLI_HELP_H_
#define KNALLER_CLI_HELP_H_

#include <string>
#include <string_view>

#include "cli/spec.h"

namespace knaller::cli {

std::string overview();                          // `knaller help`
std::string help_of(const Command& command);     // `knaller help start`
std::string help_of_group(const Family& group);  // `knaller help snapshot`

// roff, for man(1).
std::string man_page();                           // knaller(1)
std::string man_page_of(const Command& command);  // knaller-start(1)
std::string man_name(const Command& command);     // "knaller-snapshot-create"

}  // namespace knaller::cli

#endif  // KNALLER_CLI_HELP_H_
