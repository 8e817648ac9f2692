// What a guest says. The first byte says what follows: 'r' the answer to a renewal, else a tar stream that is
// unpacked.
#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "guest/renew.h"
#include "guest/tar.h"
#include "target.h"

namespace {

using namespace knaller;  // NOLINT

// A folder with one in it, into which everything goes.
class Around {
 public:
  Around() {
    // In memory, where there is such a place.
    const std::string where = std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
    path_ = where + "/knaller-fuzz.XXXXXX";
    fuzz::require(::mkdtemp(path_.data()) != nullptr, "no temporary folder");
    around_ = open_directory(path_);
  }
  ~Around() { std::filesystem::remove_all(path_); }

  UniqueFd make_target() {
    remove_tree(around_.get(), "target");
    make_directories(path_ + "/target");
    return open_directory(path_ + "/target");
  }
  void check() const {
    fuzz::require(list_directory(around_.get()) == std::vector<std::string>{"target"},
                  "something was made outside of the folder");
  }

 private:
  std::string path_;
  UniqueFd around_;
};

void unpack(std::string_view text) {
  static Around around;
  ConfinedTree tree(around.make_target());
  const guest::TarSource source = [&](char* buffer, size_t size) {
    const size_t piece = std::min(size, text.size());
    std::copy_n(text.data(), piece, buffer);
    text.remove_prefix(piece);
    return piece;
  };
  guest::CopySummary summary;
  try {
    guest::unpack_tar(source, tree, {}, summary, {});
  } catch (const Error& error) {
    // Names may be too long for the host, or be those of folders already.
    fuzz::require(error.code() != Code::kInternal, error.what());
  }
  around.check();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text = fuzz::text_of(data, size).substr(1);
  if (data[0] != 'r') {
    unpack(text);
  } else {
    guest::parse_renewal(std::string(text));
  }
  return 0;
}
