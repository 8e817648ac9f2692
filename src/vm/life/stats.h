// What running VMs use: asked of their monitors, and read from /proc. Cheap enough to be looked at every
// second for a hundred of them.
#ifndef KNALLER_VM_LIFE_STATS_H_
#define KNALLER_VM_LIFE_STATS_H_

#include <functional>
#include <vector>

#include "vm/home/context.h"

namespace knaller::vm {

void sample_vms(const Context& context, const StatsOptions& options,
                const std::function<void(const std::vector<VmStats>&)>& take);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_STATS_H_
