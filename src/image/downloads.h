// Where builds keep what they download: package lists and packages below one folder, for one build at a time.
//
//   FOLDER/lists/   FOLDER/debs/*.deb   FOLDER/lists-are-whole
//
// It may be removed whenever no build runs. What an interrupted build left is never taken to be complete:
// packages are checked against the digests in the lists (apt.h), and lists are fetched anew unless the last
// update was finished. Failures are knaller::Error.
#ifndef KNALLER_IMAGE_DOWNLOADS_H_
#define KNALLER_IMAGE_DOWNLOADS_H_

#include <chrono>
#include <optional>
#include <string>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/lock.h"
#include "image/apt.h"
#include "knaller/types.h"

namespace knaller::image {

class Downloads {
 public:
  // `kept`: the folder that outlives builds; empty: `otherwise` is used, which goes with this build. Waits,
  // and says so, while another build has the folder.
  Downloads(const std::string& kept, const std::string& otherwise, const EventSink& sink,
            const Deadline& deadline);

  const std::string& path() const { return path_; }
  void update_lists(Apt& apt, const Deadline& deadline);
  // Removes packages that no build has used for this long.
  void sweep(std::chrono::hours unused_for = std::chrono::hours(24 * 30));

 private:
  std::string path_;
  UniqueFd folder_;
  std::optional<LockFile> lock_;
};

}  // namespace knaller::image

#endif  // KNALLER_IMAGE_DOWNLOADS_H_
