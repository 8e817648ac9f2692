#include "vm/life/wait.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include <algorithm>
#include <map>
#include <memory>

#include "base/error.h"
#include "base/file_watch.h"
#include "monitor/alive.h"
#include "monitor/vm_event.h"
#include "store/layout.h"
#include "store/names.h"
#include "vm/life/event_log.h"
#include "vm/life/list.h"
#include "vm/life/ports.h"
#include "vm/life/wait_signs.h"

namespace knaller::vm {
namespace {

using store::Kind;

constexpr uint32_t kFolderMask = IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ONLYDIR;
// The log's next file, exit.json and vm.json, and the first of these that is removed by a start's commit.
constexpr uint32_t kDirectoryMask = IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR;
constexpr std::chrono::seconds kMonitorsEnd{5};

struct Pending {
  std::string name;
  UniqueFd directory;
  int directory_watch = -1;
  int file_watch = -1;
  std::optional<EventLog> log;
  uint64_t watched = 0;
  bool ready_said = false;  // on the console, since the last start
  VmEvent last;             // of its records
  std::unique_ptr<MonitorEnd> end;
  std::unique_ptr<Knock> knock;  // before the directory that it looks at
};

class Waiting {
 public:
  Waiting(const Context& context, const VmWaitOptions& options)
      : context_(context),
        options_(options),
        deadline_(Deadline::after(options.timeout, options.stop)),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        knocked_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!epoll_ || !knocked_) fail_errno("prepare to wait");
    add_to_epoll(watch_.fd());
    add_to_epoll(knocked_.get());
    folder_watch_ = watch_.add(context_.home.folder(Kind::kVm), kFolderMask);
    for (const std::string& name : options.names) store::Name::parse(name);
    for (const std::string& name : options.names) begin(name);
  }

  std::vector<Waited> run() {
    while (!over()) {
      if (poll_until(epoll_.get(), POLLIN, deadline_) == 0) {
        give_up();
        break;
      }
      std::vector<std::string> names;
      take_changes(names);
      for (const auto& [name, pending] : pending_)
        if (pending->end && pending->end->has_come()) names.push_back(name);
      eventfd_t count = 0;
      if (::eventfd_read(knocked_.get(), &count) == 0)
        for (const auto& [name, pending] : pending_)
          if (pending->knock && pending->knock->over()) names.push_back(name);
      for (const std::string& name : names) look(name);
    }
    return in_order();
  }

 private:
  bool over() const {
    const bool one_is = std::any_of(results_.begin(), results_.end(),
                                    [](const auto& result) { return !result.second.error; });
    return pending_.empty() || (options_.any && one_is);
  }

  void add_to_epoll(int fd) {
    epoll_event event{.events = EPOLLIN | EPOLLRDHUP, .data = {.fd = fd}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) fail_errno("wait for a VM");
  }

  void begin(const std::string& name) {
    if (results_.contains(name) || pending_.contains(name)) return;
    pending_[name] = std::make_unique<Pending>();
    pending_[name]->name = name;
    if (is_in_making(name)) return;  // its coming is told by the folder
    try {
      open_vm(context_, name);
    } catch (const Error& error) {
      return finish(name, {.name = name, .vm = {}, .error = error});
    }
    look(name);
  }

  bool is_in_making(const std::string& name) const {
    if (context_.home.has(Kind::kVm, name)) return false;
    const auto names = context_.home.entries_in_making(Kind::kVm);
    return std::find(names.begin(), names.end(), name) != names.end();
  }

  void take_changes(std::vector<std::string>& names) {
    for (const FileWatch::Change& change : watch_.read()) {
      for (const auto& [name, pending] : pending_) {
        const bool is_its = change.watch == pending->directory_watch || change.watch == pending->file_watch ||
                            (change.watch == folder_watch_ &&
                             (change.name == name || change.name == layout::staged_name(name)));
        if (!is_its && (change.mask & IN_Q_OVERFLOW) == 0) continue;
        if (names.empty() || names.back() != name) names.push_back(name);
      }
    }
  }

  void look(const std::string& name) {
    const auto found = pending_.find(name);
    if (found == pending_.end()) return;
    try {
      look_at(*found->second);
    } catch (const Error& error) {
      if (error.code() == Code::kCancelled) throw;
      finish(name, {.name = name, .vm = {}, .error = error});
    }
  }

  void look_at(Pending& vm) {
    if (!attach(vm)) return;
    read_records(vm);
    if (options_.target == WaitTarget::kStopped) return look_for_end(vm);
    const VmInfo info = describe_vm(context_, vm.name, vm.directory.get());
    if (info.state != VmState::kRunning) {
      vm.knock.reset();
      return;
    }
    if (options_.target == WaitTarget::kRunning || vm.ready_said || (vm.knock && vm.knock->answered()))
      return finish(vm.name, {.name = vm.name, .vm = info, .error = {}});
    knock_at(vm);
  }

  // False when there is nothing to look at yet. Who waits for an end waits for that of the VM that was there,
  // whatever has its name by then.
  bool attach(Pending& vm) {
    const int folder = context_.home.folder(Kind::kVm);
    if (vm.directory && options_.target == WaitTarget::kStopped) return true;
    if (vm.directory && is_still_named(folder, vm.name, vm.directory.get())) return true;
    detach(vm);
    vm.directory.reset();
    if (is_in_making(vm.name)) return false;
    if (!context_.home.has(Kind::kVm, vm.name))
      fail(Code::kNotFound, "VM '{}' was removed, or its start failed, while it was waited for", vm.name);
    vm.directory = open_vm(context_, vm.name);
    vm.directory_watch = watch_.add(vm.directory.get(), kDirectoryMask);
    vm.log.emplace(vm.directory.duplicate());
    return true;
  }

  void detach(Pending& vm) {
    vm.knock.reset();
    vm.end.reset();
    watch_.remove(std::exchange(vm.directory_watch, -1));
    watch_.remove(std::exchange(vm.file_watch, -1));
    vm.watched = 0;
    vm.ready_said = false;
  }

  // Also what makes its next change wake us.
  void read_records(Pending& vm) {
    const auto take = [&vm](std::string_view line) {
      const auto event = monitor::parse_event_line(line);
      if (!event) return;
      if (event->kind == VmEventKind::kReady) vm.ready_said = true;
      vm.last = *event;
      if (event->kind == VmEventKind::kRebooted || event->kind == VmEventKind::kStopped ||
          event->kind == VmEventKind::kCrashed)
        vm.ready_said = false;
    };
    vm.log->read(take);
    while (vm.log->files() != vm.watched) {
      watch_.remove(vm.file_watch);
      vm.watched = vm.log->files();
      vm.file_watch = watch_.add(vm.log->file(), IN_MODIFY);
      vm.log->read(take);
    }
  }

  // The directory may have been removed since; the log is still open.
  VmInfo describe_end(const Pending& vm) const {
    try {
      VmInfo info = describe_vm(context_, vm.name, vm.directory.get());
      if (info.state == VmState::kStopped || info.state == VmState::kCrashed) return info;
    } catch (const Error&) {
      // Its files are gone.
    }
    VmInfo info;
    info.name = vm.name;
    info.state = vm.last.kind == VmEventKind::kCrashed ? VmState::kCrashed : VmState::kStopped;
    info.reason = "it was removed";
    const std::string told = to_string(info.state) + ": ";
    if (vm.last.text.starts_with(told)) info.reason = vm.last.text.substr(told.size());
    return info;
  }

  void look_for_end(Pending& vm) {
    if (vm.end && vm.end->has_come()) {
      // A killed monitor takes its engine along, within milliseconds.
      monitor::wait_until_dead(vm.directory.get(), deadline_.sooner(kMonitorsEnd));
      vm.end.reset();
    }
    while (monitor::is_alive(vm.directory.get())) {
      if (vm.end) return;  // its end wakes us
      try {
        vm.end = std::make_unique<MonitorEnd>(vm.directory.get());
        return add_to_epoll(vm.end->fd());
      } catch (const Error& error) {
        // It is coming up and does not listen yet, or is ending and still has its lock: nothing tells of
        // either.
        if (error.code() != Code::kNotFound && error.code() != Code::kEngineDied) throw;
        pause_for(std::chrono::milliseconds(5), deadline_);
        deadline_.check(fmt::format("VM '{}'", vm.name));
      }
    }
    read_records(vm);
    finish(vm.name, {.name = vm.name, .vm = describe_end(vm), .error = {}});
  }

  void knock_at(Pending& vm) {
    if (vm.knock && !vm.knock->over()) return;
    const store::VmRecord record = store::read_vm_record(vm.directory.get(), vm.name);
    if (record.guest_protocol > 0 && !record.has_parent_memory()) return;  // it will say so
    const uint16_t port = ssh_port_of(record.bound);
    if (!record.has_agent && port == 0)
      throw Error(
          Code::kUnsupported,
          fmt::format("VM '{}' can't be asked whether it is ready: it has no agent, and no port leads to "
                      "its SSH server",
                      vm.name),
          "wait for `running`");
    vm.knock = std::make_unique<Knock>(record, port, vm.directory.get(), knocked_.get());
  }

  void finish(std::string name, Waited result) {  // by value: it may be that of what is erased
    if (const auto found = pending_.find(name); found != pending_.end()) {
      detach(*found->second);
      pending_.erase(found);
    }
    if (options_.on_each) options_.on_each(result);
    results_.emplace(std::move(name), std::move(result));
  }

  void give_up() {
    std::vector<std::string> late;
    for (const auto& [name, pending] : pending_) late.push_back(name);
    for (const std::string& name : late)
      finish(name, {.name = name,
                    .vm = {},
                    .error = Error(
                        Code::kTimeout,
                        fmt::format("VM '{}' did not reach the state that was waited for in time", name))});
  }

  std::vector<Waited> in_order() {
    std::vector<Waited> list;
    for (const std::string& name : options_.names) {
      const auto found = results_.find(name);
      if (found == results_.end()) continue;
      list.push_back(std::move(found->second));
      results_.erase(found);
    }
    return list;
  }

  const Context& context_;
  const VmWaitOptions& options_;
  Deadline deadline_;
  UniqueFd epoll_;
  UniqueFd knocked_;
  FileWatch watch_;
  int folder_watch_ = -1;
  std::map<std::string, std::unique_ptr<Pending>> pending_;
  std::map<std::string, Waited> results_;
};

}  // namespace

std::vector<Waited> wait_for_vms(const Context& context, const VmWaitOptions& options) {
  return Waiting(context, options).run();
}

}  // namespace knaller::vm
