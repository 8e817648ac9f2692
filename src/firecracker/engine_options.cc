#include "firecracker/engine_options.h"

#include <fcntl.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/socket.h"
#include "base/text.h"

namespace knaller::firecracker {
namespace {

constexpr size_t kLongestId = 64;

const std::vector<std::string_view> kIgnoredFlags{"boot-timer", "no-seccomp", "show-level",
                                                  "show-log-origin"};
const std::vector<std::string_view> kIgnoredValues{
    "http-api-max-payload-size", "metadata",       "mmds-size-limit",   "module",
    "parent-cpu-time-us",        "seccomp-filter", "start-time-cpu-us", "start-time-us"};

template <typename List>
bool contains(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

std::string* text_option(EngineOptions& options, std::string_view name) {
  if (name == "api-sock") return &options.api_sock;
  if (name == "id") return &options.id;
  if (name == "log-path") return &options.log_path;
  if (name == "level") return &options.level;
  if (name == "metrics-path") return &options.metrics_path;
  if (name == "config-file") return &options.config_file;
  if (name == "describe-snapshot") return &options.describe_snapshot;
  return nullptr;
}

bool* flag_option(EngineOptions& options, std::string_view name) {
  if (name == "no-api") return &options.no_api;
  if (name == "enable-pci") return &options.enable_pci;
  if (name == "version") return &options.version;
  if (name == "help") return &options.help;
  if (name == "snapshot-version") return &options.snapshot_version;
  return nullptr;
}

void check(const EngineOptions& options) {
  const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; };
  if (options.id.empty() || options.id.size() > kLongestId ||
      !std::all_of(options.id.begin(), options.id.end(), fits))
    fail(Code::kInvalidArgument, "Invalid instance ID: '{}'", printable(options.id));
  if (options.no_api && options.config_file.empty())
    fail(Code::kInvalidArgument, "Argument 'config-file' required, but not found.");
}

}  // namespace

EngineOptions parse_engine_options(const std::vector<std::string>& arguments,
                                   const std::vector<std::string>& own) {
  EngineOptions options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (!argument.starts_with("--") || argument.size() == 2)
      fail(Code::kInvalidArgument,
           "Found argument '{}' which wasn't expected, or isn't valid in this context.", printable(argument));
    const std::string name = argument.substr(2);
    if (bool* flag = flag_option(options, name)) {
      *flag = true;
      continue;
    }
    if (contains(kIgnoredFlags, name)) continue;
    std::string ignored;
    std::string* value = text_option(options, name);
    if (value == nullptr && contains(own, name)) value = &options.own[name];
    if (value == nullptr && contains(kIgnoredValues, name)) value = &ignored;
    if (value == nullptr)
      fail(Code::kInvalidArgument,
           "Found argument '{}' which wasn't expected, or isn't valid in this context.", printable(name));
    if (i + 1 == arguments.size())
      fail(Code::kInvalidArgument, "The argument '{}' requires a value, but none was supplied.", name);
    *value = arguments[++i];
  }
  check(options);
  return options;
}

UniqueFd listen_api_socket(const std::string& path) {
  if (stat_if_exists(AT_FDCWD, path))
    throw Error(Code::kAlreadyExists,
                fmt::format("Failed to bind the API socket: '{}' exists", printable(path)),
                "remove what an ended engine left there");
  const std::filesystem::path full(path);
  const UniqueFd directory = open_directory(full.has_parent_path() ? full.parent_path().string() : ".");
  return listen_unix(directory.get(), full.filename().string());
}

}  // namespace knaller::firecracker
