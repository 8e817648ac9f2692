// The words of an enumeration, from the one list that there is of them: the switch of its to_text(), which
// does not compile when a value is missing.
#ifndef KNALLER_BASE_ENUM_TEXT_H_
#define KNALLER_BASE_ENUM_TEXT_H_

#include <optional>
#include <string_view>

namespace knaller {

// The value with this word. For enumerations that count from 0 and whose to_text() has nothing for a number
// beyond the last value.
template <typename Enum>
std::optional<Enum> enum_from_text(std::string_view text) {
  if (text.empty()) return std::nullopt;
  for (int number = 0; !to_text(static_cast<Enum>(number)).empty(); ++number)
    if (to_text(static_cast<Enum>(number)) == text) return static_cast<Enum>(number);
  return std::nullopt;
}

}  // namespace knaller

#endif  // KNALLER_BASE_ENUM_TEXT_H_
