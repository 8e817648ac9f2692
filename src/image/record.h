// image.json: what an image is. Private to src/image.
//
//   {"format":1,"name":"tiny","kind":"tiny","created_at":"…","kernel_version":"…","layout":"overlay","disk_mib":8192,
//    "guest_protocol":1,"packages":{"libc6":"2.36-9+deb12u14",…}}
#ifndef KNALLER_IMAGE_RECORD_H_
#define KNALLER_IMAGE_RECORD_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "image/image.h"

namespace knaller::image {

struct Record {
  std::string name = {};
  std::string kind = {};  // "tiny", "debian" or "imported"
  SystemTime created_at = std::chrono::system_clock::now();
  std::string kernel_version = {};
  bool overlay = true;
  uint64_t disk_mib = 0;
  int guest_protocol = kGuestProtocol;
  std::vector<std::pair<std::string, std::string>> packages = {};
};

std::string to_text(const Record& record);
// kCorrupt for anything that is not such a document. Unknown members, a newer knaller's, are ignored.
Record parse_record(std::string_view text, const std::string& what);

}  // namespace knaller::image

#endif  // KNALLER_IMAGE_RECORD_H_
