#include "vm/life/start.h"

#include <fcntl.h>

#include <future>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/secret.h"
#include "base/text.h"
#include "disk/private_disk.h"
#include "disk/root_disk.h"
#include "engine/engine_family.h"
#include "image/kernel.h"
#include "monitor/alive.h"
#include "net/tun.h"
#include "ssh/keys.h"
#include "store/layout.h"
#include "store/limits.h"
#include "store/names.h"
#include "vm/home/engine.h"
#include "vm/home/host_facts.h"
#include "vm/home/images.h"
#include "vm/home/layout.h"
#include "vm/home/locks.h"
#include "vm/life/boot.h"
#include "vm/life/bring_up.h"
#include "vm/life/limits.h"
#include "vm/life/list.h"
#include "vm/life/options.h"
#include "vm/life/ports.h"

namespace knaller::vm {
namespace {

using store::Kind;

const char* const kDefaultImage = "tiny";

store::VmRecord new_record(const std::string& name, const VmOptions& vm, const Engine& engine) {
  store::VmRecord record;
  record.name = name;
  record.uuid = make_uuid();
  record.created_at = std::chrono::system_clock::now();
  record.vcpus = vm.vcpus;
  record.memory_mib = vm.memory_mib;
  record.network = vm.network;
  record.network_device = vm.network != NetworkMode::kNone;
  record.ports = vm.ports;
  record.egress = vm.egress;
  record.limits = vm.limits;
  store::settle_cpus(record.limits, vm.vcpus);
  record.engine = engine.type;
  record.engine_binary = engine.binary;
  record.engine_version = engine.version.text();
  record.state_version = engine.state_version;
  record.on_reboot = vm.on_reboot;
  return record;
}

void make_own_disk(const image::Image& image, uint64_t mib, const std::string& path,
                   const Deadline& deadline) {
  if (mib == 0) mib = image.default_disk_mib;
  if (mib == image.default_disk_mib && !image.empty_disk.empty())
    disk::copy_root_disk(image.empty_disk, path, mib, deadline);
  else
    disk::make_private_disk(path, mib, deadline);
}

// The device that leads to a guest's agent needs what every network needs. A VM that is to have none starts
// where that is not to be had, too.
bool can_have_agent(const Context& context, const image::Image& image, NetworkMode network) {
  if (image.info.guest_protocol < image::kFirstWithAgent) return false;
  if (network != NetworkMode::kNone) return true;
  try {
    net::open_tun();
    return true;
  } catch (const Error& error) {
    context.note(fmt::format("no command will be able to enter the guest: {}", error.what()));
    return false;
  }
}

// An image of ours or an imported one: everything immutable is linked, the private disk is new (or, for an
// image without a base, a copy of its root file system).
void fill_from_image(const Context& context, const image::Image& image, const VmOptions& vm,
                     PreparedVm& prepared, const Deadline& deadline) {
  const int directory = prepared.directory();
  store::VmRecord& record = prepared.record;
  record.image = image.info.name;
  record.guest_protocol = image.info.guest_protocol;
  record.has_base = !image.base.empty();
  record.has_initrd = !image.initramfs.empty();
  record.has_ssh = image.info.guest_protocol > 0;
  record.has_agent = can_have_agent(context, image, vm.network);
  add_part(directory, AT_FDCWD, image.kernel, layout::kKernel, deadline);
  if (record.has_initrd) add_part(directory, AT_FDCWD, image.initramfs, layout::kInitrd, deadline);
  if (engine::family_of(record.engine).needs_pvh_kernel())
    image::require_pvh(open_at(directory, layout::in_parts(layout::kKernel), O_RDONLY).get(),
                       fmt::format("the kernel of image '{}'", record.image));
  const std::string path = prepared.transaction->path() + "/";
  if (record.has_base) {
    add_part(directory, AT_FDCWD, image.base, layout::kBase, deadline);
    make_own_disk(image, vm.disk_mib, path + layout::in_jail(layout::kDisk), deadline);
  } else {
    disk::copy_root_disk(image.rootfs, path + layout::in_jail(layout::kRootfs), vm.disk_mib, deadline);
  }
}

// Files of the user's own: copied, for they may change while the VM runs.
void copy_part(int directory, const std::string& from, const std::string& part, const Deadline& deadline) {
  const UniqueFd source = open_at(AT_FDCWD, from, O_RDONLY | O_NONBLOCK);
  const UniqueFd target = open_at(directory, layout::in_parts(part), O_RDWR | O_CREAT | O_EXCL, 0400);
  copy_sparse(source.get(), target.get(), file_size(source.get()), deadline);
}

void fill_from_files(const VmOptions& vm, PreparedVm& prepared, const Deadline& deadline) {
  const int directory = prepared.directory();
  store::VmRecord& record = prepared.record;
  const UniqueFd kernel = open_at(AT_FDCWD, vm.kernel, O_RDONLY | O_NONBLOCK);
  const UniqueFd vmlinux =
      open_at(directory, layout::in_parts(layout::kKernel), O_RDWR | O_CREAT | O_EXCL, 0400);
  const std::string what = fmt::format("the kernel '{}'", vm.kernel);
  image::copy_kernel(kernel.get(), vmlinux.get(), what);
  if (engine::family_of(record.engine).needs_pvh_kernel()) image::require_pvh(vmlinux.get(), what);
  record.has_initrd = !vm.initrd.empty();
  if (record.has_initrd) copy_part(directory, vm.initrd, layout::kInitrd, deadline);
  disk::copy_root_disk(vm.rootfs, prepared.transaction->path() + "/" + layout::in_jail(layout::kRootfs),
                       vm.disk_mib, deadline);
}

using FutureKey = std::future<ssh::KeyPair>;

// Begun before the image, VM and engine are looked at: with OpenSSL's own start it takes longer than all
// that.
FutureKey begin_key(const std::string& name) {
  return begin_beside([comment = "knaller " + name] { return ssh::make_ed25519_key(comment); });
}

std::string keep_key(int directory, FutureKey key) {
  ssh::KeyPair pair = key.get();
  const Secret secret(std::move(pair.private_key));
  write_file_atomically(directory, layout::kSshKey, secret.text(), Durability::kNoSync);
  return pair.public_line;
}

// What the user left open: the Go program's guest when it lies in the home, else "tiny".
VmOptions choose_guest(const Context& context, VmOptions vm) {
  if (!vm.image.empty() || !vm.kernel.empty()) return vm;
  const std::string kernel = context.home.path() + "/vmlinux";
  const std::string rootfs = context.home.path() + "/rootfs.ext4";
  if (exists(kernel) && exists(rootfs)) {
    context.note(
        fmt::format("using the kernel and root file system in {}; --image tiny chooses knaller's own",
                    context.home.path()));
    vm.kernel = kernel;
    vm.rootfs = rootfs;
  } else {
    vm.image = kDefaultImage;
  }
  return vm;
}

void fill_vm(const Context& context, const VmOptions& vm, PreparedVm& prepared, FutureKey key,
             const StartOptions& options) {
  const PhaseTimer timer(context, "prepare");
  const Deadline deadline = Deadline::never(options.stop);
  const int directory = prepared.directory();
  store::VmRecord& record = prepared.record;
  make_vm_directories(directory);
  GuestArgs guest{.extra_args = vm.kernel_args};
  if (vm.image.empty()) {
    fill_from_files(vm, prepared, deadline);
  } else {
    const store::EntryLock lock = lock_entry(context, Kind::kImage, vm.image, "start", options.stop);
    fill_from_image(context, load_image(context, vm.image), vm, prepared, deadline);
  }
  if (record.has_ssh) guest.ssh_key = keep_key(directory, std::move(key));
  record.boot_args = boot_args(record, guest);
  refresh_jail(directory, parts_of(record), deadline);
  // bring_up() makes it durable before the commit, and the key with it.
  store::write_vm_record(directory, record, Durability::kNoSync);
}

[[noreturn]] void fail_existing(const std::string& name) {
  throw Error(
      Code::kAlreadyExists, fmt::format("there is a VM '{}' already", name),
      fmt::format("start it as it is (knaller start {0}), remove it (knaller rm {0}), or choose another name",
                  name));
}

// A machine and a guest of the options, under a name that nobody has.
Started start_machine(const Context& context, const std::string& name, const VmOptions& vm,
                      const StartOptions& options) {
  FutureKey key = vm.image.empty() ? FutureKey() : begin_key(name);
  const Engine engine = choose_engine(context, vm.engine, Deadline::after(kLockPatience, options.stop));
  if (context.home.has(Kind::kVm, name)) fail_existing(name);
  require_limits(new_record(name, vm, engine));
  if (!vm.image.empty()) provide_image(context, vm.image, options.stop);
  require_free(context, vm.ports);

  const store::EntryLock lock = lock_entry(context, Kind::kVm, name, "start", options.stop);
  if (context.home.has(Kind::kVm, name)) fail_existing(name);
  PreparedVm prepared{.transaction = std::make_unique<store::Transaction>(lock),
                      .record = new_record(name, vm, engine),
                      .engine_files = engine.files};
  monitor::Launch launch = start_monitor(context, name);
  fill_vm(context, vm, prepared, std::move(key), options);
  Started started;
  started.tie = bring_up(context, prepared, {.options = options}, std::move(launch)).tie;
  started.vm = inspect_brought_up(context, name, options.tie);
  return started;
}

}  // namespace

Started start_new(const Context& context, const VmOptions& asked, const StartOptions& options) {
  check_options(asked);
  const std::string name = asked.name.empty() ? store::make_up_name().str() : asked.name;
  return in_context([&] { return fmt::format("start '{}'", name); },
                    [&] { return start_machine(context, name, choose_guest(context, asked), options); });
}

namespace {

// The program may be another one than at the last start, at the same place.
engine::EngineFacts note_engine(const Context& context, store::VmRecord& record,
                                const StartOptions& options) {
  engine::EngineFacts facts =
      engine_facts(context, record.engine_binary, Deadline::after(kLockPatience, options.stop));
  record.engine_version = facts.version.text();
  record.state_version = facts.state_version;
  return facts;
}

// It boots, so it never needs the memory and devices again that it came from.
void give_up_parent_memory(int directory, store::VmRecord& record) {
  if (record.has_parent_memory()) {
    record.booted_since = true;
    // On the disk first: without the files, it must not be said to have them.
    store::write_vm_record(directory, record);
  }
  remove_parts(directory, parent_parts());
}

// With the host ports of the last start where they were leased, unless somebody else has one by now.
Tie start_again(const Context& context, const PreparedVm& vm, const StartOptions& options) {
  const std::string& name = vm.record.name;
  try {
    return bring_up(context, vm, {.options = options, .keep_ports = true}, start_monitor(context, name)).tie;
  } catch (const Error& error) {
    if (error.code() != Code::kBusy) throw;  // not a port that is taken
  }
  return bring_up(context, vm, {.options = options}, start_monitor(context, name)).tie;
}

}  // namespace

Started start_existing(const Context& context, const std::string& name, const StartOptions& options) {
  open_vm(context, name);
  return in_context(
      [&] { return fmt::format("start '{}'", name); },
      [&] {
        const store::EntryLock lock = lock_entry(context, Kind::kVm, name, "start", options.stop);
        const UniqueFd directory = open_vm(context, name);
        if (monitor::is_alive(directory.get()))
          throw Error(Code::kWrongState, "it is running already",
                      fmt::format("enter it: knaller ssh {}", name));
        store::VmRecord record = store::read_vm_record(directory.get(), name);
        if (record.boot_args.empty())
          throw Error(Code::kUnsupported, "it came from a snapshot that has no kernel of its own",
                      "start the snapshot again, under another name");
        require_free(context, record.ports);
        require_limits(record);
        const engine::EngineFacts facts = note_engine(context, record, options);
        if (!record.from_snapshot.empty()) give_up_parent_memory(directory.get(), record);
        refresh_jail(directory.get(), parts_of(record), Deadline::never(options.stop));
        Started started;
        const PreparedVm prepared{
            .transaction = std::make_unique<store::Transaction>(lock, store::Transaction::How::kKeep),
            .record = std::move(record),
            .engine_files = facts.files};
        started.tie = start_again(context, prepared, options);
        started.vm = inspect_brought_up(context, name, options.tie);
        return started;
      });
}

}  // namespace knaller::vm
