// What the jail shows: every path of it is told, for the test to compare with what was meant to be shown, and
// nothing but what is below /vm may be written to. Not /proc, whose entries come and go; files() has that.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "probe.h"

namespace probe {
namespace {

constexpr unsigned kLongestPath = 1024;
char path[kLongestPath];
char writable[kLongestPath + 32];

bool is(const char* name) {
  return std::strcmp(path, name) == 0;
}

// Calls `look` for everything below `path`, links unfollowed; false when a folder can't be read.
bool walk(void (*look)(const struct stat&)) {
  DIR* folder = opendir(path[0] == '\0' ? "/" : path);
  if (folder == nullptr) return false;
  const unsigned long length = std::strlen(path);
  bool whole = true;
  while (const dirent* entry = readdir(folder)) {
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    std::snprintf(path + length, kLongestPath - length, "/%s", entry->d_name);
    struct stat status = {};
    if (lstat(path, &status) != 0) whole = false;
    look(status);
    if (S_ISDIR(status.st_mode) && !is("/proc") && !is("/vm")) whole = walk(look) && whole;
    path[length] = '\0';
  }
  closedir(folder);
  return whole;
}

void tell(const struct stat&) {
  std::printf("sees %s\n", path);
}

// Devices are written to; files() tries what else can be done to them.
void open_for_writing(const struct stat& status) {
  const bool folder = S_ISDIR(status.st_mode);
  if ((!folder && !S_ISREG(status.st_mode)) || is("/proc") || is("/vm")) return;
  const long fd = open_path(path, folder ? O_TMPFILE | O_RDWR : O_WRONLY);
  if (fd >= 0) {
    close(static_cast<int>(fd));
    std::snprintf(writable, sizeof writable, "%s was opened", path);
  }
  // ETXTBSY: of this program, which the kernel looks at before it looks at the mount.
  if (fd < 0 && errno != EROFS && errno != EACCES && errno != EPERM && errno != ETXTBSY)
    std::snprintf(writable, sizeof writable, "%s was not refused: %s", path, strerrorname_np(errno));
}

Outcome write_what_is_seen(const Attempt&) {
  path[0] = writable[0] = '\0';
  if (!walk(open_for_writing)) return unprepared();
  return writable[0] == '\0' ? refused("each of them was") : succeeded(writable);
}

constexpr Attempt kAttempts[] = {
    {"write-anything-seen", write_what_is_seen},
};

}  // namespace

bool tell_what_is_seen() {
  path[0] = '\0';
  return walk(tell);
}

Attempts seen() {
  return kAttempts;
}

}  // namespace probe
