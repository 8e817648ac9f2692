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

HostSource look_at_source(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos)
    fail(Code::kInvalidArgument, "'{}' is no path on this host", printable(path));
  const auto status = stat_if_exists(AT_FDCWD, path);
  if (!status) fail(Code::kNotFound, "'{}' does not exist on this host", printable(path));
  HostSource source{.path = path, .name = "", .is_folder = S_ISDIR(status->st_mode)};
  const bool is_parent = path == ".." || path.ends_with("/..") || path.ends_with("/../");
  source.name = is_parent ? resolved_name(path) : split_path(path, "on this host").name;
  if (!source.is_folder && !S_ISREG(status->st_mode) && !S_ISLNK(status->st_mode))
    fail(Code::kUnsupported, "'{}' is neither a file nor a folder nor a link", printable(path));
  return source;
}

struct GuestTarget {
  std::string folder;  // where tar unpacks
  std::string name;    // under which the source goes there; empty: its contents
};

GuestTarget place_in_guest(const HostSource& source, const std::string& path, const GuestPath& found) {
  const auto wanted = split_path(path, "in the guest");
  if (found.kind == Kind::kFolder) return {path, source.name};
  if (source.is_folder && found.kind == Kind::kFile)
    fail(Code::kAlreadyExists, "cannot copy the folder '{}' onto the file '{}' in the guest",
         printable(source.path), printable(path));
  if (wanted.is_folder && !source.is_folder)
    fail(Code::kNotFound, "the folder '{}' does not exist in the guest", printable(path));
  if (found.kind == Kind::kFile && found.is_link && !found.resolved.empty()) {
    const auto resolved = split_path(found.resolved, "in the guest");
    return {resolved.folder, resolved.name};
  }
  if (!found.has_folder || wanted.name.empty())
    fail(Code::kNotFound, "the folder '{}' does not exist in the guest", printable(wanted.folder));
  return {wanted.folder, wanted.name};
}

std::string unpack_command(const GuestTarget& target, const HostSource& source) {
  const std::string folder = quote(safe_path(target.folder));
  // A folder whose contents alone are copied must be there first.
  if (source.name.empty() && !target.name.empty()) {
    const std::string whole = quote(safe_path(target.folder + "/" + target.name));
    return fmt::format("mkdir {0} && exec tar -x -p -o -f - -C {0}", whole);
  }
  // -o: what goes in belongs to the guest's user. -p: with the modes as they are.
  return fmt::format("exec tar -x -p -o -f - -C {}", folder);
}

// --- From the guest ---

struct HostTarget {
  UniqueFd folder;
  std::string name;  // under which the source goes there; empty: its contents
};

bool is_folder_on_host(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

// A link to a file is written through, as every program that opens the target would.
std::string through_links(const std::string& path) {
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
  return real ? real.get() : path;
}

UniqueFd open_folder(const std::string& path) {
  if (!is_folder_on_host(path))
    fail(Code::kNotFound, "the folder '{}' does not exist on this host", printable(path));
  return open_directory(path);
}

// The contents of a folder go into `path` itself, which is made when it is not there.
HostTarget place_contents(const std::string& path) {
  if (!is_folder_on_host(path)) {
    if (exists(path)) fail(Code::kAlreadyExists, "'{}' is no folder", printable(path));
    const auto split = split_path(path, "on this host");
    const UniqueFd folder = open_folder(split.folder);
    if (::mkdirat(folder.get(), split.name.c_str(), 0777) != 0)
      fail_errno("make the folder '{}'", printable(path));
  }
  return {open_folder(path), ""};
}

HostTarget place_on_host(const PathName& source, bool source_is_folder, const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos)
    fail(Code::kInvalidArgument, "'{}' is no path on this host", printable(path));
  if (source.name.empty()) return place_contents(path);
  if (is_folder_on_host(path)) return {open_folder(path), source.name};
  if (exists(path) && source_is_folder)
    fail(Code::kAlreadyExists, "cannot copy the folder '{}' from the guest onto the file '{}'",
         printable(source.name), printable(path));
  const auto split = split_path(through_links(path), "on this host");
  if (split.name.empty() || (path.back() == '/' && !source_is_folder))
    fail(Code::kNotFound, "the folder '{}' does not exist on this host", printable(path));
  return {open_folder(split.folder), split.name};
}

std::string pack_command(const PathName& source) {
  const std::string name = source.name.empty() ? "." : "./" + source.name;
  return fmt::format("exec tar -c -f - -C {} {}", quote(safe_path(source.folder)), quote(name));
}

}  // namespace

CopySummary copy_to_guest(Session& session, const std::string& host_path, const std::string& guest_path,
                          const CopyProgress& progress, const Deadline& deadline) {
  const HostSource source = look_at_source(host_path);
  const GuestTarget target = place_in_guest(source, guest_path, look_at(session, guest_path, deadline));
  RemoteCommand tar(session, unpack_command(target, source), deadline);
  CopySummary summary;
  const auto send = [&](std::string_view data) { return tar.write(data); };
  const std::string name = source.name.empty() ? "" : target.name;
  const bool all_sent = write_tar(host_path, name, send, summary, progress, deadline);
  tar.close_input();
  const auto result = tar.finish();
  check_tar(result, tar.error_output());
  if (!all_sent) fail(Code::kIo, "tar in the guest ended before it had read everything");
  return summary;
}

CopySummary copy_from_guest(Session& session, const std::string& guest_path, const std::string& host_path,
                            const CopyProgress& progress, const Deadline& deadline) {
  const PathName source = split_path(guest_path, "in the guest");
  const GuestPath found = look_at(session, guest_path, deadline);
  if (found.kind == Kind::kNone && !found.is_link)
    fail(Code::kNotFound, "'{}' does not exist in the guest", printable(guest_path));
  if (source.is_folder && found.kind != Kind::kFolder)
    fail(Code::kNotFound, "'{}' in the guest is no folder", printable(guest_path));
  // A link is copied as the link that it is, unless a slash behind it asks for the folder that it leads to.
  const bool follows = found.is_link && source.is_folder && !source.name.empty();
  const bool is_folder = found.kind == Kind::kFolder && (!found.is_link || follows);
  const HostTarget target = place_on_host(source, is_folder, host_path);

  const PathName packed = follows ? split_path(found.resolved, "in the guest") : source;
  RemoteCommand tar(session, pack_command(packed), deadline);
  tar.close_input();
  CopySummary summary;
  const UnpackOptions options{
      .expected = packed.name, .name = target.name, .total = is_folder ? 0 : found.size};
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
  if (summary.files == 0 && !summary.skipped.empty())
    fail(Code::kUnsupported, "'{}' in the guest is neither a file nor a folder nor a link",
         printable(guest_path));
  return summary;
}

}  // namespace knaller::guest
