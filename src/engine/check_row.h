// Makes the rows of a check. Pure.
#ifndef KNALLER_ENGINE_CHECK_ROW_H_
#define KNALLER_ENGINE_CHECK_ROW_H_

#include <string>

#include "knaller/types.h"

namespace knaller::engine {

CheckRow passed(std::string name, std::string detail);
CheckRow doubtful(std::string name, std::string detail, std::string remedy = {});
// For a restore: the error with which it would end.
CheckRow refused(std::string name, Code code, std::string detail, std::string remedy = {});
// One that --force overrides.
CheckRow judged(std::string name, Code code, std::string detail, std::string remedy = {});
// For `doctor`, which ends with no error.
CheckRow failed(std::string name, std::string detail, std::string remedy);

}  // namespace knaller::engine

#endif  // KNALLER_ENGINE_CHECK_ROW_H_
