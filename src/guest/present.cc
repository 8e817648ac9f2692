#include "guest/present.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "base/confined_tree.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "guest/command_line.h"
#include "guest/guest_path.h"

namespace knaller::guest {
namespace {

constexpr size_t kMostOutput = 64 << 20;

// For a folder, a file and a link of the source: its number, its name and, of a link, its target. A folder
// that is there is told; what must not be replaced is, too, and ends it.
constexpr std::string_view kFunctions =
    "taken() { echo \"taken $1\"; exit 0; }\n"
    "d() { if [ -d \"./$2\" ]; then echo \"folder $1\"; "
    "elif [ -e \"./$2\" ] || [ -L \"./$2\" ]; then taken \"$1\"; fi; }\n"
    "f() { if [ -e \"./$2\" ] && [ ! -f \"./$2\" ]; then taken \"$1\"; fi; }\n"
    "l() { if [ -L \"./$2\" ] && [ \"$(readlink \"./$2\")\" = \"$3\" ]; then :; else f \"$1\" \"$2\"; fi; "
    "}\n";

class Question {
 public:
  Question(const std::string& folder, const Deadline& deadline) : deadline_(deadline) {
    script_ = fmt::format("cd {} || exit 1\n{}", quoted_for_shell(safe_path(folder)), kFunctions);
  }

  void add(int folder, const std::string& name, const std::string& as) {
    if (deadline_.stopped() || deadline_.expired()) deadline_.check("what the guest has already");
    const auto status = stat_if_exists(folder, name);
    if (!status) return;
    if (S_ISREG(status->st_mode)) ask('f', as);
    if (S_ISLNK(status->st_mode)) ask('l', as, read_link(folder, name));
    if (!S_ISDIR(status->st_mode)) return;
    ask('d', as);
    add_contents(open_at(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).get(), as + "/");
  }

  void add_contents(int folder, const std::string& prefix) {
    for (const auto& child : list_directory(folder)) add(folder, child, prefix + child);
  }

  std::string script() const { return script_ + "echo end\n"; }
  const std::vector<std::string>& names() const { return names_; }

 private:
  void ask(char kind, const std::string& as, const std::string& link = {}) {
    script_ +=
        fmt::format("{} {} {} {}\n", kind, names_.size(), quoted_for_shell(as), quoted_for_shell(link));
    names_.push_back(as);
  }

  const Deadline& deadline_;
  std::string script_;
  std::vector<std::string> names_;
};

}  // namespace

std::optional<std::set<std::string>> parse_present(std::string_view answer, const std::string& folder,
                                                   const std::vector<std::string>& names) {
  std::set<std::string> present;
  for (const auto line : split(answer, '\n')) {
    if (line == "end") return present;
    const auto words = split(line, ' ');
    const auto number =
        words.size() == 2 ? parse_integer(words[1], 0, static_cast<int64_t>(names.size()) - 1) : std::nullopt;
    if (!number) continue;
    const std::string& named = names.at(static_cast<size_t>(*number));
    if (words[0] == "folder") present.insert(named);
    if (words[0] == "taken")
      throw Error(Code::kAlreadyExists,
                  fmt::format("'{}' in the guest is of another kind than what would take its place, and no "
                              "copy replaces it",
                              printable(folder == "/" ? "/" + named : folder + "/" + named)),
                  "remove it in the guest first, or copy to another name");
  }
  return std::nullopt;
}

std::set<std::string> present_folders(Session& session, const std::string& host_path,
                                      const std::string& folder, const std::string& name,
                                      const Deadline& deadline) {
  Question question(folder, deadline);
  if (name.empty())
    question.add_contents(open_directory(host_path).get(), "");
  else
    question.add(AT_FDCWD, host_path, name);
  ExecOptions options;
  options.user = session.user();
  // Read as a whole first: half a script asks something else, and some shells read a script byte by byte.
  options.argv = {"sh", "-c", "s=$(cat); eval \"$s\""};
  const auto output = session.run_command(options, question.script(), deadline, kMostOutput);
  if (auto present = parse_present(output.out, folder, question.names())) return std::move(*present);
  fail(Code::kIo, "the guest does not say what it has in '{}' already: {}", printable(folder),
       describe_failure(output.result, output.err));
}

}  // namespace knaller::guest
