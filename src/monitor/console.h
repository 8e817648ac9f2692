// What a guest's serial console says about it, and what follows from that when its engine has ended. Pure.
//
// Whoever can write to the console can write these lines: they are hints. Nothing is ended because of one;
// what a line says is looked at where that can be seen (HaltWatch), and is believed as the reason of an end
// only when the engine has ended just then.
#ifndef KNALLER_MONITOR_CONSOLE_H_
#define KNALLER_MONITOR_CONSOLE_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/process.h"
#include "monitor/exit_record.h"

namespace knaller::monitor {

// What the console said last, since the engine's start. The kernel's words count with its time stamp only.
// When the guest goes on to say something without the kernel's stamp, it takes back all but `ready` and
// `times_halted`; with "reboot: Restarting system" it keeps `poweroff`, too.
struct ConsoleMarkers {
  bool ready = false;         // "knaller: ready", of our images
  bool poweroff = false;      // "knaller: poweroff", of our images: the reboot that follows is an orderly end
  bool halted = false;        // "reboot: Power down", "reboot: System halted"
  unsigned times_halted = 0;  // how often that was said, believed or not
  std::string panic_line = {};  // "Kernel panic - not syncing: …", from its colon on; empty: no panic

  std::string cannot =
      {};  // "knaller: cannot …", of our images' boot, which ends in a panic then; empty: it could

  bool operator==(const ConsoleMarkers&) const = default;
};

class ConsoleScanner {
 public:
  // Text comes in pieces of any size. A marker is found at the start of a line, the kernel's behind its
  // stamp.
  void feed(std::string_view text);
  const ConsoleMarkers& markers() const { return markers_; }

 private:
  void inspect_line();

  ConsoleMarkers markers_;
  std::string line_;  // the beginning of the current line
};

// The last lines of a text stream, for error messages.
class Tail {
 public:
  void feed(std::string_view text);
  // The last `count` lines that are not empty, made printable, each with a newline.
  std::string lines(size_t count) const;
  const std::string& text() const { return text_; }  // some kilobytes

 private:
  std::string text_;
};

struct EndFacts {
  ConsoleMarkers markers;
  ExitStatus status;
  bool stop_asked = false;    // by `stop`, a signal or the end of a tie
  bool stop_forced = false;   // and the monitor killed the engine for it
  bool stands_still = false;  // the guest's processors do, for good, and the monitor killed the engine for it
  bool out_of_memory = false;  // the kernel ended it for that, within its control group
  std::string killed_for;      // why the monitor killed the engine otherwise; empty: it did not
};

struct Verdict {
  bool reboot = false;  // the guest rebooted by itself
  EndState state = EndState::kStopped;
  std::string reason;
};
Verdict judge(const EndFacts& facts);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_CONSOLE_H_
