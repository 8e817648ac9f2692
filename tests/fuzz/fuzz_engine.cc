// What an engine says, which a guest may have taken over. The first byte says what follows:
//
//   'h' an answer of its HTTP API
//   'q' what QEMU says on its control socket (QMP)
//   's' a state file of knaller-qemu, whose checksum is made anew, since a changed one would let nothing
//   through
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.h"
#include "base/socket.h"
#include "firecracker/client.h"
#include "firecracker/engine_api.h"
#include "qemu/devices.h"
#include "qemu/qmp.h"
#include "qemu/state_file.h"
#include "target.h"

namespace {

using namespace knaller;  // NOLINT

constexpr size_t kMostBytes = 128 << 10;  // that a socket takes at once

template <typename Body>
void refuses(std::initializer_list<Code> codes, Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    fuzz::require(std::find(codes.begin(), codes.end(), error.code()) != codes.end(), error.what());
  }
}

// Answers every request with the same bytes.
class Engine {
 public:
  Engine() {
    char name[] = "/tmp/knaller-fuzz.XXXXXX";
    fuzz::require(::mkdtemp(name) != nullptr, "no temporary folder");
    folder_ = name;
    directory_ = open_directory(folder_);
    listener_ = listen_unix(directory_.get(), "api.sock");
    thread_ = std::thread([this] { serve(); });
  }
  ~Engine() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    std::filesystem::remove_all(folder_);
  }

  int directory() const { return directory_.get(); }
  // Before a request is sent.
  void answer_with(std::string_view answer) { answer_ = answer; }

 private:
  void serve() {
    while (true) {
      const UniqueFd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!peer) return;
      std::string request(4096, '\0');
      if (::read(peer.get(), request.data(), request.size()) <= 0) continue;
      if (::send(peer.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL) < 0) continue;
    }
  }

  std::string folder_;
  UniqueFd directory_;
  UniqueFd listener_;
  std::string_view answer_;
  std::thread thread_;
};

void read_answer(std::string_view text) {
  static Engine engine;
  engine.answer_with(text);
  const firecracker::Client client(engine.directory(), "api.sock");
  refuses({Code::kEngineDied, Code::kEngineRefused},
          [&] { client.describe(Deadline::after(std::chrono::seconds(10))); });
  firecracker::fault_message({.status = 400, .body = std::string(text)});
}

void read_qmp(std::string_view text) {
  int pair[2];
  fuzz::require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "no sockets");
  UniqueFd ours(pair[0]);
  const UniqueFd theirs(pair[1]);
  fuzz::require(
      ::send(theirs.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()),
      "a socket is full");
  ::shutdown(theirs.get(), SHUT_WR);
  qemu::Qmp qmp(std::move(ours));
  const Deadline deadline = Deadline::after(std::chrono::seconds(10));
  refuses({Code::kEngineDied, Code::kEngineRefused}, [&] {
    qmp.greet(deadline);
    qmp.execute("query-status", nlohmann::json::object(), deadline);
    qmp.await_migration(deadline);
    qmp.drain();
  });
}

void read_state(std::string_view text) {
  std::string bytes(text);
  const uint64_t crc = qemu::crc64(bytes);
  bytes.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  qemu::State state;
  if (!fuzz::refuses_well([&] { state = qemu::decode_state(bytes); })) return;
  fuzz::require(qemu::decode_state(qemu::encode_state(state)).devices == state.devices,
                "what was written is read otherwise");
  fuzz::refuses_well([&] { qemu::check_devices(state.devices); });
  fuzz::refuses_well([&] { qemu::join_devices(state.devices, state.devices); });
  refuses({Code::kCorrupt, Code::kUnsupported, Code::kInvalidArgument, Code::kEngineRefused},
          [&] { firecracker::restored_setup(state.setup, {}); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text = fuzz::text_of(data, std::min(size, kMostBytes)).substr(1);
  if (data[0] == 'h') read_answer(text);
  if (data[0] == 'q') read_qmp(text);
  if (data[0] == 's') read_state(text);
  return 0;
}
