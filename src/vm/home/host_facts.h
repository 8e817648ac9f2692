// What takes milliseconds to find out and seldom changes: what an engine's program says about itself, and the
// rate of the host's time stamp counter. Remembered in HOME/facts.json, which may be removed at any time.
//
// An engine is known by its path and by its identity (engine::identity_of_engine()), so another program in
// its place is asked again.
#ifndef KNALLER_VM_HOME_HOST_FACTS_H_
#define KNALLER_VM_HOME_HOST_FACTS_H_

#include <string>

#include "base/deadline.h"
#include "engine/engine_facts.h"
#include "store/snapshot_record.h"
#include "vm/home/context.h"

namespace knaller::vm {

// Asks the program unless it is known. kUnsupported when it is not an engine or is too old.
engine::EngineFacts engine_facts(const Context& context, const std::string& binary, const Deadline& deadline);

// Measured once per boot of the host, which takes 10 ms.
uint64_t host_tsc_khz(const Context& context);

// Writes down the host on which a snapshot is taken: processor, time stamp counter, kernel.
void describe_host(const Context& context, store::SnapshotRecord& record);

}  // namespace knaller::vm

#endif  // KNALLER_VM_HOME_HOST_FACTS_H_
