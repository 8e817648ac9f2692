// What a guest's serial console tells about it, and what follows from that when its engine has ended. Pure.
//
// A guest that forges these lines fools only its own row of `knaller ls`.
#ifndef KNALLER_MONITOR_CONSOLE_H_
#define KNALLER_MONITOR_CONSOLE_H_

#include <string>
#include <string_view>

#include "base/process.h"
#include "monitor/exit_record.h"

namespace knaller::monitor {

// Lines seen so far, since the engine's start.
struct ConsoleMarkers {
  bool ready = false;     // "knaller: ready", of our images
  bool poweroff = false;  // "knaller: poweroff", of our images: the reboot that follows is an orderly end
  bool power_down =
      false;  // "reboot: Power down", "System halted": the guest has ended, a Firecracker has not
  bool panic = false;
  std::string panic_line;  // what follows "Kernel panic - not syncing: "

  // The guest has ended; an engine that doesn't notice is to be ended.
  bool guest_ended() const { return power_down || panic; }
};

class ConsoleScanner {
 public:
  // Text comes in pieces of any size. A marker is found at the start of a line, behind the kernel's time
  // stamp if there is one.
  void feed(std::string_view text);
  const ConsoleMarkers& markers() const { return markers_; }

 private:
  void inspect_line(bool whole);

  ConsoleMarkers markers_;
  std::string line_;  // the beginning of the current line
};

// The last lines of a text stream, for error messages.
class Tail {
 public:
  void feed(std::string_view text);
  // The last `count` lines that are not empty, made printable, each with a newline.
  std::string lines(size_t count) const;

 private:
  std::string text_;
};

struct EndFacts {
  ConsoleMarkers markers;
  ExitStatus status;
  bool stop_asked = false;   // by `stop`, a signal or the end of a tie
  bool stop_forced = false;  // and the monitor killed the engine for it
  std::string killed_for;    // why the monitor killed the engine otherwise; empty: it did not
};

struct Verdict {
  bool reboot = false;  // the guest rebooted by itself
  std::string state;    // "stopped" or "crashed"
  std::string reason;
};
Verdict judge(const EndFacts& facts);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_CONSOLE_H_
