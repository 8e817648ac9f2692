#include "vm/life/bring_up.h"

#include <fcntl.h>

#include <algorithm>
#include <future>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/once_done.h"
#include "base/parallel.h"
#include "base/process.h"
#include "engine/engine_family.h"
#include "monitor/alive.h"
#include "store/layout.h"
#include "vm/home/engine.h"
#include "vm/home/layout.h"
#include "vm/life/boot.h"
#include "vm/life/limits.h"
#include "vm/life/list.h"
#include "vm/life/ready.h"

namespace knaller::vm {
namespace {

// For everything that is not the guest's own boot: namespaces, engine, network and the handover.
constexpr std::chrono::seconds kLaunchTime{30};
constexpr std::chrono::seconds kUndoTime{2};

std::string find_pasta(const Context& context) {
  const std::string wanted = context.pasta.empty() ? "pasta" : context.pasta;
  const std::string found = find_program(wanted);
  if (found.empty())
    throw Error(Code::kNotFound, fmt::format("there is no '{}', which gives VMs their network", wanted),
                "sudo apt install passt   # or start the VM with --network none");
  return found;
}

// Only leased ones, for the others have their numbers.
void ask_for_last_ports(net::Plan& plan, const store::VmRecord& record) {
  if (record.bound.size() != plan.ports.size()) return;
  for (size_t i = 0; i < record.bound.size(); ++i)
    if (plan.ports[i].host == 0) plan.ports[i].host = record.bound[i].host;
}

// Of an honest engine: its disk, or a snapshot's memory or devices.
uint64_t largest_file(const PreparedVm& vm) {
  constexpr uint64_t kDevices = 64 << 20;
  const UniqueFd disk = open_beneath(vm.directory(), layout::in_jail(own_disk(vm.record)), O_PATH);
  return std::max(file_size(disk.get()), vm.record.memory_mib << 20) + kDevices;
}

monitor::LaunchSpec make_spec(const Context& context, const PreparedVm& vm, const BringUpPlan& plan) {
  const store::VmRecord& record = vm.record;
  monitor::LaunchSpec spec;
  spec.home = context.home.path();
  spec.entry = vm.transaction->change();
  spec.uuid = record.uuid;
  spec.engine = record.engine;
  spec.engine_binary = record.engine_binary;
  spec.engine_files = vm.engine_files;
  spec.kvm = engine::family_of(record.engine).is_shown_kvm(host_of(context));
  spec.group = group_spec(context, record, vm.directory());
  spec.file_limit = largest_file(vm);
  if (!record.boot_args.empty()) spec.boot = boot_requests(record);
  spec.load = vm.load;
  spec.network = network_plan(record);
  spec.control_link = record.has_agent;
  if (spec.network)
    spec.pasta_binary = find_pasta(context);
  else
    spec.network = device_plan(record);
  if (!spec.pasta_binary.empty() && plan.keep_ports) ask_for_last_ports(*spec.network, record);
  spec.binds = vm.binds;
  spec.immutable = jail_names(parts_of(record));
  spec.restart_on_reboot = record.on_reboot == OnReboot::kRestart && !spec.boot.empty();
  spec.tied = plan.options.tie;
  spec.remove_at_end = plan.options.tie;
  return spec;
}

// The ports that pasta really bound, in the user's order.
void note_ports(store::VmRecord& record, const std::optional<net::Plan>& plan) {
  record.bound = plan ? plan->ports : std::vector<PortForward>();
}

void add_files(int folder, std::vector<UniqueFd>& files) {
  for (const std::string& name : list_directory(folder)) {
    const auto info = stat_if_exists(folder, name);
    if (info && S_ISREG(info->st_mode)) files.push_back(open_at(folder, name, O_RDONLY | O_NOFOLLOW));
  }
}

// Makes a VM's files durable beside everything else that a start does, and not in its way: of a new one all
// that was made or linked, disk and kernel, too. get() throws when that failed.
std::future<void> sync_files(int directory, bool is_new) {
  const auto files = std::make_shared<std::vector<UniqueFd>>();
  for (const char* name : {layout::kSshKey, layout::kKnownHosts})
    if (stat_if_exists(directory, name)) files->push_back(open_at(directory, name, O_RDONLY | O_NOFOLLOW));
  for (const char* name : {layout::kParts, layout::kJail}) {
    if (!is_new) break;
    UniqueFd folder = open_at(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    add_files(folder.get(), *files);
    files->push_back(std::move(folder));
  }
  return begin_beside([files] {
    for (const UniqueFd& file : *files) fsync_fd(file.get(), "a file of the VM");
  });
}

// The guest's host key, which was learnt just now.
void sync_host_key(int directory) {
  if (stat_if_exists(directory, layout::kKnownHosts))
    fsync_fd(open_at(directory, layout::kKnownHosts, O_RDONLY | O_NOFOLLOW).get(), layout::kKnownHosts);
}

// Under its name, and not on its way to be undone.
bool is_committed(const store::Transaction& transaction) {
  return transaction.is_published() &&
         !monitor::wait_until_dead(transaction.directory(), Deadline::after(kUndoTime));
}

// The point of no return: from here on the VM needs nobody. When the connection broke after the monitor was
// asked, whether the VM lives is the answer.
void commit(const Context& context, const store::Transaction& transaction, monitor::Launch& launch,
            bool tied) {
  const PhaseTimer timer(context, "commit");
  try {
    launch.commit(Deadline::after(kLaunchTime));
  } catch (const Error&) {
    { const monitor::Launch given_up = std::move(launch); }  // so a monitor that has not committed undoes
    if (tied || !is_committed(transaction)) throw;
    context.note("the VM's monitor could not say that it has taken over, but it has");
  }
}

}  // namespace

monitor::Launch start_monitor(const Context& context, const std::string& name) {
  return {context.program("knaller-monitor"), name};
}

BroughtUp bring_up(const Context& context, const PreparedVm& vm, const BringUpPlan& plan,
                   monitor::Launch launch) {
  const StartOptions& options = plan.options;
  store::VmRecord record = vm.record;
  record.boot_id = store::host_boot_id();
  record.started_at = std::chrono::system_clock::now();
  const bool is_new = vm.transaction->change().how != store::EntryChange::How::kKeep;
  std::future<void> synced = sync_files(vm.directory(), is_new);
  const Deadline launch_limit = Deadline::after(kLaunchTime, options.stop);
  launch.begin(make_spec(context, vm, plan), launch_limit,
               [&](std::string_view phase, auto duration) { context.timing(std::string(phase), duration); });
  note_ports(record, launch.network());

  if (options.wait.ready) {
    const Deadline ready_limit = Deadline::after(options.wait.timeout, options.stop);
    const std::string path = vm.transaction->path();
    wait_until_ready(context, launch, record, ready_limit);
    pin_host_key(context, record, vm.directory(), path, ready_limit);
    if (!vm.load.empty()) renew_clone(context, record, path, ready_limit);
  } else if (!vm.load.empty()) {
    record.renewed = false;
    record.renew_reason = plan.why_not_renewed;
  }

  synced.get();
  sync_host_key(vm.directory());
  store::write_vm_record(vm.directory(), record);
  commit(context, *vm.transaction, launch, options.tie);
  return {std::move(record), options.tie ? Tie(launch.take_tie().release()) : Tie()};
}

VmInfo inspect_brought_up(const Context& context, const std::string& name, bool tied) {
  if (tied) return inspect_vm(context, name);
  return once_done([] { return std::string("it runs all the same"); },
                   [&] { return inspect_vm(context, name); });
}

}  // namespace knaller::vm
