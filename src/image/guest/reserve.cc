#include "image/guest/reserve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace knaller::guest_helper {
namespace {

constexpr int kFiles = 4;
constexpr off_t kFileBytes = 8192;

std::string folder(const std::string& disk) {
  return disk + "/reserve";
}

std::string file(const std::string& disk, int number) {
  return folder(disk) + '/' + std::to_string(number);
}

}  // namespace

void keep_reserve(const std::string& disk) {
  mkdir(folder(disk).c_str(), 0700);
  for (int i = 0; i < kFiles; ++i) {
    const int fd = open(file(disk, i).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) continue;
    const bool there = fallocate(fd, 0, 0, kFileBytes) == 0;
    close(fd);
    // An inode without its blocks would count as whole the next time.
    if (!there) unlink(file(disk, i).c_str());
  }
}

void give_up_reserve(const std::string& disk) {
  for (int i = 0; i < kFiles; ++i) unlink(file(disk, i).c_str());
}

}  // namespace knaller::guest_helper
