#include "vm/home/store_check.h"

#include <map>

#include "base/error.h"
#include "base/text.h"
#include "image/image.h"
#include "monitor/alive.h"
#include "store/labels.h"
#include "store/layout.h"
#include "store/sweep.h"
#include "store/verify.h"

namespace knaller::vm {
namespace {

using layout::Place;
using store::Kind;
using store::SnapshotId;

std::string path_of(Kind kind, const std::string& entry) {
  return fmt::format("{}/{}", store::folder_of(kind), entry);
}

// A VM that is being made is also held by its monitor.
bool is_held(const Context& context, Kind kind, const std::string& entry) {
  const auto info = stat_if_exists(context.home.folder(kind), entry);
  if (kind != Kind::kVm || !info || !S_ISDIR(info->st_mode)) return false;
  return monitor::is_alive(context.home.open_entry(kind, entry).get());
}

void check_unfinished(const Context& context, Kind kind, const std::string& entry, const std::string& name,
                      StoreFindings& findings) {
  if (context.home.is_locked(kind, name) || is_held(context, kind, entry)) return;
  const int folder = context.home.folder(kind);
  const bool half_made = entry.starts_with(layout::kNewPrefix);
  findings.leftover(path_of(kind, entry), half_made ? "it was half made" : "it was half removed or replaced",
                    store::look_through(folder, entry), [&] {
                      return with_lock(context, kind, name, [&] {
                        if (is_held(context, kind, entry)) return false;
                        store::finish_interrupted(context.home, kind, entry, Deadline::never());
                        return true;
                      });
                    });
}

// Nothing when this user may not read it, which is told of.
std::optional<store::Verification> look_at_snapshot(int directory, const std::string& name,
                                                    StoreFindings& findings) {
  const std::string path = path_of(Kind::kSnapshot, name);
  const std::string remedy = fmt::format("knaller snapshot rm -f {}", name);
  try {
    store::Verification found = store::verify_snapshot(directory, SnapshotId::parse(name), Deadline::never(),
                                                       {}, store::Depth::kQuick);
    for (const store::Damage& damage : found.damages) findings.damage(path, damage.reason, remedy);
    return found;
  } catch (const Error& error) {
    if (error.code() != Code::kPermission) throw;
    findings.unusable(path, error, remedy);
    return std::nullopt;
  }
}

void check_snapshot(const Context& context, const std::string& name, StoreFindings& findings) {
  const std::string path = path_of(Kind::kSnapshot, name);
  const UniqueFd directory = context.home.open_entry(Kind::kSnapshot, name);
  const auto found = look_at_snapshot(directory.get(), name, findings);
  if (found && !found->has_digests) return;  // the Go program's
  findings.check_access(context.home.folder(Kind::kSnapshot), name, path, Access::kFolder);
  for (const std::string& file : list_directory(directory.get())) {
    const std::string file_path = fmt::format("{}/{}", path, file);
    if (store::is_unfinished_labels(file)) {
      if (context.home.is_locked(Kind::kSnapshot, name)) continue;
      findings.leftover(file_path, "labels that were half written",
                        store::look_through(directory.get(), file), [&] {
                          return with_lock(context, Kind::kSnapshot, name, [&] {
                            remove_tree(directory.get(), file);
                            return true;
                          });
                        });
      continue;
    }
    findings.check_access(directory.get(), file, file_path, layout::access_of(Place::kInSnapshot, file));
  }
}

void check_image(const Context& context, const std::string& name, StoreFindings& findings) {
  const std::string path = path_of(Kind::kImage, name);
  const UniqueFd directory = context.home.open_entry(Kind::kImage, name);
  try {
    image::load(context.home, name);
  } catch (const Error& error) {
    findings.unusable(path, error, fmt::format("knaller image rm {}", name));
  }
  findings.check_access(context.home.folder(Kind::kImage), name, path, Access::kFolder);
  for (const std::string& file : list_directory(directory.get()))
    findings.check_access(directory.get(), file, fmt::format("{}/{}", path, file),
                          layout::access_of(Place::kInImage, file));
}

bool is_valid(Kind kind, const std::string& name) {
  return kind == Kind::kSnapshot ? SnapshotId::is_valid(name) : store::Name::is_valid(name);
}

void check_published(const Context& context, Kind kind, const std::string& name, StoreFindings& findings) {
  const auto info = stat_if_exists(context.home.folder(kind), name);
  if (!info) return;
  if (!is_valid(kind, name) || !S_ISDIR(info->st_mode))
    return findings.note(path_of(kind, name), "knaller did not make it, and leaves it alone");
  if (kind == Kind::kSnapshot) return check_snapshot(context, name, findings);
  if (kind == Kind::kImage) return check_image(context, name, findings);
  check_vm(context, name, findings);
}

void check_entry(const Context& context, Kind kind, const std::string& entry, StoreFindings& findings) {
  try {
    const std::string name = layout::name_in_hidden(entry);
    if (!name.empty()) return check_unfinished(context, kind, entry, name, findings);
    check_published(context, kind, entry, findings);
  } catch (const Error& error) {
    // Removed meanwhile, or not to be looked at.
    if (context.home.has(kind, entry)) findings.unusable(path_of(kind, entry), error, error.hint());
  }
}

// Whose lock a file is; absent for a file that is none.
std::optional<std::pair<Kind, std::string>> owner_of_lock(const std::string& file) {
  for (const Kind kind : store::kKinds) {
    const std::string prefix = store::lock_name(kind, "");
    if (file.starts_with(prefix)) return std::pair(kind, file.substr(prefix.size()));
  }
  return std::nullopt;
}

// What will be there when the leftovers that were told of are gone.
bool will_be_used(const Context& context, Kind kind, const std::string& name, const StoreFindings& findings) {
  const auto will_be_there = [&](const std::string& entry) {
    return context.home.has(kind, entry) && !findings.is_leftover(path_of(kind, entry));
  };
  return will_be_there(name) ||
         std::any_of(layout::kHiddenPrefixes.begin(), layout::kHiddenPrefixes.end(),
                     [&](auto hidden) { return will_be_there(std::string(hidden) + name); });
}

// `tree` is of the time before any repair, which writes into the locks that it takes.
void check_lock(const Context& context, const std::string& file, const store::TreeUse& tree,
                StoreFindings& findings) {
  const std::string path = fmt::format("{}/{}", layout::kLocks, file);
  const auto owner = owner_of_lock(file);
  if (!owner) return findings.note(path, "knaller did not make it, and leaves it alone");
  const auto& [kind, name] = *owner;
  if (will_be_used(context, kind, name, findings))
    return findings.check_access(context.home.locks(), file, path, Access::kPrivate);
  if (context.home.is_locked(kind, name)) return;
  findings.leftover(path, "the lock of what is not there", tree, [&context, kind = kind, &name = name] {
    // Its end removes the file.
    return context.home.try_lock(kind, name, "store check") && !context.home.has_any(kind, name);
  });
}

}  // namespace

bool with_lock(const Context& context, Kind kind, const std::string& name,
               const std::function<bool()>& body) {
  const bool was_there = stat_if_exists(context.home.locks(), store::lock_name(kind, name)).has_value();
  // No EntryLock: with the entry it would take the file along, which is a finding of its own.
  auto lock = LockFile::try_acquire(context.home.locks(), store::lock_name(kind, name), "store check");
  if (!lock) return false;
  const bool done = body();
  if (!was_there) lock->unlink_while_held();
  return done;
}

StoreReport check_store(const Context& context, const StoreCheckOptions& options) {
  const Deadline deadline = Deadline::never(options.stop);
  StoreFindings findings(context, options.repair);
  std::map<std::string, store::TreeUse> locks;
  for (const std::string& file : list_directory(context.home.locks()))
    locks[file] = store::look_through(context.home.locks(), file);
  findings.check_access(context.home.root(), ".", ".", Access::kFolder);
  for (const char* folder : {layout::kVms, layout::kSnapshots, layout::kImages, layout::kLocks})
    findings.check_access(context.home.root(), folder, folder, Access::kFolder);
  // First what is unfinished, then the locks of what was: on a full disk they make room.
  for (const Kind kind : store::kKinds)
    for (const std::string& entry : list_directory(context.home.folder(kind))) {
      deadline.check("the check of the store");
      check_entry(context, kind, entry, findings);
    }
  for (const auto& [file, tree] : locks)
    if (stat_if_exists(context.home.locks(), file)) check_lock(context, file, tree, findings);
  return findings.finish();
}

}  // namespace knaller::vm
