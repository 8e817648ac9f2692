// Flags and settings of commands that take a snapshot of a running VM.
#ifndef KNALLER_CLI_CAPTURE_H_
#define KNALLER_CLI_CAPTURE_H_

#include <chrono>

#include "cli/context.h"

namespace knaller::cli {

// Changes only what was given. Throws kInvalidArgument, naming where it was given.
void read_capture_settings(const Context& context, std::chrono::milliseconds& max_pause, CaptureWay& capture);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_CAPTURE_H_
