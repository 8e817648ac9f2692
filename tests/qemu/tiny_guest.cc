#include "tiny_guest.h"

#include <elf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace knaller::test {
namespace {

constexpr uint64_t kAddress = 16 << 20;
constexpr uint32_t kPhys32Entry = 18;  // XEN_ELFNOTE_PHYS32_ENTRY

// 32-bit protected mode, as PVH enters a kernel.
constexpr std::string_view kCode(
    "\x66\xba\xf8\x03"      //        mov  dx, 0x3f8
    "\xb3\x61"              //        mov  bl, 'a'
    "\x88\xd8\xee"          // again: mov  al, bl; out dx, al
    "\xb9\x00\x00\x40\x00"  //        mov  ecx, 0x400000
    "\x49\x75\xfd"          // wait:  dec  ecx; jnz wait
    "\xe4\x64\xa8\x01"      //        in   al, 0x64; test al, 1
    "\x74\x0a\xe4\x60"      //        jz   next; in al, 0x60
    "\x3c\x53\x74\x0f"      //        cmp  al, 0x53; je reset
    "\x3c\x71\x74\x0b"      //        cmp  al, 0x71; je reset
    "\xfe\xc3\x80\xfb\x7b"  // next:  inc  bl; cmp bl, 'z' + 1
    "\x75\xde\xb3\x61"      //        jne  again; mov bl, 'a'
    "\xeb\xda"              //        jmp  again
    "\xb0\xfe\xe6\x64"      // reset: mov  al, 0xfe; out 0x64, al
    "\xf4\xeb\xfd",         // stop:  hlt; jmp stop
    51);

struct Note {
  Elf64_Nhdr header = {4, sizeof(uint64_t), kPhys32Entry};
  char name[4] = {'X', 'e', 'n', '\0'};
  uint64_t entry = kAddress;
} __attribute__((packed));

struct File {
  Elf64_Ehdr header = {};
  Elf64_Phdr code = {};
  Elf64_Phdr notes = {};
  Note note;
} __attribute__((packed));

}  // namespace

std::string counting_kernel() {
  File file;
  std::memcpy(file.header.e_ident, ELFMAG, SELFMAG);
  file.header.e_ident[EI_CLASS] = ELFCLASS64;
  file.header.e_ident[EI_DATA] = ELFDATA2LSB;
  file.header.e_ident[EI_VERSION] = EV_CURRENT;
  file.header.e_type = ET_EXEC;
  file.header.e_machine = EM_X86_64;
  file.header.e_version = EV_CURRENT;
  file.header.e_entry = kAddress;
  file.header.e_phoff = offsetof(File, code);
  file.header.e_ehsize = sizeof(Elf64_Ehdr);
  file.header.e_phentsize = sizeof(Elf64_Phdr);
  file.header.e_phnum = 2;
  file.code.p_type = PT_LOAD;
  file.code.p_flags = PF_R | PF_X;
  file.code.p_offset = sizeof file;
  file.code.p_vaddr = file.code.p_paddr = kAddress;
  file.code.p_filesz = file.code.p_memsz = kCode.size();
  file.notes.p_type = PT_NOTE;
  file.notes.p_offset = offsetof(File, note);
  file.notes.p_filesz = file.notes.p_memsz = sizeof(Note);
  file.notes.p_align = 4;
  return std::string(reinterpret_cast<const char*>(&file), sizeof file).append(kCode);
}

}  // namespace knaller::test
