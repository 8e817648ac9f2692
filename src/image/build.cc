#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>

#include "base/enum_text.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/once_done.h"
#include "base/text.h"
#include "disk/private_disk.h"
#include "image/builders.h"
#include "image/downloads.h"
#include "image/image.h"
#include "image/initramfs.h"
#include "image/kernel.h"
#include "image/package.h"
#include "image/record.h"
#include "image/staging.h"
#include "store/layout.h"
#include "store/names.h"

namespace knaller::image {
namespace {

constexpr size_t kMostHelperBytes = 16 << 20;
constexpr char kKernelMetapackage[] = "linux-image-cloud-amd64";

// Says how long each phase took.
class Phase {
 public:
  Phase(const EventSink& sink, std::string name) : sink_(sink), name_(std::move(name)) {}
  ~Phase() {
    const auto length = std::chrono::steady_clock::now() - begin_;
    try {
      if (sink_)
        sink_({.kind = EventKind::kTiming,
               .text = name_,
               .duration = std::chrono::duration_cast<std::chrono::microseconds>(length)});
    } catch (const std::exception&) {  // a listener's failure is not the build's
    }
  }
  Phase(const Phase&) = delete;
  Phase& operator=(const Phase&) = delete;

 private:
  const EventSink& sink_;
  std::string name_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// Where the kernel's own package keeps the file `name`; the only one of that kind in it.
const FileTree::Entry& only_entry(const FileTree& tree, std::string_view begin, const std::string& package) {
  for (const auto& [path, entry] : tree.entries())
    if (path.starts_with(begin) && entry.type == S_IFREG) return entry;
  fail(Code::kCorrupt, "the package '{}' has no '{}…'", package, begin);
}

std::string unpack_kernel(const Workshop& workshop, FileTree& tree, int directory, const Deadline& deadline) {
  for (const PackageFile& file : workshop.apt.download({workshop.kernel_package}, deadline))
    unpack_package(
        file.path, tree, [](const std::string& path) { return merged_usr(path); }, deadline);
  say(workshop.options.sink, EventKind::kStep, "take the kernel out of its package");
  const std::string what = fmt::format("the kernel of '{}'", workshop.kernel_package);
  const std::string vmlinux = extract_vmlinux(tree.content(only_entry(tree, "boot/vmlinuz", what)), what);
  write_new_file(directory, layout::kKernel, vmlinux);
  write_new_file(directory, layout::kInitrd, make_initramfs(tree, workshop.guest_helper));
  return version_of_vmlinux(vmlinux);
}

std::string read_helper(const std::string& path) {
  if (path.empty() || !exists(path)) {
    throw Error(Code::kNotFound, fmt::format("knaller's program for guests is not at '{}'", path),
                "install knaller again, or build it whole: ./dev build");
  }
  return read_file(path, kMostHelperBytes);
}

PackageVersions make_root(BuildKind kind, const Workshop& workshop, const FileTree& kernel, FileTree& root,
                          const Deadline& deadline) {
  switch (kind) {
    case BuildKind::kTiny:
      return make_tiny(workshop, root, deadline);
    case BuildKind::kDebian:
      return make_debian(workshop, kernel, root, deadline);
  }
  fail(Code::kInternal, "a kind of image that does not exist");
}

// All of the build inside its private folder. Gives what image.json will say.
Record build_in(const store::Transaction& staged, const BuildOptions& options, const std::string& helper,
                const Deadline& deadline) {
  const std::string work = staged.path() + "/" + layout::kWork;
  Downloads downloads(options.cache_folder, work + "/apt", options.sink, deadline);
  Apt apt(downloads.path(), options.sink);
  Record record = {
      .name = options.name, .kind = std::string(to_text(options.kind)), .disk_mib = options.disk_mib};
  const UniqueFd scratch = open_directory(work);
  {
    const Phase phase(options.sink, "package lists");
    downloads.update_lists(apt, deadline);
  }
  const Workshop workshop = {options, work, apt, apt.dependency(kKernelMetapackage, "linux-image-", deadline),
                             helper};
  FileTree kernel(scratch.get());
  {
    const Phase phase(options.sink, "kernel");
    record.kernel_version = unpack_kernel(workshop, kernel, staged.directory(), deadline);
  }
  FileTree root(scratch.get());
  {
    const Phase phase(options.sink, "root file system");
    record.packages = make_root(options.kind, workshop, kernel, root, deadline);
  }
  downloads.sweep();
  const Phase phase(options.sink, "write");
  say(options.sink, EventKind::kStep, "write the root file system");
  root.write_ext4(work + "/" + layout::kBase, "knaller-base", deadline);
  if (::renameat(scratch.get(), layout::kBase, staged.directory(), layout::kBase) != 0)
    fail_errno("move '{}'", layout::kBase);
  // Copied for every VM, since mke2fs takes longer than all the rest of a start.
  disk::make_private_disk(staged.path() + "/" + layout::kDisk, options.disk_mib, deadline);
  return record;
}

}  // namespace

BuildKind build_kind_from_text(const std::string& text) {
  if (const auto kind = enum_from_text<BuildKind>(text)) return *kind;
  const std::string near =
      nearest(text, {std::string(to_text(BuildKind::kTiny)), std::string(to_text(BuildKind::kDebian))});
  throw Error(Code::kInvalidArgument, fmt::format("'{}' is not a kind of image", printable(text)),
              near.empty() ? "there are tiny and debian; others come with `knaller image import`"
                           : fmt::format("did you mean '{}'?", near));
}

Image build(const store::Home& home, const BuildOptions& given, const Deadline& deadline) {
  BuildOptions options = given;
  for (const std::string& package : options.packages)
    if (!is_package_name(package))
      fail(Code::kInvalidArgument, "'{}' is not a package name", printable(package));
  if (options.name.empty()) options.name = to_text(options.kind);
  store::Name::parse(options.name, "image name");
  return in_context(
      [&] { return fmt::format("build the image '{}'", options.name); },
      [&] {
        const std::string helper = read_helper(options.guest_helper);
        if (options.kind == BuildKind::kDebian) check_can_make_debian();
        const store::EntryLock lock = lock_image(home, options.name, "image build", options.sink, deadline);
        store::Transaction staged(lock, how_to_make(lock, options.replace));
        make_directories(staged.path() + "/" + layout::kWork);
        const Record record = build_in(staged, options, helper, deadline);
        write_new_file(staged.directory(), layout::kImageRecord, to_text(record));
        remove_tree(staged.directory(), layout::kWork);
        settle(staged.directory(),
               {layout::kImageRecord, layout::kKernel, layout::kInitrd, layout::kBase, layout::kDisk});
        deadline.check("the image to be published");
        staged.publish();
        return once_done([] { return std::string("it is there all the same"); },
                         [&] { return load(home, options.name); });
      });
}

}  // namespace knaller::image
