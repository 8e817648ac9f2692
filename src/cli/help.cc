#include "cli/help.h"

#include <algorithm>

#include <fmt/format.h>

namespace knaller::cli {
namespace {

constexpr size_t kWidth = 90;

// Breaks `text` at spaces; every line after the first begins with `indent` spaces.
std::string wrapped(std::string_view text, size_t indent, size_t column) {
  std::string out;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(" \n"), text.size());
    if (column + end > kWidth && column > indent) {
      if (out.ends_with(' ')) out.pop_back();
      out += "\n" + std::string(indent, ' ');
      column = indent;
    }
    out += text.substr(0, end);
    column += end;
    text.remove_prefix(end);
    if (text.empty()) break;
    if (text[0] == '\n') {
      out += '\n';
      column = 0;
    } else if (column < kWidth) {
      out += ' ';
      ++column;
    }
    text.remove_prefix(1);
  }
  return out;
}

// Characters, not bytes: the help has '…' and '✓'.
size_t width_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string row(std::string_view left, std::string_view right, size_t column) {
  std::string line = fmt::format("  {}", left);
  const size_t width = width_of(line);
  if (width + 2 > column) {
    line += "\n" + std::string(column, ' ');
  } else {
    line += std::string(column - width, ' ');
  }
  return line + wrapped(right, column, column) + "\n";
}

std::string flag_label(const Flag& flag) {
  std::string label = flag.letter != 0 ? fmt::format("-{}, ", flag.letter) : "    ";
  label += fmt::format("--{}", flag.name);
  if (!flag.value.empty()) label += fmt::format(" {}", flag.value);
  return label;
}

std::string flag_rows(const std::vector<Flag>& flags) {
  std::string out;
  for (const Flag& flag : flags) {
    if (flag.help.empty()) continue;
    out += row(flag_label(flag), std::string(flag.help) + (flag.repeated ? "; may be repeated" : ""), 28);
  }
  return out;
}

bool shown(const Command& command) {
  return !command.summary.empty();
}

std::string command_rows(const Family& family) {
  std::string out;
  for (const Command& command : family.commands)
    if (shown(command)) out += row(command.path, command.summary, 20);
  return out;
}

}  // namespace

std::string overview() {
  std::string out =
      "knaller starts, enters and snapshots microVMs.\n\n"
      "Usage: knaller COMMAND [FLAGS] [ARGUMENTS]\n";
  for (const Family& family : families()) out += fmt::format("\n{}\n{}", family.title, command_rows(family));
  out += "\nFlags of every command\n" + flag_rows(global_flags());
  out += "\n`knaller help COMMAND` describes one, with examples. A first VM: `knaller start -d`\n";
  return out;
}

std::string help_of(const Command& command) {
  std::string out = fmt::format("{}\n\nUsage: knaller {}{}{}{}\n", command.summary, command.path,
                                command.flags.empty() ? "" : " [FLAGS]", command.arguments.empty() ? "" : " ",
                                command.arguments);
  if (!command.aliases.empty()) out += fmt::format("Also: {}\n", fmt::join(command.aliases, ", "));
  if (!command.description.empty()) out += "\n" + wrapped(command.description, 0, 0) + "\n";
  const std::string flags = flag_rows(command.flags);
  if (!flags.empty()) out += "\nFlags\n" + flags;
  if (!command.examples.empty()) out += "\nExamples\n";
  for (const Example& example : command.examples) {
    if (!example.text.empty()) out += fmt::format("  # {}\n", example.text);
    out += fmt::format("  {}\n", example.command);
  }
  return out + "\nFlags of every command\n" + flag_rows(global_flags());
}

std::string help_of_group(const Family& group) {
  std::string rows;
  for (const Command& command : group.commands)
    if (shown(command) && command.path.starts_with(std::string(group.word) + " "))
      rows += row(command.path, command.summary, 20);
  return fmt::format("Usage: knaller {} COMMAND\n\nCommands\n{}\n`knaller help {} COMMAND` describes one.\n",
                     group.word, rows, group.word);
}

}  // namespace knaller::cli
