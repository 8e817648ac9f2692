// What Firecracker 1.16.1 answered to the recorded requests, and what knaller-qemu answers. The differences
// that remain are listed here, each with its reason.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "live_test.h"
#include "transcript.h"

namespace knaller::test {
namespace {

class Replay : public LiveTest {};

struct Known {
  const char* request;  // "scenario METHOD path" or a beginning of it
  const char* answer;   // part of what is different
  const char* reason;
};
constexpr Known kKnown[] = {
    {"preboot PUT /vsock", "no vsock device",
     "QEMU's vsock needs the host's vhost-vsock, which a jail does not have"},
    {"running PUT /vsock", "no vsock device", "the same"},
    {"running GET /vm/config", "\"vsock\":null", "the same"},
    {"load_ok GET /vm/config", "\"vsock\":null",
     "the same: a snapshot of knaller-qemu holds no vsock device"},
    {"load_resume GET /vm/config", "\"vsock\":null", "the same"},
    {"load_vsock_override PUT /snapshot/load", "Unknown Vsock Device", "the same"},
    {"load_vsock_override GET /", "", "a load that is refused ends the engine"},
    {"load_vsock_override EXIT", "exit code 1", "the same"},
    {"preboot PUT /balloon", "no balloon device",
     "a balloon would punch holes into the memory that clones share"},
    {"preboot GET /balloon", "No balloon device found", "the same"},
};

bool is_known(const Difference& difference) {
  for (const Known& known : kKnown) {
    if (difference.what.starts_with(known.request) && difference.what.find(known.answer) != std::string::npos)
      return true;
  }
  return false;
}

TEST_F(Replay, AnswersAsFirecrackerDid) {
  const auto transcript = load_transcript(KNALLER_TEST_DATA "/firecracker", "1.16.1");
  Subject subject;
  subject.binary = KNALLER_QEMU;
  subject.arguments = {"--accel", "tcg", "--log-path", "log"};
  subject.version = "1.16.1";
  subject.kernel = read_file(guest_files() + "/bzImage", 64 << 20);
  subject.initrd = read_file(guest_files() + "/initramfs", 64 << 20);
  subject.vsock = false;
  for (const Difference& difference : replay(transcript, subject)) {
    if (!is_known(difference)) ADD_FAILURE() << "line " << difference.number << ": " << difference.what;
  }
}

}  // namespace
}  // namespace knaller::test
