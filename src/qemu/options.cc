#include "qemu/options.h"

#include <algorithm>
#include <functional>
#include <set>

#include "base/error.h"
#include "base/text.h"

namespace knaller::qemu {
namespace {

constexpr size_t kLongestId = 64;

struct Argument {
  const char* name;
  bool takes_value;
  const char* help;
  std::function<void(ProgramOptions&, const std::string&)> set;
};

void set_accelerator(ProgramOptions& options, const std::string& value) {
  if (value == "auto") return options.accelerator.reset();
  for (const Accelerator accelerator : {Accelerator::kKvm, Accelerator::kTcg}) {
    if (value == to_string(accelerator)) {
      options.accelerator = accelerator;
      return;
    }
  }
  fail(Code::kInvalidArgument, "Invalid value for argument 'accel': {} (auto, kvm, tcg).", printable(value));
}

void set_id(ProgramOptions& options, const std::string& value) {
  const auto is_good = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; };
  if (value.empty() || value.size() > kLongestId || !std::ranges::all_of(value, is_good)) {
    fail(Code::kInvalidArgument, "Invalid instance ID: '{}' (1 to {} letters, digits and '-').",
         printable(value), kLongestId);
  }
  options.id = value;
}

using O = ProgramOptions;
using S = std::string;

// What belongs to Firecracker's own process (seccomp filters, its jailer's times) is taken and has no meaning
// here.
const std::vector<Argument>& known_arguments() {
  static const std::vector<Argument> arguments = {
      {"accel", true, "auto, kvm or tcg. [default: auto: kvm where a guest can run on it]", set_accelerator},
      {"api-sock", true, "Path to unix domain socket used by the API. [default: \"/run/firecracker.socket\"]",
       [](O& o, const S& v) { o.api_socket = v; }},
      {"boot-timer", false, "Taken for compatibility; there is no boot timer device.", [](O&, const S&) {}},
      {"config-file", true, "Path to a file that contains the microVM configuration in JSON format.",
       [](O& o, const S& v) { o.config_file = v; }},
      {"describe-snapshot", true, "Print the data format version of the provided snapshot state file.",
       [](O& o, const S& v) { o.describe_snapshot = v; }},
      {"enable-pci", false, "Taken for compatibility; devices are virtio-mmio.",
       [](O& o, const S&) { o.enable_pci = true; }},
      {"help", false, "Show the help message.", [](O& o, const S&) { o.help = true; }},
      {"http-api-max-payload-size", true, "Taken for compatibility; the limit is 51200 bytes.",
       [](O&, const S&) {}},
      {"id", true, "MicroVM unique identifier. [default: \"anonymous-instance\"]", set_id},
      {"level", true, "Set the logger level.", [](O& o, const S& v) { o.level = v; }},
      {"log-path", true, "Path to a fifo or a file used for the log. [default: standard output]",
       [](O& o, const S& v) { o.log_path = v; }},
      {"metadata", true, "Not supported: there is no metadata service.",
       [](O& o, const S& v) { o.metadata = v; }},
      {"metrics-path", true, "Path to a fifo or a file used for the metrics.",
       [](O& o, const S& v) { o.metrics_path = v; }},
      {"mmds-size-limit", true, "Taken for compatibility; there is no metadata service.",
       [](O&, const S&) {}},
      {"module", true, "Taken for compatibility.", [](O&, const S&) {}},
      {"no-api", false, "Run the microVM of --config-file without an API socket.",
       [](O& o, const S&) { o.no_api = true; }},
      {"no-seccomp", false, "Taken for compatibility; QEMU's own filter stays on.", [](O&, const S&) {}},
      {"parent-cpu-time-us", true, "Taken for compatibility.", [](O&, const S&) {}},
      {"qemu-binary", true,
       "The QEMU to run. [default: $KNALLER_QEMU_BINARY, or qemu-system-x86_64 on PATH or in /usr/bin]",
       [](O& o, const S& v) { o.qemu_binary = v; }},
      {"seccomp-filter", true, "Taken for compatibility; QEMU's own filter stays on.", [](O&, const S&) {}},
      {"show-level", false, "Whether or not to output the level in the logs.",
       [](O& o, const S&) { o.show_level = true; }},
      {"show-log-origin", false, "Taken for compatibility.", [](O&, const S&) {}},
      {"snapshot-version", false, "Print the supported data format version.",
       [](O& o, const S&) { o.snapshot_version = true; }},
      {"start-time-cpu-us", true, "Taken for compatibility.", [](O&, const S&) {}},
      {"start-time-us", true, "Taken for compatibility.", [](O&, const S&) {}},
      {"version", false, "Print the version.", [](O& o, const S&) { o.version = true; }},
  };
  return arguments;
}

[[noreturn]] void unexpected(std::string_view word) {
  fail(Code::kInvalidArgument, "Found argument '{}' which wasn't expected, or isn't valid in this context.",
       printable(word));
}

const Argument& find_argument(std::string_view word) {
  if (!word.starts_with("--")) unexpected(word);
  const auto found = std::ranges::find(known_arguments(), word.substr(2), &Argument::name);
  if (found == known_arguments().end()) unexpected(word.substr(2));
  return *found;
}

}  // namespace

ProgramOptions parse_options(const std::vector<std::string>& arguments) {
  ProgramOptions options;
  std::set<std::string> seen;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Argument& argument = find_argument(arguments[i]);
    if (!seen.insert(argument.name).second) {
      fail(Code::kInvalidArgument, "The argument '{}' was provided more than once.", argument.name);
    }
    if (argument.takes_value && i + 1 == arguments.size()) {
      fail(Code::kInvalidArgument, "The argument '{}' requires a value, but none was supplied.",
           argument.name);
    }
    argument.set(options, argument.takes_value ? arguments[++i] : std::string());
  }
  if (options.no_api && !options.config_file) {
    fail(Code::kInvalidArgument, "Argument 'config-file' required, but not found.");
  }
  if (options.no_api && options.api_socket) {
    fail(Code::kInvalidArgument, "Argument 'no-api' cannot be used together with argument 'api-sock'.");
  }
  if (options.metadata) {
    fail(Code::kInvalidArgument,
         "Argument 'metadata' is not supported: knaller-qemu has no metadata service.");
  }
  return options;
}

std::string help_text() {
  std::string text = "knaller-qemu: Firecracker's API and command line, on QEMU\n\noptional arguments:\n";
  for (const Argument& argument : known_arguments()) {
    const std::string name =
        argument.takes_value ? fmt::format("{0} <{0}>", argument.name) : std::string(argument.name);
    text += fmt::format("  --{:<56} {}\n", name, argument.help);
  }
  return text;
}

}  // namespace knaller::qemu
