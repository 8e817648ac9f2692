// What every verb needs: the home, knaller's other programs, and where to report what happens.
#ifndef KNALLER_VM_HOME_CONTEXT_H_
#define KNALLER_VM_HOME_CONTEXT_H_

#include <chrono>
#include <string>
#include <utility>

#include "knaller/manager.h"
#include "store/home.h"

namespace knaller::vm {

struct Context {
  store::Home home;
  std::string libexec;  // knaller-monitor, the engines of knaller's own, and the guest's files
  std::string pasta;    // empty: found on PATH
  EventSink sink;

  std::string program(const std::string& name) const { return libexec + "/" + name; }

  void tell(Event event) const {
    if (sink) sink(event);
  }
  void step(std::string text) const { tell({.kind = EventKind::kStep, .text = std::move(text)}); }
  void note(std::string text) const { tell({.kind = EventKind::kNote, .text = std::move(text)}); }
  void timing(std::string phase, std::chrono::microseconds duration) const {
    tell({.kind = EventKind::kTiming, .text = std::move(phase), .duration = duration});
  }
};

// Reports how long a part of the work took, when it goes out of scope.
class PhaseTimer {
 public:
  PhaseTimer(const Context& context, std::string phase) : context_(context), phase_(std::move(phase)) {}
  PhaseTimer(const PhaseTimer&) = delete;
  PhaseTimer& operator=(const PhaseTimer&) = delete;
  ~PhaseTimer() {
    if (context_.sink)
      context_.timing(phase_, std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began_));
  }

 private:
  using Clock = std::chrono::steady_clock;
  const Context& context_;
  std::string phase_;
  Clock::time_point began_ = Clock::now();
};

}  // namespace knaller::vm

#endif  // KNALLER_VM_HOME_CONTEXT_H_
