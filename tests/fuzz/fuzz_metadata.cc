#include "store/snapshot_record.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace knaller;  // NOLINT
  static const auto id = store::SnapshotId::parse("snap_0a1b2c3d");
  store::SnapshotRecord record;
  if (!fuzz::refuses_well([&] { record = store::parse_snapshot_record(fuzz::text_of(data, size), id); }))
    return 0;
  record.format = 1;
  const std::string text = store::to_json_text(record);
  store::SnapshotRecord again;
  fuzz::require(fuzz::refuses_well([&] { again = store::parse_snapshot_record(text, id); }),
                "what was written is not read");
  fuzz::require(store::to_json_text(again) == text, "what was read is written otherwise");
  return 0;
}
