#include "channel/fields.h"

namespace knaller::channel {
namespace {

// Little-endian; a tag has two bytes, a length four.
constexpr size_t kTagBytes = 2;
constexpr size_t kLengthBytes = 4;

void append_number(std::string& out, uint64_t number, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(number >> (8 * i)));
}

uint64_t number_in(std::string_view bytes) {
  uint64_t number = 0;
  for (size_t i = bytes.size(); i-- > 0;) number = number << 8 | static_cast<uint8_t>(bytes[i]);
  return number;
}

}  // namespace

void FieldWriter::add(uint16_t tag, std::string_view bytes) {
  append_number(text_, tag, kTagBytes);
  append_number(text_, bytes.size(), kLengthBytes);
  text_.append(bytes);
}

void FieldWriter::add_number(uint16_t tag, uint64_t number) {
  std::string bytes;
  append_number(bytes, number, sizeof number);
  add(tag, bytes);
}

std::optional<uint64_t> Field::number() const {
  if (bytes.size() > sizeof(uint64_t)) return std::nullopt;
  return number_in(bytes);
}

std::optional<Field> FieldReader::next() {
  constexpr size_t kHead = kTagBytes + kLengthBytes;
  if (rest_.size() < kHead) return std::nullopt;
  const auto tag = static_cast<uint16_t>(number_in(rest_.substr(0, kTagBytes)));
  const uint64_t size = number_in(rest_.substr(kTagBytes, kLengthBytes));
  if (size > rest_.size() - kHead) return std::nullopt;
  const Field field{tag, rest_.substr(kHead, static_cast<size_t>(size))};
  rest_.remove_prefix(kHead + static_cast<size_t>(size));
  return field;
}

}  // namespace knaller::channel
