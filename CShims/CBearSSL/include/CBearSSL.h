/* The constant-time primitives that the device's sealing takes from BearSSL.
 *
 * BearSSL's own headers want a C library, which no firmware has, so they stay behind this one. No
 * function here allocates, reads a clock or asks for random bytes; each takes a bounded time that
 * does not depend on its secrets, and erases the stack that it had them on. */
#ifndef MARTLET_CBEARSSL_H
#define MARTLET_CBEARSSL_H

#include <stddef.h>
#include <stdint.h>

/* HMAC-SHA-256 (RFC 2104) under way. */
struct martlet_hmac {
  uint64_t state[35];
};

/* Begins, feeds and ends a MAC of 32 bytes. The end erases the state. */
void martlet_hmac_begin(struct martlet_hmac *hmac, const void *key, size_t length);
void martlet_hmac_update(struct martlet_hmac *hmac, const void *bytes, size_t length);
void martlet_hmac_end(struct martlet_hmac *hmac, void *mac);

/* X25519 (RFC 7748): 32 bytes each. `base` multiplies the base point. */
void martlet_x25519(const void *scalar, const void *point, void *product);
void martlet_x25519_base(const void *scalar, void *product);

/* Whether 64 bytes, r then s, are an ECDSA signature over SHA-256 of the message (FIPS 186-5) under
 * a key of P-256, 64 bytes, x then y; a key that is no point of the curve signs nothing. All
 * numbers are big endian. */
int martlet_p256_verify(const void *signature, const void *message, size_t length, const void *key);

/* ChaCha20-Poly1305 (RFC 8439): encrypts in place and stores the tag of 16 bytes. The key has 32
 * bytes, the nonce 12. */
void martlet_chachapoly_seal(const void *key, const void *nonce, void *bytes, size_t length,
                             const void *associated, size_t associated_length, void *tag);

/* Stores zeros, whatever the compiler knows of who reads them. */
void martlet_erase(void *bytes, size_t length);

/* Stores zeros over the stack below the caller, where a whole key exchange left what it worked on:
 * so many bytes, which an exchange with its callers takes as well. */
#define MARTLET_EXCHANGE_STACK 3072
void martlet_erase_exchange(void);

#endif
