#include "base/characters.h"

namespace knaller {
namespace {

unsigned char byte_at(std::string_view text, size_t at) {
  return static_cast<unsigned char>(text[at]);
}

}  // namespace

size_t utf8_length_by_lead(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}

size_t utf8_length(std::string_view text) {
  const unsigned char lead = byte_at(text, 0);
  const size_t length = utf8_length_by_lead(lead);
  if (length < 2) return length;
  if (text.size() < length) return 0;
  for (size_t at = 1; at < length; ++at)
    if ((byte_at(text, at) & 0xc0) != 0x80) return 0;
  const unsigned char second = byte_at(text, 1);
  if (lead == 0xe0 && second < 0xa0) return 0;
  if (lead == 0xed && second > 0x9f) return 0;
  if (lead == 0xf0 && second < 0x90) return 0;
  if (lead == 0xf4 && second > 0x8f) return 0;
  return length;
}

char32_t code_point(std::string_view sequence) {
  constexpr unsigned kLeadBits[] = {0x7f, 0x1f, 0x0f, 0x07};
  char32_t value = byte_at(sequence, 0) & kLeadBits[sequence.size() - 1];
  for (size_t at = 1; at < sequence.size(); ++at) value = value << 6 | (byte_at(sequence, at) & 0x3f);
  return value;
}

bool is_control(std::string_view sequence) {
  const char32_t c = code_point(sequence);
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e || c == 0x200f ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

}  // namespace knaller
