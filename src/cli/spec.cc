#include "cli/spec.h"

#include <algorithm>
#include <iterator>

namespace knaller::cli {
namespace {

std::vector<Command> with(std::vector<Command> commands, std::vector<Command> more) {
  std::move(more.begin(), more.end(), std::back_inserter(commands));
  return commands;
}

std::vector<const Flag*> find_settings() {
  // Of no command: where the helper programs lie.
  static const Flag libexec{
      .name = "libexec", .value = "DIR", .names = Names::kDirectory, .setting = "libexec"};
  std::vector<const Flag*> rows;
  const auto take = [&rows](const Flag& flag) {
    const auto same = [&flag](const Flag* row) { return row->setting == flag.setting; };
    if (!flag.setting.empty() && std::none_of(rows.begin(), rows.end(), same)) rows.push_back(&flag);
  };
  for (const Flag& flag : global_flags()) take(flag);
  for (const Command* command : commands())
    for (const Flag& flag : command->flags) take(flag);
  take(libexec);
  return rows;
}

template <typename Matches>
const Flag* find_flag_if(const Command* command, Matches matches) {
  if (command != nullptr) {
    const auto own = std::find_if(command->flags.begin(), command->flags.end(), matches);
    if (own != command->flags.end()) return &*own;
  }
  const auto global = std::find_if(global_flags().begin(), global_flags().end(), matches);
  return global == global_flags().end() ? nullptr : &*global;
}

}  // namespace

const std::vector<Family>& families() {
  static const std::vector<Family> all{
      {.title = "VMs", .commands = with(vm_commands(), watch_commands())},
      {.title = "Inside a VM", .commands = inside_commands()},
      {.title = "Snapshots",
       .word = "snapshot",
       .plural = "snapshots",
       .summary = "Take, list and remove snapshots",
       .commands = with(with(snapshot_commands(), snapshot_file_commands()), {rollback_command()})},
      {.title = "Images",
       .word = "image",
       .plural = "images",
       .summary = "Build, list and remove images",
       .commands = image_commands()},
      {.title = "The store",
       .word = "store",
       .summary = "Measure and check knaller's home",
       .commands = store_commands()},
      {.title = "Other", .commands = other_commands()},
  };
  return all;
}

const std::vector<const Command*>& commands() {
  static const std::vector<const Command*> all = [] {
    std::vector<const Command*> found;
    for (const Family& family : families())
      for (const Command& command : family.commands) found.push_back(&command);
    return found;
  }();
  return all;
}

const std::vector<const Flag*>& settings_rows() {
  static const std::vector<const Flag*> rows = find_settings();
  return rows;
}

const std::vector<Flag>& global_flags() {
  static const std::vector<Flag> flags{
      {.name = "help", .letter = 'h', .help = "Show the help of a command"},
      {.name = "json", .help = "Print one JSON document on standard output, and errors as JSON"},
      {.name = "quiet", .letter = 'q', .help = "Print names and ids only"},
      {.name = "verbose", .letter = 'v', .help = "Show the guest's console while it starts"},
      {.name = "timings", .help = "Show where the time went"},
      {.name = "home",
       .value = "DIR",
       .help = "Where VMs, snapshots and images are kept",
       .names = Names::kDirectory,
       .setting = "home"},
      {.name = "config", .value = "FILE", .help = "Read this configuration file", .names = Names::kFile},
      {.name = "allow-network-home",
       .help = "Use a home on NFS or FUSE, where locks may not hold",
       .setting = "allow_network_home"},
      {.name = "version", .help = "Print the version"},
  };
  return flags;
}

const std::vector<VariableRow>& environment_rows() {
  static const std::vector<VariableRow> rows{
      {"KNALLER_HOME", "as --home; the default is $XDG_DATA_HOME/knaller, else ~/.local/share/knaller"},
      {"KNALLER_CONFIG",
       "as --config; the default is $XDG_CONFIG_HOME/knaller/config.toml, else "
       "~/.config/knaller/config.toml"},
      {"KNALLER_IMAGE", "the image of new VMs, as --image"},
      {"KNALLER_CPUS", "virtual CPUs of new VMs, as --cpus"},
      {"KNALLER_MEM", "memory of new VMs, as --mem"},
      {"KNALLER_DISK", "private disk of new VMs, as --disk"},
      {"KNALLER_NETWORK", "as --network"},
      {"KNALLER_ENGINE", "as --engine"},
      {"KNALLER_PASTA", "as --pasta"},
      {"KNALLER_WAIT_TIMEOUT", "as --wait-timeout"},
      {"KNALLER_STOP_TIMEOUT", "as --timeout of stop and restart"},
      {"KNALLER_MAX_PAUSE", "as --max-pause of snapshot create and rollback"},
      {"KNALLER_CAPTURE", "as --capture of snapshot create and rollback"},
      {"KNALLER_LIBEXEC", "where knaller-monitor and knaller-qemu are"},
      {"KNALLER_ALLOW_NETWORK_HOME", "1: as --allow-network-home"},
      {"NO_COLOR", "not empty: no colours and no escape sequences"},
      {"CI", "not empty: progress as plain lines, never as a bar"},
  };
  return rows;
}

const Command* find_command(std::string_view path) {
  for (const Command* command : commands()) {
    if (command->path == path) return command;
    if (std::find(command->aliases.begin(), command->aliases.end(), path) != command->aliases.end())
      return command;
  }
  return nullptr;
}

const Family* find_group(std::string_view word) {
  for (const Family& family : families())
    if (!word.empty() && (family.word == word || family.plural == word)) return &family;
  return nullptr;
}

const Flag* find_flag(const Command* command, std::string_view name) {
  return find_flag_if(command, [name](const Flag& flag) { return flag.name == name; });
}

const Flag* find_flag(const Command* command, char letter) {
  return find_flag_if(command, [letter](const Flag& flag) { return flag.letter == letter && letter != 0; });
}

}  // namespace knaller::cli
