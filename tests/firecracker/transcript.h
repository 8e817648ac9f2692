// Recorded answers of Firecracker (tests/data/firecracker), sent again to an engine.
#ifndef KNALLER_TESTS_FIRECRACKER_TRANSCRIPT_H_
#define KNALLER_TESTS_FIRECRACKER_TRANSCRIPT_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "firecracker/request.h"

namespace knaller::test {

struct Exchange {
  int number = 0;
  std::string scenario;
  bool exit = false;  // not a request: how the process ended
  firecracker::Request request;
  std::optional<int> status = std::nullopt;
  std::string reply;  // JSON
};
// `version`: a file's name without ".jsonl". The files are in `folder`.
std::vector<Exchange> load_transcript(const std::string& folder, const std::string& version);

struct Subject {
  std::string binary;
  std::vector<std::string> arguments;  // besides --api-sock
  std::string version;                 // that it reports: VERSION in the recording
  std::string kernel;                  // content of vmlinux and vmlinuz
  std::string initrd = "not looked at";
  bool vsock = true;             // can have one: without, the prepared snapshots have none
  bool compare_messages = true;  // false: statuses only, and that a refusal has a message
};

struct Difference {
  int number = 0;
  std::string what;
};
// Sends everything, a process for each scenario. `skip`: exchanges that are not sent at all.
std::vector<Difference> replay(const std::vector<Exchange>& transcript, const Subject& subject,
                               const std::function<bool(const Exchange&)>& skip = {});

// The part of a fault_message that all versions share: without positions, lists of alternatives and the last
// full stop.
std::string stable_part(const std::string& message);

}  // namespace knaller::test

#endif  // KNALLER_TESTS_FIRECRACKER_TRANSCRIPT_H_
