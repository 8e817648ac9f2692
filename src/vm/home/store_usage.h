// `store du`: what every image, snapshot and VM takes on the disk.
#ifndef KNALLER_VM_HOME_STORE_USAGE_H_
#define KNALLER_VM_HOME_STORE_USAGE_H_

#include <stop_token>

#include "vm/home/context.h"

namespace knaller::vm {

StoreUsage measure_store(const Context& context, std::stop_token stop);

}  // namespace knaller::vm

#endif  // KNALLER_VM_HOME_STORE_USAGE_H_
