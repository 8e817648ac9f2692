// Finds which parts of several files are not zero, on a thread of its own, one file after the other, while
// whoever made it works on those before.
//
// Used by one thread; what the search throws is thrown by data_of(). The destructor ends it.
#ifndef KNALLER_PORTABLE_SCAN_AHEAD_H_
#define KNALLER_PORTABLE_SCAN_AHEAD_H_

#include <functional>
#include <future>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/file.h"
#include "store/manifest.h"

namespace knaller::portable {

struct ScannedFile {
  int fd = -1;
  const store::ManifestFile* file = nullptr;
};

class ScanAhead {
 public:
  // The files stay the caller's, open until the end.
  ScanAhead(std::vector<ScannedFile> files, std::stop_token stop);
  ScanAhead(const ScanAhead&) = delete;
  ScanAhead& operator=(const ScanAhead&) = delete;
  ~ScanAhead();

  // Waits for it. Call it once for each.
  std::vector<Extent> data_of(size_t number) { return found_[number].get_future().get(); }

 private:
  void scan();

  std::vector<ScannedFile> files_;
  std::vector<std::promise<std::vector<Extent>>> found_;
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> on_stop_;
  std::jthread thread_;
};

}  // namespace knaller::portable

#endif  // KNALLER_PORTABLE_SCAN_AHEAD_H_
