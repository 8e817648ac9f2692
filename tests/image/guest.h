// A guest of an image on plain QEMU: microvm, emulated, user-mode network with a forwarded port.
#ifndef KNALLER_TESTS_IMAGE_GUEST_H_
#define KNALLER_TESTS_IMAGE_GUEST_H_

#include <chrono>
#include <cstdint>
#include <string>

#include "base/process.h"
#include "image/image.h"

namespace knaller::image {

struct GuestOptions {
  std::string folder = {};  // for the SSH key
  std::string disk = {};    // the private disk
  std::string hostname = "web";
  bool network = true;
  std::string extra = {};  // kernel arguments
};

class Guest {
 public:
  Guest(const Image& image, const GuestOptions& options);

  // The console's text up to and with `text`; fails the test when the guest ends or is silent before.
  bool wait_for(const std::string& text, std::chrono::seconds patience = std::chrono::seconds(180));
  void press_ctrl_alt_del();
  // True when the guest ended by itself.
  bool wait_for_end();
  // What a command in the guest says; its exit code when asked for.
  std::string run(const std::string& command, const std::string& input = {}, int* exit_code = nullptr);

  const std::string& console() const { return console_; }
  std::chrono::milliseconds since_start() const;

 private:
  void send(const std::string& request);

  std::string key_file_;
  uint16_t port_ = 0;
  std::chrono::steady_clock::time_point begin_;
  UniqueFd console_pipe_;
  UniqueFd control_;
  std::string console_;
  Child qemu_;
};

}  // namespace knaller::image

#endif  // KNALLER_TESTS_IMAGE_GUEST_H_
