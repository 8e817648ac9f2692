// What a VM's guest and engine wrote.
#ifndef KNALLER_VM_LIFE_LOGS_H_
#define KNALLER_VM_LIFE_LOGS_H_

#include <functional>
#include <string_view>

#include "vm/home/context.h"

namespace knaller::vm {

void write_logs(const Context& context, const LogOptions& options,
                const std::function<void(std::string_view)>& write);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_LOGS_H_
