#include "image/guest/system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace knaller::guest_helper {
namespace {

constexpr size_t kMostFileBytes = 64 << 10;

bool write_whole(int fd, const std::string& content) {
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t count = write(fd, content.data() + done, content.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    done += static_cast<size_t>(count);
  }
  return true;
}

// The hosts file with its 127.0.1.1 line saying `hostname`, which is Debian's way to make a host's own name
// resolve.
std::string renamed_hosts(const std::string& hosts, const std::string& hostname) {
  static constexpr char kAddress[] = "127.0.1.1";
  std::string result;
  size_t at = 0;
  while (at < hosts.size()) {
    const size_t end = hosts.find('\n', at);
    const std::string line = hosts.substr(at, end == std::string::npos ? end : end - at);
    at = end == std::string::npos ? hosts.size() : end + 1;
    if (line.compare(0, sizeof(kAddress) - 1, kAddress) != 0) result += line + '\n';
  }
  return result + kAddress + '\t' + hostname + '\n';
}

}  // namespace

bool write_file(const std::string& path, const std::string& content, unsigned mode) {
  const std::string temporary = path + ".knaller-new";
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd < 0) return false;
  bool good = fchmod(fd, mode) == 0 && write_whole(fd, content);
  good = close(fd) == 0 && good;
  good = good && rename(temporary.c_str(), path.c_str()) == 0;
  if (!good) {
    const int saved_errno = errno;
    unlink(temporary.c_str());
    errno = saved_errno;
  }
  return good;
}

bool read_file(const std::string& path, std::string* content) {
  content->clear();
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char buffer[4096];
  ssize_t count = 0;
  while (content->size() < kMostFileBytes && (count = read(fd, buffer, sizeof(buffer))) > 0) {
    content->append(buffer, static_cast<size_t>(count));
  }
  close(fd);
  return count >= 0;
}

bool set_hostname(const std::string& root, const std::string& hostname) {
  if (sethostname(hostname.data(), hostname.size()) != 0) return false;
  const std::string etc = root + "/etc";
  mkdir(etc.c_str(), 0755);  // fails when it is there; if it can't be made, the write says so
  std::string hosts;
  if (!read_file(etc + "/hosts", &hosts)) hosts = "127.0.0.1\tlocalhost\n";
  return write_file(etc + "/hostname", hostname + '\n', 0644) &&
         write_file(etc + "/hosts", renamed_hosts(hosts, hostname), 0644);
}

}  // namespace knaller::guest_helper
