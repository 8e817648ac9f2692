#include "cli/spec.h"

#include <algorithm>
#include <iterator>

namespace knaller::cli {
namespace {

std::vector<Command> all_commands() {
  std::vector<Command> all;
  for (auto part : {vm_commands(), inside_commands(), store_commands(), other_commands()})
    std::move(part.begin(), part.end(), std::back_inserter(all));
  return all;
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

const std::vector<Command>& commands() {
  static const std::vector<Command> all = all_commands();
  return all;
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
       .names = Names::kDirectory},
      {.name = "config", .value = "FILE", .help = "Read this configuration file", .names = Names::kFile},
      {.name = "allow-network-home", .help = "Use a home on NFS or FUSE, where locks may not hold"},
      {.name = "version", .help = "Print the version"},
  };
  return flags;
}

const std::vector<ExitCodeRow>& exit_code_rows() {
  static const std::vector<ExitCodeRow> rows{
      {0, "done"},
      {1, "failed, or reading or writing failed"},
      {2, "wrong usage: an unknown command or flag, a value that can't be"},
      {3, "not found: no VM, snapshot, image or file of that name"},
      {4, "wrong state: the VM is not in a state for that"},
      {5, "already exists"},
      {6, "not supported here"},
      {7, "a time limit passed"},
      {8, "busy: another command works on it"},
      {9, "permission denied"},
      {10, "exhausted: disk, memory, ports or descriptors"},
      {11, "corrupt: a damaged snapshot, image or file"},
      {12, "the engine refused or died"},
      {70, "internal error of knaller"},
      {125, "exec and run: knaller itself failed, whatever the reason"},
      {126, "exec and run: the command could not be executed"},
      {127, "exec and run: no such command in the guest"},
      {130, "stopped by Ctrl-C (128 + the signal's number; exec and run: a signal ended the command)"},
  };
  return rows;
}

const std::vector<VariableRow>& environment_rows() {
  static const std::vector<VariableRow> rows{
      {"KNALLER_HOME", "as --home; the default is $XDG_DATA_HOME/knaller, which is ~/.local/share/knaller"},
      {"KNALLER_CONFIG", "as --config; the default is ~/.config/knaller/config.toml"},
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
      {"KNALLER_LIBEXEC", "where knaller-monitor and knaller-qemu lie"},
      {"KNALLER_ALLOW_NETWORK_HOME", "1: as --allow-network-home"},
      {"NO_COLOR", "not empty: no colours and no escape sequences"},
      {"CI", "not empty: progress as plain lines, never as a bar"},
  };
  return rows;
}

const Command* find_command(std::string_view path) {
  for (const Command& command : commands()) {
    if (command.path == path) return &command;
    if (std::find(command.aliases.begin(), command.aliases.end(), path) != command.aliases.end())
      return &command;
  }
  return nullptr;
}

bool is_group(std::string_view word) {
  return word == "snapshot" || word == "image" || word == "store" || word == "snapshots" || word == "images";
}

const Flag* find_flag(const Command* command, std::string_view name) {
  return find_flag_if(command, [name](const Flag& flag) { return flag.name == name; });
}

const Flag* find_flag(const Command* command, char letter) {
  return find_flag_if(command, [letter](const Flag& flag) { return flag.letter == letter && letter != 0; });
}

}  // namespace knaller::cli
