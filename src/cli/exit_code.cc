#include "cli/exit_code.h"

#include <csignal>

namespace knaller::cli {

int exit_code_of(Code code) {
  switch (code) {
    case Code::kIo:
      return 1;
    case Code::kInvalidArgument:
      return 2;
    case Code::kNotFound:
      return 3;
    case Code::kWrongState:
      return 4;
    case Code::kAlreadyExists:
      return 5;
    case Code::kUnsupported:
      return 6;
    case Code::kTimeout:
      return 7;
    case Code::kBusy:
      return 8;
    case Code::kPermission:
      return 9;
    case Code::kExhausted:
      return 10;
    case Code::kCorrupt:
      return 11;
    case Code::kEngineRefused:
    case Code::kEngineDied:
      return 12;
    case Code::kCancelled:
      return 128 + SIGINT;
    case Code::kInternal:
      break;
  }
  return 70;
}

}  // namespace knaller::cli
