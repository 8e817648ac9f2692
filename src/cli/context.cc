#include "cli/context.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/exit_code.h"
#include "cli/table.h"

namespace knaller::cli {

Context::Context(const Invocation& invocation, Output& output)
    : invocation_(invocation),
      output_(output),
      settings_(Settings::load(invocation, ::getenv)),
      progress_(output, invocation.has("verbose")),
      signals_({SIGINT, SIGTERM, SIGHUP}, [this](int number) { on_signal(number); }) {}

Manager& Context::manager() {
  if (!manager_) {
    ManagerOptions options;
    options.home = settings_.text("home");
    options.libexec = settings_.text("libexec");
    options.pasta = settings_.text("pasta");
    options.allow_network_home = settings_.enabled("allow_network_home");
    options.on_event = [this](const Event& event) { progress_.on_event(event); };
    manager_ = std::make_unique<Manager>(std::move(options));
  }
  return *manager_;
}

// The second signal: what was begun is undone by the monitor when this process is gone.
void Context::on_signal(int number) {
  if (stop_.stop_requested()) ::_exit(128 + number);
  signal_ = number;
  stop_.request_stop();
}

void Context::show_timings() {
  if (!invocation_.has("timings") || output_.json()) return;
  Table table({"TIME", "PHASE"});
  for (const auto& [phase, duration] : progress_.timings()) table.add({format_duration(duration), phase});
  progress_.finish();
  output_.draw(table.render());
}

void Context::add_timings(Json& document) {
  if (!invocation_.has("timings")) return;
  Json list = Json::array();
  for (const auto& [phase, duration] : progress_.timings())
    list.push_back({{"phase", phase}, {"us", duration.count()}});
  document["timings"] = std::move(list);
}

std::vector<std::string> named_vms(Context& context, const std::function<bool(const VmInfo&)>& matches) {
  const Invocation& args = context.args();
  std::vector<std::string> names = args.arguments;
  for (const std::string& name : args.all("name")) names.push_back(name);
  if (args.has("all")) {
    if (!names.empty())
      fail(Code::kInvalidArgument, "--all and the name '{}' exclude each other", printable(names[0]));
    for (const VmInfo& vm : context.manager().list())
      if (matches(vm)) names.push_back(vm.name);
    return names;
  }
  if (names.empty())
    throw Error(Code::kInvalidArgument, fmt::format("'{}' needs the name of a VM", args.command->path),
                "`knaller ls -a` shows what there is");
  return names;
}

std::string one_vm(Context& context) {
  const auto names = named_vms(context, [](const VmInfo&) { return false; });
  if (names.size() != 1)
    fail(Code::kInvalidArgument, "'{}' takes the name of one VM", context.args().command->path);
  return names[0];
}

namespace {

int do_for_each(Context& context, const std::vector<std::string>& names, bool print_names,
                const std::function<Json(const std::string&)>& verb) {
  Output& out = context.out();
  Json results = Json::array();
  int exit_code = 0;
  for (const std::string& name : names) {
    try {
      results.push_back({{"name", name}, {"result", verb(name)}});
      context.progress().finish();
      if (print_names && !out.json()) out.result(name);
    } catch (const std::exception& exception) {
      const Error error = error_from(exception);
      context.progress().finish();
      results.push_back({{"name", name}, {"error", error_to_json(error)}});
      out.error(error);
      const bool cancelled = error.code() == Code::kCancelled;
      if (exit_code == 0) exit_code = cancelled ? context.cancelled_code() : exit_code_of(error.code());
      if (cancelled) break;
    }
  }
  if (out.json()) {
    Json document{{"results", std::move(results)}};
    context.add_timings(document);
    out.document(std::move(document));
  }
  context.show_timings();
  return exit_code;
}

}  // namespace

int for_each_name(Context& context, const std::vector<std::string>& names,
                  const std::function<Json(const std::string&)>& verb) {
  return do_for_each(context, names, true, verb);
}

int for_each_name_quietly(Context& context, const std::vector<std::string>& names,
                          const std::function<Json(const std::string&)>& verb) {
  return do_for_each(context, names, false, verb);
}

void suggest_near(const std::string& word, const std::function<std::vector<std::string>()>& candidates,
                  const std::function<void()>& body) {
  try {
    body();
  } catch (Error& error) {
    if (error.code() == Code::kNotFound && error.hint().empty()) {
      const std::string near = nearest(word, candidates());
      if (!near.empty() && near != word) error.with_hint(fmt::format("did you mean '{}'?", near));
    }
    throw;
  }
}

void suggest_vm(Context& context, const std::string& name, const std::function<void()>& body) {
  suggest_near(
      name,
      [&context] {
        std::vector<std::string> names;
        for (const VmInfo& vm : context.manager().list()) names.push_back(vm.name);
        return names;
      },
      body);
}

void suggest_snapshot(Context& context, const std::string& id, const std::function<void()>& body) {
  suggest_near(
      id,
      [&context] {
        std::vector<std::string> names;
        for (const SnapshotInfo& snapshot : context.manager().list_snapshots()) {
          names.push_back(snapshot.id);
          if (!snapshot.name.empty()) names.push_back(snapshot.name);
        }
        return names;
      },
      body);
}

void suggest_image(Context& context, const std::string& name, const std::function<void()>& body) {
  suggest_near(
      name,
      [&context] {
        std::vector<std::string> names;
        for (const ImageInfo& image : context.manager().list_images()) names.push_back(image.name);
        return names;
      },
      body);
}

}  // namespace knaller::cli
