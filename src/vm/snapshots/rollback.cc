#include "vm/snapshots/rollback.h"

#include <fcntl.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/once_done.h"
#include "base/text.h"
#include "engine/choose.h"
#include "monitor/alive.h"
#include "monitor/client.h"
#include "store/labels.h"
#include "store/limits.h"
#include "vm/home/locks.h"
#include "vm/life/bring_up.h"
#include "vm/life/list.h"
#include "vm/life/ready.h"
#include "vm/life/stop.h"
#include "vm/snapshots/clone.h"
#include "vm/snapshots/snapshot.h"

namespace knaller::vm {
namespace {

using store::Kind;
using store::SnapshotId;

constexpr std::chrono::seconds kMonitorTime{30};
constexpr std::chrono::seconds kRenewalTime{20};
constexpr std::chrono::seconds kAnswerTime{10};
constexpr char kSafetyLabel[] = "safety";
constexpr char kWentBack[] = "a rollback failed, and it went back to the state before";

EngineChoice engine_of(const store::VmRecord& vm) {
  return {engine::kind_of(vm.engine), vm.engine_binary};
}

// The newest whose VM was this one, not another of its name. Safety snapshots do not count: a rollback that
// is repeated leads to the same place. Nor do imported ones: whose they are only they say.
SnapshotId latest_of(const Context& context, const store::VmRecord& vm) {
  const std::vector<SnapshotInfo> all = list_snapshots(context);  // oldest first
  for (auto one = all.rbegin(); one != all.rend(); ++one) {
    if (!one->broken.empty() || one->foreign || one->vm_name != vm.name ||
        one->labels.contains(kSafetyLabel) || one->imported)
      continue;
    const SnapshotId id = SnapshotId::parse(one->id);
    const UniqueFd directory = context.home.open_entry(Kind::kSnapshot, id.str());
    if (store::read_snapshot_record(directory.get(), id).vm_uuid == vm.uuid) return id;
  }
  throw Error(Code::kNotFound, "there is no snapshot of it",
              fmt::format("take one: knaller snapshot create {}", vm.name));
}

void require_own(const Context& context, const store::VmRecord& vm, const SnapshotId& id, bool force) {
  if (force) return;
  const UniqueFd directory = context.home.open_entry(Kind::kSnapshot, id.str());
  const auto imported = store::read_labels(directory.get()).imported;
  // An import that came later has only taken the id of the one that the VM was made of.
  if (vm.from_snapshot == id.str() && !(imported && *imported > vm.created_at)) return;
  const store::SnapshotRecord record = store::read_snapshot_record(directory.get(), id);
  if (record.vm_uuid == vm.uuid && !imported) return;
  throw Error(
      Code::kInvalidArgument,
      imported ? fmt::format("{} was imported, and nothing but its own metadata says whose it is", id.str())
               : fmt::format("{} is a snapshot of another VM, '{}'", id.str(), printable(record.vm_name)),
      fmt::format("start a VM of its own from it: knaller start --from-snapshot {}; or put it into this "
                  "one's place with --force",
                  id.str()));
}

// A rollback on its way, with the VM's lock.
class Rolling {
 public:
  Rolling(const Context& context, const RollbackOptions& options)
      : context_(context),
        options_(options),
        lock_(lock_entry(context, Kind::kVm, options.name, "rollback", options.stop)),
        directory_(open_vm(context, options.name)),
        vm_(store::read_vm_record(directory_.get(), options.name)) {}

  RollbackResult run() {
    const SnapshotId id =
        options_.snapshot.empty() ? latest_of(context_, vm_) : find_snapshot(context_, options_.snapshot);
    require_own(context_, vm_, id, options_.force);
    look_at_vm();
    // All that is slow, and almost all that can fail: the VM runs on.
    PreparedClone target = prepare(id);
    target.launch.await_monitor(Deadline::after(kMonitorTime, options_.stop));
    keep_present_state();
    end_vm();
    return change_places(id, target);
  }

 private:
  void look_at_vm() {
    alive_ = monitor::is_alive(directory_.get());
    if (!alive_) return;
    const Deadline deadline = Deadline::after(kMonitorTime, options_.stop);
    const monitor::Status status =
        monitor::MonitorClient::connect(directory_.get(), deadline).status(deadline);
    if (status.tied)
      throw Error(Code::kWrongState, "it belongs to the command that started it, and ends with it",
                  "a VM of `run` or `start --rm` can't be rolled back; start one without --rm");
    paused_ = status.state == monitor::RunState::kPaused;
  }

  PreparedClone prepare(const SnapshotId& id) const {
    const RestoreOptions asked{.name = vm_.name,
                               .snapshot = id.str(),
                               .network = vm_.network,
                               .limits = store::as_changes(vm_.limits),
                               .engine = engine_of(vm_),
                               .force = options_.force,
                               .verify = options_.verify};
    return prepare_clone(context_, {.asked = asked, .id = id, .lock = lock_, .in_place = true},
                         Deadline::never(options_.stop), [this](store::VmRecord& vm) { keep_identity(vm); });
  }

  void keep_identity(store::VmRecord& vm) const {
    vm.uuid = vm_.uuid;
    vm.created_at = vm_.created_at;
    vm.on_reboot = vm_.on_reboot;
    vm.ports = vm_.ports;
    vm.egress = vm_.egress;
    vm.limits = vm_.limits;
    vm.bound = vm_.bound;
  }

  // Of a VM that runs also when no safety snapshot is asked for: it is the way back, and then goes when it is
  // not needed. One that does not run has its disk in its place until the directories change theirs.
  void keep_present_state() {
    if (!alive_ && !options_.safety) return;
    context_.step("taking a safety snapshot");
    SnapshotOptions options{.vm = vm_.name,
                            .labels = {{kSafetyLabel, "rollback"}},
                            .durable = options_.safety,
                            .capture = options_.capture,
                            .max_pause = options_.max_pause};
    options.stop = options_.stop;
    safety_ = take_snapshot(context_, options, directory_.get());
  }

  // The point of no return for what runs: its ports, name and devices are to be had from here on.
  void end_vm() {
    if (!alive_) return;
    context_.step("changing places");
    try {
      monitor::MonitorClient::stop(directory_.get(), {}, true, Deadline::after(kMonitorTime));
    } catch (Error& error) {
      if (!monitor::is_alive(directory_.get())) return;
      throw error.with_hint(fmt::format("what it was is in {}", safety_->str()));
    }
  }

  RollbackResult change_places(const SnapshotId& id, PreparedClone& target) {
    try {
      bring_up_prepared(target);
    } catch (const std::exception& exception) {
      Error error = error_from(exception);
      error.in(fmt::format("put it back to {}", id.str()));
      if (alive_)
        go_back(error);
      else
        stay_stopped(error);
      throw error;
    }
    RollbackResult result{.snapshot = id.str()};
    if (safety_ && options_.safety) result.safety_snapshot = safety_->str();
    if (safety_ && !options_.safety) drop_safety();
    result.vm =
        once_done([&] { return what_is_done(result); }, [&] { return inspect_vm(context_, vm_.name); });
    return result;
  }

  static std::string what_is_done(const RollbackResult& result) {
    std::string done = fmt::format("it runs all the same, as in {}", result.snapshot);
    if (!result.safety_snapshot.empty())
      done += fmt::format(", and what it was is in {}", result.safety_snapshot);
    return done;
  }

  // On commit the directories change places; what the VM was then goes with `clone`.
  void bring_up_prepared(PreparedClone& clone) const {
    BringUpPlan plan;
    plan.options.wait = options_.wait;
    plan.options.stop = options_.stop;
    plan.keep_ports = true;
    bring_up(context_, clone.vm, plan, std::move(clone.launch));
  }

  // Nothing was touched of a VM that did not run, unless the other one has its place already.
  void stay_stopped(Error& error) {
    const bool in_place =
        is_still_named(AT_FDCWD, context_.home.path_of(Kind::kVm, vm_.name), directory_.get());
    if (in_place && safety_) drop_safety();
    if (in_place)
      add_hint(error, "the VM is stopped, as before");
    else if (safety_)
      add_hint(error, fmt::format("what it was is in {}", safety_->str()));
  }

  static void add_hint(Error& error, const std::string& hint) {
    error.with_hint(error.hint().empty() ? hint : error.hint() + "\n" + hint);
  }

  // Nobody may stop this: there is nothing else that runs.
  void go_back(Error& error) {
    context_.step("going back");
    std::optional<BroughtBack> back;
    try {
      back = bring_back();
    } catch (const std::exception& way_back) {
      return show_way_back(error, error_from(way_back).what());
    }
    const int directory = back->clone.vm.directory();
    settle_back(directory, std::move(back->record));
    // An engine whose monitor has just been killed still holds the lock that says it lives.
    const std::string silent = unless_done([&] {
      const Deadline deadline = Deadline::after(kAnswerTime);
      monitor::MonitorClient::connect(directory, deadline).status(deadline);
    });
    if (!silent.empty()) return show_way_back(error, silent);
    drop_safety();
    add_hint(error, "the VM runs as before");
  }

  void show_way_back(Error& error, std::string_view why) const {
    error.in(fmt::format("the VM could not be brought back ({})", why))
        .with_hint(
            fmt::format("it is stopped; all that it was is in {0}: knaller rollback {1} {0} --no-safety",
                        safety_->str(), vm_.name));
  }

  struct BroughtBack {
    PreparedClone clone;
    store::VmRecord record;
  };

  BroughtBack bring_back() const {
    const RestoreOptions asked{.name = vm_.name,
                               .snapshot = safety_->str(),
                               .network = vm_.network,
                               .limits = store::as_changes(vm_.limits),
                               .engine = engine_of(vm_),
                               .force = true};
    PreparedClone before =
        prepare_clone(context_, {.asked = asked, .id = *safety_, .lock = lock_, .in_place = true},
                      Deadline::never(), [this](store::VmRecord& vm) { keep_identity(vm); });
    BringUpPlan plan;
    plan.options.wait.ready = false;
    plan.keep_ports = true;
    plan.why_not_renewed = kWentBack;
    store::VmRecord record = bring_up(context_, before.vm, plan, std::move(before.launch)).record;
    return {std::move(before), std::move(record)};
  }

  // The VM runs, and needs nobody any more. To say that it does not would send its user back to the safety
  // snapshot, and what it has done since would be lost: each of these is tried, and only told when it fails.
  void settle_back(int directory, store::VmRecord record) const {
    // Its clock stood still since the safety snapshot was taken, and its randomness was drawn from since.
    const std::string why = unless_done([&] {
      renew_clone(context_, record, context_.home.path_of(Kind::kVm, vm_.name),
                  Deadline::after(kRenewalTime));
    });
    if (!why.empty()) {
      record.renewed = false;
      record.renew_reason = fmt::format("{}: {}", kWentBack, why);
      context_.note(fmt::format(
          "'{}' runs, and keeps the randomness and the clock of its safety snapshot: {}", vm_.name, why));
    }
    const std::string unwritten = unless_done([&] { store::write_vm_record(directory, record); });
    if (!unwritten.empty())
      context_.note(fmt::format("'{}' runs; whether it was renewed could not be written down: {}", vm_.name,
                                unwritten));
    if (!paused_) return;
    const std::string unpaused = unless_done([&] { pause_vm(context_, vm_.name, {}); });
    if (!unpaused.empty())
      context_.note(
          fmt::format("'{0}' was paused and runs now, for it could not be paused again: {1}; to pause "
                      "it: knaller pause {0}",
                      vm_.name, unpaused));
  }

  // Why it could not be; empty when it was.
  static std::string unless_done(const std::function<void()>& work) {
    try {
      work();
      return {};
    } catch (const std::exception& exception) {
      return error_from(exception).what();
    }
  }

  void drop_safety() {
    try {
      remove_snapshot(context_, safety_->str(), {});
    } catch (const std::exception& error) {
      context_.note(fmt::format("the safety snapshot {} is no longer needed, but could not be removed: {}",
                                safety_->str(), error.what()));
    }
  }

  const Context& context_;
  const RollbackOptions& options_;
  store::EntryLock lock_;
  UniqueFd directory_;
  store::VmRecord vm_;
  bool alive_ = false;
  bool paused_ = false;
  std::optional<SnapshotId> safety_;
};

}  // namespace

RollbackResult roll_back(const Context& context, const RollbackOptions& options) {
  open_vm(context, options.name);
  return in_context([&] { return fmt::format("roll back '{}'", options.name); },
                    [&] { return Rolling(context, options).run(); });
}

}  // namespace knaller::vm
