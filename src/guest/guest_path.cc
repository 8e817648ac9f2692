#include "guest/guest_path.h"

#include "base/error.h"
#include "base/text.h"
#include "guest/command_line.h"

namespace knaller::guest {
namespace {

std::string_view without_slashes(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

// One line of five words, then the resolved path.
std::string look_script(const std::string& path, const PathName& split, const std::string& child) {
  // With a slash behind it, a link is what it leads to; whether it is one is still to be known.
  const std::string bare = split.name.empty() ? path : split.folder + "/" + split.name;
  return fmt::format(
      "p={}; d={}; c=\"$p\"/{}; l=no; [ -L {} ] && l=link; h=no; [ -d \"$d\" ] && h=folder; "
      "if [ -d \"$p\" ]; then k=folder; elif [ -f \"$p\" ]; then k=file; "
      "elif [ -e \"$p\" ]; then k=other; else k=none; fi; "
      "i=no; if [ -e \"$c\" ] || [ -L \"$c\" ]; then i=child; fi; "
      "echo \"$k $l $h $i $(stat -L -c %s \"$p\" 2>/dev/null)\"; readlink -f \"$p\" 2>/dev/null; exit 0",
      quoted_for_shell(safe_path(path)), quoted_for_shell(safe_path(split.folder)), quoted_for_shell(child),
      quoted_for_shell(safe_path(bare)));
}

}  // namespace

PathName split_path(std::string_view path, std::string_view whose) {
  if (path.empty() || path.find('\0') != std::string_view::npos)
    fail(Code::kInvalidArgument, "'{}' is not a path {}", printable(path), whose);
  PathName split{.folder = ".", .name = "", .is_folder = path.back() == '/'};
  const std::string_view bare = without_slashes(path);
  const size_t slash = bare.rfind('/');
  const std::string_view last = slash == std::string_view::npos ? bare : bare.substr(slash + 1);
  if (last == "..")
    throw Error(Code::kInvalidArgument, fmt::format("'{}' ends in '..'", printable(path)),
                "name the folder itself");
  if (last.empty() || last == ".") {
    split.folder = std::string(bare);
    split.is_folder = true;
    return split;
  }
  split.name = std::string(last);
  if (slash != std::string_view::npos) split.folder = slash == 0 ? "/" : std::string(bare.substr(0, slash));
  return split;
}

std::string safe_path(const std::string& path) {
  return path.starts_with("/") ? path : "./" + path;
}

GuestPath look_at(Session& session, const std::string& path, const std::string& child,
                  const Deadline& deadline) {
  ExecOptions options;
  options.user = session.user();
  options.shell_command = look_script(path, split_path(path, "in the guest"), child);
  const auto output = session.run_command(options, "", deadline, 64 << 10);
  const size_t end = output.out.find('\n');
  const auto words = split(std::string_view(output.out).substr(0, end), ' ');
  if (end == std::string::npos || words.size() != 5)
    fail(Code::kIo, "the guest does not say what '{}' is: {}", printable(path),
         describe_failure(output.result, output.err));
  GuestPath found;
  if (words[0] == "folder") found.kind = Kind::kFolder;
  if (words[0] == "file") found.kind = Kind::kFile;
  if (words[0] == "other") found.kind = Kind::kOther;
  found.is_link = words[1] == "link";
  found.has_folder = words[2] == "folder";
  found.has_child = found.kind == Kind::kFolder && words[3] == "child";
  found.size = static_cast<uint64_t>(parse_integer(words[4], 0, INT64_MAX).value_or(0));
  found.resolved = output.out.substr(end + 1);
  if (found.resolved.ends_with('\n')) found.resolved.pop_back();
  return found;
}

}  // namespace knaller::guest
