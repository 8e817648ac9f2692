#include "cli/guest_command.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"

namespace knaller::cli {
namespace {

// Puts this process's terminal into raw mode, so that every key reaches the guest; the destructor puts it
// back.
class RawTerminal {
 public:
  explicit RawTerminal(int fd) : fd_(fd) {
    if (::tcgetattr(fd_, &before_) != 0) return;
    termios raw = before_;
    ::cfmakeraw(&raw);
    active_ = ::tcsetattr(fd_, TCSADRAIN, &raw) == 0;
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  ~RawTerminal() {
    if (active_) ::tcsetattr(fd_, TCSADRAIN, &before_);
  }

 private:
  int fd_;
  bool active_ = false;
  termios before_{};
};

// Signals from now on go to the guest's command instead of ending this one.
class SignalPipe {
 public:
  explicit SignalPipe(Context& context) : context_(context), pipe_(make_pipe()) {
    ::fcntl(pipe_.write_end.get(), F_SETFL, O_NONBLOCK);
    context_.signals().set_callback([this](int number) {
      const auto byte = static_cast<unsigned char>(number == SIGWINCH ? 0 : number);
      // Full: the guest has thousands of them to read.
      [[maybe_unused]] const ssize_t written = ::write(pipe_.write_end.get(), &byte, 1);
    });
    for (const int number : {SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH}) context_.signals().add(number);
  }
  SignalPipe(const SignalPipe&) = delete;
  SignalPipe& operator=(const SignalPipe&) = delete;
  ~SignalPipe() {
    context_.signals().set_callback([](int) {});
  }

  int fd() const { return pipe_.read_end.get(); }

 private:
  Context& context_;
  Pipe pipe_;
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
  const SignalPipe signals(context);
  options.signal_fd = signals.fd();
  ExecResult result;
  {
    std::optional<RawTerminal> raw;
    if (options.tty && ::isatty(STDIN_FILENO) == 1) raw.emplace(STDIN_FILENO);
    suggest_vm(context, name, [&] { result = context.manager().exec(name, options); });
  }
  return result.signal != 0 ? 128 + result.signal : result.exit_code;
}

}  // namespace knaller::cli
