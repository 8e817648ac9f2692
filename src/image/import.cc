#include <fcntl.h>

#include "base/error.h"
#include "base/file.h"
#include "base/once_done.h"
#include "disk/check.h"
#include "image/builders.h"
#include "image/image.h"
#include "image/kernel.h"
#include "image/record.h"
#include "image/staging.h"
#include "store/layout.h"
#include "store/names.h"

namespace knaller::image {
namespace {

// O_NONBLOCK: a fifo is refused, not waited for.
UniqueFd open_given(const std::string& path, std::string_view what) {
  if (path.empty()) fail(Code::kInvalidArgument, "the {} is missing", what);
  return in_context([&] { return fmt::format("open the {}", what); },
                    [&] { return open_at(AT_FDCWD, path, O_RDONLY | O_NONBLOCK); });
}

void copy_whole(int from, int directory, const std::string& name, const EventSink& sink,
                const Deadline& deadline) {
  const UniqueFd to = open_at(directory, name, O_RDWR | O_CREAT | O_EXCL, 0600);
  const std::string what = fmt::format("copy '{}'", name);
  say(sink, EventKind::kStep, what);
  copy_sparse(from, to.get(), file_size(from), deadline, [&](uint64_t done, uint64_t total) {
    if (sink) sink({.kind = EventKind::kProgress, .text = what, .done = done, .total = total});
  });
}

void check_initramfs(int fd, const std::string& what) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) fail_errno("look at {}", what);
  if (!S_ISREG(info.st_mode) || info.st_size == 0)
    fail(Code::kInvalidArgument, "{} is not a file, or is empty", what);
}

}  // namespace

Image import(const store::Home& home, const ImportOptions& options, const Deadline& deadline) {
  store::Name::parse(options.name, "image name");
  return in_context(
      [&] { return fmt::format("import the image '{}'", options.name); },
      [&] {
        const UniqueFd kernel = open_given(options.kernel, "kernel");
        const UniqueFd rootfs = open_given(options.rootfs, "root file system");
        disk::check_ext4(rootfs.get(), fmt::format("the root file system '{}'", options.rootfs));
        UniqueFd initramfs;
        if (!options.initramfs.empty()) {
          initramfs = open_given(options.initramfs, "initrd");
          check_initramfs(initramfs.get(), fmt::format("the initrd '{}'", options.initramfs));
        }
        const store::EntryLock lock = lock_image(home, options.name, "image import", options.sink, deadline);
        store::Transaction staged(lock, how_to_make(lock, options.replace));
        Record record = {.name = options.name, .kind = "imported", .overlay = false, .guest_protocol = 0};
        std::vector<std::string> names = {layout::kImageRecord, layout::kKernel, layout::kRootfs};
        {
          const UniqueFd vmlinux =
              open_at(staged.directory(), layout::kKernel, O_RDWR | O_CREAT | O_EXCL, 0600);
          record.kernel_version =
              copy_kernel(kernel.get(), vmlinux.get(), fmt::format("the kernel '{}'", options.kernel));
          if (options.needs_pvh) require_pvh(vmlinux.get(), fmt::format("the kernel '{}'", options.kernel));
        }
        copy_whole(rootfs.get(), staged.directory(), layout::kRootfs, options.sink, deadline);
        if (initramfs) {
          copy_whole(initramfs.get(), staged.directory(), layout::kInitrd, options.sink, deadline);
          names.emplace_back(layout::kInitrd);
        }
        write_new_file(staged.directory(), layout::kImageRecord, to_text(record));
        settle(staged.directory(), names);
        deadline.check("the image to be published");
        staged.publish();
        return once_done([] { return std::string("it is there all the same"); },
                         [&] { return load(home, options.name); });
      });
}

}  // namespace knaller::image
