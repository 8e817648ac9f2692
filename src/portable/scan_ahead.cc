#include "portable/scan_ahead.h"

#include "portable/layout.h"

namespace knaller::portable {

ScanAhead::ScanAhead(std::vector<ScannedFile> files, std::stop_token stop)
    : files_(std::move(files)),
      found_(files_.size()),
      on_stop_(std::move(stop), [this] { stop_.request_stop(); }),
      thread_([this] { scan(); }) {}

ScanAhead::~ScanAhead() {
  stop_.request_stop();
}

void ScanAhead::scan() {
  const Deadline deadline = Deadline::never(stop_.get_token());
  for (size_t number = 0; number < files_.size(); ++number) {
    try {
      found_[number].set_value(nonzero_extents(files_[number].fd, *files_[number].file, deadline));
    } catch (...) {
      found_[number].set_exception(std::current_exception());
    }
  }
}

}  // namespace knaller::portable
