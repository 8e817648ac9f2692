// A guest's files, which are its owner's: what is there is changed only where it must be, and keeps its mode,
// owner, attributes and links. Links lead to where they lead within the guest's root (openat2, Linux 5.6),
// also before that is the root.
//
// Everything returns false with errno set on failure, and the file is then as it was: this program has no
// exceptions, and is statically linked.
#ifndef KNALLER_IMAGE_GUEST_FILES_H_
#define KNALLER_IMAGE_GUEST_FILES_H_

#include <sys/types.h>

#include <string>

namespace knaller::guest_helper {

// A whole file, including the kernel's. ENODATA when it is not a regular file, EFBIG beyond 16 MiB.
bool read_file(const std::string& path, std::string* content);
bool read_file_in(const std::string& root, const std::string& path, std::string* content);

// Makes the file hold `content`; `mode` is for one that is made. Where that can be, a power cut leaves the
// old content or the new.
bool replace_file(const std::string& root, const std::string& path, const std::string& content, mode_t mode);
// Adds a line at its end. Of what is there only the last byte is read, and nothing written.
bool append_line(const std::string& root, const std::string& path, const std::string& line, mode_t mode);

}  // namespace knaller::guest_helper

#endif  // KNALLER_IMAGE_GUEST_FILES_H_
