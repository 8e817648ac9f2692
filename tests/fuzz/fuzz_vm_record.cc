#include "store/vm_record.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace knaller;  // NOLINT
  store::VmRecord record;
  if (!fuzz::refuses_well([&] { record = store::parse_vm_record(fuzz::text_of(data, size), "web"); }))
    return 0;
  const std::string text = store::to_json_text(record);
  store::VmRecord again;
  fuzz::require(fuzz::refuses_well([&] { again = store::parse_vm_record(text, "web"); }),
                "what was written is not read");
  fuzz::require(store::to_json_text(again) == text, "what was read is written otherwise");
  return 0;
}
