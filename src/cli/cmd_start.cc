#include <unistd.h>

#include <mutex>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/creation.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

std::vector<std::string> names_to_start(const Invocation& args) {
  std::vector<std::string> names = args.arguments;
  for (const std::string& name : args.all<std::string>("name")) names.push_back(name);
  if (names.empty()) names.emplace_back();
  return names;
}

bool is_there(Context& context, const std::string& name) {
  try {
    context.manager().inspect(name);
    return true;
  } catch (const Error& error) {
    if (error.code() == Code::kNotFound) return false;
    throw;
  }
}

Started start_one(Context& context, const std::string& name, bool tie) {
  if (!name.empty()) check_vm_name(name);
  if (!name.empty() && !has_creation_flags(context.args()) && is_there(context, name))
    return context.manager().start_existing(
        name, {.wait = wait_options(context), .tie = tie, .stop = context.stop()});
  return start_new(context, name, tie);
}

void describe(Context& context, const VmInfo& vm) {
  Output& out = context.out();
  context.progress().finish();
  const std::string from = vm.from_snapshot.empty() ? vm.image : "from " + vm.from_snapshot;
  out.note(fmt::format("VM '{}' is {} ({} CPU{}, {} MiB{}{}, {})", vm.name, to_string(vm.state), vm.vcpus,
                       vm.vcpus == 1 ? "" : "s", vm.memory_mib, from.empty() ? "" : ", ", from, vm.engine));
  if (!vm.renewed) out.warning(fmt::format("the clone was not renewed: {}", printable(vm.renew_reason)));
  if (!vm.network_reason.empty()) out.note(fmt::format("  network  {}", printable(vm.network_reason)));
  if (!vm.ports.empty()) out.note(fmt::format("  ports    {}", ports_text(vm.ports)));
  if (vm.agent) out.note(fmt::format("  enter    knaller ssh {}", vm.name));
}

int start_detached(Context& context, const std::vector<std::string>& names) {
  const auto start = [&context](const std::string& name) {
    const Started started = start_one(context, name, false);
    describe(context, started.vm);
    return started.vm;
  };
  if (names.size() > 1)
    return for_each_name(context, names, [&start](const std::string& name) { return to_json(start(name)); });
  const VmInfo vm = start(names[0]);
  if (context.out().json()) {
    Json document{{"vm", to_json(vm)}};
    context.add_timings(document);
    context.out().document(std::move(document));
  } else {
    context.out().result(vm.name);
  }
  context.show_timings();
  return 0;
}

// The console on standard output until the VM has ended.
void pass_console(Context& context, const std::string& name, bool from_start) {
  ConsoleFilter filter;
  const bool filtered = context.out().out().terminal;
  try {
    context.manager().logs({.vm = name, .lines = from_start ? -1 : 0, .follow = true},
                           [&](std::string_view piece) {
                             context.out().raw(filtered ? filter.filter(piece) : std::string(piece));
                           });
  } catch (const std::exception&) {
    // The VM was removed, or standard output is gone: the VM runs on, and how it ended is told in the end.
  }
}

// The first Ctrl-C asks the guest to shut down, the second ends the VM.
class Stopper {
 public:
  Stopper(Context& context, std::string name) : context_(context), name_(std::move(name)) {
    context_.signals().set_callback([this](int) { on_signal(); });
    // One that came when the VM was up already, and nobody looked any more whether to stop.
    if (context_.stop().stop_requested()) on_signal();
  }
  Stopper(const Stopper&) = delete;
  Stopper& operator=(const Stopper&) = delete;
  ~Stopper() {
    context_.signals().set_callback([](int) {});
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void on_signal() {
    const std::lock_guard lock(mutex_);
    ++count_;
    if (count_ > 2) return;
    const bool force = count_ == 2;
    context_.out().note(force ? "\nending the VM" : "\nshutting down; Ctrl-C again ends it at once");
    try {
      threads_.emplace_back([this, force] { stop(force); });
    } catch (const std::system_error&) {
      stop(force);  // No thread is to be had: the next signal waits until this is done.
    }
  }

  void stop(bool force) {
    StopOptions options;
    options.force = force;
    if (const auto timeout = context_.settings().get<std::chrono::milliseconds>("stop_timeout"))
      options.timeout = *timeout;
    try {
      context_.manager().stop(name_, options);
    } catch (const Error& error) {
      // The second one makes the first one's wait end; only an error of the last attempt says something.
      if (error.code() != Code::kNotFound && (force || count_ == 1)) context_.out().error(error);
    }
  }

  Context& context_;
  const std::string name_;
  std::mutex mutex_;
  std::atomic<int> count_{0};
  std::vector<std::thread> threads_;
};

int report_end(Context& context, const VmInfo& vm) {
  const std::string reason = vm.reason.empty() ? "" : ": " + printable(vm.reason);
  if (vm.state != VmState::kCrashed) {
    context.out().note(fmt::format("VM '{}' has stopped{}", vm.name, reason));
    return 0;
  }
  const Error error(Code::kEngineDied, fmt::format("VM '{}' crashed{}", vm.name, reason),
                    fmt::format("`knaller logs {}` shows its console", vm.name));
  context.out().error(error);
  return exit_code_of(error.code());
}

std::jthread show_console(Context& context, const std::string& name) {
  const bool from_start = context.args().has("no-wait") && !context.args().has("verbose");
  try {
    return std::jthread([&context, name, from_start] { pass_console(context, name, from_start); });
  } catch (const std::system_error& error) {
    context.out().warning(
        fmt::format("its console is not shown: {}; `knaller logs --follow {}` shows it", error.what(), name));
    return {};
  }
}

// How it ended is told below the last line of its console.
int wait_for_end(Context& context, const std::string& name, std::jthread console) {
  std::optional<VmInfo> ended;
  std::optional<Error> failed;
  try {
    ended = context.manager().wait(name);
  } catch (const Error& error) {
    // Removed by another command, or by the monitor with its end (--rm).
    if (error.code() != Code::kNotFound) failed = error;
  }
  if (console.joinable()) console.join();
  if (failed) throw *failed;
  return ended ? report_end(context, *ended) : 0;
}

int start_in_foreground(Context& context, const std::string& name) {
  const bool remove = context.args().has("rm");
  const Started started = start_one(context, name, remove);
  const std::string vm = started.vm.name;
  int exit_code = 0;
  {
    const Stopper stopper(context, vm);
    describe(context, started.vm);
    context.show_timings();
    if (context.out().json()) {
      Json document{{"vm", to_json(started.vm)}};
      context.add_timings(document);
      context.out().document(std::move(document));
    } else if (context.out().quiet()) {
      context.out().result(vm);
    } else {
      context.out().note("  Ctrl-C stops it");
    }
    const bool shown = !context.out().json() && !context.out().quiet();
    exit_code = wait_for_end(context, vm, shown ? show_console(context, vm) : std::jthread());
  }
  if (remove) context.manager().remove(vm, {.force = true});
  return exit_code;
}

int check_snapshot(Context& context, const std::string& snapshot, const std::string& name) {
  const RestoreOptions restore = restore_options(context, snapshot, name);
  std::vector<CheckRow> rows;
  suggest_snapshot(context, snapshot,
                   [&] { rows = context.manager().check_restore(restore, context.stop()); });
  print_checks(context, rows);
  for (const CheckRow& row : rows)
    if (row.result == CheckRow::Result::kFailed) return exit_code_of(row.code.value_or(Code::kInternal));
  return 0;
}

}  // namespace

int cmd_start(Context& context) {
  const Invocation& args = context.args();
  const auto names = names_to_start(args);
  if (args.has("check")) {
    if (names.size() > 1) throw Error(Code::kInvalidArgument, "--check takes at most one name");
    return check_snapshot(context, args.text("from-snapshot"), names[0]);
  }
  const bool detach = args.has("detach");
  if (!detach && names.size() > 1)
    throw Error(Code::kInvalidArgument, "several VMs can only be started with --detach");
  if (detach) return start_detached(context, names);
  return start_in_foreground(context, names[0]);
}

}  // namespace knaller::cli
