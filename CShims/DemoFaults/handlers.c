/* Crashes in and around handler mode. */
#include "demo_registers.h"
#include "martlet_demo_faults.h"

#if defined(__arm__)

/* What PendSV's handler goes on with, and the seed for it. */
__attribute__((used)) static void (*volatile demo_handler)(uint32_t);
__attribute__((used)) static volatile uint32_t demo_handler_seed;

/* Leaves r4-r12 alone. */
NAKED void PendSV_Handler(void) {
  __asm volatile(
      "ldr r0, =demo_handler_seed\n"
      "ldr r0, [r0]\n"
      "ldr r1, =demo_handler\n"
      "ldr pc, [r1]\n");
}

NAKED static void fault_in_handler(uint32_t seed) { __asm volatile(LOAD_REGISTERS UNDEFINED); }

/* To no mode there is. */
NAKED static void return_nowhere(uint32_t seed) {
  __asm volatile(
      "mvn r1, #0xC\n"
      "bx r1\n");
}

/* The exception is pended while it is masked, so that the registers are loaded when it comes. */
#define TAKE_AFTER_LOADING(address, bit) \
  "cpsid i\n"                            \
  "ldr r1, =" address                    \
  "\n"                                   \
  "mov r2, #" bit                        \
  "\n"                                   \
  "str r2, [r1]\n"                       \
  "dsb\n" LOAD_REGISTERS                 \
  "cpsie i\n"                            \
  "isb\n"                                \
  "nop\n"                                \
  "bx lr\n"

NAKED static void pend_handler(uint32_t seed) {
  __asm volatile(TAKE_AFTER_LOADING("0xE000ED04", "0x10000000"));
}

void demo_fault_in_handler(uint32_t seed) {
  demo_handler = fault_in_handler;
  demo_handler_seed = seed;
  pend_handler(seed ^ 0xFFFF0000u);
}

void demo_bad_exception_return(uint32_t seed) {
  demo_handler = return_nowhere;
  pend_handler(seed);
}

/* Interrupt 40, which nobody handles. */
NAKED void demo_unhandled_interrupt(uint32_t seed) {
  __asm volatile(
      "ldr r1, =0xE000E104\n" /* NVIC_ISER1 */
      "mov r2, #0x100\n"
      "str r2, [r1]\n" TAKE_AFTER_LOADING("0xE000E204", "0x100"));
}

NAKED void demo_unhandled_call(uint32_t seed) {
  __asm volatile(LOAD_REGISTERS
                 "svc 0\n"
                 "bx lr\n");
}

#endif
