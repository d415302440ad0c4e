/* CRC-32C by the instruction of SSE 4.2 (Intel 64 and IA-32 Architectures Software Developer's
 * Manual, CRC32). */
#include "host_crc.h"

#if defined(__x86_64__)

#include <nmmintrin.h>
#include <string.h>

bool martlet_has_crc32c(void) { return __builtin_cpu_supports("sse4.2"); }

__attribute__((target("sse4.2"))) uint32_t martlet_crc32c(uint32_t state, const void *bytes,
                                                          size_t count) {
  const uint8_t *at = bytes;
  uint64_t crc = state;
  for (; count >= sizeof(uint64_t); count -= sizeof(uint64_t), at += sizeof(uint64_t)) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    crc = _mm_crc32_u64(crc, word);
  }
  for (; count > 0; count--, at++) crc = _mm_crc32_u8((uint32_t)crc, *at);
  return (uint32_t)crc;
}

#else

bool martlet_has_crc32c(void) { return false; }

uint32_t martlet_crc32c(uint32_t state, const void *bytes, size_t count) {
  (void)bytes;
  (void)count;
  return state;
}

#endif
