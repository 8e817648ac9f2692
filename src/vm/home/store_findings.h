// What `store check` finds, and the repair of what can be repaired. With a repair, each finding is repaired
// when it is found; without, nothing is ever changed. A repair that fails is reported and stops nothing.
#ifndef KNALLER_VM_HOME_STORE_FINDINGS_H_
#define KNALLER_VM_HOME_STORE_FINDINGS_H_

#include <functional>
#include <set>
#include <string>

#include "store/layout.h"
#include "store/usage.h"
#include "vm/home/context.h"

namespace knaller::vm {

using layout::Access;

class StoreFindings {
 public:
  StoreFindings(const Context& context, bool repair);

  // Left behind, and removed by `remove`; `tree` is what goes with it. `remove` looks again, under the lock,
  // and returns false when somebody is working on it by now.
  void leftover(const std::string& path, const std::string& text, const store::TreeUse& tree,
                const std::function<bool()>& remove);
  // It was reported, and is still there.
  bool is_leftover(const std::string& path) const { return leftovers_.contains(path); }
  // Owner and mode of `name` below `dir`; ignores what is neither a file nor a folder.
  void check_access(int dir, const std::string& name, const std::string& path, Access access);
  void damage(const std::string& path, const std::string& text, const std::string& remedy);
  // Why it can't be used: damage, which `remedy` ends, or only that this user may not look at it.
  void unusable(const std::string& path, const Error& error, const std::string& remedy);
  void note(const std::string& path, const std::string& text, const std::string& remedy = {});

  StoreReport finish();

 private:
  void mendable(StoreFinding finding, const std::function<bool()>& mend);
  void check_owner(int dir, const std::string& name, const std::string& path, uid_t owner);
  void check_mode(int dir, const std::string& name, const std::string& path, mode_t mode, Access access);

  const bool repair_;
  uid_t owner_ = 0;  // of the home
  std::string home_;
  StoreReport report_;
  store::PlannedRemovals planned_;
  std::set<std::string> leftovers_;
  std::set<store::InodeId> seen_;  // a file with several names is reported once
};

}  // namespace knaller::vm

#endif  // KNALLER_VM_HOME_STORE_FINDINGS_H_
