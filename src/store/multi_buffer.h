// Intel's multi-buffer library: SHA-256 of as many pieces at once as a processor's vector registers have
// lanes.
//
// On processors without SHA instructions that is six times as fast as OpenSSL, which hashes one after
// another. It is opened when it is needed and not linked: 12 MiB, a millisecond of every command's start.
#ifndef KNALLER_STORE_MULTI_BUFFER_H_
#define KNALLER_STORE_MULTI_BUFFER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct IMB_MGR;

namespace knaller::store {

// Used by one thread.
class MultiBuffer {
 public:
  // Nothing where the library is not installed, or is not the one whose header this was built with.
  static std::unique_ptr<MultiBuffer> open();

  // See sha256.h. Pieces may have any length below 64 KiB, except 0.
  std::string sha256_of_each(const std::vector<std::string_view>& pieces);

 private:
  using Manager = std::unique_ptr<IMB_MGR, void (*)(IMB_MGR*)>;
  explicit MultiBuffer(Manager manager) : manager_(std::move(manager)) {}

  Manager manager_;
};

}  // namespace knaller::store

#endif  // KNALLER_STORE_MULTI_BUFFER_H_
