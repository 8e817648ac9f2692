// fake_firecracker: Firecracker's command line and API on a real socket, without a VM behind it, and with
// scripted faults. See fake_script.h for the script.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "fake_machine.h"
#include "fake_script.h"
#include "firecracker/engine_api.h"
#include "firecracker/engine_options.h"
#include "firecracker/server.h"

namespace knaller::fake {
namespace {

using firecracker::HttpRequest;
using firecracker::HttpResponse;

[[noreturn]] void hang() {
  while (true) ::pause();
}

// What an engine may do to the files in its own directory that others are about to read.
void swap_file(const std::string& name, const std::string& other) {
  if (other == "short") {
    if (::truncate(name.c_str(), 4096) != 0) fail_errno("shorten '{}'", name);
    return;
  }
  remove_tree(AT_FDCWD, name);
  int result = 0;
  if (other == "fifo") result = ::mkfifo(name.c_str(), 0600);
  if (other == "link") result = ::symlink("/etc/passwd", name.c_str());
  if (other == "directory") result = ::mkdir(name.c_str(), 0700);
  if (result != 0) fail_errno("put a {} in the place of '{}'", other, name);
}

void fill_disk(const std::string& name) {
  const UniqueFd file = open_at(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC);
  for (const std::string zeros(64 << 10, '\0'); ::write(file.get(), zeros.data(), zeros.size()) > 0;) {
  }
}

class Fake {
 public:
  Fake(Script script, const firecracker::EngineOptions& options)
      : script_(std::move(script)),
        machine_(script_.guest),
        api_(machine_, {options.id, firecracker::parse_version(script_.version), options.enable_pci}) {
    if (!options.log_path.empty() || !options.level.empty()) api_.set_logger(options.log_path, options.level);
    if (!options.metrics_path.empty()) api_.set_metrics(options.metrics_path);
    api_.log(fmt::format("Running Firecracker v{}", script_.version));
    if (!options.config_file.empty()) api_.apply_config_file(read_file(options.config_file));
  }

  int run(int listener) {
    firecracker::serve(
        listener, [this](const HttpRequest& request) { return answer(request); }, {}, machine_.watches());
    const int code = api_.load_failed() ? 1 : exit_code_;
    api_.log(fmt::format("Firecracker exiting. exit_code={}", code));
    return code;
  }

 private:
  HttpResponse answer(const HttpRequest& request) {
    Rule* rule = script_.match(request);
    if (rule == nullptr) return api_.handle(request);
    std::this_thread::sleep_for(rule->delay);
    if (rule->die == "before") ::_exit(rule->exit_code);
    if (rule->hang == "before") hang();
    if (!rule->fill.empty()) fill_disk(rule->fill);
    HttpResponse response = rule->status ? HttpResponse{*rule->status, rule->body} : api_.handle(request);
    if (rule->die == "unanswered") ::_exit(rule->exit_code);
    if (rule->late_frame) machine_.take_frame();
    if (rule->late_write) machine_.write_disk();
    if (!rule->swap.empty()) swap_file(rule->swap, rule->swap_for);
    if (rule->hang == "after") hang();
    return spoil(std::move(response), *rule);
  }

  HttpResponse spoil(HttpResponse response, const Rule& rule) {
    const std::string proper = firecracker::render(response);
    if (rule.truncate) response.raw = {proper.substr(0, *rule.truncate), true};
    if (rule.write_short) response.raw = {proper.substr(0, *rule.write_short), false};
    if (!rule.garbage.empty()) response.raw = {rule.garbage, true};
    if (rule.twice) response.raw = {proper + proper, false};
    if (rule.die == "after") {
      response.last = true;
      exit_code_ = rule.exit_code;
    }
    return response;
  }

  Script script_;
  FakeMachine machine_;
  firecracker::EngineApi api_;
  int exit_code_ = 0;
};

int run(const std::vector<std::string>& arguments) {
  const auto options = firecracker::parse_engine_options(arguments, {"script"});
  const auto own = options.own.find("script");
  const Script script = load_script(own == options.own.end() ? "" : own->second);
  if (options.version) {
    fmt::print("Firecracker v{}\n\n", script.version);
    return 0;
  }
  if (options.snapshot_version) {
    fmt::print("v{}\n", script.state_version);
    return 0;
  }
  if (options.help) {
    fmt::print("fake_firecracker {}: takes Firecracker's options, and --script\n", script.version);
    return 0;
  }
  Fake fake(script, options);
  const UniqueFd listener = options.no_api ? UniqueFd() : firecracker::listen_api_socket(options.api_sock);
  return fake.run(listener.get());
}

}  // namespace
}  // namespace knaller::fake

int main(int argc, char** argv) {
  // A console that nobody reads ends no engine.
  ::signal(SIGPIPE, SIG_IGN);
  try {
    return knaller::fake::run({argv + 1, argv + argc});
  } catch (const knaller::Error& error) {
    fmt::print(stderr, "fake_firecracker: {}\n", error.what());
    return error.code() == knaller::Code::kInvalidArgument ? knaller::firecracker::kExitBadArguments : 1;
  }
}
