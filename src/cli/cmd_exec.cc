// exec, attach, run: a command in a VM, with this process's terminal, streams and signals.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/creation.h"
#include "cli/raw_terminal.h"
#include "cli/sessions.h"

namespace knaller::cli {
namespace {

// How often, and in what time, somebody asks for the end who means this command rather than the guest's.
constexpr int kInsisting = 3;
constexpr std::chrono::seconds kInsistingTime{3};
constexpr char kLeaveKey = 0x1d;  // Ctrl-], as in telnet and `virsh console`

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

bool wants_terminal(const Invocation& args) {
  if (args.has("tty")) return true;
  const bool terminals = ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
  return terminals && !args.has("no-tty") && !args.has("no-stdin");
}

// Joined to this process.
ExecOptions joined(const Context& context) {
  ExecOptions options;
  options.stdin_fd = context.args().has("no-stdin") ? -1 : STDIN_FILENO;
  options.stdout_fd = STDOUT_FILENO;
  options.stderr_fd = STDERR_FILENO;
  return options;
}

ExecOptions exec_options(const Context& context, std::vector<std::string> argv) {
  const Invocation& args = context.args();
  ExecOptions options = joined(context);
  options.argv = std::move(argv);
  options.user = args.get<std::string>("user").value_or("root");
  options.working_directory = args.text("workdir");
  for (const auto& [name, value] : args.all<Assignment>("env"))
    options.environment.emplace_back(name, value.value_or(""));
  options.tty = wants_terminal(args);
  const char* term = std::getenv("TERM");
  if (options.tty && term != nullptr) options.environment.emplace_back("TERM", term);
  // A guest that was started without waiting may still be booting.
  options.connect_timeout =
      context.settings().get<std::chrono::milliseconds>("wait_timeout").value_or(std::chrono::seconds(30));
  return options;
}

using Begin = std::function<ExecResult(const ExecOptions& options)>;

int join(Context& context, const std::string& name, ExecOptions options, const Begin& begin) {
  GuestSignals signals(context);
  std::optional<RawTerminal> raw;
  options.signal_fd = signals.fd();
  options.stop = context.stop();
  options.on_started = [&] {
    signals.pass_on();
    if (options.tty && ::isatty(STDIN_FILENO) == 1) raw.emplace(context, STDIN_FILENO);
  };
  ExecResult result;
  suggest_vm(context, name, [&] { result = begin(options); });
  raw.reset();
  if (result.left) context.out().note(fmt::format("left; it runs on in VM '{}'", name));
  return result.signal != 0 ? 128 + result.signal : result.exit_code;
}

int run_in_guest(Context& context, const std::string& name, ExecOptions options) {
  return join(context, name, std::move(options),
              [&](const ExecOptions& with) { return context.manager().exec(name, with); });
}

int detach(Context& context, const std::string& name, ExecOptions options) {
  const Invocation& args = context.args();
  options.tty = args.has("tty");
  options.keep_input = options.tty || args.has("interactive");
  options.stop = context.stop();
  std::string session;
  suggest_vm(context, name, [&] { session = context.manager().detach(name, options); });
  context.out().result(short_id(session));
  return 0;
}

std::string name_of_new_vm(Context& context) {
  const Invocation& args = context.args();
  if (args.has("name") && !args.arguments.empty())
    fail(Code::kInvalidArgument, "the VM's name is given twice");
  const std::string name = args.arguments.empty() ? args.text("name") : args.arguments[0];
  if (name.empty()) return name;
  check_vm_name(name);
  try {
    context.manager().inspect(name);
  } catch (const Error& error) {
    if (error.code() == Code::kNotFound) return name;
    throw;
  }
  throw Error(Code::kAlreadyExists, fmt::format("there is a VM '{}' already", name),
              fmt::format("`knaller exec {} -- CMD` runs a command in it", name));
}

}  // namespace

int cmd_exec(Context& context) {
  const Invocation& args = context.args();
  std::vector<std::string> argv = args.tail;
  // `exec web -- ls` and, as with docker, `exec web ls`.
  if (!argv.empty() && argv[0] == "--") argv.erase(argv.begin());
  const std::string name = args.arguments[0];
  if (argv.empty())
    throw Error(Code::kInvalidArgument, "no command to run was given",
                fmt::format("`knaller ssh {}` opens a shell", name));
  check_vm_name(name);
  ExecOptions options = exec_options(context, std::move(argv));
  if (args.has("detach")) return detach(context, name, std::move(options));
  return run_in_guest(context, name, std::move(options));
}

int cmd_attach(Context& context) {
  const Invocation& args = context.args();
  const std::string name = args.arguments[0];
  const SessionInfo session = find_session(context, name, args.arguments[1]);
  ExecOptions options = joined(context);
  options.tty = session.tty;
  options.leave_key = kLeaveKey;
  if (session.tty && ::isatty(STDIN_FILENO) == 1)
    context.out().note(fmt::format("attached to {}; Ctrl-] leaves it", short_id(session.id)));
  return join(context, name, std::move(options),
              [&](const ExecOptions& with) { return context.manager().attach(name, session.id, with); });
}

int cmd_run(Context& context) {
  const Invocation& args = context.args();
  const bool keep = args.has("keep");
  const bool shell = args.tail.empty();
  ExecOptions options = exec_options(context, shell ? std::vector<std::string>{"sh", "-l"} : args.tail);
  if (shell && !options.tty && args.has("no-stdin"))
    throw Error(Code::kInvalidArgument, "no command to run was given", "knaller run -- CMD [ARG…]");

  Started started = start_new(context, name_of_new_vm(context), !keep);
  context.progress().finish();
  const std::string name = started.vm.name;
  if (keep) context.out().note(fmt::format("VM '{}' is kept; `knaller rm -f {}` removes it", name, name));
  int exit_code = kExecFailed;
  try {
    exit_code = run_in_guest(context, name, std::move(options));
  } catch (const Error& error) {
    context.out().error(error);
    if (error.code() == Code::kCancelled) exit_code = context.cancelled_code();
  }
  context.show_timings();
  if (keep) return exit_code;
  try {
    // The tie would have it removed, too; this waits until it is gone.
    context.manager().remove(name, {.force = true});
  } catch (const Error& error) {
    context.out().error(error);
    if (exit_code == 0) exit_code = kExecFailed;
  }
  return exit_code;
}

}  // namespace knaller::cli
