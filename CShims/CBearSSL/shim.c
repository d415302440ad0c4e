/* Hands BearSSL's primitives to Swift, each with the implementation that suits a Cortex-M4. */
#if !__has_include("source/inc/bearssl.h")
#error "BearSSL's sources are not here: run scripts/bearssl once, with a network, and build again"
#else
#include "CBearSSL.h"

#include <string.h>

#include "source/inc/bearssl.h"

_Static_assert(sizeof(br_hmac_context) <= sizeof(struct martlet_hmac), "an HMAC has room");
_Static_assert(_Alignof(br_hmac_context) <= _Alignof(struct martlet_hmac), "and is aligned");

void martlet_erase(void *bytes, size_t length) {
  memset(bytes, 0, length);
  /* Says that these bytes are read, so that the zeros have to be there. */
  __asm__ volatile("" : : "r"(bytes) : "memory");
}

/* Functions that erase the stack below their caller, where BearSSL's left what they worked on. The
 * sizes are what those take on a Cortex-M4, as clang's -fstack-usage tells, or a few bytes less:
 * what nobody used is not touched, as a guard may lie there. */
#define ERASES_STACK(name, size)                     \
  __attribute__((noinline)) static void name(void) { \
    uint8_t below[size];                             \
    martlet_erase(below, sizeof below);              \
  }
ERASES_STACK(erase_after_key, 960)
ERASES_STACK(erase_after_mac, 768)
ERASES_STACK(erase_after_product, 992)
ERASES_STACK(erase_after_sealing, 384)

__attribute__((noinline)) void martlet_erase_exchange(void) {
  uint8_t below[MARTLET_EXCHANGE_STACK];
  martlet_erase(below, sizeof below);
}

void martlet_hmac_begin(struct martlet_hmac *hmac, const void *key, size_t length) {
  br_hmac_key_context prepared;
  br_hmac_key_init(&prepared, &br_sha256_vtable, key, length);
  br_hmac_init((br_hmac_context *)hmac, &prepared, 0);
  martlet_erase(&prepared, sizeof prepared);
  erase_after_key();
}

void martlet_hmac_update(struct martlet_hmac *hmac, const void *bytes, size_t length) {
  br_hmac_update((br_hmac_context *)hmac, bytes, length);
}

void martlet_hmac_end(struct martlet_hmac *hmac, void *mac) {
  br_hmac_out((br_hmac_context *)hmac, mac);
  martlet_erase(hmac, sizeof *hmac);
  erase_after_mac();
}

void martlet_x25519(const void *scalar, const void *point, void *product) {
  memmove(product, point, 32);
  br_ec_c25519_m31.mul(product, 32, scalar, 32, BR_EC_curve25519);
  erase_after_product();
}

void martlet_x25519_base(const void *scalar, void *product) {
  br_ec_c25519_m31.mulgen(product, scalar, 32, BR_EC_curve25519);
  erase_after_product();
}

int martlet_p256_verify(const void *signature, const void *message, size_t length,
                        const void *key) {
  uint8_t point[65] = {4};
  memcpy(point + 1, key, 64);
  const br_ec_public_key public_key = {BR_EC_secp256r1, point, sizeof point};

  uint8_t hash[br_sha256_SIZE];
  br_sha256_context sha256;
  br_sha256_init(&sha256);
  br_sha256_update(&sha256, message, length);
  br_sha256_out(&sha256, hash);
  return br_ecdsa_i31_vrfy_raw(&br_ec_p256_m31, hash, sizeof hash, &public_key, signature, 64) == 1;
}

/* The multiplications of `ctmul` give 64 bits, in the same time for all operands on a Cortex-M4. */
void martlet_chachapoly_seal(const void *key, const void *nonce, void *bytes, size_t length,
                             const void *associated, size_t associated_length, void *tag) {
  br_poly1305_ctmul_run(key, nonce, bytes, length, associated, associated_length, tag,
                        br_chacha20_ct_run, 1);
  erase_after_sealing();
}
#endif
