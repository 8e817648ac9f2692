#include "store/labels.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace knaller;  // NOLINT
  store::SnapshotLabels labels;
  if (!fuzz::refuses_well([&] { labels = store::parse_labels(fuzz::text_of(data, size)); })) return 0;
  if (!fuzz::refuses_well([&] { store::check_labels(labels.labels); })) return 0;
  const std::string text = store::to_text(labels);
  fuzz::require(fuzz::refuses_well([&] { labels = store::parse_labels(text); }),
                "what was written is not read");
  fuzz::require(store::to_text(labels) == text, "what was read is written otherwise");
  return 0;
}
