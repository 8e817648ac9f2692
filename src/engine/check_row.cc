#include "engine/check_row.h"

#include <utility>

namespace knaller::engine {

using Result = CheckRow::Result;

CheckRow passed(std::string name, std::string detail) {
  return {Result::kOk, std::move(name), std::move(detail), {}};
}
CheckRow doubtful(std::string name, std::string detail, std::string remedy) {
  return {Result::kWarning, std::move(name), std::move(detail), std::move(remedy)};
}
CheckRow refused(std::string name, Code code, std::string detail, std::string remedy) {
  return {Result::kFailed, std::move(name), std::move(detail), std::move(remedy), code};
}
CheckRow judged(std::string name, Code code, std::string detail, std::string remedy) {
  return {Result::kFailed, std::move(name), std::move(detail), std::move(remedy), code, true};
}
CheckRow failed(std::string name, std::string detail, std::string remedy) {
  return {Result::kFailed, std::move(name), std::move(detail), std::move(remedy)};
}

}  // namespace knaller::engine
