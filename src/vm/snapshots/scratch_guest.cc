#include "vm/snapshots/scratch_guest.h"

#include <elf.h>

#include <cstddef>

namespace knaller::vm {
namespace {

constexpr uint64_t kLoadAddress = 2 << 20;
constexpr uint32_t kPhys32Entry = 18;  // XEN_ELFNOTE_PHYS32_ENTRY

constexpr unsigned char kCode[] = {
    0xfa,                                // cli
    0xbf, 0x00, 0x00, 0x00, 0x01,        // again: mov edi, 16 MiB
    0xff, 0x07,                          // page:  inc dword [edi]
    0x81, 0xc7, 0x00, 0x10, 0x00, 0x00,  //        add edi, 4096
    0x81, 0xff, 0x00, 0x00, 0x80, 0x01,  //        cmp edi, 24 MiB
    0x72, 0xf0,                          //        jb page
    0xeb, 0xe9,                          //        jmp again
};

struct Note {
  Elf64_Nhdr header = {4, 8, kPhys32Entry};
  char name[4] = {'X', 'e', 'n', '\0'};
  uint32_t entry[2] = {};  // 64 bits wide, at an address that only 4 divides
};

struct File {
  Elf64_Ehdr header = {};
  Elf64_Phdr load = {};
  Elf64_Phdr notes = {};
  Note note = {};
  unsigned char code[sizeof kCode] = {};
};

}  // namespace

std::string scratch_guest_kernel() {
  File file;
  constexpr uint64_t kEntry = kLoadAddress + offsetof(File, code);
  file.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                 .e_type = ET_EXEC,
                 .e_machine = EM_X86_64,
                 .e_version = EV_CURRENT,
                 .e_entry = kEntry,
                 .e_phoff = offsetof(File, load),
                 .e_ehsize = sizeof(Elf64_Ehdr),
                 .e_phentsize = sizeof(Elf64_Phdr),
                 .e_phnum = 2};
  file.load = {.p_type = PT_LOAD,
               .p_flags = PF_R | PF_W | PF_X,
               .p_vaddr = kLoadAddress,
               .p_paddr = kLoadAddress,
               .p_filesz = sizeof(File),
               .p_memsz = sizeof(File),
               .p_align = 4096};
  file.notes = {.p_type = PT_NOTE,
                .p_flags = PF_R,
                .p_offset = offsetof(File, note),
                .p_vaddr = kLoadAddress + offsetof(File, note),
                .p_paddr = kLoadAddress + offsetof(File, note),
                .p_filesz = sizeof(Note),
                .p_memsz = sizeof(Note),
                .p_align = 4};
  file.note.entry[0] = static_cast<uint32_t>(kEntry);
  for (size_t i = 0; i < sizeof kCode; ++i) file.code[i] = kCode[i];
  return {reinterpret_cast<const char*>(&file), sizeof file};
}

}  // namespace knaller::vm
