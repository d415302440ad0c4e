/* The way from an exception to CrashCapture on a Cortex-M4F.
 *
 * In C and assembly because the entry may not touch the interrupted stack, must store registers
 * before a compiler uses them, and returns from the exception by a frame of its own making. */
#include "martlet_cortex_m4f.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define ICSR REGISTER(0xE000ED04)
#define CCR REGISTER(0xE000ED14)
#define SHCSR REGISTER(0xE000ED24)
#define CFSR REGISTER(0xE000ED28)
#define HFSR REGISTER(0xE000ED2C)
#define DFSR REGISTER(0xE000ED30)
#define MMFAR REGISTER(0xE000ED34)
#define BFAR REGISTER(0xE000ED38)
#define AFSR REGISTER(0xE000ED3C)

#define CCR_NONBASETHRDENA (1u << 0)
#define CCR_UNALIGN_TRP (1u << 3)
#define CCR_DIV_0_TRP (1u << 4)

#define CFSR_MSTKERR (1u << 4)
#define CFSR_MLSPERR (1u << 5)
#define CFSR_STKERR (1u << 12)
#define CFSR_LSPERR (1u << 13)

#define EXC_RETURN_PSP (1u << 2)
#define EXC_RETURN_NO_FP (1u << 4)
#define XPSR_PADDED (1u << 9)

enum { CRASH_STACK_BYTES = 2048, FRAME_WORDS = 8, FP_FRAME_WORDS = 26 };

/* The private stack, outside .bss so that start-up code does not spend time on it. */
__attribute__((section(".noinit.crash_stack"), aligned(8)))
uint8_t martlet_crash_stack[CRASH_STACK_BYTES];

/* What the entry stores first; zero in a boot that has not crashed. */
martlet_fault_context martlet_fault_store;

/* FPCCR.LSPACT at entry: s0-s15 were still in the registers. */
uint32_t martlet_fault_lazy;

/* How many faults this boot has taken: 1 in the fault path, 2 in a fault inside it. */
static volatile uint32_t depth;

_Static_assert(offsetof(martlet_fault_context, exc_return) == 68, "fault entry stores there");
_Static_assert(offsetof(martlet_fault_context, msp) == 72, "fault entry stores there");
_Static_assert(offsetof(martlet_fault_context, primask) == 84, "fault entry stores there");
_Static_assert(offsetof(martlet_fault_context, s) == 136, "fault entry stores there");
_Static_assert(offsetof(martlet_fault_context, fpscr) == 264, "fault entry stores there");

__attribute__((naked)) void martlet_fault_entry(void) {
  __asm volatile(
      /* r0-r3 and r12 are in the exception frame, so these are free to use. */
      "mrs   r3, primask\n"
      "cpsid i\n"
      "ldr   r0, =martlet_fault_store\n"
      "add   r1, r0, #16\n"
      "stmia r1, {r4-r11}\n"
      "mrs   r1, msp\n"
      "mrs   r2, psp\n"
      "strd  lr, r1, [r0, #68]\n"
      "mrs   r1, control\n"
      "strd  r2, r1, [r0, #76]\n"
      "mrs   r1, basepri\n"
      "strd  r3, r1, [r0, #84]\n"
      "mrs   r1, faultmask\n"
      "mrs   r2, ipsr\n"
      "str   r1, [r0, #92]\n"
      "str   r2, [r0, #100]\n"
      /* Floating point: only when the interrupted code used it. While LSPACT is set, s0-s15 are
       * still in the registers, and the first access would store them through a stack pointer that
       * may lie; so the bit goes first. */
      "tst   lr, #16\n"
      "bne   1f\n"
      "ldr   r1, =0xE000EF34\n"
      "ldr   r2, [r1]\n"
      "and   r3, r2, #1\n"
      "bic   r2, r2, #1\n"
      "str   r2, [r1]\n"
      "dsb\n"
      "isb\n"
      "ldr   r1, =martlet_fault_lazy\n"
      "str   r3, [r1]\n"
      "add   r1, r0, #136\n"
      "vstmia r1!, {s0-s31}\n"
      "vmrs  r2, fpscr\n"
      "str   r2, [r1]\n"
      "1:\n"
      /* The private stack, from its top: what a fault inside the fault path leaves is not needed.
       */
      "ldr   r1, =martlet_crash_stack\n"
      "add   r1, r1, %[bytes]\n"
      "msr   msp, r1\n"
      "bl    martlet_fault_prepare\n"
      /* A frame of our own: thread mode, privileged, this stack, at martlet_fault_run. Leaving
       * handler mode lets a second fault be taken instead of locking up the core. */
      "mov   r1, #0\n"
      "msr   control, r1\n"
      "isb\n"
      "sub   sp, sp, #32\n"
      "ldr   r2, =martlet_fault_run\n"
      "bic   r2, r2, #1\n"
      "mov   r3, #0x01000000\n"
      "str   r0, [sp, #0]\n"
      "str   r1, [sp, #20]\n"
      "str   r2, [sp, #24]\n"
      "str   r3, [sp, #28]\n"
      "mvn   lr, #6\n"
      "bx    lr\n"
      :
      : [bytes] "i"(CRASH_STACK_BYTES));
}

/* Copies what the exception frame holds, when there is a frame to trust. */
static void read_frame(martlet_fault_context *context) {
  const uint32_t bad = CFSR_MSTKERR | CFSR_STKERR;
  uint32_t at = (context->exc_return & EXC_RETURN_PSP) ? context->psp : context->msp;
  int has_fp = (context->exc_return & EXC_RETURN_NO_FP) == 0;
  uint32_t words = has_fp ? FP_FRAME_WORDS : FRAME_WORDS;
  uint32_t length = words * 4;
  const uint32_t *frame = martlet_hal_readable(at, &length);
  context->sp = at;
  if ((context->cfsr & bad) != 0 || frame == NULL || length < words * 4 || (at & 3) != 0) return;
  for (int i = 0; i < 4; i++) context->r[i] = frame[i];
  context->r[12] = frame[4];
  context->lr = frame[5];
  context->pc = frame[6];
  context->xpsr = frame[7];
  context->sp = at + words * 4 + ((frame[7] & XPSR_PADDED) ? 4 : 0);
  context->flags |= MARTLET_CONTEXT_FRAME_VALID;
  if (has_fp && martlet_fault_lazy == 0) {
    for (int i = 0; i < 16; i++) context->s[i] = frame[8 + i];
    context->fpscr = frame[24];
  }
}

/* Completes the stored context in handler mode, on the private stack. Returns it. */
__attribute__((used)) martlet_fault_context *martlet_fault_prepare(martlet_fault_context *context) {
  depth += 1;
  if (depth > 2) martlet_hal_reset(MARTLET_RESET_FAULT);
  /* Our own code must not stumble over traps that the application turned on. */
  CCR = (CCR & ~(CCR_UNALIGN_TRP | CCR_DIV_0_TRP)) | CCR_NONBASETHRDENA;
  context->flags = depth > 1 ? MARTLET_CONTEXT_NESTED : 0;
  context->cfsr = CFSR;
  context->hfsr = HFSR;
  context->dfsr = DFSR;
  context->mmfar = MMFAR;
  context->bfar = BFAR;
  context->afsr = AFSR;
  context->shcsr = SHCSR;
  context->icsr = ICSR;
  if (context->exception == martlet_board_warning_exception && context->exception != 0) {
    context->flags |= MARTLET_CONTEXT_WARNING;
  }
  read_frame(context);
  int has_fp = (context->exc_return & EXC_RETURN_NO_FP) == 0;
  if (has_fp && (context->cfsr & (CFSR_MLSPERR | CFSR_LSPERR)) == 0 &&
      (martlet_fault_lazy != 0 || (context->flags & MARTLET_CONTEXT_FRAME_VALID) != 0)) {
    context->flags |= MARTLET_CONTEXT_FP_LIVE;
  }
  /* The status bits are sticky; a fault inside the fault path must show its own. */
  CFSR = context->cfsr;
  HFSR = context->hfsr;
  return context;
}

/* Thread mode, privileged, interrupts masked, private stack. */
__attribute__((used, noreturn)) void martlet_fault_run(const martlet_fault_context *context) {
  martlet_capture_fault(context);
  martlet_hal_reset(MARTLET_RESET_FAULT);
  for (;;) {
  }
}

/* Naked, so that no register changes between the caller and the trap. Each comparison leaves r0 and
 * r1 alone. */
__attribute__((naked, noreturn)) void martlet_hal_crash(const uint8_t *reason, uint32_t length,
                                                        uint32_t trap) {
  __asm volatile(
      "cmp r2, %[assertion]\n"
      "beq 1f\n"
      "cmp r2, %[abort]\n"
      "beq 2f\n"
      "udf %[crash]\n"
      "1: udf %[assertion]\n"
      "2: udf %[abort]\n"
      :
      : [crash] "i"(MARTLET_TRAP_CRASH), [assertion] "i"(MARTLET_TRAP_ASSERTION),
        [abort] "i"(MARTLET_TRAP_ABORT));
}

void martlet_cortex_m4f_start(void) {
  SHCSR |= 7u << 16;
  CCR |= CCR_DIV_0_TRP;
}
