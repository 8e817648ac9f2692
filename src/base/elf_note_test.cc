#include "base/elf_note.h"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/file.h"
#include "base/test_folder.h"

namespace knaller {
namespace {

template <typename Structure>
std::string bytes_of(const Structure& structure) {
  std::string bytes(sizeof structure, '\0');
  std::memcpy(bytes.data(), &structure, sizeof structure);
  return bytes;
}

std::string note(const std::string& name, uint32_t type, const std::string& content) {
  const Elf64_Nhdr header = {static_cast<Elf64_Word>(name.size() + 1),
                             static_cast<Elf64_Word>(content.size()), type};
  std::string bytes = bytes_of(header) + name + '\0';
  bytes.resize((bytes.size() + 3) & ~size_t{3});
  bytes += content;
  bytes.resize((bytes.size() + 3) & ~size_t{3});
  return bytes;
}

std::string elf_with(const std::string& notes) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr program{};
  program.p_type = PT_NOTE;
  program.p_offset = sizeof header + sizeof program;
  program.p_filesz = notes.size();
  return bytes_of(header) + bytes_of(program) + notes;
}

class ElfNote : public testing::Test {
 protected:
  bool found(const std::string& content) {
    write_file_atomically(folder_.fd(), "f", content, Durability::kNoSync);
    const UniqueFd fd = open_at(folder_.fd(), "f", O_RDONLY);
    return has_elf_note(fd.get(), "Xen", 18);
  }
  TestFolder folder_;
};

TEST_F(ElfNote, IsFoundByNameAndType) {
  EXPECT_TRUE(found(elf_with(note("Linux", 18, "12345") + note("Xen", 6, "x") + note("Xen", 18, "abcd"))));
  EXPECT_FALSE(found(elf_with(note("Xen", 17, "abcd") + note("Xe", 18, "abcd") + note("Xenon", 18, "abcd"))));
  EXPECT_FALSE(found(elf_with("")));
  EXPECT_FALSE(found("hello\n"));
  EXPECT_FALSE(found(""));
}

TEST_F(ElfNote, IsNotLookedForBeyondTheFile) {
  const std::string whole = elf_with(note("Linux", 1, "12345") + note("Xen", 18, "abcd"));
  for (size_t size = 0; size < whole.size(); ++size) found(whole.substr(0, size));
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const char c : {'\xff', '\x7f', '\x80'}) {
      std::string changed = whole;
      changed[i] = c;
      found(changed);
    }
  }
}

}  // namespace
}  // namespace knaller
