/* Faults with register values known beforehand, for the demo firmware and the tests that check
 * dumps against what really happened.
 *
 * In C because only assembly can say what every register holds at one instruction. */
#ifndef MARTLET_DEMO_FAULTS_H
#define MARTLET_DEMO_FAULTS_H

#include <stdint.h>

/* Each loads rN = seed + N for N in 0 to 12, but for the register that the fault itself needs
 * (named behind it), then faults. None returns. */
void demo_null_call(uint32_t seed);   /* r3 = 0: blx r3 */
void demo_bad_address(uint32_t seed); /* r3 = 0xC0000000: ldr r3, [r3] */
void demo_undefined_instruction(uint32_t seed);
void demo_divide_by_zero(uint32_t seed);   /* r3 = 0: udiv r2, r1, r3 */
void demo_unaligned_access(uint32_t seed); /* trap on; r3 = 0x00040001: ldr r2, [r3] */
void demo_execute_never(uint32_t seed);    /* r3 = 0xA0000001: bx r3 */
void demo_protected_memory(uint32_t seed); /* MPU on; r3 = the region: ldr r2, [r3] */
void demo_hard_fault(uint32_t seed);       /* interrupts masked: svc 0 */
void demo_with_floats(uint32_t seed);      /* sN = seed + 0x100 + N as bits; then undefined */

/* One instruction that a compiler cannot remove, for loops that only wait. */
void demo_wait(void);
/* Masks every interrupt but the faults (PRIMASK). */
void demo_mask_interrupts(void);

#endif
