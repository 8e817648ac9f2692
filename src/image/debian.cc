// The image `debian`: Debian 12 as mmdebstrap installs it (maintainer scripts and all, in a user namespace),
// with systemd, OpenSSH, rsync and Python, and the kernel's modules.
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/libarchive.h"
#include "base/process.h"
#include "base/text.h"
#include "image/builders.h"
#include "image/debian_sources.h"
#include "image/guest_files.h"
#include "image/mmdebstrap.h"
#include "image/package.h"
#include "image/sub_ids.h"

namespace knaller::image {
namespace {

constexpr char kPackages[] =
    "systemd,systemd-sysv,dbus,kmod,openssh-server,openssh-sftp-server,rsync,python3,iproute2,"
    "iputils-ping,procps,"
    "ca-certificates,curl,netbase";
constexpr std::array<const char*, 3> kLeftOut = {
    "path-exclude=/usr/share/man/*", "path-exclude=/usr/share/locale/*", "path-exclude=/usr/share/doc/*"};
constexpr uint64_t kLeastSubIds = 65536;

// Of the building host or of this one build.
constexpr std::array<const char*, 9> kNotForTheGuest = {
    "etc/apt/apt.conf.d/99mmdebstrap",  "etc/ssh/ssh_host_ecdsa_key",
    "etc/ssh/ssh_host_ecdsa_key.pub",   "etc/ssh/ssh_host_ed25519_key",
    "etc/ssh/ssh_host_ed25519_key.pub", "etc/ssh/ssh_host_rsa_key",
    "etc/ssh/ssh_host_rsa_key.pub",     "etc/resolv.conf",
    "var/lib/dbus/machine-id"};

// Consoles that nobody can log in at, questions that nobody answers, and work that a VM of minutes does not
// need.
constexpr std::array<const char*, 17> kMasked = {"getty@.service",
                                                 "serial-getty@.service",
                                                 "systemd-firstboot.service",
                                                 "systemd-repart.service",
                                                 "systemd-pcrphase.service",
                                                 "e2scrub_reap.service",
                                                 "systemd-pcrphase-sysinit.service",
                                                 "e2scrub_all.timer",
                                                 "apt-daily.timer",
                                                 "apt-daily-upgrade.timer",
                                                 "systemd-binfmt.service",
                                                 "systemd-pstore.service",
                                                 "modprobe@drm.service",
                                                 "modprobe@efi_pstore.service",
                                                 "sys-kernel-debug.mount",
                                                 "sys-kernel-tracing.mount",
                                                 "proc-sys-fs-binfmt_misc.automount"};

std::string own_user_name() {
  std::array<char, 4096> buffer;
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
    return std::to_string(::geteuid());
  return found->pw_name;
}

void require_sub_ids(const std::string& path, const std::string& user) {
  const auto text = read_file_if_exists(AT_FDCWD, path);
  if (text && most_sub_ids(*text, user, std::to_string(::geteuid())) >= kLeastSubIds) return;
  throw Error(
      Code::kUnsupported,
      fmt::format("the user '{}' has no {} subordinate ids in {}, which the owners of Debian's files need",
                  user, kLeastSubIds, path),
      fmt::format("sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {}", user));
}

// "6.1.0-56-cloud-amd64": the folder of the kernel's modules. It goes into a command line below.
std::string modules_version(const FileTree& kernel) {
  static constexpr std::string_view kFolder = "usr/lib/modules/";
  for (const auto& [path, entry] : kernel.entries()) {
    if (!path.starts_with(kFolder) || entry.type != S_IFDIR) continue;
    const std::string version = path.substr(kFolder.size());
    const bool plain = std::ranges::all_of(version, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+';
    });
    if (plain && !version.empty()) return version;
  }
  fail(Code::kCorrupt, "the kernel package has no modules");
}

// The modules as a tar, for mmdebstrap to take in before it runs depmod.
void write_modules_tar(const FileTree& kernel, const std::string& path, const Deadline& deadline) {
  const std::unique_ptr<struct archive,
                        decltype([](struct archive* open) { libarchive().archive_write_free(open); })>
      tar(libarchive().archive_write_new());
  const auto check = [&](int status) {
    if (status < ARCHIVE_WARN)
      fail(Code::kIo, "cannot write '{}': {}", path, libarchive().archive_error_string(tar.get()));
  };
  check(libarchive().archive_write_set_format_pax_restricted(tar.get()));
  check(libarchive().archive_write_open_filename(tar.get(), path.c_str()));
  for (const auto& [name, entry] : kernel.entries()) {
    if (!name.starts_with("usr/lib/modules") || (entry.type != S_IFREG && entry.type != S_IFDIR)) continue;
    deadline.check("the kernel's modules to be packed");
    const std::unique_ptr<archive_entry,
                          decltype([](archive_entry* open) { libarchive().archive_entry_free(open); })>
        item(libarchive().archive_entry_new());
    libarchive().archive_entry_set_pathname(item.get(), name.c_str());
    libarchive().archive_entry_set_filetype(item.get(), entry.type);
    libarchive().archive_entry_set_perm(item.get(), entry.attributes.permissions);
    libarchive().archive_entry_set_size(item.get(), static_cast<la_int64_t>(entry.size));
    check(libarchive().archive_write_header(tar.get(), item.get()));
    if (entry.type != S_IFREG) continue;
    const std::string content = kernel.content(entry);
    if (libarchive().archive_write_data(tar.get(), content.data(), content.size()) < 0) check(ARCHIVE_FATAL);
  }
  check(libarchive().archive_write_close(tar.get()));
}

std::vector<std::string> mmdebstrap_arguments(const Workshop& workshop, const std::string& version) {
  std::string packages = kPackages;
  for (const std::string& name : workshop.options.packages) packages += "," + name;
  std::vector<std::string> argv = {
      ::geteuid() == 0 ? "--mode=root" : "--mode=unshare", "--variant=minbase", "--format=tar",
      "--include=" + packages, "--aptopt=APT::Install-Recommends \"false\";",
      // mmdebstrap's own command; the path is relative to where it is started.
      "--customize-hook=tar-in modules.tar /", "--customize-hook=chroot \"$1\" depmod -a " + version};
  for (const std::string& option : workshop.apt.host_options()) argv.push_back("--aptopt=" + option);
  for (const char* option : kLeftOut) argv.push_back(std::string("--dpkgopt=") + option);
  argv.insert(argv.end(), {"bookworm", "-"});
  for (const std::string_view line : split(workshop.apt.sources(), '\n'))
    if (!line.empty()) argv.emplace_back(line);
  return argv;
}

PackageVersions installed_packages(const FileTree& root) {
  PackageVersions versions;
  const FileTree::Entry* status = root.find("var/lib/dpkg/status");
  if (status == nullptr) fail(Code::kCorrupt, "mmdebstrap made a system without a list of its packages");
  std::string name;
  const std::string text = root.content(*status);
  for (const std::string_view line : split(text, '\n')) {
    if (line.starts_with("Package: ")) name = line.substr(9);
    if (line.starts_with("Version: ") && !name.empty()) versions.emplace_back(name, line.substr(9));
  }
  return versions;
}

void make_it_a_guest(const Workshop& workshop, FileTree& root) {
  for (const char* path : kNotForTheGuest) root.remove(path);
  add_guest_files(to_text(BuildKind::kDebian), root);
  root.add_file("usr/lib/knaller/guest", {.permissions = 0755}, workshop.guest_helper);
  root.add_directory("var/lib/knaller", {.permissions = 0755});
  // The host's mirrors may be where a guest can't reach.
  root.add_file("etc/apt/sources.list", {},
                render_sources(DebianMirrors(), "/usr/share/keyrings/debian-archive-keyring.gpg"));
  const std::string units = "etc/systemd/system/";
  for (const char* unit : kMasked) root.add_symlink(units + unit, "/dev/null");
  for (const char* unit : {"knaller-agent.service", "knaller-host-keys.service", "knaller-ready.service"})
    root.add_symlink(units + "multi-user.target.wants/" + unit, "/etc/systemd/system/" + std::string(unit));
  // The host asks a guest to end with these keys.
  root.add_symlink(units + "ctrl-alt-del.target", "/lib/systemd/system/poweroff.target");
  root.add_symlink("etc/systemd/system-generators/systemd-getty-generator", "/dev/null");
}

}  // namespace

void check_can_make_debian() {
  disk::require_program("mmdebstrap", "mmdebstrap");
  if (::geteuid() == 0) return;
  disk::require_program("newuidmap", "uidmap");
  const std::string user = own_user_name();
  require_sub_ids("/etc/subuid", user);
  require_sub_ids("/etc/subgid", user);
}

PackageVersions make_debian(const Workshop& workshop, const FileTree& kernel, FileTree& root,
                            const Deadline& deadline) {
  write_modules_tar(kernel, workshop.folder + "/modules.tar", deadline);
  run_mmdebstrap(mmdebstrap_arguments(workshop, modules_version(kernel)), workshop.folder, "root.tar",
                 workshop.options.sink, deadline);
  say(workshop.options.sink, EventKind::kStep, "put the root file system together");
  // devtmpfs covers /dev; what mmdebstrap could make there depends on who it ran as.
  unpack_tar(
      workshop.folder + "/root.tar", root, [](const std::string& path) { return path; }, deadline);
  make_it_a_guest(workshop, root);
  return installed_packages(root);
}

}  // namespace knaller::image
