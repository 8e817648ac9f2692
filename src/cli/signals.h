// Signals as calls on an ordinary thread: the handler only writes a byte into a pipe.
//
// One SignalWatcher at a time per process. Its callback runs on a thread of its own. The destructor restores
// what was there before and joins. Signals that were ignored stay ignored.
#ifndef KNALLER_CLI_SIGNALS_H_
#define KNALLER_CLI_SIGNALS_H_

#include <csignal>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.h"

namespace knaller::cli {

class SignalWatcher {
 public:
  using Callback = std::function<void(int number)>;

  SignalWatcher(const std::vector<int>& numbers, Callback callback);
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;
  ~SignalWatcher();

  // Watches for more signals, too.
  void add(int number);
  // From now on this is called instead; the one before is not running any more. Not from within a callback.
  void set_callback(Callback callback);

 private:
  // The handlers while they are installed, and what was there before.
  class Handlers {
   public:
    explicit Handlers(int pipe);
    Handlers(const Handlers&) = delete;
    Handlers& operator=(const Handlers&) = delete;
    ~Handlers();
    void add(int number);

   private:
    std::vector<std::pair<int, struct sigaction>> before_;
  };

  void run();

  std::mutex mutex_;
  Callback callback_;
  Pipe pipe_;
  std::optional<Handlers> handlers_;
  std::thread thread_;
};

}  // namespace knaller::cli

#endif  // KNALLER_CLI_SIGNALS_H_
