/* The way from an exception to CrashCapture on a Cortex-M4F.
 *
 * In C and assembly because the entry may not touch the interrupted stack, must store registers
 * before a compiler uses them, and returns from the exception by a frame of its own making. */
#include "martlet_cortex_m4f.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define CCR REGISTER(0xE000ED14)
#define SHCSR REGISTER(0xE000ED24)

#define CCR_NONBASETHRDENA (1u << 0)
#define CCR_UNALIGN_TRP (1u << 3)
#define CCR_DIV_0_TRP (1u << 4)

#define CFSR_MSTKERR (1u << 4)
#define CFSR_MLSPERR (1u << 5)
#define CFSR_MMARVALID (1u << 7)
#define CFSR_STKERR (1u << 12)
#define CFSR_LSPERR (1u << 13)

#define EXC_RETURN_PSP (1u << 2)
#define EXC_RETURN_NO_FP (1u << 4)
#define XPSR_PADDED (1u << 9)

void *memcpy(void *restrict to, const void *restrict from, size_t length);

enum { CRASH_STACK_BYTES = 2048, FRAME_WORDS = 8, FP_FRAME_WORDS = 26, GUARD_BYTES = 32 };

/* The private stack: a guard at its bottom, the fault context at its top. Nothing of it needs to be
 * initialised. */
__attribute__((section(".noinit.crash_stack"), aligned(32), used)) static struct {
  uint8_t stack[CRASH_STACK_BYTES - sizeof(martlet_fault_context)];
  martlet_fault_context context;
} crash_stack;

_Static_assert(offsetof(martlet_fault_context, sp) == 13 * 4, "r0-r12 come first");
_Static_assert(offsetof(martlet_fault_context, exc_return) == 17 * 4, "the entry's first store");
_Static_assert(offsetof(martlet_fault_context, exception) == 25 * 4, "ends there");
_Static_assert(offsetof(martlet_fault_context, cfsr) == 26 * 4, "the second begins there");
_Static_assert(offsetof(martlet_fault_context, icsr) == 33 * 4, "and ends there");
_Static_assert(offsetof(martlet_fault_context, s) == 34 * 4, "the third begins there");
_Static_assert(offsetof(martlet_fault_context, fpscr) == 66 * 4, "and ends there");
_Static_assert(offsetof(martlet_fault_context, mpu_type) == 268, "the entry stores there");
_Static_assert(offsetof(martlet_fault_context, mpu_ctrl) == 272, "and there");
_Static_assert(offsetof(martlet_fault_context, mpu_regions) == 276, "and in pairs from there");
_Static_assert(offsetof(martlet_fault_context, nvic_words) == 340, "the MPU's regions end there");
_Static_assert(offsetof(martlet_fault_context, systick) == 440, "the NVIC's words end there");
_Static_assert(sizeof(martlet_fault_context) % 8 == 0, "the stack below it must be aligned");

__attribute__((naked)) void martlet_fault_entry(void) {
  __asm volatile(
      /* r0-r3 and r12 are in the exception frame, so these are free to use. The MPU goes off before
       * anything is stored. r1 is the base of the system control space throughout. */
      "mrs   r12, primask\n"
      "cpsid i\n"
      "mov   r1, #0xE000E000\n"
      "ldr   r2, [r1, #0xD94]\n"
      "movs  r3, #0\n"
      "str   r3, [r1, #0xD94]\n"
      "dsb\n"
      "isb\n"
      "ldr   r0, =%c[context]\n"
      "str   r2, [r0, #272]\n"
      "add   r2, r0, #16\n"
      "stmia r2!, {r4-r11}\n"
      /* What only the exception frame knows is zero until it is read, if it can be. */
      "mov   r4, r3\n"
      "mov   r5, r3\n"
      "mov   r6, r3\n"
      "mov   r7, r3\n"
      "stmia r0, {r4-r7}\n"
      "stmia r2!, {r3-r7}\n"
      "mov   r3, lr\n"
      "mrs   r4, msp\n"
      "mrs   r5, psp\n"
      "mrs   r6, control\n"
      "mov   r7, r12\n"
      "mrs   r8, basepri\n"
      "mrs   r9, faultmask\n"
      "mov   r10, #0\n"
      "mrs   r11, ipsr\n"
      "stmia r2!, {r3-r11}\n"
      /* CFSR, HFSR, DFSR, MMFAR, BFAR, AFSR, then SHCSR and ICSR. The first two are cleared by
       * writing what they hold: a fault inside the fault path must show its own. */
      "addw  r3, r1, #0xD28\n"
      "ldmia r3, {r4-r9}\n"
      "ldr   r10, [r3, #-4]\n"
      "ldr   r11, [r3, #-36]\n"
      "stmia r2!, {r4-r11}\n"
      "stmia r3!, {r4, r5}\n"
      /* Floating point: only when the interrupted code used it, which may have turned the unit off
       * since. While LSPACT is set, s0-s15 are still in the registers, and the first access would
       * store them through a stack pointer that may lie; so the bit goes first. */
      "movs  r4, #0\n"
      "tst   lr, #16\n"
      "bne   1f\n"
      "ldr   r3, [r1, #0xD88]\n"
      "orr   r3, r3, #0xF00000\n"
      "str   r3, [r1, #0xD88]\n"
      "ldr   r3, [r1, #0xF34]\n"
      "and   r4, r3, #1\n"
      "bic   r3, r3, #1\n"
      "str   r3, [r1, #0xF34]\n"
      "dsb\n"
      "isb\n"
      "vstmia r2!, {s0-s31}\n"
      "vmrs  r3, fpscr\n"
      "str   r3, [r2]\n"
      "1:\n"
      /* The MPU as the application had set it up. Then nothing stays but a guard under the private
       * stack, of which only the context is in use so far. */
      "movs  r2, #0\n"
      "ldr   r3, [r1, #0xD90]\n"
      "str   r3, [r0, #268]\n"
      "ubfx  r3, r3, #8, #4\n"
      "2: subs r3, #1\n"
      "bmi   3f\n"
      "str   r3, [r1, #0xD98]\n"
      "ldr   r5, [r1, #0xD9C]\n"
      "ldr   r6, [r1, #0xDA0]\n"
      "str   r2, [r1, #0xDA0]\n"
      "add   r7, r0, r3, lsl #3\n"
      "strd  r5, r6, [r7, #276]\n"
      "b     2b\n"
      "3:\n"
      "ldr   r2, =%c[stack] + %c[rbar]\n"
      "ldr   r3, =%c[rasr]\n"
      "str   r2, [r1, #0xD9C]\n"
      "str   r3, [r1, #0xDA0]\n"
      "movs  r3, #5\n" /* on, and the default map for the rest */
      "str   r3, [r1, #0xD94]\n"
      /* Interrupts: the number of words of 32, then as many of each kind. */
      "ldr   r3, [r1, #4]\n"
      "and   r3, r3, #7\n"
      "adds  r3, #1\n"
      "add   r2, r0, #340\n"
      "stmia r2!, {r3}\n"
      "add   r5, r1, #0x100\n"
      "4: movs r6, #0\n"
      "5: ldr r7, [r5, r6, lsl #2]\n"
      "stmia r2!, {r7}\n"
      "adds  r6, #1\n"
      "cmp   r6, r3\n"
      "bne   5b\n"
      "add   r5, r5, #0x100\n"
      "tst   r5, #0x400\n"
      "beq   4b\n"
      "add   r2, r0, #440\n"
      "add   r1, #0x10\n"
      "ldmia r1, {r3, r5, r6, r7}\n"
      "stmia r2!, {r3, r5, r6, r7}\n"
      /* The private stack, from its top: what a fault inside the fault path leaves is not needed.
       */
      "mov   r1, r4\n"
      "msr   msp, r0\n"
      "bl    martlet_fault_prepare\n"
      /* A frame of our own: thread mode, privileged, this stack, at the last lines. Leaving handler
       * mode lets a second fault be taken instead of locking up the core. */
      "movs  r1, #0\n"
      "msr   control, r1\n"
      "isb\n"
      "adr   r2, 6f\n"
      "mov   r3, #0x01000000\n"
      "push  {r2, r3}\n"
      "sub   sp, sp, #20\n"
      "push  {r0}\n"
      "mvn   lr, #6\n"
      "bx    lr\n"
      ".balign 4\n"
      "6: bl martlet_capture_fault\n"
      "movs  r0, %[cause]\n"
      "bl    martlet_hal_reset\n"
      :
      : [context] "i"(&crash_stack.context), [stack] "i"(&crash_stack),
        [rbar] "i"(0x10 | MARTLET_MPU_CRASH_GUARD), [rasr] "i"(MARTLET_MPU_GUARD_RASR),
        [cause] "i"(MARTLET_RESET_FAULT));
}

/* Copies what the exception frame holds, when there is a frame to trust, and returns what is known
 * from it. `unsaved`: s0-s15 are not in it. */
static uint32_t read_frame(martlet_fault_context *context, uint32_t unsaved) {
  int on_process_stack = (context->exc_return & EXC_RETURN_PSP) != 0;
  uint32_t at = on_process_stack ? context->psp : context->msp;
  int has_fp = (context->exc_return & EXC_RETURN_NO_FP) == 0;
  uint32_t length = (has_fp ? FP_FRAME_WORDS : FRAME_WORDS) * 4, wanted = length;
  context->sp = at + length;

  /* The guard of this stack, and how far below it a stack pointer still tells of an overflow. */
  uint32_t guard = (uint32_t)martlet_stack_bottom, low = (uint32_t)martlet_image_end;
  if (on_process_stack) {
    guard = context->mpu_regions[2 * MARTLET_MPU_THREAD_GUARD] & ~(GUARD_BYTES - 1u);
    low = guard - FP_FRAME_WORDS * 4;
  }
  uint32_t cfsr = context->cfsr, flags = 0;
  if (((cfsr & CFSR_MSTKERR) && at - low < guard + GUARD_BYTES - low) ||
      ((cfsr & CFSR_MMARVALID) && context->mmfar - guard < GUARD_BYTES)) {
    flags |= MARTLET_CONTEXT_GUARD;
  }

  uint32_t live = unsaved;
  const uint32_t *frame = martlet_hal_readable(at, &length);
  if ((cfsr & (CFSR_MSTKERR | CFSR_STKERR)) == 0 && length == wanted) {
    memcpy(context->r, frame, 4 * 4);
    context->r[12] = frame[4];
    /* LR, PC and xPSR. */
    memcpy(&context->lr, frame + 5, 3 * 4);
    if (frame[7] & XPSR_PADDED) context->sp += 4;
    flags |= MARTLET_CONTEXT_FRAME_VALID;
    if (has_fp && live == 0) {
      live = 1;
      memcpy(context->s, frame + 8, 16 * 4);
      context->fpscr = frame[24];
    }
  }
  if (has_fp && live != 0 && (cfsr & (CFSR_MLSPERR | CFSR_LSPERR)) == 0) {
    flags |= MARTLET_CONTEXT_FP_LIVE;
  }
  return flags;
}

/* Completes the stored context in handler mode, on the private stack. Returns it. */
__attribute__((used, minsize)) martlet_fault_context *martlet_fault_prepare(
    martlet_fault_context *context, uint32_t unsaved) {
  uint32_t flags = 0;
  martlet_fault_depth += 1;
  if (martlet_fault_depth > 1) {
    if (martlet_fault_depth > 2) martlet_hal_reset(MARTLET_RESET_FAULT);
    flags = MARTLET_CONTEXT_NESTED;
  }
  /* Our own code must not stumble over traps that the application turned on. */
  CCR = (CCR & ~(CCR_UNALIGN_TRP | CCR_DIV_0_TRP)) | CCR_NONBASETHRDENA;
  if (context->exception == martlet_board_warning_exception) flags |= MARTLET_CONTEXT_WARNING;
  context->flags = flags | read_frame(context, unsaved);
  return context;
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

#define UNLESS_DEFINED __attribute__((weak, alias("martlet_fault_entry")))
UNLESS_DEFINED void SVC_Handler(void);
UNLESS_DEFINED void PendSV_Handler(void);
UNLESS_DEFINED void SysTick_Handler(void);
UNLESS_DEFINED void martlet_board_interrupt(void);

void martlet_cortex_m4f_start(void) {
  SHCSR |= 7u << 16;
  CCR |= CCR_DIV_0_TRP;
}
