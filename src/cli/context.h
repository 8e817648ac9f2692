// What every command is given: its arguments, the settings, where to print, and the Manager, made at first
// use.
#ifndef KNALLER_CLI_CONTEXT_H_
#define KNALLER_CLI_CONTEXT_H_

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <stop_token>
#include <string>
#include <vector>

#include "cli/config.h"
#include "cli/output.h"
#include "cli/parse.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "knaller/manager.h"

namespace knaller::cli {

class Context {
 public:
  Context(const Invocation& invocation, Output& output);

  const Invocation& args() const { return invocation_; }
  Output& out() { return output_; }
  Progress& progress() { return progress_; }
  const Settings& settings() const { return settings_; }
  ManagerOptions manager_options();
  Manager& manager();

  // Asked to stop at the first Ctrl-C, SIGTERM or SIGHUP; the second ends the program.
  std::stop_token stop() { return stop_.get_token(); }
  SignalWatcher& signals() { return signals_; }
  // What the first and the second such signal do.
  void on_signal(int number);
  // Called when the second one ends the program, on the thread of the signals. One at a time; empty: nothing.
  void before_sudden_end(std::function<void()> put_back);
  // The exit code for Code::kCancelled: 128 + the signal that asked for it.
  int cancelled_code() const { return 128 + signal_.load(); }

  // Prints --timings: to standard error, or into `document` with --json.
  void show_timings();
  void add_timings(nlohmann::json& document);

 private:
  const Invocation& invocation_;
  Output& output_;
  Settings settings_;
  Progress progress_;
  std::unique_ptr<Manager> manager_;
  std::stop_source stop_;
  std::atomic<int> signal_{SIGINT};
  std::mutex put_back_mutex_;
  std::function<void()> put_back_;
  SignalWatcher signals_;
};

// The VMs named by arguments and --name, or those of `matches` with --all. Naming none is a usage error.
std::vector<std::string> named_vms(Context& context, const std::function<bool(const VmInfo&)>& matches);
// Exactly one.
std::string one_vm(Context& context);

// Does `verb` for each name, in order; prints each name that worked (or all results as one document) and each
// error. Returns the exit code of the first failure. --json shows what `verb` returns.
int for_each_name(Context& context, const std::vector<std::string>& names,
                  const std::function<nlohmann::json(const std::string&)>& verb);
// The same without printing the names that worked.
int for_each_name_quietly(Context& context, const std::vector<std::string>& names,
                          const std::function<nlohmann::json(const std::string&)>& verb);

// The same, and all results are printed as one document, with and without --json.
int document_of_each_name(Context& context, const std::vector<std::string>& names,
                          const std::function<nlohmann::json(const std::string&)>& verb);
// As for_each_name, several at a time: for verbs that mostly wait. Results are printed in the order of the
// names.
int for_all_names_at_once(Context& context, const std::vector<std::string>& names,
                          const std::function<nlohmann::json(const std::string&)>& verb);

// Rows of checks: a table, or with --json {"ok", "checks"}. False when one failed.
bool print_checks(Context& context, const std::vector<CheckRow>& rows);

// Runs `body`; a kNotFound without a hint gets the nearest of `candidates` as one.
void suggest_near(const std::string& word, const std::function<std::vector<std::string>()>& candidates,
                  const std::function<void()>& body);
void suggest_vm(Context& context, const std::string& name, const std::function<void()>& body);
void suggest_snapshot(Context& context, const std::string& id, const std::function<void()>& body);
void suggest_image(Context& context, const std::string& name, const std::function<void()>& body);

// Ctrl-C is how one leaves what goes on for ever: no error, but its exit code.
int until_cancelled(Context& context, const std::function<void()>& body);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_CONTEXT_H_
