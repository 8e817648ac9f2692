#include "guest/copy.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "guest/command_line.h"
#include "guest/guest_path.h"
#include "guest/host_target.h"
#include "guest/present.h"
#include "guest/remote_command.h"

namespace knaller::guest {
namespace {

constexpr int kNoSuchCommand = 127;

// tar's own words as an error, when it failed.
void check_tar(const ExecResult& result, const std::string& error_output) {
  if (result.exit_code == 0 && result.signal == 0) return;
  if (result.exit_code == kNoSuchCommand)
    throw Error(Code::kUnsupported, "the guest has no tar",
                "install the package tar or busybox in the guest");
  fail(Code::kIo, "tar in the guest failed with {}", describe_failure(result, error_output));
}

// --- To the guest ---

struct HostSource {
  std::string path;
  std::string name;  // empty: its contents alone
  bool is_folder = false;
};

std::string resolved_name(const std::string& path) {
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
  if (!real) fail_errno("open '{}'", printable(path));
  return split_path(real.get(), "on this host").name;
}

[[noreturn]] void refuse_source(const std::string& path, std::string_view what) {
  throw Error(
      Code::kUnsupported, fmt::format("'{}' is {}", printable(path), what),
      fmt::format("to send what can be read from it: knaller exec NAME -- tee FILE <'{}'", printable(path)));
}

HostSource look_at_source(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos)
    fail(Code::kInvalidArgument, "'{}' is not a path on this host", printable(path));
  const auto status = stat_if_exists(AT_FDCWD, path);
  if (!status) fail(Code::kNotFound, "'{}' does not exist on this host", printable(path));
  HostSource source{.path = path, .name = "", .is_folder = S_ISDIR(status->st_mode)};
  const bool is_parent = path == ".." || path.ends_with("/..") || path.ends_with("/../");
  source.name = is_parent ? resolved_name(path) : split_path(path, "on this host").name;
  if (!source.is_folder && !S_ISREG(status->st_mode) && !S_ISLNK(status->st_mode))
    refuse_source(path, "neither a file nor a folder nor a link");
  // Such as a shell's <(command), which is a link to 'pipe:[…]': it would mean nothing in the guest.
  struct stat target {};
  if (S_ISLNK(status->st_mode) && ::stat(path.c_str(), &target) == 0 && !S_ISREG(target.st_mode) &&
      !S_ISDIR(target.st_mode))
    refuse_source(path, "a link to what is neither a file nor a folder");
  return source;
}

struct GuestTarget {
  std::string folder;   // where tar unpacks
  std::string name;     // under which the source goes there; empty: its contents
  bool exists = false;  // something is there already
};

GuestTarget place_in_guest(const HostSource& source, const std::string& path, const GuestPath& found) {
  const auto wanted = split_path(path, "in the guest");
  if (found.kind == Kind::kFolder) return {path, source.name, source.name.empty() || found.has_child};
  if (found.kind == Kind::kOther)
    throw Error(Code::kAlreadyExists,
                fmt::format("'{}' in the guest is a device, a pipe or a socket, which no copy replaces",
                            printable(path)),
                fmt::format("to write into it: knaller exec NAME -- tee '{}' <FILE", printable(path)));
  if (source.is_folder && found.kind == Kind::kFile)
    fail(Code::kAlreadyExists, "cannot copy the folder '{}' onto the file '{}' in the guest",
         printable(source.path), printable(path));
  if (wanted.is_folder && !source.is_folder)
    fail(Code::kNotFound, "the folder '{}' does not exist in the guest", printable(path));
  if (found.kind == Kind::kFile && found.is_link && !found.resolved.empty()) {
    const auto resolved = split_path(found.resolved, "in the guest");
    return {resolved.folder, resolved.name, true};
  }
  if (!found.has_folder || wanted.name.empty())
    fail(Code::kNotFound, "the folder '{}' does not exist in the guest", printable(wanted.folder));
  return {wanted.folder, wanted.name, found.kind == Kind::kFile || found.is_link};
}

std::string unpack_command(const GuestTarget& target, const HostSource& source) {
  const std::string folder = quoted_for_shell(safe_path(target.folder));
  // A folder whose contents alone are copied must be there first.
  if (source.name.empty() && !target.name.empty()) {
    const std::string whole = quoted_for_shell(safe_path(target.folder + "/" + target.name));
    return fmt::format("mkdir {0} && exec tar -x -p -o -f - -C {0}", whole);
  }
  // -o: what goes in belongs to the guest's user. -p: with the modes as they are.
  return fmt::format("exec tar -x -p -o -f - -C {}", folder);
}

// --- From the guest ---

[[noreturn]] void refuse_guest_source(const std::string& path, std::string_view what) {
  throw Error(Code::kUnsupported, fmt::format("'{}' in the guest {}", printable(path), what),
              fmt::format("to read from it: knaller exec NAME -- cat '{}'", printable(path)));
}

// Files of /proc and the like say that they are empty, and tar believes them. In a guest without `head` so
// does this.
void check_emptiness(Session& session, const std::string& path, const Deadline& deadline) {
  ExecOptions options;
  options.user = session.user();
  options.argv = {"head", "-c", "1", safe_path(path)};
  if (!session.run_command(options, "", deadline, 64 << 10).out.empty())
    refuse_guest_source(path, "has no size, but is not empty");
}

std::string pack_command(const PathName& source) {
  const std::string name = source.name.empty() ? "." : "./" + source.name;
  return fmt::format("exec tar -c -f - -C {} {}", quoted_for_shell(safe_path(source.folder)),
                     quoted_for_shell(name));
}

}  // namespace

CopySummary copy_to_guest(Session& session, const std::string& host_path, const std::string& guest_path,
                          const CopyProgress& progress, const Deadline& deadline) {
  const HostSource source = look_at_source(host_path);
  const GuestTarget target =
      place_in_guest(source, guest_path, look_at(session, guest_path, source.name, deadline));
  // A folder whose contents alone are copied to a new name is made by the command.
  PackOptions options{.name = source.name.empty() ? "" : target.name, .present = {}};
  if (target.exists)
    options.present = present_folders(session, host_path, target.folder, options.name, deadline);
  RemoteCommand tar(session, unpack_command(target, source), deadline);
  CopySummary summary;
  const auto send = [&](std::string_view data) { return tar.write(data); };
  const bool all_sent = write_tar(host_path, options, send, summary, progress, deadline);
  tar.close_input();
  const auto result = tar.finish();
  check_tar(result, tar.error_output());
  if (!all_sent) fail(Code::kIo, "tar in the guest ended before it had read everything");
  return summary;
}

CopySummary copy_from_guest(Session& session, const std::string& guest_path, const std::string& host_path,
                            const CopyProgress& progress, const Deadline& deadline) {
  const PathName source = split_path(guest_path, "in the guest");
  const GuestPath found = look_at(session, guest_path, "", deadline);
  if (found.kind == Kind::kNone && !found.is_link)
    fail(Code::kNotFound, "'{}' does not exist in the guest", printable(guest_path));
  if (source.is_folder && found.kind != Kind::kFolder)
    fail(Code::kNotFound, "'{}' in the guest is not a folder", printable(guest_path));
  if (found.kind == Kind::kOther && !found.is_link)
    refuse_guest_source(guest_path, "is neither a file nor a folder nor a link");
  if (found.kind == Kind::kFile && found.size == 0 && !found.is_link)
    check_emptiness(session, guest_path, deadline);
  // A link is copied as the link that it is, unless a slash behind it asks for the folder that it leads to.
  const bool follows = found.is_link && source.is_folder && !source.name.empty();
  const bool is_folder = found.kind == Kind::kFolder && (!found.is_link || follows);
  const HostTarget target = place_on_host(source, is_folder, host_path);

  const PathName packed = follows ? split_path(found.resolved, "in the guest") : source;
  RemoteCommand tar(session, pack_command(packed), deadline);
  tar.close_input();
  CopySummary summary;
  const UnpackOptions options{.expected = packed.name,
                              .name = target.name,
                              .kind = is_folder       ? EntryKind::kFolder
                                      : found.is_link ? EntryKind::kLink
                                                      : EntryKind::kFile,
                              .total = is_folder ? 0 : found.size};
  ConfinedTree tree(target.folder.duplicate());
  try {
    unpack_tar([&](char* buffer, size_t size) { return tar.read(buffer, size); }, tree, options, summary,
               progress);
  } catch (const Error& error) {
    // What broke off, broke off for a reason that tar may have told.
    if (error.code() == Code::kCorrupt && tar.ended()) check_tar(tar.finish(), tar.error_output());
    throw;
  }
  check_tar(tar.finish(), tar.error_output());
  return summary;
}

}  // namespace knaller::guest
