#include "engine/program_files.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"

namespace knaller::engine {
namespace {

constexpr size_t kHeadBytes = 64 << 10;  // a program's headers, and the name of its loader

std::string head_of(const std::string& path) {
  const UniqueFd file = open_at(AT_FDCWD, path, O_RDONLY);
  std::string head(kHeadBytes, '\0');
  head.resize(read_up_to(file.get(), head.data(), head.size(), path));
  return head;
}

// The loader that a program names; empty for a static one.
std::string loader_in(const std::string& head, const std::string& path) {
  Elf64_Ehdr header = {};
  if (head.size() < sizeof header) fail(Code::kUnsupported, "'{}' is not a program", path);
  std::memcpy(&header, head.data(), sizeof header);
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment = {};
    const uint64_t at = header.e_phoff + i * sizeof segment;
    if (at > head.size() || head.size() - at < sizeof segment) break;
    std::memcpy(&segment, head.data() + at, sizeof segment);
    if (segment.p_type != PT_INTERP) continue;
    if (segment.p_offset > head.size() || head.size() - segment.p_offset < segment.p_filesz) break;
    return head.substr(segment.p_offset, segment.p_filesz).c_str();  // up to its own end
  }
  return {};
}

// A folder's links lead to where it really is in the jail; a library's own name is what others look for.
std::string in_real_folder(const std::string& path) {
  const std::filesystem::path file(path);
  return (std::filesystem::canonical(file.parent_path()) / file.filename()).string();
}

}  // namespace

std::string find_in_jail(const std::string& program) {
  for (const std::string_view folder : split(kEnginePath, ':')) {
    const std::string path = find_program(fmt::format("{}/{}", folder, program));
    if (!path.empty()) return path;
  }
  return {};
}

void ProgramFiles::add_needs_of(const std::string& program) {
  const std::string head = head_of(program);
  if (!head.starts_with(ELFMAG)) return add_interpreter(head, program);
  const std::string loader = loader_in(head, program);
  if (loader.empty()) return;
  add(loader);
  add_libraries(loader, program);
}

void ProgramFiles::add_opened_library(const std::string& library, const std::string& program) {
  add(library);
  add_libraries(loader_in(head_of(program), program), library);
}

void ProgramFiles::add(const std::string& path) {
  files_.insert(in_real_folder(path));
}

void ProgramFiles::add_interpreter(const std::string& head, const std::string& path) {
  if (!head.starts_with("#!")) fail(Code::kUnsupported, "'{}' is not a program for this machine", path);
  const std::string_view line = trim(std::string_view(head).substr(2, head.find('\n') - 2));
  const std::string interpreter(line.substr(0, line.find(' ')));
  add(interpreter);
  add_needs_of(interpreter);
}

// "	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f…)", or without the arrow for what is named by
// its path.
void ProgramFiles::add_libraries(const std::string& loader, const std::string& path) {
  const ProgramOutput output = run_program({.argv = {loader, "--list", path}}, deadline_);
  for (const std::string_view line : split(output.out, '\n')) {
    const size_t arrow = line.find("=> ");
    const std::string_view rest = trim(arrow == std::string_view::npos ? line : line.substr(arrow + 3));
    const std::string library(rest.substr(0, rest.rfind(" (")));
    if (library.starts_with('/')) add(library);
  }
}

}  // namespace knaller::engine
