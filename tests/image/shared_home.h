// What the tests of images share: a home of their own with the image `tiny`, built once a run, and its
// downloads.
#ifndef KNALLER_TESTS_IMAGE_SHARED_HOME_H_
#define KNALLER_TESTS_IMAGE_SHARED_HOME_H_

#include <string>

#include "base/test_folder.h"
#include "image/image.h"

namespace knaller::image {

class SharedHome {
 public:
  static SharedHome& shared();

  const store::Home& home() const { return home_; }
  const Image& tiny() const { return tiny_; }
  // For another build with the same downloads.
  BuildOptions options(const std::string& name) const;
  const TestFolder& folder() const { return folder_; }

 private:
  SharedHome();

  TestFolder folder_;
  store::Home home_ = store::Home::open(folder_.path("home"));
  Image tiny_;
};

// Names in the home's images folder, hidden ones too.
std::vector<std::string> all_entries(const store::Home& home);

// As a boot would.
void replay_journal(const std::string& image);
enum class DebugfsMode { kRead, kWrite };
std::string debugfs(const std::string& image, const std::string& request,
                    DebugfsMode mode = DebugfsMode::kRead);

}  // namespace knaller::image

#endif  // KNALLER_TESTS_IMAGE_SHARED_HOME_H_
