// For tests: the smallest kernel that Firecracker boots, an ELF file with one segment that halts forever.
#ifndef KNALLER_FIRECRACKER_TEST_KERNEL_H_
#define KNALLER_FIRECRACKER_TEST_KERNEL_H_

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace knaller::firecracker {

inline std::string tiny_kernel() {
  constexpr uint64_t kAddress = 16 << 20;
  constexpr std::string_view kCode("\xfa\xf4\xeb\xfd", 4);  // cli; again: hlt; jmp again
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_entry = kAddress;
  header.e_phoff = sizeof header;
  header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr segment = {};
  segment.p_type = PT_LOAD;
  segment.p_flags = PF_R | PF_X;
  segment.p_offset = sizeof header + sizeof segment;
  segment.p_vaddr = kAddress;
  segment.p_paddr = kAddress;
  segment.p_filesz = kCode.size();
  segment.p_memsz = kCode.size();
  std::string file(reinterpret_cast<const char*>(&header), sizeof header);
  file.append(reinterpret_cast<const char*>(&segment), sizeof segment);
  return file.append(kCode);
}

}  // namespace knaller::firecracker

#endif  // KNALLER_FIRECRACKER_TEST_KERNEL_H_
