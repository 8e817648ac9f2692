// Strict base64 (RFC 4648 §4): no line breaks, padding required, no stray bits.
#ifndef KNALLER_IMAGE_GUEST_BASE64_H_
#define KNALLER_IMAGE_GUEST_BASE64_H_

#include <string>
#include <string_view>

namespace knaller::guest_helper {

bool decode_base64(std::string_view text, std::string* bytes);
std::string encode_base64(std::string_view bytes);

}  // namespace knaller::guest_helper

#endif  // KNALLER_IMAGE_GUEST_BASE64_H_
