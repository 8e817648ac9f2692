#include "net/packet_filter.h"

#include <nftables/libnftables.h>

#include <memory>

#include "base/error.h"
#include "base/library.h"

namespace knaller::net {
namespace {

// Not linked: with the four libraries that it brings it would add 0.25 MB to every monitor's private memory
// and 3 to 5 ms to its start. Only the child that becomes the engine ever calls it, and that child opens it
// while pasta starts.
struct Nftables {
  decltype(&::nft_ctx_new) make = nullptr;
  decltype(&::nft_ctx_buffer_error) buffer_error = nullptr;
  decltype(&::nft_ctx_get_error_buffer) error_text = nullptr;
  decltype(&::nft_run_cmd_from_buffer) run = nullptr;
  decltype(&::nft_ctx_free) free = nullptr;
};

Nftables open_nftables() {
  const Library library("libnftables.so.1", "libnftables1");
  Nftables found;
  library.find("nft_ctx_new", found.make);
  library.find("nft_ctx_buffer_error", found.buffer_error);
  library.find("nft_ctx_get_error_buffer", found.error_text);
  library.find("nft_run_cmd_from_buffer", found.run);
  library.find("nft_ctx_free", found.free);
  return found;
}

}  // namespace

void load_rules(const std::string& rules) {
  const Nftables nftables = open_nftables();
  const std::unique_ptr<nft_ctx, decltype(nftables.free)> context(nftables.make(NFT_CTX_DEFAULT),
                                                                  nftables.free);
  if (!context || nftables.buffer_error(context.get()) != 0) {
    fail(Code::kExhausted, "cannot prepare libnftables: out of memory");
  }
  if (nftables.run(context.get(), rules.c_str()) == 0) return;
  throw Error(Code::kUnsupported,
              fmt::format("the kernel refused the packet filter: {}", nftables.error_text(context.get())),
              "knaller needs a kernel with nf_tables, NAT and connection tracking "
              "(modules nf_tables, nft_chain_nat, nft_masq, nft_reject_inet, nft_ct)");
}

}  // namespace knaller::net
