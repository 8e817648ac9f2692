#include "store/engine_type.h"

#include "base/enum_text.h"
#include "base/error.h"
#include "base/text.h"

namespace knaller::store {

EngineType engine_type_from_text(std::string_view text, const std::string& what) {
  if (const auto type = enum_from_text<EngineType>(text)) return *type;
  throw Error(
      Code::kUnsupported,
      fmt::format("{}: '{}' is not an engine that this knaller knows", what, printable(text.substr(0, 80))),
      "use the newer knaller that wrote it, if one did");
}

}  // namespace knaller::store
