// The way back: every step that acquires something registers its undo at once; unless commit() is called,
// they run in reverse.
#ifndef KNALLER_BASE_ROLLBACK_H_
#define KNALLER_BASE_ROLLBACK_H_

#include <exception>
#include <functional>
#include <utility>
#include <vector>

namespace knaller {

class Rollback {
 public:
  Rollback() = default;
  explicit Rollback(std::function<void()> undo) { add(std::move(undo)); }
  Rollback(const Rollback&) = delete;
  Rollback& operator=(const Rollback&) = delete;
  ~Rollback() { run(); }

  void add(std::function<void()> undo) { undos_.push_back(std::move(undo)); }
  void commit() noexcept { undos_.clear(); }
  // Runs every undo, last first. An undo that throws is skipped: the user sees the first error, and the next
  // command's sweep finds what was left behind.
  void run() noexcept {
    while (!undos_.empty()) {
      auto undo = std::move(undos_.back());
      undos_.pop_back();
      try {
        undo();
      } catch (const std::exception&) {
      }
    }
  }

 private:
  std::vector<std::function<void()>> undos_;
};

}  // namespace knaller

#endif  // KNALLER_BASE_ROLLBACK_H_
