#include "cli/guest_command.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "cli/raw_terminal.h"

namespace knaller::cli {
namespace {

// How often, and in what time, somebody asks for the end who means this command rather than the guest's.
constexpr int kInsisting = 3;
constexpr std::chrono::seconds kInsistingTime{3};

bool asks_for_the_end(int number) {
  return number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT;
}

// Until the guest has taken its command, signals end this one; from then on they are passed on. Insisting
// ends this one again: a guest may hang.
class GuestSignals {
 public:
  explicit GuestSignals(Context& context) : context_(context), pipe_(make_pipe()) {
    ::fcntl(pipe_.write_end.get(), F_SETFL, O_NONBLOCK);
  }
  GuestSignals(const GuestSignals&) = delete;
  GuestSignals& operator=(const GuestSignals&) = delete;
  ~GuestSignals() {
    context_.signals().set_callback([&context = context_](int number) {
      if (asks_for_the_end(number)) context.on_signal(number);
    });
  }

  void pass_on() {
    context_.signals().set_callback([this](int number) { take(number); });
    for (const int number : {SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH}) context_.signals().add(number);
  }

  int fd() const { return pipe_.read_end.get(); }

 private:
  void take(int number) {
    const auto byte = static_cast<unsigned char>(number == SIGWINCH ? 0 : number);
    // Full: the guest has thousands of them to read.
    [[maybe_unused]] const ssize_t written = ::write(pipe_.write_end.get(), &byte, 1);
    if (asks_for_the_end(number) && is_insisting()) context_.on_signal(number);
  }

  bool is_insisting() {
    const auto now = std::chrono::steady_clock::now();
    asked_at_.push_back(now);
    std::erase_if(asked_at_, [now](auto asked) { return now - asked > kInsistingTime; });
    return asked_at_.size() >= kInsisting;
  }

  Context& context_;
  Pipe pipe_;
  std::vector<std::chrono::steady_clock::time_point> asked_at_;
};

std::pair<std::string, std::string> variable(const std::string& text) {
  const size_t equals = text.find('=');
  const std::string name = text.substr(0, equals);
  const bool good = !name.empty() &&
                    name.find_first_not_of(
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "0123456789_") == std::string::npos &&
                    (name[0] < '0' || name[0] > '9');
  if (!good) fail(Code::kInvalidArgument, "--env: '{}' is no NAME=VALUE", printable(text));
  if (equals != std::string::npos) return {name, text.substr(equals + 1)};
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) fail(Code::kInvalidArgument, "--env {}: this variable is not set here", name);
  return {name, value};
}

bool wants_terminal(const Invocation& args) {
  if (args.has("tty") && args.has("no-tty"))
    fail(Code::kInvalidArgument, "--tty and --no-tty exclude each other");
  if (args.has("tty")) return true;
  const bool terminals = ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
  return terminals && !args.has("no-tty") && !args.has("no-stdin");
}

}  // namespace

ExecOptions exec_options(const Context& context, std::vector<std::string> argv) {
  const Invocation& args = context.args();
  ExecOptions options;
  options.argv = std::move(argv);
  options.user = args.value("user").value_or("root");
  options.working_directory = args.value("workdir").value_or("");
  for (const std::string& text : args.all("env")) options.environment.push_back(variable(text));
  options.tty = wants_terminal(args);
  const char* term = std::getenv("TERM");
  if (options.tty && term != nullptr) options.environment.emplace_back("TERM", term);
  // A guest that was started without waiting may still be booting.
  options.connect_timeout = context.settings().duration("wait_timeout").value_or(std::chrono::seconds(30));
  options.stdin_fd = args.has("no-stdin") ? -1 : STDIN_FILENO;
  options.stdout_fd = STDOUT_FILENO;
  options.stderr_fd = STDERR_FILENO;
  return options;
}

int run_in_guest(Context& context, const std::string& name, ExecOptions options) {
  GuestSignals signals(context);
  std::optional<RawTerminal> raw;
  options.signal_fd = signals.fd();
  options.stop = context.stop();
  options.on_started = [&] {
    signals.pass_on();
    if (options.tty && ::isatty(STDIN_FILENO) == 1) raw.emplace(context, STDIN_FILENO);
  };
  ExecResult result;
  suggest_vm(context, name, [&] { result = context.manager().exec(name, options); });
  return result.signal != 0 ? 128 + result.signal : result.exit_code;
}

}  // namespace knaller::cli
