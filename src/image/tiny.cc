// The image `tiny`: busybox, dropbear and an SFTP server out of Debian's packages, and knaller's own init.
// Packages are only unpacked, so it is put together in a second and by anyone.
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "image/builders.h"
#include "image/guest_files.h"
#include "image/package.h"

namespace knaller::image {
namespace {

// dropbear-bin and openssh-sftp-server with the libraries that they are linked to, and nothing that Debian
// would add for a whole system.
const std::vector<std::string> kPackages = {"busybox-static", "dropbear-bin", "openssh-sftp-server",
                                            "libc6",          "libcrypt1",    "libgmp10",
                                            "libtomcrypt1",   "libtommath1",  "zlib1g"};

// For other languages and for reading: a guest of this kind is not for that.
constexpr std::array<std::string_view, 10> kLeftOut = {"usr/share/doc/",
                                                       "usr/share/man/",
                                                       "usr/share/locale/",
                                                       "usr/share/lintian/",
                                                       "usr/share/info/",
                                                       "usr/share/doc-base/",
                                                       "usr/share/bash-completion/",
                                                       "usr/share/bug/",
                                                       "usr/lib/x86_64-linux-gnu/gconv/",
                                                       "usr/lib/systemd/"};

std::string place(const std::string& path) {
  std::string placed = merged_usr(path);
  for (const std::string_view left_out : kLeftOut)
    if ((placed + "/").starts_with(left_out)) return {};
  // Links of the kind /bin -> usr/bin come from us.
  return placed == "usr/lib32" || placed == "usr/libx32" ? std::string() : placed;
}

void add_skeleton(FileTree& root) {
  for (const char* path :
       {"usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/local/bin", "usr/local/sbin", "etc/dropbear",
        "var/lib/knaller", "var/log", "var/cache", "proc", "sys", "dev", "run", "mnt", "home", "opt", "srv"})
    root.add_directory(path, {.permissions = 0755});
  root.add_directory("root", {.permissions = 0700});
  root.add_directory("tmp", {.permissions = 01777});
  root.add_directory("var/tmp", {.permissions = 01777});
  for (const char* name : {"bin", "sbin", "lib", "lib64"}) root.add_symlink(name, std::string("usr/") + name);
  root.add_symlink("var/run", "/run");
  root.add_symlink("etc/mtab", "/proc/self/mounts");
  // devtmpfs covers these; without them nothing could be said before it is mounted.
  root.add_node("dev/console", {.permissions = 0600}, S_IFCHR, 5, 1);
  root.add_node("dev/null", {.permissions = 0666}, S_IFCHR, 1, 3);
}

// What a package brings itself is better than busybox's of that name.
void add_busybox_links(FileTree& root) {
  for (const GuestFile& file : guest_files()) {
    if (file.kind != "busybox") continue;
    for (const std::string_view line : split(file.content, '\n')) {
      const std::string path = merged_usr(std::string(line));
      if (!path.empty() && root.find(path) == nullptr) root.add_symlink(path, "/usr/bin/busybox");
    }
  }
}

}  // namespace

PackageVersions make_tiny(const Workshop& workshop, FileTree& root, const Deadline& deadline) {
  std::vector<std::string> names = kPackages;
  if (!workshop.options.packages.empty()) {
    for (std::string& name : workshop.apt.closure(workshop.options.packages, deadline))
      if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  }
  const std::vector<PackageFile> files = workshop.apt.download(names, deadline);
  say(workshop.options.sink, EventKind::kStep, "put the root file system together");
  add_skeleton(root);
  PackageVersions versions;
  for (const PackageFile& file : files) {
    unpack_package(file.path, root, place, deadline);
    versions.emplace_back(file.name, file.version);
  }
  add_busybox_links(root);
  add_guest_files(to_text(BuildKind::kTiny), root);
  root.add_file("usr/lib/knaller/guest", {.permissions = 0755}, workshop.guest_helper);
  root.add_symlink("usr/sbin/init", "/usr/lib/knaller/guest");
  return versions;
}

}  // namespace knaller::image
