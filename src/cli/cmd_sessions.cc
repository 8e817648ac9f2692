// ps, kill: the commands that were begun in a VM.
#include <algorithm>
#include <csignal>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/sessions.h"
#include "cli/terminal.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

constexpr size_t kShownDigits = 12;
constexpr size_t kFewestDigits = 4;

std::vector<SessionInfo> sessions_of(Context& context, const std::string& vm) {
  check_vm_name(vm);
  std::vector<SessionInfo> sessions;
  suggest_vm(context, vm, [&] { sessions = context.manager().sessions(vm, context.stop()); });
  return sessions;
}

std::string status_of(const SessionInfo& session) {
  if (session.running) return session.attached ? "attached" : "running";
  if (session.result.signal != 0) return fmt::format("signal {}", session.result.signal);
  return fmt::format("exited {}", session.result.exit_code);
}

std::string command_of(const SessionInfo& session) {
  std::string text;
  for (const std::string& argument : session.argv)
    text += (text.empty() ? "" : " ") + (argument.find(' ') == std::string::npos && !argument.empty()
                                             ? argument
                                             : quoted_for_shell(argument));
  return text;
}

}  // namespace

std::string short_id(const std::string& session) {
  return session.substr(0, kShownDigits);
}

SessionInfo find_session(Context& context, const std::string& vm, const std::string& beginning) {
  if (beginning.size() < kFewestDigits)
    throw Error(
        Code::kInvalidArgument,
        fmt::format("'{}' is too short: give at least {} digits", printable(beginning), kFewestDigits),
        fmt::format("see the ids: knaller ps {}", vm));
  std::vector<SessionInfo> sessions = sessions_of(context, vm);
  std::erase_if(sessions, [&](const SessionInfo& one) { return !one.id.starts_with(beginning); });
  if (sessions.empty())
    throw Error(
        Code::kNotFound,
        fmt::format("no command in VM '{}' has an id that begins with '{}'", vm, printable(beginning)),
        fmt::format("see which there are: knaller ps {}", vm));
  if (sessions.size() > 1)
    throw Error(
        Code::kInvalidArgument,
        fmt::format("{} commands have ids that begin with '{}'", sessions.size(), printable(beginning)),
        "give more digits");
  return sessions.front();
}

int cmd_ps(Context& context) {
  if (context.args().arguments.empty())
    throw Error(Code::kInvalidArgument, "no VM was named whose commands are to be listed",
                "to list VMs: knaller ls");
  const auto sessions = sessions_of(context, context.args().arguments[0]);
  if (context.out().json()) {
    Json list = Json::array();
    for (const SessionInfo& session : sessions) list.push_back(to_json(session));
    context.out().document({{"sessions", std::move(list)}});
    return 0;
  }
  if (context.out().quiet()) {
    for (const SessionInfo& session : sessions) context.out().result(short_id(session.id));
    return 0;
  }
  const auto now = std::chrono::system_clock::now();
  Table table({"ID", "PID", "USER", "AGE", "STATUS", "COMMAND"});
  for (const SessionInfo& session : sessions)
    table.add({short_id(session.id), fmt::format("{}", session.process), session.user,
               age(session.started_at, now), status_of(session), command_of(session)});
  context.out().raw(table.render());
  return 0;
}

int cmd_kill(Context& context) {
  const auto& arguments = context.args().arguments;
  const std::string vm = arguments[0];
  const int number = static_cast<int>(context.args().get<int64_t>("signal").value_or(SIGTERM));
  return for_each_name(context, {arguments.begin() + 1, arguments.end()}, [&](const std::string& beginning) {
    context.manager().signal(vm, find_session(context, vm, beginning).id, number, context.stop());
    return Json{{"signal", number}};
  });
}

}  // namespace knaller::cli
