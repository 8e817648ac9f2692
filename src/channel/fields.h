// What a frame's payload says: fields, each a tag, a length and bytes. Fields that the reader does not know
// are passed over, so that either side may be the newer one. Pure, and without exceptions.
#ifndef KNALLER_CHANNEL_FIELDS_H_
#define KNALLER_CHANNEL_FIELDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace knaller::channel {

class FieldWriter {
 public:
  void add(uint16_t tag, std::string_view bytes);
  void add_number(uint16_t tag, uint64_t number);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

struct Field {
  uint16_t tag = 0;
  std::string_view bytes;

  // Nothing for a field of more than eight bytes.
  std::optional<uint64_t> number() const;
};

class FieldReader {
 public:
  explicit FieldReader(std::string_view payload) : rest_(payload) {}
  // Nothing at the end, and when what follows is no field: then is_whole() is false.
  std::optional<Field> next();
  bool is_whole() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

}  // namespace knaller::channel

#endif  // KNALLER_CHANNEL_FIELDS_H_
