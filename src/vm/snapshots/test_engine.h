// For tests: an engine inside this process. It answers on the jail's API socket, as Firecracker would, and
// memory of this process stands for its guest's.
#ifndef KNALLER_VM_SNAPSHOTS_TEST_ENGINE_H_
#define KNALLER_VM_SNAPSHOTS_TEST_ENGINE_H_

#include <fcntl.h>

#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "base/socket.h"
#include "firecracker/server.h"
#include "store/layout.h"

namespace knaller::vm {

class TestEngine {
 public:
  // What it does when it is asked to save its guest; set before, for the server's thread reads it.
  struct Script {
    std::string state = "state of the devices";
    // What it writes as the guest's memory, when it is asked for that.
    std::function<std::string()> memory = [] { return std::string(); };
    // Runs after the state was written, on each save: what an engine that does not keep still would do.
    std::function<void(int save)> on_save = [](int) {};
    std::optional<firecracker::HttpResponse> refusal = std::nullopt;
  };

  TestEngine(int jail, Script script)
      : jail_(jail),
        script_(std::move(script)),
        listener_(listen_unix(jail, layout::kApiSocket)),
        thread_([this](const std::stop_token& stop) {
          firecracker::serve(
              listener_.get(), [this](const auto& request) { return answer(request); }, stop);
        }) {}

  // Of each kind; for after a save.
  int states_saved() const { return saves_; }
  int memories_saved() const { return memories_; }

 private:
  firecracker::HttpResponse answer(const firecracker::HttpRequest& request) {
    if (request.target != "/snapshot/create")
      return firecracker::fault_response("it knows no " + request.target);
    if (script_.refusal) return *script_.refusal;
    const Json body = parse_json(request.body, "the request");
    write(body.at("snapshot_path"), script_.state);
    script_.on_save(++saves_);
    const std::string memory = body.at("mem_file_path");
    if (memory == ".")
      return firecracker::fault_response("Cannot open memory file: Is a directory (os error 21)");
    ++memories_;
    write(memory, script_.memory());
    return {};
  }

  void write(const std::string& name, const std::string& content) const {
    const UniqueFd file = open_at(jail_, name, O_WRONLY | O_CREAT | O_TRUNC);
    write_all(file.get(), content, name);
  }

  int jail_;
  Script script_;
  int saves_ = 0;
  int memories_ = 0;
  UniqueFd listener_;
  std::jthread thread_;
};

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_TEST_ENGINE_H_
