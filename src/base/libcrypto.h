// OpenSSL's libcrypto, opened when it is needed: it takes longer to load than all other libraries together,
// and few commands compute a digest or make a key. Include in .cc files only.
#ifndef KNALLER_BASE_LIBCRYPTO_H_
#define KNALLER_BASE_LIBCRYPTO_H_

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "base/library.h"

namespace knaller {

// The functions that are used, one list for the fields and for finding them.
// clang-format off
#define KNALLER_LIBCRYPTO_FUNCTIONS(USE) \
  USE(EVP_DigestFinal_ex) USE(EVP_DigestInit_ex2) USE(EVP_DigestUpdate) USE(EVP_MD_CTX_free) \
  USE(EVP_MD_CTX_new) USE(EVP_MD_fetch) USE(EVP_PKEY_Q_keygen) USE(EVP_PKEY_free) \
  USE(EVP_PKEY_get_raw_private_key) USE(EVP_PKEY_get_raw_public_key) USE(SHA256)
// clang-format on

struct LibCrypto {
  KNALLER_LIBCRYPTO_FUNCTIONS(KNALLER_LIBRARY_FUNCTION)
};

// Opens it at the first call. Any thread; throws what Library does.
const LibCrypto& libcrypto();

}  // namespace knaller

#endif  // KNALLER_BASE_LIBCRYPTO_H_
