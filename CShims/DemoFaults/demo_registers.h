/* Every register at a value known beforehand. */
#ifndef DEMO_REGISTERS_H
#define DEMO_REGISTERS_H

/* r12 carries the seed until the end. */
#define LOAD_REGISTERS  \
  "mov r12, r0\n"       \
  "add r1, r12, #1\n"   \
  "add r2, r12, #2\n"   \
  "add r3, r12, #3\n"   \
  "add r4, r12, #4\n"   \
  "add r5, r12, #5\n"   \
  "add r6, r12, #6\n"   \
  "add r7, r12, #7\n"   \
  "add r8, r12, #8\n"   \
  "add r9, r12, #9\n"   \
  "add r10, r12, #10\n" \
  "add r11, r12, #11\n" \
  "add r12, r12, #12\n"

#define NAKED __attribute__((naked, noinline, used))

/* An instruction that no core defines. */
#define UNDEFINED ".short 0xde42\n"

/* So that callers find their way back when the function itself calls or crashes below. */
#define KEEP_LR             \
  "push {r4, lr}\n"         \
  ".cfi_def_cfa_offset 8\n" \
  ".cfi_offset lr, -4\n"    \
  ".cfi_offset r4, -8\n"

#endif
