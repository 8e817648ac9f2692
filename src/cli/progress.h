// Shows what the library reports while it works: a line that is drawn over on terminals, one line per step
// elsewhere, nothing with --quiet or --json. Collects the timings for --timings.
//
// on_event() may be called from several threads, one at a time.
#ifndef KNALLER_CLI_PROGRESS_H_
#define KNALLER_CLI_PROGRESS_H_

#include <chrono>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "cli/output.h"
#include "cli/terminal.h"
#include "knaller/types.h"

namespace knaller::cli {

class Progress {
 public:
  Progress(Output& output, bool verbose) : output_(output), verbose_(verbose) {}

  void on_event(const Event& event);
  // Ends the line that is being drawn; before anything else is printed.
  void finish();

  using Timing = std::pair<std::string, std::chrono::microseconds>;
  const std::vector<Timing>& timings() const { return timings_; }

 private:
  using Clock = std::chrono::steady_clock;

  void step(const std::string& text);
  void progress(uint64_t done, uint64_t total);
  void draw_line(const std::string& line);
  void end_line();

  std::mutex mutex_;
  Output& output_;
  const bool verbose_;
  std::string step_;
  Clock::time_point step_began_;
  Clock::time_point drawn_at_;
  size_t drawn_width_ = 0;  // 0: no line is being drawn
  ConsoleFilter console_;
  std::vector<Timing> timings_;
};

// "[####............]  12 MiB of 40 MiB  5.1 MiB/s"; without a bar when the total is not known.
std::string progress_text(uint64_t done, uint64_t total, std::chrono::duration<double> elapsed);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_PROGRESS_H_
