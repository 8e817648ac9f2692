#include "store/multi_buffer.h"

// Else it declares names that OpenSSL has, too.
#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>

#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/library.h"
#include "store/sha256.h"

namespace knaller::store {
namespace {

constexpr const char* kLibrary = "libIPSec_MB.so.1";

struct Functions {
  decltype(&::alloc_mb_mgr) make = nullptr;
  decltype(&::free_mb_mgr) free = nullptr;
  decltype(&::init_mb_mgr_auto) choose_instructions = nullptr;
};

// Nothing where digests have to be made without it.
std::optional<Functions> open_library() {
  try {
    const Library library(kLibrary, "libipsec-mb1");
    decltype(&::imb_get_version_str) version = nullptr;
    library.find("imb_get_version_str", version);
    // What its macros reach into differs between versions of one soname.
    if (std::strcmp(version(), IMB_VERSION_STR) != 0) return std::nullopt;
    Functions found;
    library.find("alloc_mb_mgr", found.make);
    library.find("free_mb_mgr", found.free);
    library.find("init_mb_mgr_auto", found.choose_instructions);
    return found;
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound && error.code() != Code::kUnsupported) throw;
    return std::nullopt;
  }
}

void describe(IMB_JOB& job, std::string_view piece, char* digest) {
  job = {};
  job.cipher_mode = IMB_CIPHER_NULL;
  job.cipher_direction = IMB_DIR_ENCRYPT;
  job.chain_order = IMB_ORDER_HASH_CIPHER;
  job.hash_alg = IMB_AUTH_SHA_256;
  job.src = reinterpret_cast<const uint8_t*>(piece.data());
  job.msg_len_to_hash_in_bytes = piece.size();
  job.auth_tag_output = reinterpret_cast<uint8_t*>(digest);
  job.auth_tag_output_len_in_bytes = kSha256Bytes;
}

}  // namespace

std::unique_ptr<MultiBuffer> MultiBuffer::open() {
  static const std::optional<Functions> library = open_library();
  if (!library) return {};
  Manager manager(library->make(0), library->free);
  if (!manager) return {};
  IMB_ARCH chosen = IMB_ARCH_NONE;
  library->choose_instructions(manager.get(), &chosen);
  if (chosen == IMB_ARCH_NONE || manager->imb_errno != 0) return {};
  return std::unique_ptr<MultiBuffer>(new MultiBuffer(std::move(manager)));
}

std::string MultiBuffer::sha256_of_each(const std::vector<std::string_view>& pieces) {
  std::string digests(pieces.size() * kSha256Bytes, '\0');
  IMB_MGR* const manager = manager_.get();
  size_t done = 0;
  const auto count = [&](const IMB_JOB* job) { done += job->status == IMB_STATUS_COMPLETED; };
  for (size_t at = 0; at < pieces.size(); ++at) {
    IMB_JOB* job = IMB_GET_NEXT_JOB(manager);
    describe(*job, pieces[at], digests.data() + at * kSha256Bytes);
    for (job = IMB_SUBMIT_JOB(manager); job != nullptr; job = IMB_GET_COMPLETED_JOB(manager)) count(job);
  }
  while (const IMB_JOB* job = IMB_FLUSH_JOB(manager)) count(job);
  if (done != pieces.size()) fail(Code::kInternal, "{} can't compute a SHA-256", kLibrary);
  return digests;
}

}  // namespace knaller::store
