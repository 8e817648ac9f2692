// The jail: a root that shows an engine its own VM's directory and nothing else of the user's. No root
// needed.
//
// These functions are for the cloned child that is pid 1 of new user, mount and pid namespaces, before it
// executes the engine. It is single-threaded and may allocate. Everything is attached by descriptor (Linux
// 5.12's mount calls), so paths may be long, hold spaces or be renamed, and no link that an engine left
// behind in its directory is followed.
#ifndef KNALLER_MONITOR_JAIL_H_
#define KNALLER_MONITOR_JAIL_H_

#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "monitor/engine_identity.h"

namespace knaller::monitor {

struct JailOptions {
  std::string engine_binary;         // absolute
  std::vector<std::string> files;    // of the host, shown at their own paths: engine::engine_files()
  std::vector<std::string> devices;  // of /dev, besides null and urandom, those that exist: "kvm", "net/tun"
  EngineIdentity identity;           // taken on the way
  std::string directory;  // the VM's jail directory, relative to the working directory; becomes /vm
  std::vector<std::string> immutable;
  std::vector<std::pair<std::string, std::string>> binds;  // file of `directory` -> absolute path in the jail
};

// What root's monitor has prepared for an engine of a borrowed identity; nothing for others.
struct PreparedMounts {
  UniqueFd directory;
  UniqueFd devices;
};

// Afterwards the root is a read-only tmpfs with the engine, the files and devices that it needs, a proc of
// this pid namespace and /vm, which is the working directory. Returns the engine's path in there. Errors name
// the step.
std::string enter_jail(const JailOptions& options, PreparedMounts prepared);

// A mount of this folder, read-only, attached nowhere. Needs a mount namespace of one's own.
UniqueFd clone_read_only(int folder, const std::string& what);

// Empties all capability sets, the bounding set included, and sets NO_NEW_PRIVS: nothing grows back at exec,
// for uid 0 either.
void drop_privileges();

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_JAIL_H_
