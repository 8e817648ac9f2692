// Names of VMs, snapshots and images, as types that cannot hold a bad value: they become file names.
#ifndef KNALLER_STORE_NAMES_H_
#define KNALLER_STORE_NAMES_H_

#include <compare>
#include <string>
#include <string_view>

namespace knaller::store {

// [a-z0-9]([a-z0-9_.-]{0,62}) for VMs and images. `kind` is used in errors: "VM name".
class Name {
 public:
  // Throws kInvalidArgument, saying which rule is broken.
  static Name parse(std::string_view text, std::string_view kind = "VM name");
  static bool is_valid(std::string_view text);

  const std::string& str() const { return text_; }
  auto operator<=>(const Name&) const = default;

 private:
  explicit Name(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// snap_ and eight hexadecimal digits.
class SnapshotId {
 public:
  static SnapshotId parse(std::string_view text);
  static SnapshotId make_random();
  static bool is_valid(std::string_view text);

  const std::string& str() const { return text_; }
  auto operator<=>(const SnapshotId&) const = default;

 private:
  explicit SnapshotId(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// A readable name for a VM whose owner gave none, such as "brave-otter-42".
Name make_up_name();

}  // namespace knaller::store

#endif  // KNALLER_STORE_NAMES_H_
