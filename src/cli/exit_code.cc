#include "cli/exit_code.h"

#include <algorithm>

namespace knaller::cli {

const std::vector<ExitCodeRow>& exit_code_rows() {
  static const std::vector<ExitCodeRow> rows{
      {0, "done"},
      {1, "failed, or reading or writing failed", {Code::kIo}},
      {2, "wrong usage: an unknown command or flag, an invalid value", {Code::kInvalidArgument}},
      {3, "not found: no VM, snapshot, image or file of that name", {Code::kNotFound}},
      {4, "wrong state: the VM is not in a state for that", {Code::kWrongState}},
      {5, "already exists", {Code::kAlreadyExists}},
      {6, "not supported here", {Code::kUnsupported}},
      {7, "a time limit passed", {Code::kTimeout}},
      {8, "busy: another command works on it", {Code::kBusy}},
      {9, "permission denied", {Code::kPermission}},
      {10, "exhausted: disk, memory, ports or descriptors", {Code::kExhausted}},
      {11, "corrupt: a damaged snapshot, image or file", {Code::kCorrupt}},
      {12, "the engine refused or died", {Code::kEngineRefused, Code::kEngineDied}},
      {70, "internal error of knaller", {Code::kInternal}},
      {125, "exec and run: knaller itself failed, whatever the reason"},
      {126, "exec and run: the command could not be executed"},
      {127, "exec and run: no such command in the guest"},
      {130,
       "stopped by Ctrl-C (128 + the signal's number; exec and run: a signal ended the command)",
       {Code::kCancelled}},
  };
  return rows;
}

int exit_code_of(Code code) {
  for (const ExitCodeRow& row : exit_code_rows())
    if (std::find(row.errors.begin(), row.errors.end(), code) != row.errors.end()) return row.code;
  return exit_code_of(Code::kInternal);
}

}  // namespace knaller::cli
