// What a hostile engine might have changed on the host, by name: to be compared before and after.
#ifndef KNALLER_TESTS_JAIL_HOST_STATE_H_
#define KNALLER_TESTS_JAIL_HOST_STATE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

namespace knaller::test {

using HostState = std::map<std::string, std::string>;

// Devices, kernel settings, the mounts of this process, and every file below `home` but those below `except`.
HostState look_at_host(const std::string& home, const std::string& except);

// Processes that execute that file.
std::vector<pid_t> processes_that_run(const std::string& program);

}  // namespace knaller::test

#endif  // KNALLER_TESTS_JAIL_HOST_STATE_H_
