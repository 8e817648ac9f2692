#include "image/initramfs.h"

#include <elf.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "image/decompress.h"

namespace knaller::image {
namespace {

constexpr size_t kMostModuleBytes = 64 << 20;
constexpr size_t kMostDepth = 32;

// What every VM needs, and what only one with a PCI bus needs (Firecracker with --enable-pci).
const std::vector<std::string> kModules = {"virtio_mmio", "virtio_blk", "virtio_net", "ext4", "overlay"};
const std::vector<std::string> kPciModules = {"virtio_pci"};

template <typename Header>
Header header_at(std::string_view bytes, uint64_t offset, std::string_view what) {
  Header header{};
  if (offset > bytes.size() || sizeof(header) > bytes.size() - offset)
    fail(Code::kCorrupt, "{} is cut short", what);
  std::memcpy(&header, bytes.data() + offset, sizeof(header));
  return header;
}

std::string_view section_bytes(std::string_view file, const Elf64_Shdr& section, std::string_view what) {
  if (section.sh_type == SHT_NOBITS) return {};
  if (section.sh_offset > file.size() || section.sh_size > file.size() - section.sh_offset)
    fail(Code::kCorrupt, "{} is cut short", what);
  return file.substr(section.sh_offset, section.sh_size);
}

// The .modinfo section: strings "key=value", each ended by a zero byte.
std::string_view modinfo_of(std::string_view module, std::string_view what) {
  const auto elf = header_at<Elf64_Ehdr>(module, 0, what);
  if (std::memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_ident[EI_CLASS] != ELFCLASS64 ||
      elf.e_shentsize != sizeof(Elf64_Shdr))
    fail(Code::kCorrupt, "{} is not a kernel module", what);
  const auto section = [&](uint64_t index) {
    if (elf.e_shoff > module.size()) fail(Code::kCorrupt, "{} is cut short", what);
    return header_at<Elf64_Shdr>(module, elf.e_shoff + index * sizeof(Elf64_Shdr), what);
  };
  const std::string_view names = section_bytes(module, section(elf.e_shstrndx), what);
  for (uint64_t i = 0; i < elf.e_shnum; ++i) {
    const Elf64_Shdr header = section(i);
    static constexpr std::string_view kName(".modinfo\0", 9);
    if (header.sh_name < names.size() && names.substr(header.sh_name, kName.size()) == kName)
      return section_bytes(module, header, what);
  }
  fail(Code::kCorrupt, "{} is not a kernel module: it has no .modinfo", what);
}

// File names use '-' and '_' as they like; the kernel's own names only '_'.
std::string module_name(std::string_view file_name) {
  std::string name(file_name.substr(0, file_name.find('.')));
  for (char& c : name)
    if (c == '-') c = '_';
  return name;
}

// The modules of a kernel package by name, and the names of what is built in.
class Modules {
 public:
  explicit Modules(const FileTree& tree) : tree_(tree) {
    for (const auto& [path, entry] : tree.entries()) {
      const std::string file_name = path.substr(path.rfind('/') + 1);
      if (path.find("lib/modules/") == std::string::npos || entry.type != S_IFREG) continue;
      if (file_name.find(".ko") != std::string::npos) files_.emplace(module_name(file_name), &entry);
      if (file_name == "modules.builtin") read_builtin(tree.content(entry));
    }
  }

  bool is_built_in(const std::string& name) const {
    return !files_.contains(name) && built_in_.contains(name);
  }

  const std::string& bytes(const std::string& name) {
    const auto known = bytes_.find(name);
    if (known != bytes_.end()) return known->second;
    const auto found = files_.find(name);
    if (found == files_.end()) fail(Code::kCorrupt, "the kernel package has no module '{}'", name);
    std::string content = tree_.content(*found->second);
    return bytes_[name] = decompress(content, kMostModuleBytes, fmt::format("the module '{}'", name));
  }

  std::vector<std::string> ordered(const std::vector<std::string>& wanted) {
    std::vector<std::string> present;
    for (const std::string& name : wanted)
      if (!is_built_in(name)) present.push_back(name);
    return order_of_modules(present, [&](const std::string& name) {
      return dependencies_of_module(bytes(name), fmt::format("the module '{}'", name));
    });
  }

 private:
  void read_builtin(const std::string& text) {
    for (const std::string_view line : split(text, '\n'))
      built_in_.insert(module_name(line.substr(line.rfind('/') + 1)));
  }

  const FileTree& tree_;
  std::map<std::string, const FileTree::Entry*> files_;
  std::map<std::string, std::string> bytes_;
  std::set<std::string> built_in_;
};

}  // namespace

std::vector<std::string> dependencies_of_module(std::string_view module, std::string_view what) {
  static constexpr std::string_view kDepends = "depends=";
  for (const std::string_view field : split(modinfo_of(module, what), '\0')) {
    if (!field.starts_with(kDepends)) continue;
    std::vector<std::string> names;
    for (const std::string_view name : split(field.substr(kDepends.size()), ','))
      if (!name.empty()) names.push_back(module_name(name));
    return names;
  }
  return {};
}

std::vector<std::string> order_of_modules(
    const std::vector<std::string>& wanted,
    const std::function<std::vector<std::string>(const std::string&)>& depends_on) {
  std::vector<std::string> order;
  std::set<std::string> done;
  const std::function<void(const std::string&, size_t)> visit = [&](const std::string& name, size_t depth) {
    if (depth > kMostDepth) fail(Code::kCorrupt, "the module '{}' depends on itself", name);
    if (done.contains(name)) return;
    for (const std::string& needed : depends_on(name)) visit(needed, depth + 1);
    if (done.insert(name).second) order.push_back(name);
  };
  for (const std::string& name : wanted) visit(name, 0);
  return order;
}

void CpioWriter::entry(std::string_view path, uint32_t mode, uint32_t major, uint32_t minor,
                       std::string_view content) {
  const auto pad = [&] { bytes_.append((4 - bytes_.size() % 4) % 4, '\0'); };
  // magic, inode, mode, uid, gid, links, mtime, size, device (2), the node's device (2), length of the name,
  // no checksum
  bytes_ +=
      fmt::format("070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}",
                  next_inode_++, mode, 0, 0, 1, 0, content.size(), 0, 0, major, minor, path.size() + 1, 0);
  bytes_ += path;
  bytes_.push_back('\0');
  pad();
  bytes_ += content;
  pad();
}

void CpioWriter::directory(std::string_view path) {
  entry(path, S_IFDIR | 0755, 0, 0, {});
}

void CpioWriter::file(std::string_view path, uint32_t permissions, std::string_view content) {
  entry(path, S_IFREG | permissions, 0, 0, content);
}

void CpioWriter::character_device(std::string_view path, uint32_t permissions, uint32_t major,
                                  uint32_t minor) {
  entry(path, S_IFCHR | permissions, major, minor, {});
}

std::string CpioWriter::finish() {
  entry("TRAILER!!!", 0, 0, 0, {});
  return std::move(bytes_);
}

std::string make_initramfs(const FileTree& kernel, std::string_view init) {
  Modules modules(kernel);
  const std::vector<std::string> always = modules.ordered(kModules);
  std::vector<std::string> with_pci = modules.ordered(kPciModules);
  std::erase_if(with_pci,
                [&](const std::string& name) { return std::ranges::find(always, name) != always.end(); });
  CpioWriter cpio;
  cpio.directory("dev");
  cpio.character_device("dev/console", 0600, 5, 1);
  cpio.directory("lib");
  std::string list;
  for (const std::vector<std::string>* names :
       std::initializer_list<const std::vector<std::string>*>{&always, &with_pci}) {
    if (names == &with_pci) list += "pci\n";
    for (const std::string& name : *names) {
      cpio.file("lib/" + name + ".ko", 0644, modules.bytes(name));
      list += name + ".ko\n";
    }
  }
  cpio.file("modules", 0644, list);
  cpio.file("init", 0755, init);
  return cpio.finish();
}

}  // namespace knaller::image
