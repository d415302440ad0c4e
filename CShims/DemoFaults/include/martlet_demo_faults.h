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
void demo_divide_by_zero(uint32_t seed);    /* r3 = 0: udiv r2, r1, r3 */
void demo_unaligned_access(uint32_t seed);  /* trap on; r3 = 0x00040001: ldr r2, [r3] */
void demo_execute_never(uint32_t seed);     /* r3 = 0xA0000001: bx r3 */
void demo_protected_memory(uint32_t seed);  /* MPU on; r3 = the region: ldr r2, [r3] */
void demo_hard_fault(uint32_t seed);        /* interrupts masked: svc 0 */
void demo_with_floats(uint32_t seed);       /* sN = seed + 0x100 + N as bits; then undefined */
void demo_write_code(uint32_t seed);        /* r3 = its own address: str r2, [r3] */
void demo_unmapped_code(uint32_t seed);     /* r3 = 0x10000001: bx r3 */
void demo_execute_ram(uint32_t seed);       /* r3 = demo_secret + 1: bx r3 */
void demo_late_bus_error(uint32_t seed);    /* r3 = SHCSR, r2 = what is stored there */
void demo_no_coprocessor(uint32_t seed);    /* floating point off: vmov s0, r0 */
void demo_abort(uint32_t seed);             /* bl abort */
void demo_broken_fault_path(uint32_t seed); /* fault path faults; then undefined */
void demo_stuck_fault_path(uint32_t seed);  /* fault path hangs; then undefined */

/* 4 KiB of the application's own, filled with numbers that follow from the seed. */
#define DEMO_MARKER_WORDS 1024
uint32_t demo_marker_address(void);
void demo_fill_marker(uint32_t seed);

/* The main stack, and a thread's of 512 bytes, overflow. */
void demo_recurse(uint32_t seed);         /* push {r4, r5, r6, lr} for ever */
void demo_large_frame(uint32_t seed);     /* 32 KiB further down: str r0, [sp] */
void demo_thread_overflow(uint32_t seed); /* as demo_recurse, on the process stack */

/* Stack pointers that lie: each executes an undefined instruction with the pointer in place. */
typedef enum demo_wild_stack {
  DEMO_STACK_UNMAPPED,
  DEMO_STACK_BOTTOM,
  DEMO_STACK_UNALIGNED,
  DEMO_STACK_CODE,
  DEMO_STACK_NOR,
} demo_wild_stack;
uint32_t demo_wild_address(demo_wild_stack which, int of_thread);
void demo_main_stack_at(uint32_t seed, uint32_t sp);
void demo_thread_stack_at(uint32_t seed, uint32_t sp);

/* Around handler mode. */
void demo_fault_in_handler(uint32_t seed);     /* undefined, in PendSV's handler */
void demo_bad_exception_return(uint32_t seed); /* out of PendSV's handler to no mode there is */
void demo_unhandled_interrupt(uint32_t seed);  /* interrupt 40 */
void demo_unhandled_call(uint32_t seed);       /* svc 0 */

/* Resets, and crashes as demo_undefined_instruction at that moment of the next boot. */
typedef enum demo_moment {
  DEMO_FIRST_INSTRUCTION = 1,
  DEMO_BEFORE_MAIN = 2,
  DEMO_PAINTED = 3,
} demo_moment;
void demo_crash_at(demo_moment moment, uint32_t seed);

/* Fills the main stack below its frame with a pattern, then executes an undefined instruction. The
 * next boot knows how many bytes below the exception frame were painted, and how many of them
 * changed. */
void demo_painted_stack(uint32_t seed);
uint32_t demo_painted_bytes(void);
uint32_t demo_changed_bytes(void);

/* Overwrites all of the application's memory with noise made from the seed, then dies in one of
 * eight ways: seed modulo 8. With bit 3 of the seed it goes on beyond its memory. */
void demo_scribble(uint32_t seed);

/* Stores one word. */
void demo_poke(uint32_t address, uint32_t value);

/* One instruction that a compiler cannot remove, for loops that only wait. */
void demo_wait(void);
/* Masks every interrupt but the faults (PRIMASK). */
void demo_mask_interrupts(void);

#endif
