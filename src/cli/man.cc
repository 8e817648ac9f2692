// Man pages from the same tables as --help. roff: a line must not begin with '.' or '\'', and '\' and '-' are
// escaped, so that flags can be copied from the page.
#include <fmt/format.h>

#include "cli/exit_code.h"
#include "cli/help.h"

namespace knaller::cli {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    line_start = c == '\n';
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '`') {
      out += "\\(ga";
    } else {
      out += c;
    }
  }
  return out;
}

std::string paragraphs(std::string_view text) {
  std::string out;
  while (true) {
    const size_t end = text.find("\n\n");
    out += ".PP\n" + escaped(text.substr(0, end)) + "\n";
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 2);
  }
}

std::string tagged(const std::string& tag, std::string_view text) {
  return ".TP\n" + tag + "\n" + escaped(text) + "\n";
}

std::string flag_tag(const Flag& flag) {
  std::string tag;
  if (flag.letter != 0) tag += fmt::format("\\fB\\-{}\\fR, ", flag.letter);
  tag += fmt::format("\\fB\\-\\-{}\\fR", escaped(flag.name));
  if (!flag.value.empty()) tag += fmt::format(" \\fI{}\\fR", escaped(flag.value));
  return tag;
}

std::string flag_list(const std::vector<Flag>& flags) {
  std::string out;
  for (const Flag& flag : flags)
    if (!flag.help.empty())
      out += tagged(flag_tag(flag), std::string(flag.help) + (flag.repeated ? "; may be repeated" : ""));
  return out;
}

std::string heading(const std::string& name, std::string_view summary) {
  return fmt::format(".TH \"{}\" 1 \"\" \"knaller {}\" \"knaller\"\n.SH NAME\n{} \\- {}\n", escaped(name),
                     KNALLER_VERSION, escaped(name), escaped(summary));
}

std::string exit_codes() {
  std::string out = ".SH EXIT STATUS\n";
  for (const auto& [code, meaning, errors] : exit_code_rows())
    out += tagged(fmt::format("\\fB{}\\fR", code), meaning);
  return out;
}

std::string environment() {
  std::string out =
      ".SH ENVIRONMENT\n.PP\nFlags take precedence over variables, and variables over the configuration "
      "file.\n";
  for (const auto& [name, meaning] : environment_rows())
    out += tagged(fmt::format("\\fB{}\\fR", name), meaning);
  return out;
}

}  // namespace

std::string man_name(const Command& command) {
  std::string name = fmt::format("knaller-{}", command.path);
  for (char& c : name)
    if (c == ' ') c = '-';
  return name;
}

std::string man_page() {
  std::string out = heading("knaller", "start, enter and snapshot microVMs");
  out +=
      ".SH SYNOPSIS\n\\fBknaller\\fR \\fICOMMAND\\fR [\\fIFLAGS\\fR] [\\fIARGUMENTS\\fR]\n.SH DESCRIPTION\n";
  out += paragraphs(
      "knaller runs microVMs as an ordinary user: on Firecracker if it is installed and KVM works, otherwise "
      "on QEMU. There is no daemon: the state of a VM is in its directory and its processes.\n\n"
      "Results go to standard output, progress and hints to standard error. With --json exactly one document "
      "is printed on standard output, and an error is a JSON object on standard error.");
  out += ".SH COMMANDS\n";
  for (const Command* command : commands())
    if (!command->summary.empty())
      out += tagged(fmt::format("\\fB{}\\fR(1)", escaped(man_name(*command))), command->summary);
  out += ".SH OPTIONS\n" + flag_list(global_flags()) + exit_codes() + environment();
  out += ".SH FILES\n" +
         tagged("\\fI~/.config/knaller/config.toml\\fR",
                "configuration; its keys are in cli.md of the documentation that is installed with knaller") +
         tagged("\\fI~/.local/share/knaller\\fR", "VMs, snapshots and images");
  return out;
}

std::string man_page_of(const Command& command) {
  std::string out = heading(man_name(command), command.summary);
  out += fmt::format(".SH SYNOPSIS\n\\fBknaller {}\\fR{} {}\n", escaped(command.path),
                     command.flags.empty() ? "" : " [\\fIFLAGS\\fR]", escaped(command.arguments));
  out +=
      ".SH DESCRIPTION\n" + paragraphs(command.description.empty() ? command.summary : command.description);
  const std::string flags = flag_list(command.flags);
  if (!flags.empty()) out += ".SH OPTIONS\n" + flags;
  if (!command.examples.empty()) out += ".SH EXAMPLES\n";
  for (const Example& example : command.examples) {
    if (!example.text.empty()) out += ".PP\n" + escaped(example.text) + ":\n";
    out += ".PP\n.nf\n    " + escaped(example.command) + "\n.fi\n";
  }
  return out +
         ".SH SEE ALSO\n\\fBknaller\\fR(1), for the flags of every command, exit codes and environment\n";
}

}  // namespace knaller::cli
