// SHA-256: of a text, of bytes that come one after another, and of many pieces at once.
#ifndef KNALLER_STORE_SHA256_H_
#define KNALLER_STORE_SHA256_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct evp_md_ctx_st;

namespace knaller::store {

inline constexpr size_t kSha256Bytes = 32;

class Sha256 {
 public:
  Sha256();
  void add(std::string_view data);
  // kSha256Bytes bytes; nothing can be added any more.
  std::string finish();

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

std::string sha256(std::string_view data);
std::string sha256_hex(std::string_view data);  // 64 lower-case digits

// The digests of the pieces, concatenated. A processor computes those of up to sixteen equally long pieces,
// each shorter than 64 KiB, in the time of a few: with Intel's multi-buffer library, where it is installed.
// Any thread.
std::string sha256_of_each(const std::vector<std::string_view>& pieces);

}  // namespace knaller::store

#endif  // KNALLER_STORE_SHA256_H_
