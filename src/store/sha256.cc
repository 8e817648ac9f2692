#include "store/sha256.h"

#include "base/error.h"
#include "base/libcrypto.h"
#include "base/text.h"
#include "store/multi_buffer.h"

namespace knaller::store {
namespace {

// A restore looks at a few leaves only: opening the library would take longer than they do.
constexpr size_t kWorthItsLibrary = 6;

[[noreturn]] void fail_in_openssl() {
  fail(Code::kInternal, "OpenSSL can't compute a SHA-256");
}

}  // namespace

Sha256::Sha256() : context_(libcrypto().EVP_MD_CTX_new(), libcrypto().EVP_MD_CTX_free) {
  // Fetched once: an implicit fetch at every use costs more than hashing a small file.
  static EVP_MD* const algorithm = libcrypto().EVP_MD_fetch(nullptr, "SHA256", nullptr);
  if (context_ == nullptr || algorithm == nullptr ||
      libcrypto().EVP_DigestInit_ex2(context_.get(), algorithm, nullptr) != 1)
    fail_in_openssl();
}

void Sha256::add(std::string_view data) {
  if (libcrypto().EVP_DigestUpdate(context_.get(), data.data(), data.size()) != 1) fail_in_openssl();
}

std::string Sha256::finish() {
  std::string digest(kSha256Bytes, '\0');
  if (libcrypto().EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(digest.data()),
                                     nullptr) != 1)
    fail_in_openssl();
  return digest;
}

std::string sha256(std::string_view data) {
  Sha256 hash;
  hash.add(data);
  return hash.finish();
}

std::string sha256_hex(std::string_view data) {
  return hex(sha256(data));
}

std::string sha256_of_each(const std::vector<std::string_view>& pieces) {
  if (pieces.size() >= kWorthItsLibrary) {
    thread_local const std::unique_ptr<MultiBuffer> lanes = MultiBuffer::open();
    if (lanes) return lanes->sha256_of_each(pieces);
  }
  std::string digests;
  for (const std::string_view piece : pieces) digests += sha256(piece);
  return digests;
}

}  // namespace knaller::store
