// The two files of a log that its monitor rotates.
#ifndef KNALLER_VM_LIFE_LOG_PARTS_H_
#define KNALLER_VM_LIFE_LOG_PARTS_H_

#include <string>

#include "base/fd.h"

namespace knaller::vm {

// Either may be missing. Where there is only the older one, a rotation is under way, or the monitor was
// killed in it.
struct LogParts {
  UniqueFd current;
  UniqueFd older;
};

// Both as of the same moment.
LogParts open_log_parts(int directory, const std::string& name);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_LOG_PARTS_H_
