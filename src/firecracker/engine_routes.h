// From an HTTP request to one call of the API: path, method, ids and body, as Firecracker's API server checks
// them before its hypervisor hears of them. Include in .cc files only. Pure.
#ifndef KNALLER_FIRECRACKER_ENGINE_ROUTES_H_
#define KNALLER_FIRECRACKER_ENGINE_ROUTES_H_

#include <string>

#include "base/json.h"
#include "firecracker/server.h"
#include "firecracker/version.h"

namespace knaller::firecracker {

enum class Endpoint {
  kDescribe,
  kVersion,
  kGetMachineConfig,
  kGetVmConfig,
  kGetBalloon,
  kPutMachineConfig,
  kPatchMachineConfig,
  kPutBootSource,
  kPutDrive,
  kPatchDrive,
  kPutNetwork,
  kPatchNetwork,
  kDeleteDevice,
  kPutVsock,
  kPutBalloon,
  kPutEntropy,
  kPutLogger,
  kPutMetrics,
  kPutSerial,
  kAction,
  kPatchVm,
  kCreateSnapshot,
  kLoadSnapshot,
  kOther,  // Firecracker has it, these engines do not: MMDS, pmem, memory hotplug, CPU configuration, balloon
           // statistics
};

struct Call {
  Endpoint endpoint;
  std::string id;  // of the device
  Json body;       // checked
};

// Throws kInvalidArgument with the fault_message, whole.
[[noreturn]] void refuse(std::string message);

// Throws kInvalidArgument with the fault_message.
Call parse_call(const HttpRequest& request, const Version& version);

}  // namespace knaller::firecracker

#endif  // KNALLER_FIRECRACKER_ENGINE_ROUTES_H_
