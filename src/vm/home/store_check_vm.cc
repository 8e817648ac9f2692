// What `store check` looks at in a VM's directory. The jail is its engine's: of what lies there only what an
// engine is known to leave is removed, and only when nobody needs it.
#include <fcntl.h>

#include "base/error.h"
#include "base/file.h"
#include "monitor/alive.h"
#include "monitor/exit_record.h"
#include "store/layout.h"
#include "store/vm_record.h"
#include "vm/home/layout.h"
#include "vm/home/store_check.h"

namespace knaller::vm {
namespace {

using layout::Leftover;
using layout::Place;
using store::Kind;

class VmCheck {
 public:
  VmCheck(const Context& context, const std::string& name, StoreFindings& findings)
      : context_(context),
        name_(name),
        path_(fmt::format("{}/{}", layout::kVms, name)),
        findings_(findings),
        directory_(context.home.open_entry(Kind::kVm, name)),
        alive_(monitor::is_alive(directory_.get())) {}

  void run() {
    if (!stat_if_exists(directory_.get(), layout::kVmRecord)) return;  // the Go program's
    check_record();
    check_access();
    // Somebody's who works on it now.
    if (context_.home.is_locked(Kind::kVm, name_)) return;
    check_unfinished_writes();
    check_jail();
    if (!alive_) remove_when_dead(directory_.get(), Place::kInVm, path_);
  }

 private:
  void check_record() {
    store::VmRecord record;
    try {
      record = store::read_vm_record(directory_.get(), name_);
    } catch (const Error& error) {
      return findings_.unusable(path_, error, fmt::format("knaller rm -f {}", name_));
    }
    for (const Part& part : parts_of(record)) require_file(layout::in_parts(part.name));
    require_file(layout::in_jail(own_disk(record)));
    const bool ended_well = monitor::read_exit_record(directory_.get()).has_value();
    if (!alive_ && !ended_well && record.boot_id == store::host_boot_id())
      findings_.note(path_, "its processes are gone without a word",
                     fmt::format("start it again: knaller start {}", name_));
  }

  void require_file(const std::string& file) {
    const auto info = stat_if_exists(directory_.get(), file);
    if (info && S_ISREG(info->st_mode)) return;
    findings_.damage(path_, fmt::format("it has no file '{}', and can't be started", file),
                     fmt::format("knaller rm -f {}", name_));
  }

  void check_access() {
    findings_.check_access(context_.home.folder(Kind::kVm), name_, path_, Access::kFolder);
    for (const std::string& file : list_directory(directory_.get()))
      findings_.check_access(directory_.get(), file, path_ + "/" + file,
                             layout::access_of(Place::kInVm, file));
    const auto parts = stat_if_exists(directory_.get(), layout::kParts);
    if (!parts || !S_ISDIR(parts->st_mode)) return;
    const UniqueFd folder = open_at(directory_.get(), layout::kParts, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    for (const std::string& file : list_directory(folder.get()))
      findings_.check_access(folder.get(), file, path_ + "/" + layout::in_parts(file),
                             layout::access_of(Place::kInParts, file));
  }

  void check_unfinished_writes() {
    for (const std::string& file : unfinished_writes(directory_.get())) {
      if (alive_ && layout::is_monitors_write(Place::kInVm, file)) continue;
      remove(directory_.get(), file, path_ + "/" + file, "it was half written");
    }
  }

  void check_jail() {
    const auto info = stat_if_exists(directory_.get(), layout::kJail);
    if (!info || !S_ISDIR(info->st_mode)) return;
    const UniqueFd jail = open_at(directory_.get(), layout::kJail, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    for (const std::string& file : layout::leftovers(Place::kInJail, Leftover::kOfACapture))
      if (stat_if_exists(jail.get(), file))
        remove(jail.get(), file, path_ + "/" + layout::in_jail(file),
               "an engine wrote it for a snapshot that never was");
    if (!alive_) remove_when_dead(jail.get(), Place::kInJail, path_ + "/" + layout::kJail);
  }

  void remove_when_dead(int dir, Place place, const std::string& path) {
    for (const std::string& file : layout::leftovers(place, Leftover::kOfTheDead)) {
      const auto info = stat_if_exists(dir, file);
      if (info && !S_ISREG(info->st_mode)) remove(dir, file, path + "/" + file, "of processes that are gone");
    }
  }

  void remove(int dir, const std::string& file, const std::string& path, const std::string& text) {
    findings_.leftover(path, text, store::look_through(dir, file), [this, dir, &file] {
      return with_lock(context_, Kind::kVm, name_, [this, dir, &file] {
        if (monitor::is_alive(directory_.get()) != alive_) return false;
        remove_tree(dir, file);
        return true;
      });
    });
  }

  const Context& context_;
  const std::string& name_;
  const std::string path_;
  StoreFindings& findings_;
  UniqueFd directory_;
  const bool alive_;
};

}  // namespace

void check_vm(const Context& context, const std::string& name, StoreFindings& findings) {
  VmCheck(context, name, findings).run();
}

}  // namespace knaller::vm
