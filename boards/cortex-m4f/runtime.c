/* The C library functions that compilers call by themselves: there is no libc on the board, and the
 * fault path needs versions that it can trust. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t length) {
  uint8_t *out = to;
  const uint8_t *in = from;
  if ((((uintptr_t)out | (uintptr_t)in) & 3) == 0) {
    for (; length >= 4; length -= 4, out += 4, in += 4) *(uint32_t *)out = *(const uint32_t *)in;
  }
  while (length-- > 0) *out++ = *in++;
  return to;
}

void *memmove(void *to, const void *from, size_t length) {
  uint8_t *out = to;
  const uint8_t *in = from;
  if (out <= in) return memcpy(to, from, length);
  while (length-- > 0) out[length] = in[length];
  return to;
}

void *memset(void *to, int value, size_t length) {
  uint8_t *out = to;
  if (((uintptr_t)out & 3) == 0) {
    uint32_t word = (uint8_t)value * 0x01010101u;
    for (; length >= 4; length -= 4, out += 4) *(uint32_t *)out = word;
  }
  while (length-- > 0) *out++ = (uint8_t)value;
  return to;
}

int memcmp(const void *a, const void *b, size_t length) {
  const uint8_t *x = a, *y = b;
  for (; length > 0; length--, x++, y++) {
    if (*x != *y) return *x - *y;
  }
  return 0;
}

void __aeabi_memcpy(void *to, const void *from, size_t length) { memcpy(to, from, length); }
void __aeabi_memcpy4(void *to, const void *from, size_t length) { memcpy(to, from, length); }
void __aeabi_memcpy8(void *to, const void *from, size_t length) { memcpy(to, from, length); }
void __aeabi_memmove(void *to, const void *from, size_t length) { memmove(to, from, length); }
void __aeabi_memmove4(void *to, const void *from, size_t length) { memmove(to, from, length); }
void __aeabi_memmove8(void *to, const void *from, size_t length) { memmove(to, from, length); }
void __aeabi_memset(void *to, size_t length, int value) { memset(to, value, length); }
void __aeabi_memset4(void *to, size_t length, int value) { memset(to, value, length); }
void __aeabi_memset8(void *to, size_t length, int value) { memset(to, value, length); }
void __aeabi_memclr(void *to, size_t length) { memset(to, 0, length); }
void __aeabi_memclr4(void *to, size_t length) { memset(to, 0, length); }
void __aeabi_memclr8(void *to, size_t length) { memset(to, 0, length); }
