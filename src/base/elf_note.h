#ifndef KNALLER_BASE_ELF_NOTE_H_
#define KNALLER_BASE_ELF_NOTE_H_

#include <cstdint>
#include <string_view>

namespace knaller {

// Whether a file is a 64-bit ELF file. Throws when it can't be read.
bool is_elf(int fd);
// Whether one of its program headers leads to a note of this name and type. Trusts nothing in the file: what
// makes no sense holds no note.
bool has_elf_note(int fd, std::string_view name, uint32_t type);

}  // namespace knaller

#endif  // KNALLER_BASE_ELF_NOTE_H_
