#include "vm/life/events.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file_watch.h"
#include "monitor/vm_event.h"
#include "store/layout.h"
#include "store/names.h"
#include "vm/life/event_log.h"
#include "vm/life/list.h"

namespace knaller::vm {
namespace {

using store::Kind;
using Take = std::function<void(const VmEvent&)>;

constexpr uint32_t kFolderMask = IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ONLYDIR;
constexpr uint32_t kDirectoryMask = IN_CREATE | IN_ONLYDIR;  // the log's next file

// Of the events that are found at once, some are of other VMs' pasts: each lot is put in order.
class Lot {
 public:
  explicit Lot(const EventsOptions& options) : since_(options.since) {}

  void add(VmEvent event) {
    if (!since_ || event.at >= *since_) events_.push_back(std::move(event));
  }
  void give(const Take& take) {
    std::stable_sort(events_.begin(), events_.end(),
                     [](const VmEvent& a, const VmEvent& b) { return a.at < b.at; });
    for (const VmEvent& event : events_) take(event);
    events_.clear();
  }

 private:
  std::optional<SystemTime> since_;
  std::vector<VmEvent> events_;
};

// One VM's records. What can't be read is told of once: a record that was cut off by a full disk, say.
class Records {
 public:
  Records(const Context& context, std::string name, UniqueFd directory)
      : context_(context), name_(std::move(name)), log_(std::move(directory)) {}

  EventLog& log() { return log_; }
  // Those that are newer than `after`.
  void read(Lot& lot, const std::optional<SystemTime>& after = {}) {
    log_.read([&](std::string_view line) {
      auto event = monitor::parse_event_line(line);
      if (!event) return complain();
      if (after && event->at <= *after) return;
      event->vm = name_;
      last_ = std::max(last_.value_or(event->at), event->at);
      lot.add(std::move(*event));
    });
  }
  const std::optional<SystemTime>& last() const { return last_; }

 private:
  void complain() {
    if (!std::exchange(complained_, true))
      context_.note(
          fmt::format("a record in {} of VM '{}' can't be read and is left out", layout::kEvents, name_));
  }

  const Context& context_;
  std::string name_;
  EventLog log_;
  std::optional<SystemTime> last_;
  bool complained_ = false;
};

UniqueFd open_if_there(const Context& context, const std::string& name) {
  try {
    return context.home.open_entry(Kind::kVm, name);
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound) context.note(error.what());
    return {};
  }
}

// Until the caller stops. Whatever changes wakes it; what has changed is then looked for where it is, so it
// does not matter how many changes there were, or in which order.
class EventFollower {
 public:
  EventFollower(const Context& context, const EventsOptions& options, const Take& take)
      : context_(context),
        take_(take),
        stop_(options.stop),
        wanted_(options.names.begin(), options.names.end()),
        lot_(options) {
    folder_watch_ = watch_.add(context_.home.folder(Kind::kVm), kFolderMask);
    for (const std::string& name : context_.home.entries(Kind::kVm)) look_at_name(name, false);
    lot_.give(take_);
  }

  [[noreturn]] void run() {
    while (true) {
      poll_until(watch_.fd(), POLLIN, Deadline::never(stop_));  // kCancelled ends it
      for (const FileWatch::Change& change : watch_.read()) handle(change);
      lot_.give(take_);
    }
  }

 private:
  struct Vm {
    Records records;
    int directory_watch = -1;
    int file_watch = -1;
    uint64_t watched = 0;  // which of the log's files
  };

  void handle(const FileWatch::Change& change) {
    if ((change.mask & IN_Q_OVERFLOW) != 0) return look_at_all();
    if (change.watch == folder_watch_) return look_at_name(change.name, true);
    const auto name = names_.find(change.watch);
    if (name == names_.end()) return;  // of one that is gone
    const auto vm = vms_.find(name->second);
    if (vm != vms_.end()) read(vm->second);
  }

  // Changes were lost.
  void look_at_all() {
    std::set<std::string> names;
    for (const auto& [name, vm] : vms_) names.insert(name);
    for (const std::string& name : context_.home.entries(Kind::kVm)) names.insert(name);
    for (const std::string& name : names) {
      look_at_name(name, true);
      if (const auto vm = vms_.find(name); vm != vms_.end()) read(vm->second);
    }
  }

  void look_at_name(const std::string& name, bool is_news) {
    if (!store::Name::is_valid(name) || (!wanted_.empty() && !wanted_.contains(name))) return;
    const auto known = vms_.find(name);
    if (known != vms_.end() &&
        is_still_named(context_.home.folder(Kind::kVm), name, known->second.records.log().directory()))
      return;
    UniqueFd directory = open_if_there(context_, name);
    const bool was_there = known != vms_.end();
    if (was_there) leave(known);
    if (was_there && !directory) tell(name, VmEventKind::kRemoved, "it was removed");
    if (!directory) return;
    if (is_news)
      tell(name, was_there ? VmEventKind::kReplaced : VmEventKind::kCreated,
           was_there ? "another one has its name, or an older state of it" : "it has its name");
    attach(name, std::move(directory));
  }

  void attach(const std::string& name, UniqueFd directory) {
    Vm& vm = vms_.emplace(name, Vm{Records(context_, name, std::move(directory))}).first->second;
    vm.directory_watch = watch_.add(vm.records.log().directory(), kDirectoryMask);
    names_[vm.directory_watch] = name;
    const auto told = told_.find(name);
    read(vm, told == told_.end() ? std::nullopt : told->second);
  }

  // Watched before it is read, so that nothing comes unseen between the two.
  void read(Vm& vm, const std::optional<SystemTime>& after = {}) {
    vm.records.read(lot_, after);
    while (vm.records.log().files() != vm.watched) {
      forget(vm.file_watch);
      vm.watched = vm.records.log().files();
      vm.file_watch = watch_.add(vm.records.log().file(), IN_MODIFY);
      names_[vm.file_watch] = vm_name(vm);
      vm.records.read(lot_, after);
    }
  }

  // Its last words are in the files that are still open. What was told of it is not told again, should the
  // same directory come back: a rollback that failed.
  void leave(std::map<std::string, Vm>::iterator at) {
    read(at->second);
    if (at->second.records.last()) told_[at->first] = at->second.records.last();
    forget(at->second.file_watch);
    forget(at->second.directory_watch);
    vms_.erase(at);
  }

  void forget(int& watch) {
    if (watch < 0) return;
    watch_.remove(watch);
    names_.erase(watch);
    watch = -1;
  }

  const std::string& vm_name(const Vm& vm) const { return names_.at(vm.directory_watch); }

  void tell(const std::string& name, VmEventKind kind, const char* text) {
    lot_.add({.at = std::chrono::system_clock::now(), .vm = name, .kind = kind, .text = text});
  }

  const Context& context_;
  const Take& take_;
  std::stop_token stop_;
  std::set<std::string> wanted_;
  Lot lot_;
  FileWatch watch_;
  int folder_watch_ = -1;
  std::map<std::string, Vm> vms_;
  std::map<int, std::string> names_;                       // by watch
  std::map<std::string, std::optional<SystemTime>> told_;  // of those that have left, the last
};

void tell_what_is_there(const Context& context, const EventsOptions& options, const Take& take) {
  Lot lot(options);
  for (const std::string& name : options.names.empty() ? context.home.entries(Kind::kVm) : options.names) {
    UniqueFd directory = open_if_there(context, name);
    if (directory) Records(context, name, std::move(directory)).read(lot);
  }
  lot.give(take);
}

}  // namespace

void tell_events(const Context& context, const EventsOptions& options, const Take& take) {
  for (const std::string& name : options.names) {
    store::Name::parse(name);
    if (!options.follow) open_vm(context, name);
  }
  if (options.follow)
    EventFollower(context, options, take).run();
  else
    tell_what_is_there(context, options, take);
}

}  // namespace knaller::vm
