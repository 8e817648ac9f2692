#include "cli/context.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <future>
#include <set>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/exit_code.h"

namespace knaller::cli {

Context::Context(const Invocation& invocation, Output& output)
    : invocation_(invocation),
      output_(output),
      settings_(Settings::load(invocation, ::getenv)),
      progress_(output, invocation.has("verbose")),
      signals_({SIGINT, SIGTERM, SIGHUP}, [this](int number) { on_signal(number); }) {}

ManagerOptions Context::manager_options() {
  ManagerOptions options;
  options.home = settings_.text("home");
  options.libexec = settings_.text("libexec");
  options.pasta = settings_.text("pasta");
  options.allow_network_home = settings_.enabled("allow_network_home");
  options.sweep = !invocation_.command->path.starts_with("store ");
  options.on_event = [this](const Event& event) { progress_.on_event(event); };
  return options;
}

Manager& Context::manager() {
  if (!manager_) manager_ = std::make_unique<Manager>(manager_options());
  return *manager_;
}

// The second signal: what was begun is undone by the monitor when this process is gone.
void Context::on_signal(int number) {
  if (stop_.stop_requested()) {
    const std::lock_guard lock(put_back_mutex_);
    if (put_back_) put_back_();
    ::_exit(128 + number);
  }
  signal_ = number;
  stop_.request_stop();
}

void Context::before_sudden_end(std::function<void()> put_back) {
  const std::lock_guard lock(put_back_mutex_);
  put_back_ = std::move(put_back);
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
  if (args.knows("name"))
    for (const std::string& name : args.all<std::string>("name")) names.push_back(name);
  // Said twice, it is meant once.
  std::set<std::string> seen;
  std::erase_if(names, [&seen](const std::string& name) { return !seen.insert(name).second; });
  if (args.knows("all") && args.has("all")) {
    if (!names.empty())
      fail(Code::kInvalidArgument, "--all and the name '{}' can't be used together", printable(names[0]));
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

using NameVerb = std::function<Json(const std::string&)>;

// Shows what became of each name, in order.
class Outcomes {
 public:
  enum class Show { kNames, kNothing, kDocument };

  Outcomes(Context& context, Show show)
      : context_(context), show_(context.out().json() ? Show::kDocument : show) {}

  // False: the user wants no more of it.
  bool take(const std::string& name, const std::function<Json()>& get) {
    Output& out = context_.out();
    try {
      results_.push_back({{"name", name}, {"result", get()}});
      context_.progress().finish();
      if (show_ == Show::kNames) out.result(name);
    } catch (const std::exception& exception) {
      const Error error = error_from(exception);
      context_.progress().finish();
      results_.push_back({{"name", name}, {"error", error_to_json(error)}});
      out.error(error);
      const bool cancelled = error.code() == Code::kCancelled;
      if (exit_code_ == 0) exit_code_ = cancelled ? context_.cancelled_code() : exit_code_of(error.code());
      return !cancelled;
    }
    return true;
  }

  int finish() {
    if (show_ == Show::kDocument) {
      Json document{{"results", std::move(results_)}};
      context_.add_timings(document);
      context_.out().document(std::move(document));
    }
    context_.show_timings();
    return exit_code_;
  }

 private:
  Context& context_;
  const Show show_;
  Json results_ = Json::array();
  int exit_code_ = 0;
};

int one_after_the_other(Context& context, const std::vector<std::string>& names, Outcomes::Show show,
                        const NameVerb& verb) {
  Outcomes outcomes(context, show);
  for (const std::string& name : names)
    if (!outcomes.take(name, [&] { return verb(name); })) break;
  return outcomes.finish();
}

}  // namespace

int for_each_name(Context& context, const std::vector<std::string>& names, const NameVerb& verb) {
  return one_after_the_other(context, names, Outcomes::Show::kNames, verb);
}

int for_each_name_quietly(Context& context, const std::vector<std::string>& names, const NameVerb& verb) {
  return one_after_the_other(context, names, Outcomes::Show::kNothing, verb);
}

int document_of_each_name(Context& context, const std::vector<std::string>& names, const NameVerb& verb) {
  return one_after_the_other(context, names, Outcomes::Show::kDocument, verb);
}

namespace {

// One for each name, since most of them only wait, for monitors and guests: a hundred that do not answer cost
// the time of one.
size_t threads_for(size_t names) {
  constexpr size_t kMost = 512;
  constexpr size_t kAlways = 64;
  constexpr size_t kDescriptors = 12;  // at most, of one that works
  const size_t wanted = std::min(names, kMost);
  if (wanted <= kAlways) return wanted;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kAlways;
  // The soft limit is for programs that use select(2), which this is not.
  const rlimit raised{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
  if (limit.rlim_cur / kDescriptors < wanted && ::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  return std::clamp<size_t>(limit.rlim_cur / kDescriptors, kAlways, wanted);
}

}  // namespace

int for_all_names_at_once(Context& context, const std::vector<std::string>& names, const NameVerb& verb) {
  context.manager();  // made by one thread
  std::vector<std::packaged_task<Json()>> tasks;
  std::vector<std::future<Json>> answers;
  for (const std::string& name : names) {
    tasks.emplace_back([&verb, &name] { return verb(name); });
    answers.push_back(tasks.back().get_future());
  }
  std::atomic<size_t> next{0};
  std::vector<std::jthread> threads;
  const auto take_part = [&] {
    for (size_t at = next++; at < tasks.size(); at = next++) tasks[at]();
  };
  const size_t most = threads_for(names.size());
  try {
    while (threads.size() < most) threads.emplace_back(take_part);
  } catch (const std::system_error&) {
    if (threads.empty()) take_part();  // no more are to be had: those that are there do it
  }
  Outcomes outcomes(context, Outcomes::Show::kNames);
  for (size_t at = 0; at < names.size(); ++at) outcomes.take(names[at], [&] { return answers[at].get(); });
  return outcomes.finish();
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
        for (const VmInfo& vm : context.manager().list({.stopped_in_full = false})) names.push_back(vm.name);
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

int until_cancelled(Context& context, const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    if (error.code() != Code::kCancelled) throw;
    return context.cancelled_code();
  }
  return 0;
}

}  // namespace knaller::cli
