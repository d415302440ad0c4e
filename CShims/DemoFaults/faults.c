/* The faults themselves: each sets every register, then executes the one instruction that fails. */
#include "martlet_demo_faults.h"

#if defined(__arm__)

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

/* The call takes LR, so the way back is kept on the stack, and unwinders are told. */
NAKED void demo_null_call(uint32_t seed) {
  __asm volatile(
      "push {r4, lr}\n"
      ".cfi_def_cfa_offset 8\n"
      ".cfi_offset lr, -4\n"
      ".cfi_offset r4, -8\n" LOAD_REGISTERS
      "mov r3, #0\n"
      "blx r3\n"
      "pop {r4, pc}\n");
}

NAKED void demo_bad_address(uint32_t seed) {
  __asm volatile(LOAD_REGISTERS
                 "mov r3, #0xC0000000\n"
                 "ldr r3, [r3]\n"
                 "bx lr\n");
}

NAKED void demo_undefined_instruction(uint32_t seed) {
  __asm volatile(LOAD_REGISTERS
                 ".short 0xde42\n"
                 "bx lr\n");
}

/* The barrier is for QEMU, which forgets what r2 held when it translates both writes of r2 at once.
 */
NAKED void demo_divide_by_zero(uint32_t seed) {
  __asm volatile(LOAD_REGISTERS
                 "mov r3, #0\n"
                 "isb\n"
                 "udiv r2, r1, r3\n"
                 "bx lr\n");
}

NAKED void demo_unaligned_access(uint32_t seed) {
  __asm volatile(
      "ldr r1, =0xE000ED14\n" /* CCR */
      "ldr r2, [r1]\n"
      "orr r2, r2, #8\n" /* UNALIGN_TRP */
      "str r2, [r1]\n"
      "dsb\n"
      "isb\n" LOAD_REGISTERS
      "ldr r3, =0x00040001\n"
      "ldr r2, [r3]\n"
      "bx lr\n");
}

NAKED void demo_execute_never(uint32_t seed) {
  __asm volatile(LOAD_REGISTERS
                 "ldr r3, =0xA0000001\n"
                 "bx r3\n");
}

/* The region that demo_protected_memory makes unreadable. */
__attribute__((aligned(32), used)) static uint32_t demo_secret[8];

NAKED void demo_protected_memory(uint32_t seed) {
  __asm volatile(
      "ldr r1, =0xE000ED94\n" /* MPU_CTRL, then RNR, RBAR, RASR */
      "mov r2, #0\n"
      "str r2, [r1, #4]\n"
      "ldr r2, =demo_secret\n"
      "str r2, [r1, #8]\n"
      "ldr r2, =0x10000009\n" /* no access, execute never, 32 bytes, enabled */
      "str r2, [r1, #12]\n"
      "mov r2, #5\n" /* enabled, default map for the rest */
      "str r2, [r1]\n"
      "dsb\n"
      "isb\n" LOAD_REGISTERS
      "ldr r3, =demo_secret\n"
      "ldr r2, [r3]\n"
      "bx lr\n");
}

NAKED void demo_hard_fault(uint32_t seed) {
  __asm volatile(LOAD_REGISTERS
                 "cpsid i\n"
                 "svc 0\n"
                 "bx lr\n");
}

NAKED void demo_with_floats(uint32_t seed) {
  __asm volatile(
      "add r1, r0, #0x100\n"
      ".irp "
      "n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
      "vmov s\\n, r1\n"
      "add r1, r1, #1\n"
      ".endr\n" LOAD_REGISTERS
      ".short 0xde42\n"
      "bx lr\n");
}

void demo_wait(void) { __asm volatile("nop" ::: "memory"); }

void demo_mask_interrupts(void) { __asm volatile("cpsid i" ::: "memory"); }

#endif
