/* An application gone mad: noise over all of its memory, then death in a way that the seed chooses.
 */
#include "demo_registers.h"
#include "martlet_demo_faults.h"

#if defined(__arm__)

/* xorshift32 (Marsaglia 2003) on r0. */
#define NOISE                 \
  "eor r0, r0, r0, lsl #13\n" \
  "eor r0, r0, r0, lsr #17\n" \
  "eor r0, r0, r0, lsl #5\n"

/* Registers alone: its own stack goes, too. From above the main stack's guard to the end of what
 * an application may write, or, with bit 3 of the seed, to the end of all memory. */
NAKED void demo_scribble(uint32_t seed) {
  __asm volatile(
      "and r4, r0, #7\n"
      "orr r0, r0, #0x80000000\n" /* xorshift stays at zero */
      "ldr r1, =martlet_stack_bottom + 32\n"
      "ldr r2, =martlet_app_ram_end\n"
      "tst r0, #8\n"
      "it ne\n"
      "ldrne r2, =martlet_ram_end\n"
      "1:\n" NOISE
      "str r0, [r1], #4\n"
      "cmp r1, r2\n"
      "bne 1b\n"
      "tbb [pc, r4]\n"
      "2:\n"
      ".byte (10f - 2b) / 2, (11f - 2b) / 2, (12f - 2b) / 2, (13f - 2b) / 2\n"
      ".byte (14f - 2b) / 2, (15f - 2b) / 2, (16f - 2b) / 2, (17f - 2b) / 2\n"
      /* Jumps to noise. */
      "10: bx r0\n"
      /* Returns through noise. */
      "11: pop {r5, r6, r7, pc}\n"
      /* Takes noise for a stack. */
      "12: mov sp, r0\n"
      "push {r5, r6}\n" UNDEFINED "13:" UNDEFINED
      /* Stores through noise until that fails. */
      "14:" NOISE
      "str r1, [r0]\n"
      "b 14b\n"
      /* Divides by zero. */
      "15: mov r3, #0\n"
      "isb\n"
      "udiv r2, r1, r3\n"
      /* Follows a list of noise, and writes behind each entry. */
      "16: ldr r3, [r0]\n"
      "str r0, [r0, #4]\n"
      "mov r0, r3\n"
      "b 16b\n"
      /* Executes noise. */
      "17: ubfx r3, r0, #3, #17\n"
      "ldr r5, =martlet_stack_bottom + 33\n"
      "add r3, r3, r5\n"
      "orr r3, r3, #1\n"
      "bx r3\n");
}

#endif
