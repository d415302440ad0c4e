/* The C library functions that compilers call by themselves: there is no libc on the board, and the
 * fault path needs versions that it can trust. */
#include <stddef.h>
#include <stdint.h>

#include "martlet_hal.h"

#define ALIAS(of) __attribute__((alias(#of)))
#define SMALL __attribute__((noinline, minsize))

SMALL void *memcpy(void *restrict to, const void *restrict from, size_t length) {
  uint8_t *out = to;
  const uint8_t *in = from;
  if ((((uintptr_t)out | (uintptr_t)in) & 3) == 0) {
    /* Dumps are copied through here: four words at a time. */
    for (; length >= 16; length -= 16) {
      __asm volatile("ldmia %0!, {r3-r6}\n\tstmia %1!, {r3-r6}"
                     : "+r"(in), "+r"(out)::"r3", "r4", "r5", "r6", "memory");
    }
    for (; length >= 4; length -= 4, out += 4, in += 4) *(uint32_t *)out = *(const uint32_t *)in;
  }
  while (length-- > 0) *out++ = *in++;
  return to;
}

SMALL void *memmove(void *to, const void *from, size_t length) {
  uint8_t *out = to;
  const uint8_t *in = from;
  if ((uintptr_t)out - (uintptr_t)in >= length) return memcpy(to, from, length);
  while (length-- > 0) out[length] = in[length];
  return to;
}

SMALL void __aeabi_memset(void *to, size_t length, int value) {
  uint8_t *out = to;
  if (((uintptr_t)out & 3) == 0) {
    uint32_t word = (uint8_t)value * 0x01010101u;
    for (; length >= 16; length -= 16, out += 16) {
      ((uint32_t *)out)[0] = ((uint32_t *)out)[1] = word;
      ((uint32_t *)out)[2] = ((uint32_t *)out)[3] = word;
    }
    for (; length >= 4; length -= 4, out += 4) *(uint32_t *)out = word;
  }
  while (length-- > 0) *out++ = (uint8_t)value;
}

void __aeabi_memclr(void *to, size_t length) { __aeabi_memset(to, length, 0); }

SMALL void *memset(void *to, int value, size_t length) {
  __aeabi_memset(to, length, value);
  return to;
}

SMALL int memcmp(const void *a, const void *b, size_t length) {
  const uint8_t *x = a, *y = b;
  for (; length > 0; length--, x++, y++) {
    if (*x != *y) return *x - *y;
  }
  return 0;
}

/* The variants for aligned memory are the same code, in the same bytes. */
void __aeabi_memcpy(void *to, const void *from, size_t length) ALIAS(memcpy);
void __aeabi_memcpy4(void *to, const void *from, size_t length) ALIAS(memcpy);
void __aeabi_memcpy8(void *to, const void *from, size_t length) ALIAS(memcpy);
void __aeabi_memmove(void *to, const void *from, size_t length) ALIAS(memmove);
void __aeabi_memmove4(void *to, const void *from, size_t length) ALIAS(memmove);
void __aeabi_memmove8(void *to, const void *from, size_t length) ALIAS(memmove);
void __aeabi_memset4(void *to, size_t length, int value) ALIAS(__aeabi_memset);
void __aeabi_memset8(void *to, size_t length, int value) ALIAS(__aeabi_memset);
void __aeabi_memclr4(void *to, size_t length) ALIAS(__aeabi_memclr);
void __aeabi_memclr8(void *to, size_t length) ALIAS(__aeabi_memclr);

/* C's way to die, and a stack protector's; both are in the image only when something uses them.
 * Naked, so that registers, stack and caller are those of the crash. */
__attribute__((naked, noreturn)) void abort(void) {
  __asm volatile("udf %[trap]\n" : : [trap] "i"(MARTLET_TRAP_ABORT));
}

__attribute__((naked, noreturn)) void __stack_chk_fail(void) {
  __asm volatile("udf %[trap]\n" : : [trap] "i"(MARTLET_TRAP_ABORT));
}
