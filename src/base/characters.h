// UTF-8, and which of its characters a terminal must not be given. Pure.
#ifndef KNALLER_BASE_CHARACTERS_H_
#define KNALLER_BASE_CHARACTERS_H_

#include <cstddef>
#include <string_view>

namespace knaller {

// How long the sequence is that begins with this byte; 0 for one that begins none.
size_t utf8_length_by_lead(unsigned char lead);
// The length of the UTF-8 sequence that `text`, which must not be empty, starts with; 0 when it starts with
// none. Overlong forms, surrogates and anything beyond U+10FFFF don't count as sequences.
size_t utf8_length(std::string_view text);

// The character that a whole sequence stands for.
char32_t code_point(std::string_view sequence);

// One whole sequence: a control character (C0, DEL, C1, which some terminals obey), or one that changes the
// order in which others are shown (bidirectional marks, embeddings, overrides, isolates) or breaks the line
// (U+2028, U+2029), so that a text looks like another one.
bool is_control(std::string_view sequence);

}  // namespace knaller

#endif  // KNALLER_BASE_CHARACTERS_H_
