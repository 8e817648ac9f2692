#include "base/elf_note.h"

#include <elf.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.h"

namespace knaller {
namespace {

constexpr unsigned kMostHeaders = 256;
constexpr uint64_t kMostNoteBytes = 1 << 20;

// Fewer at the end of the file.
std::string read_some(int fd, uint64_t offset, size_t size) {
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t count = ::pread(fd, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno != EINVAL) fail_errno("read an ELF file");
    if (count <= 0) break;
    done += static_cast<size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

template <typename Structure>
bool take(std::string_view bytes, uint64_t offset, Structure& structure) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof structure) return false;
  std::memcpy(&structure, bytes.data() + offset, sizeof structure);
  return true;
}

uint64_t padded(uint64_t bytes) {
  return (bytes + 3) & ~uint64_t{3};
}

bool holds(std::string_view notes, std::string_view name, uint32_t type) {
  Elf64_Nhdr note;
  for (uint64_t at = 0; take(notes, at, note);) {
    at += sizeof note;
    if (at <= notes.size() && note.n_type == type && note.n_namesz == name.size() + 1 &&
        notes.substr(static_cast<size_t>(at), name.size()) == name)
      return true;
    at += padded(note.n_namesz) + padded(note.n_descsz);
  }
  return false;
}

bool header_of(int fd, Elf64_Ehdr& header) {
  return take(read_some(fd, 0, sizeof header), 0, header) &&
         std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64;
}

}  // namespace

bool is_elf(int fd) {
  Elf64_Ehdr header;
  return header_of(fd, header);
}

bool has_elf_note(int fd, std::string_view name, uint32_t type) {
  Elf64_Ehdr header;
  if (!header_of(fd, header) || header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > kMostHeaders)
    return false;
  const std::string table = read_some(fd, header.e_phoff, header.e_phnum * sizeof(Elf64_Phdr));
  Elf64_Phdr program;
  for (uint64_t at = 0; take(table, at, program); at += sizeof program) {
    if (program.p_type != PT_NOTE || program.p_filesz > kMostNoteBytes) continue;
    if (holds(read_some(fd, program.p_offset, static_cast<size_t>(program.p_filesz)), name, type))
      return true;
  }
  return false;
}

}  // namespace knaller
