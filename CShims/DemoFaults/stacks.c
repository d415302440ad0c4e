/* Stacks that overflow, and stack pointers that lie. */
#include "demo_registers.h"
#include "martlet_demo_faults.h"
#include "martlet_hal.h"

#if defined(__arm__)

/* The thread that runs on the process stack. Its guard is the lowest 32 bytes. */
__attribute__((aligned(32), used)) static uint8_t demo_thread_stack[512];

/* Calls itself until the stack ends. */
NAKED void demo_recurse(uint32_t seed) {
  __asm volatile(LOAD_REGISTERS
                 "1: push {r4, r5, r6, lr}\n"
                 "bl 1b\n");
}

/* A frame that is larger than what is left of the stack and its guard. */
NAKED void demo_large_frame(uint32_t seed) {
  __asm volatile(LOAD_REGISTERS
                 "sub sp, sp, #0x8000\n"
                 "str r0, [sp]\n"
                 "bx lr\n");
}

NAKED void demo_thread_overflow(uint32_t seed) {
  __asm volatile(
      "mov r4, r0\n"
      "ldr r0, =demo_thread_stack\n"
      "bl martlet_hal_guard_stack\n"
      "ldr r0, =demo_thread_stack + 512\n"
      "msr psp, r0\n"
      "mov r0, #2\n" /* thread mode on the process stack */
      "msr control, r0\n"
      "isb\n"
      "mov r0, r4\n"
      "b demo_recurse\n");
}

NAKED void demo_main_stack_at(uint32_t seed, uint32_t sp) {
  __asm volatile("mov sp, r1\n" LOAD_REGISTERS UNDEFINED "bx lr\n");
}

NAKED void demo_thread_stack_at(uint32_t seed, uint32_t sp) {
  __asm volatile(
      "mov r4, r0\n"
      "mov r5, r1\n"
      "ldr r0, =demo_thread_stack\n"
      "bl martlet_hal_guard_stack\n"
      "mov r0, r4\n"
      "msr psp, r5\n"
      "mov r2, #2\n"
      "msr control, r2\n"
      "isb\n" LOAD_REGISTERS UNDEFINED "bx lr\n");
}

uint32_t demo_wild_address(demo_wild_stack which, int of_thread) {
  extern uint8_t martlet_stack_bottom[], martlet_code_start[];
  uint32_t bottom = (uint32_t)(of_thread ? demo_thread_stack : martlet_stack_bottom);
  switch (which) {
    case DEMO_STACK_UNMAPPED:
      return 0xD0000000;
    case DEMO_STACK_BOTTOM:
      return bottom + 16;
    case DEMO_STACK_UNALIGNED:
      return bottom + 256 + 6;
    case DEMO_STACK_CODE:
      return ((uint32_t)martlet_code_start + 1024) & ~7u;
    case DEMO_STACK_NOR:
      return 0x80001000;
  }
  return 0;
}

#endif
