// The few system calls that booting and renewing share. Everything returns false with errno set on failure:
// this program has no exceptions, and is statically linked.
#ifndef KNALLER_IMAGE_GUEST_SYSTEM_H_
#define KNALLER_IMAGE_GUEST_SYSTEM_H_

#include <string>

namespace knaller::guest_helper {

// Replaces the file (written beside it, renamed): a power cut leaves the old one or the new one.
bool write_file(const std::string& path, const std::string& content, unsigned mode);
// Up to 64 KiB; false when it cannot be read.
bool read_file(const std::string& path, std::string* content);

// The kernel's host name, /etc/hostname and its line in /etc/hosts, below `root` ("" or "/newroot").
bool set_hostname(const std::string& root, const std::string& hostname);

}  // namespace knaller::guest_helper

#endif  // KNALLER_IMAGE_GUEST_SYSTEM_H_
