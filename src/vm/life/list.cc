#include "vm/life/list.h"

#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/json.h"
#include "base/parallel.h"
#include "base/text.h"
#include "monitor/alive.h"
#include "monitor/client.h"
#include "store/fields.h"
#include "store/layout.h"
#include "store/limits.h"
#include "store/names.h"
#include "vm/home/layout.h"

namespace knaller::vm {
namespace {

using store::Kind;

// A monitor answers from its memory within a millisecond; one that does not is stuck itself.
constexpr std::chrono::seconds kStatusTimeout{2};
// Each holds three descriptors, of which a program has 1024.
constexpr size_t kAtOnce = 200;

VmState state_of(monitor::RunState state) {
  switch (state) {
    case monitor::RunState::kStarting:
      return VmState::kStarting;
    case monitor::RunState::kRunning:
    case monitor::RunState::kStopping:
      return VmState::kRunning;
    case monitor::RunState::kPaused:
      return VmState::kPaused;
    case monitor::RunState::kStuck:
      return VmState::kStuck;
  }
  fail(Code::kInternal, "a monitor's state that there is not");
}

VmState state_of(monitor::EndState state) {
  switch (state) {
    case monitor::EndState::kStopped:
      return VmState::kStopped;
    case monitor::EndState::kCrashed:
      return VmState::kCrashed;
  }
  fail(Code::kInternal, "an end's state that there is not");
}

std::string remedy(const std::string& name) {
  return fmt::format("to end it: knaller stop --force {}", name);
}

void fill_from_status(VmInfo& info, const monitor::Status& status) {
  info.state = state_of(status.state);
  info.reason = status.state == monitor::RunState::kStopping ? "it is being stopped" : status.reason;
  if (info.state == VmState::kStuck) info.reason += "; " + remedy(info.name);
  info.network = status.network;
  info.network_reason = status.network_reason;
  if (status.egress) info.egress = *status.egress;
  info.started_at = status.since;
  info.control_group = status.control_group;
  info.usage = status.usage;
  info.monitor_pid = status.monitor_pid;
  info.engine_pid = status.engine_pid;
}

// An ended VM's ports are free, and its times are of the past.
void describe_ended(VmInfo& info, const std::optional<monitor::ExitRecord>& exit,
                    const store::VmRecord& record) {
  info.ports = record.ports;
  info.started_at.reset();
  if (exit) {
    info.state = state_of(exit->state);
    info.reason = exit->reason;
  } else if (record.boot_id != store::host_boot_id()) {
    info.state = VmState::kStopped;
    info.reason = "the host was restarted";
  } else {
    info.state = VmState::kCrashed;
    info.reason = monitor::kKilledReason;
  }
}

VmInfo broken(const std::string& name, const std::string& reason) {
  VmInfo info;
  info.name = name;
  info.state = VmState::kBroken;
  info.reason = reason;
  return info;
}

// A look at a VM in two steps, so that many monitors can be asked before the first is waited for: one that
// does not answer costs the time-out, and a hundred of them no more than that.
class Look {
 public:
  // Throws for a VM whose record can't be read.
  Look(const Context& context, const std::string& name, UniqueFd directory, const ListOptions& options)
      : folder_(context.home.folder(Kind::kVm)), directory_(std::move(directory)) {
    info_.name = name;
    info_.directory = context.home.path_of(Kind::kVm, name);
    alive_ = monitor::is_alive(directory_.get());
    if (alive_) ask();
    const auto exit = alive_ ? std::nullopt : monitor::read_exit_record(directory_.get());
    if (exit && exit->state == monitor::EndState::kStopped && !options.stopped_in_full) {
      info_.state = VmState::kStopped;
      return;
    }
    if (!stat_if_exists(directory_.get(), layout::kVmRecord)) {
      require_named();
      alive_ = false;
      info_.state = VmState::kForeign;
      info_.reason = "it belongs to the Go program";
      return;
    }
    record_ = store::read_vm_record(directory_.get(), name);
    fill_from_record(info_, *record_);
    if (!alive_) end(exit);
  }

  VmInfo finish(const Deadline& deadline) {
    if (alive_) {
      await(deadline);
      if (!alive_) end(monitor::read_exit_record(directory_.get()));
    }
    return std::move(info_);
  }

 private:
  void end(const std::optional<monitor::ExitRecord>& exit) {
    if (!exit) require_named();
    describe_ended(info_, exit, *record_);
  }

  // A file that is missing says nothing of a VM that is being removed, which loses its name first.
  void require_named() const {
    if (!is_still_named(folder_, info_.name, directory_.get()))
      fail(Code::kNotFound, "VM '{}' was removed just now", info_.name);
  }

  // One whose queue of connections is full is tried again when the others have been asked.
  void ask() {
    try {
      monitor_ = monitor::MonitorClient::connect(directory_.get(), Deadline::after(std::chrono::seconds(0)));
      monitor_->ask_status();
    } catch (const Error&) {
      monitor_.reset();
    }
  }

  void await(const Deadline& deadline) {
    try {
      if (!monitor_) {
        monitor_ = monitor::MonitorClient::connect(directory_.get(), deadline);
        monitor_->ask_status();
      }
      fill_from_status(info_, monitor_->take_status(deadline));
    } catch (const Error& error) {
      alive_ = monitor::is_alive(directory_.get());  // or it ended just now
      if (!alive_) return;
      info_.state = VmState::kStuck;
      const bool answered = error.code() == Code::kUnsupported;  // of a newer knaller
      info_.reason = fmt::format("{}{}; {}", answered ? "" : "its monitor does not answer: ", error.message(),
                                 remedy(info_.name));
    }
  }

  int folder_;
  UniqueFd directory_;
  VmInfo info_;
  std::optional<store::VmRecord> record_;
  bool alive_ = false;
  std::optional<monitor::MonitorClient> monitor_;
};

// Nothing of one that is broken but why.
struct Entry {
  std::string name;
  std::optional<Look> look;
  std::string why_broken;

  void begin(const Context& context, const ListOptions& options) {
    try {
      if (!store::Name::is_valid(name)) throw Error(Code::kCorrupt, "knaller would not give it that name");
      look.emplace(context, name, context.home.open_entry(Kind::kVm, name), options);
    } catch (const Error& error) {
      if (error.code() == Code::kExhausted) throw;  // this process lacks something, not the VM
      why_broken = error.what();
    }
  }

  VmInfo finish(const Deadline& deadline) {
    try {
      if (look) return look->finish(deadline);
    } catch (const Error& error) {
      if (error.code() == Code::kExhausted) throw;  // this process lacks something, not the VM
      why_broken = error.what();
    }
    return broken(name, why_broken);
  }
};

void look_at(const Context& context, std::span<const std::string> names, const ListOptions& options,
             std::vector<VmInfo>& vms) {
  std::vector<Entry> entries(names.size());
  for_each_in_parallel(names.size(), [&](size_t at) {
    entries[at].name = names[at];
    entries[at].begin(context, options);
  });
  const Deadline deadline = Deadline::after(kStatusTimeout);
  for (Entry& entry : entries) vms.push_back(entry.finish(deadline));
}

VmInfo describe_in_making(const Context& context, const std::string& name) {
  VmInfo info;
  info.name = name;
  info.state = VmState::kStarting;
  try {
    const UniqueFd directory = context.home.open_entry(Kind::kVm, layout::staged_name(name));
    fill_from_record(info, store::read_vm_record(directory.get(), name));
  } catch (const Error&) {
    // Its record is not written yet, or it came to be just now.
  }
  info.state = VmState::kStarting;
  return info;
}

}  // namespace

void fill_from_record(VmInfo& info, const store::VmRecord& record) {
  info.name = record.name;
  info.uuid = record.uuid;
  info.network = store::to_text(record.network);
  info.created_at = record.created_at;
  info.started_at = record.started_at;
  info.vcpus = record.vcpus;
  info.memory_mib = record.memory_mib;
  info.ports = record.bound;
  info.egress = record.egress;
  info.limits = record.limits;
  info.agent = record.has_agent;
  info.image = record.image;
  info.engine = store::to_text(record.engine);
  info.engine_version = record.engine_version;
  info.from_snapshot = record.from_snapshot;
  info.renewed = record.renewed;
  info.renew_reason = record.renew_reason;
}

VmInfo describe_vm(const Context& context, const std::string& name, int directory) {
  return Look(context, name, open_at(directory, ".", O_RDONLY | O_DIRECTORY), {})
      .finish(Deadline::after(kStatusTimeout));
}

std::vector<VmInfo> list_vms(const Context& context, const ListOptions& options) {
  const std::vector<std::string> names = context.home.entries(Kind::kVm);
  std::vector<VmInfo> vms;
  for (size_t at = 0; at < names.size(); at += kAtOnce)
    look_at(context, std::span(names).subspan(at, std::min(kAtOnce, names.size() - at)), options, vms);
  // Removed between the listing and the look at it: it is no VM any more.
  std::erase_if(vms, [&](const VmInfo& vm) {
    return vm.state == VmState::kBroken && !context.home.has(Kind::kVm, vm.name);
  });
  for (const std::string& name : context.home.entries_in_making(Kind::kVm)) {
    const bool published =
        std::any_of(vms.begin(), vms.end(), [&](const VmInfo& vm) { return vm.name == name; });
    if (!published) vms.push_back(describe_in_making(context, name));
  }
  std::sort(vms.begin(), vms.end(), [](const VmInfo& a, const VmInfo& b) { return a.name < b.name; });
  return vms;
}

UniqueFd open_vm(const Context& context, const std::string& name) {
  store::Name::parse(name);
  if (!context.home.has(Kind::kVm, name)) {
    const std::string near = nearest(name, context.home.entries(Kind::kVm));
    throw Error(
        Code::kNotFound, fmt::format("there is no VM '{}'", name),
        near.empty() ? "see `knaller ls -a` for those there are" : fmt::format("did you mean '{}'?", near));
  }
  UniqueFd directory = context.home.open_entry(Kind::kVm, name);
  if (!stat_if_exists(directory.get(), layout::kVmRecord))
    throw Error(Code::kUnsupported, fmt::format("VM '{}' belongs to the Go program of the same name", name),
                "use that program for it; its snapshots can be started here");
  return directory;
}

VmInfo inspect_vm(const Context& context, const std::string& name) {
  const UniqueFd directory = open_vm(context, name);
  return describe_vm(context, name, directory.get());
}

std::string inspect_vm_json(const Context& context, const std::string& name) {
  const UniqueFd directory = open_vm(context, name);
  const VmInfo info = describe_vm(context, name, directory.get());
  const store::VmRecord record = store::read_vm_record(directory.get(), name);
  Json json = parse_json(store::to_json_text(record), layout::kVmRecord);
  json["memory_mib"] = record.memory_mib;
  json.erase("mem_size_mib");
  json["state"] = to_string(info.state);
  json["reason"] = info.reason;
  json["egress"] = store::egress_to_json(info.egress);
  json["limits"] = store::limits_to_json(info.limits);
  json["control_group"] = info.control_group;
  if (info.usage)
    json["usage"] = {{"memory_bytes", info.usage->memory_bytes},
                     {"processes", info.usage->processes},
                     {"cpu_us", info.usage->cpu.count()}};
  json["network_reason"] = info.network_reason;
  json["directory"] = info.directory;
  json["monitor_pid"] = info.monitor_pid;
  json["engine_pid"] = info.engine_pid;
  if (const auto exit = monitor::read_exit_record(directory.get()); exit && info.monitor_pid == 0)
    json["exit"] = monitor::exit_record_to_json(*exit);
  const auto disk = stat_if_exists(directory.get(), layout::in_jail(own_disk(record)));
  if (disk) json["disk"] = {{"size", disk->st_size}, {"allocated", disk->st_blocks * 512}};
  return dump_json(json, 2);
}

}  // namespace knaller::vm
