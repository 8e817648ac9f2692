// Request bodies as Firecracker's deserialiser (serde) sees them: which members, of which type, and what is
// said when one is wrong. Include in .cc files only, like base/json.h. Pure.
//
// The messages are serde's without positions ("at line 1 column 9"), which clients cannot rely on: they
// differ by version.
#ifndef KNALLER_FIRECRACKER_BODY_H_
#define KNALLER_FIRECRACKER_BODY_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace knaller::firecracker {

enum class Kind { kBool, kU8, kU16, kU32, kU64, kString, kEnum, kMac, kLevel, kObject, kArray, kAny };

struct Schema;
struct Field {
  std::string_view name;
  Kind kind;
  bool required = false;
  std::vector<std::string_view> variants = {};  // of kEnum
  const Schema* inner = nullptr;                // of kObject, and of the elements of kArray
};
struct Schema {
  std::string_view name;  // of the struct, as messages call it
  std::vector<Field> fields;
};

// The body as JSON object with members of the right types; null members are left out. Throws kInvalidArgument
// with the complete fault_message.
Json parse_body(std::string_view body, const Schema& schema);

// "An error occurred when deserializing the json body of a request: <reason>."
[[noreturn]] void refuse_body(std::string_view reason);

}  // namespace knaller::firecracker

#endif  // KNALLER_FIRECRACKER_BODY_H_
