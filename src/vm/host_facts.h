// What takes milliseconds to find out and seldom changes: what an engine's program says of itself, and the
// rate of the host's time stamp counter. Remembered in HOME/facts.json, which may be removed at any time.
//
// An engine is known by its path and by its file's identity (device, inode, size, times), so another program
// put in its place is asked anew.
#ifndef KNALLER_VM_HOST_FACTS_H_
#define KNALLER_VM_HOST_FACTS_H_

#include <string>
#include <vector>

#include "base/deadline.h"
#include "store/snapshot_record.h"
#include "vm/context.h"

namespace knaller::vm {

struct EngineFacts {
  std::string kind;                // "firecracker" or "qemu"
  std::string version;             // "1.16.1"; of knaller-qemu, the Firecracker whose API it has
  std::string state_version;       // of the states that it writes, "10.0.0"; empty when it does not say
  std::string qemu_version;        // "7.2.22", of knaller-qemu
  std::vector<std::string> files;  // what of the host it needs beside its program (monitor::engine_files)
};
// Runs the program unless it is known. kUnsupported when it is no engine or too old.
EngineFacts engine_facts(const Context& context, const std::string& binary, const Deadline& deadline);

// Changes with the program's file, with the host's libraries, and for all engines with QEMU's, since what
// knaller-qemu does depends on the QEMU that it finds.
std::string identity_of_engine(const std::string& binary);

// Measured once per boot of the host, which takes 10 ms.
uint64_t host_tsc_khz(const Context& context);

// Writes down the host on which a snapshot is taken: processor, time stamp counter, kernel.
void describe_host(const Context& context, store::SnapshotRecord& record);

}  // namespace knaller::vm

#endif  // KNALLER_VM_HOST_FACTS_H_
