/* Crashes before main, and what the demo keeps over a reset for them. */
#include "demo_registers.h"
#include "martlet_demo_faults.h"
#include "martlet_hal.h"

#if defined(__arm__)

extern uint8_t martlet_stack_bottom[];

/* The board's hooks. */
void martlet_board_first_instruction(void);
void martlet_board_before_main(void);

#define MAGIC 0xDE300000u

/* Arbitrary after power-on. */
__attribute__((section(".noinit.app"))) static struct {
  uint32_t moment; /* MAGIC + demo_moment */
  uint32_t seed;
  uint32_t painted_to; /* where the interrupted stack pointer was */
  uint32_t painted;
  uint32_t changed;
} kept;

void demo_crash_at(demo_moment moment, uint32_t seed) {
  kept.moment = MAGIC + moment;
  kept.seed = seed;
  martlet_hal_reset(MARTLET_RESET_SOFTWARE);
}

static void crash_if_asked(demo_moment moment) {
  if (kept.moment != MAGIC + moment) return;
  kept.moment = 0;
  demo_undefined_instruction(kept.seed);
}

/* How much of what demo_painted_stack left below its frame is no more as it was. Counted before
 * this boot uses the stack down there. */
static void check_paint(void) {
  if (kept.moment != MAGIC + DEMO_PAINTED) return;
  kept.moment = 0;
  uint32_t end = kept.painted_to - 32;
  kept.painted = 0;
  kept.changed = 0;
  for (uint32_t at = (uint32_t)martlet_stack_bottom + 32; at < end; at += 4) {
    kept.painted += 4;
    if (*(volatile uint32_t *)at != (kept.seed ^ at)) kept.changed += 4;
  }
}

void martlet_board_first_instruction(void) {
  check_paint();
  crash_if_asked(DEMO_FIRST_INSTRUCTION);
}

void martlet_board_before_main(void) { crash_if_asked(DEMO_BEFORE_MAIN); }

__attribute__((used)) static void demo_paint(uint32_t seed, uint32_t sp) {
  kept.moment = MAGIC + DEMO_PAINTED;
  kept.seed = seed;
  kept.painted_to = sp;
}

NAKED void demo_painted_stack(uint32_t seed) {
  __asm volatile(KEEP_LR
                 "mov r4, r0\n"
                 "mov r1, sp\n"
                 "bl demo_paint\n"
                 "ldr r1, =martlet_stack_bottom + 32\n"
                 "1: eor r2, r4, r1\n"
                 "str r2, [r1], #4\n"
                 "cmp r1, sp\n"
                 "bne 1b\n"
                 "mov r0, r4\n" LOAD_REGISTERS UNDEFINED "pop {r4, pc}\n");
}

uint32_t demo_painted_bytes(void) { return kept.painted; }

uint32_t demo_changed_bytes(void) { return kept.changed; }

#endif
