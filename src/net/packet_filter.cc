#include "net/packet_filter.h"

#include <dlfcn.h>
#include <nftables/libnftables.h>

#include <memory>

#include "base/error.h"

namespace knaller::net {
namespace {

constexpr const char* kLibrary = "libnftables.so.1";

// libnftables, opened when it is needed and not linked: with the four libraries that it brings it would add
// 0.25 MB to every monitor's private memory and 3 to 5 ms to its start. Only the child that becomes the
// engine ever calls it, and that child opens it while pasta starts.
class Library {
 public:
  Library() : handle_(::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ != nullptr) return;
    throw Error(Code::kNotFound, fmt::format("cannot load {}: {}", kLibrary, ::dlerror()),
                "install it with: sudo apt install libnftables1");
  }

  template <typename Function>
  Function* find(const char* name) const {
    void* symbol = ::dlsym(handle_, name);
    if (symbol == nullptr) fail(Code::kUnsupported, "{} has no function '{}'", kLibrary, name);
    return reinterpret_cast<Function*>(symbol);
  }

 private:
  void* handle_;  // never closed: the process is about to execute another program
};

}  // namespace

void load_rules(const std::string& rules) {
  const Library library;
  const auto make = library.find<decltype(nft_ctx_new)>("nft_ctx_new");
  const auto buffer_error = library.find<decltype(nft_ctx_buffer_error)>("nft_ctx_buffer_error");
  const auto error_text = library.find<decltype(nft_ctx_get_error_buffer)>("nft_ctx_get_error_buffer");
  const auto run = library.find<decltype(nft_run_cmd_from_buffer)>("nft_run_cmd_from_buffer");
  const auto free = library.find<decltype(nft_ctx_free)>("nft_ctx_free");

  const std::unique_ptr<nft_ctx, decltype(free)> context(make(NFT_CTX_DEFAULT), free);
  if (!context || buffer_error(context.get()) != 0) {
    fail(Code::kExhausted, "cannot prepare libnftables: out of memory");
  }
  if (run(context.get(), rules.c_str()) == 0) return;
  throw Error(Code::kUnsupported,
              fmt::format("the kernel refused the packet filter: {}", error_text(context.get())),
              "knaller needs a kernel with nf_tables, NAT and connection tracking "
              "(modules nf_tables, nft_chain_nat, nft_masq, nft_reject_inet, nft_ct)");
}

}  // namespace knaller::net
