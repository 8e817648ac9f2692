// Fields whose tags are an enum's, and values of types that say how they are written. Pure, and without
// exceptions.
#ifndef KNALLER_CHANNEL_TAGGED_FIELDS_H_
#define KNALLER_CHANNEL_TAGGED_FIELDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "channel/fields.h"

namespace knaller::channel {

template <typename Tag>
class TaggedWriter {
 public:
  void text(Tag tag, std::string_view bytes) {
    if (!bytes.empty()) fields_.add(static_cast<uint16_t>(tag), bytes);
  }
  void texts(Tag tag, const std::vector<std::string>& texts) {
    for (const std::string& one : texts) fields_.add(static_cast<uint16_t>(tag), one);
  }
  void number(Tag tag, uint64_t number) { fields_.add_number(static_cast<uint16_t>(tag), number); }
  void flag(Tag tag, bool set) {
    if (set) number(tag, 1);
  }
  template <typename Number>
  void number(Tag tag, const std::optional<Number>& number) {
    if (number) this->number(tag, static_cast<uint64_t>(*number));
  }
  const std::string& payload() const { return fields_.text(); }

 private:
  FieldWriter fields_;
};

// A field's number, if it has one of at most `most`.
template <typename Number>
bool read(const Field& field, uint64_t most, Number& number) {
  const auto value = field.number();
  if (!value || *value > most) return false;
  number = static_cast<Number>(*value);
  return true;
}
template <typename Number>
bool read(const Field& field, uint64_t most, std::optional<Number>& number) {
  return read(field, most, number.emplace());
}
inline bool read(const Field& field, std::string& text) {
  text = field.bytes;
  return true;
}
inline bool read(const Field& field, bool& flag) {
  return read(field, 1, flag);
}
inline bool read(const Field& field, std::vector<std::string>& texts) {
  texts.emplace_back(field.bytes);
  return true;
}

// Each field by `take`, which passes over what it does not know.
template <typename Tag, typename Take>
bool read_all(std::string_view payload, const Take& take) {
  FieldReader reader(payload);
  while (const auto field = reader.next())
    if (!take(static_cast<Tag>(field->tag), *field)) return false;
  return reader.is_whole();
}

}  // namespace knaller::channel

#endif  // KNALLER_CHANNEL_TAGGED_FIELDS_H_
