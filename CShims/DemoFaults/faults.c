/* The faults themselves: each sets every register, then executes the one instruction that fails. */
#include "demo_registers.h"
#include "martlet_demo_faults.h"

#if defined(__arm__)

/* The call takes LR, so the way back is kept on the stack, and unwinders are told. */
NAKED void demo_null_call(uint32_t seed) {
  __asm volatile(KEEP_LR LOAD_REGISTERS
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
  __asm volatile(LOAD_REGISTERS UNDEFINED "bx lr\n");
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

/* The board keeps code read-only. */
NAKED void demo_write_code(uint32_t seed) {
  __asm volatile(LOAD_REGISTERS
                 "ldr r3, =demo_write_code\n"
                 "bic r3, r3, #3\n"
                 "str r2, [r3]\n"
                 "bx lr\n");
}

/* Nothing is mapped there, though the default map would allow execution. */
NAKED void demo_unmapped_code(uint32_t seed) {
  __asm volatile(LOAD_REGISTERS
                 "ldr r3, =0x10000001\n"
                 "bx r3\n");
}

/* The board lets nobody execute RAM. */
NAKED void demo_execute_ram(uint32_t seed) {
  __asm volatile(LOAD_REGISTERS
                 "ldr r3, =demo_secret + 1\n"
                 "bx r3\n");
}

/* QEMU reports every bus error at the access itself. One that arrives later is made by hand: the
 * store pends BusFault. */
NAKED void demo_late_bus_error(uint32_t seed) {
  __asm volatile(LOAD_REGISTERS
                 "ldr r3, =0xE000ED24\n" /* SHCSR */
                 "ldr r2, [r3]\n"
                 "orr r2, r2, #0x4000\n" /* BUSFAULTPENDED */
                 "str r2, [r3]\n"
                 "dsb\n"
                 "isb\n"
                 "bx lr\n");
}

NAKED void demo_no_coprocessor(uint32_t seed) {
  __asm volatile(
      "ldr r1, =0xE000ED88\n" /* CPACR */
      "ldr r2, [r1]\n"
      "bic r2, r2, #0xF00000\n"
      "str r2, [r1]\n"
      "dsb\n"
      "isb\n" LOAD_REGISTERS
      "vmov s0, r0\n"
      "bx lr\n");
}

NAKED void demo_abort(uint32_t seed) {
  __asm volatile(KEEP_LR LOAD_REGISTERS
                 "bl abort\n"
                 "pop {r4, pc}\n");
}

/* Turns the MPU off and overwrites code of the fault path, which lies in RAM until the next reset:
 * storing the dump is then that one instruction. */
#define BREAK_FAULT_PATH(instruction)    \
  "ldr r1, =0xE000ED94\n" /* MPU_CTRL */ \
  "mov r2, #0\n"                         \
  "str r2, [r1]\n"                       \
  "dsb\n"                                \
  "isb\n"                                \
  "ldr r1, =martlet_hal_flash_program\n" \
  "bic r1, r1, #1\n"                     \
  "movw r2, #" instruction               \
  "\n"                                   \
  "strh r2, [r1]\n"                      \
  "dsb\n"                                \
  "isb\n" LOAD_REGISTERS UNDEFINED "bx lr\n"

/* udf #0x43 */
NAKED void demo_broken_fault_path(uint32_t seed) { __asm volatile(BREAK_FAULT_PATH("0xDE43")); }

/* b . */
NAKED void demo_stuck_fault_path(uint32_t seed) { __asm volatile(BREAK_FAULT_PATH("0xE7FE")); }

NAKED void demo_with_floats(uint32_t seed) {
  __asm volatile(
      "add r1, r0, #0x100\n"
      ".irp "
      "n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
      "vmov s\\n, r1\n"
      "add r1, r1, #1\n"
      ".endr\n" LOAD_REGISTERS UNDEFINED "bx lr\n");
}

void demo_wait(void) { __asm volatile("nop" ::: "memory"); }

void demo_poke(uint32_t address, uint32_t value) { *(volatile uint32_t *)address = value; }

void demo_mask_interrupts(void) { __asm volatile("cpsid i" ::: "memory"); }

#endif
