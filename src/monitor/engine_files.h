// What of the host an engine needs beside its own program: nothing for a static one, such as Firecracker;
// else its loader and libraries, and for knaller-qemu QEMU with its own, and the firmware.
#ifndef KNALLER_MONITOR_ENGINE_FILES_H_
#define KNALLER_MONITOR_ENGINE_FILES_H_

#include <string>
#include <vector>

#include "base/deadline.h"

namespace knaller::monitor {

// Where an engine looks for programs.
inline constexpr char kEnginePath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Absolute paths of files and folders, sorted. Runs the programs' own loader, which takes some 10 ms:
// remember the answer for as long as programs and /etc/ld.so.cache are the same. kUnsupported for what is not
// a program.
std::vector<std::string> engine_files(const std::string& binary, bool qemu, const Deadline& deadline);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_ENGINE_FILES_H_
