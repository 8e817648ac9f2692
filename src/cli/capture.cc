#include "cli/capture.h"

#include "base/error.h"
#include "base/text.h"

namespace knaller::cli {
namespace {

CaptureWay capture_way(const Setting& setting) {
  for (const CaptureWay way : {CaptureWay::kAuto, CaptureWay::kOutside, CaptureWay::kEngine})
    if (setting.text == to_string(way)) return way;
  fail(Code::kInvalidArgument, "{}: '{}' is none of auto, outside and engine", setting.origin,
       printable(setting.text));
}

}  // namespace

void read_capture_settings(const Context& context, std::chrono::milliseconds& max_pause,
                           CaptureWay& capture) {
  if (const auto longest = context.settings().duration("max_pause")) max_pause = *longest;
  if (const auto way = context.settings().get("capture")) capture = capture_way(*way);
}

}  // namespace knaller::cli
