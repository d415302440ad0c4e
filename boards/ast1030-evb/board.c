/* The HAL contract on the AST1030 board, flash apart: serial line, time, watchdog, reset, memory.
 *
 * In C because every access is to a volatile register or to no-init storage. */
#include "ast1030_evb.h"
#include "martlet_cortex_m4f.h"
#include "registers.h"

extern uint8_t martlet_build_id_note[], martlet_build_id_note_end[], martlet_code_start[],
    martlet_code_end[], martlet_ram_end[];

void martlet_board_start(void);

/* ---- What a reset keeps, and what the fault path needs ------------------------------------- */

enum { RETAINED_BYTES = 4096, WORKING_BYTES = 1408, SCRATCH_BYTES = 4096 };

#define CAUSE_MAGIC 0x4D524C54u

/* All that is named noinit.zeroed is zero before the first function is called; guarded memory. */
#define ZEROED(name) __attribute__((section(".noinit.zeroed." name)))

/* The watchdog's status does not tell that it bit, so software leaves its own causes here and what
 * is left without one was the watchdog. */
__attribute__((section(".noinit.cause"))) static struct {
  uint32_t magic;
  uint32_t cause;
  uint32_t inverse;
} kept_cause;

__attribute__((section(".noinit.retained"), aligned(8))) static uint8_t retained[RETAINED_BYTES];
ZEROED("working") __attribute__((aligned(8))) static uint8_t working[WORKING_BYTES];
__attribute__((section(".noinit.scratch"), aligned(8))) static uint8_t scratch[SCRATCH_BYTES];

ZEROED("depth") uint32_t martlet_fault_depth;

ZEROED("board") static struct {
  martlet_reset_cause cause;
  /* Halves of the 32-bit clock that have passed. */
  uint32_t clock_halves;
  /* Time from a feed to the early warning; 0: none. */
  uint32_t warning_us;
  /* When the fault path fed the watchdog first; 0: not yet. */
  uint32_t fault_began;
} own;

static void leave_cause(uint32_t value) {
  uint32_t token = martlet_hal_open();
  kept_cause.magic = CAUSE_MAGIC;
  kept_cause.cause = value;
  kept_cause.inverse = ~value;
  martlet_hal_close(token);
}

static martlet_reset_cause find_cause(void) {
  if (kept_cause.magic != CAUSE_MAGIC || kept_cause.inverse != ~kept_cause.cause) {
    return MARTLET_RESET_POWER_ON;
  }
  switch (kept_cause.cause) {
    case MARTLET_RESET_SOFTWARE:
      return MARTLET_RESET_SOFTWARE;
    case MARTLET_RESET_FAULT:
      return MARTLET_RESET_FAULT;
    case MARTLET_RESET_WATCHDOG:
      return MARTLET_RESET_WATCHDOG;
    default:
      return MARTLET_RESET_EXTERNAL;
  }
}

void martlet_board_start(void) {
  own.cause = find_cause();
  leave_cause(MARTLET_RESET_EXTERNAL);
  UART_FCR = 7;
  TIMER_RELOAD(CLOCK_TIMER) = 0xFFFFFFFFu;
  TIMER_STATUS(CLOCK_TIMER) = 0xFFFFFFFFu;
  TIMER_CONTROL = TIMER_BITS(CLOCK_TIMER, TIMER_ENABLE | TIMER_1MHZ);
}

martlet_region martlet_hal_retained(void) {
  return (martlet_region){.start = retained, .length = sizeof retained};
}

martlet_region martlet_hal_working(void) {
  return (martlet_region){.start = working, .length = sizeof working};
}

martlet_region martlet_hal_scratch(void) {
  return (martlet_region){.start = scratch, .length = sizeof scratch};
}

/* ---- Reset --------------------------------------------------------------------------------- */

void martlet_hal_reset(martlet_reset_cause why) {
  leave_cause(why);
  __asm volatile("dsb" ::: "memory");
  AIRCR = AIRCR_SYSRESETREQ;
  __asm volatile("dsb" ::: "memory");
  for (;;) {
  }
}

martlet_reset_cause martlet_hal_reset_cause(void) { return own.cause; }

/* ---- Time and watchdog --------------------------------------------------------------------- */

uint64_t martlet_hal_monotonic_us(void) {
  /* The counter is 32 bits wide: reading it at least once in 35 minutes catches every half of a
   * turn, and memory is written only then. The boot agent's poll does. */
  uint32_t now = ~TIMER_STATUS(CLOCK_TIMER), halves = own.clock_halves;
  if ((halves & 1) != now >> 31) {
    halves += 1;
    uint32_t token = martlet_hal_open();
    own.clock_halves = halves;
    martlet_hal_close(token);
  }
  return (uint64_t)(halves >> 1) << 32 | now;
}

martlet_hal_status martlet_hal_watchdog_start(uint32_t timeout_ms, uint32_t warning_ms) {
  if (timeout_ms == 0 || timeout_ms > 0xFFFFFFFFu / 1000 || warning_ms >= timeout_ms) {
    return MARTLET_HAL_OUT_OF_RANGE;
  }
  uint32_t token = martlet_hal_open();
  own.warning_us = warning_ms == 0 ? 0 : (timeout_ms - warning_ms) * 1000;
  WDT_CONTROL = 0;
  WDT_RELOAD = timeout_ms * 1000;
  NVIC_IPR(EARLY_WARNING_IRQ) = 0;
  NVIC_ISER0 = 1u << EARLY_WARNING_IRQ;
  martlet_hal_watchdog_feed();
  WDT_CONTROL = WDT_ENABLE_RESET;
  /* From here a reset that leaves no cause was the watchdog's. */
  leave_cause(MARTLET_RESET_WATCHDOG);
  martlet_hal_close(token);
  return MARTLET_HAL_OK;
}

/* For how long the fault path may feed the watchdog: some times what the largest dump takes in slow
 * flash. */
enum { FAULT_BUDGET_US = 5000000 };

void martlet_hal_watchdog_feed(void) {
  if (martlet_fault_depth != 0) {
    uint32_t now = ~TIMER_STATUS(CLOCK_TIMER);
    if (own.fault_began == 0) {
      own.fault_began = now | 1;
      /* Nothing else would end a fault path that hangs. */
      if ((WDT_CONTROL & WDT_ENABLE) == 0) {
        WDT_RELOAD = FAULT_BUDGET_US;
        WDT_CONTROL = WDT_ENABLE_RESET;
        leave_cause(MARTLET_RESET_WATCHDOG);
      }
    }
    if ((int32_t)(now - own.fault_began) > FAULT_BUDGET_US) return;
  }
  WDT_RESTART = WDT_RESTART_MAGIC;
  TIMER_CONTROL_CLEAR = TIMER_BITS(WARNING_TIMER, 7u);
  if (own.warning_us == 0) return;
  TIMER_RELOAD(WARNING_TIMER) = own.warning_us;
  TIMER_STATUS(WARNING_TIMER) = own.warning_us;
  TIMER_MATCH1(WARNING_TIMER) = 0;
  TIMER_MATCH2(WARNING_TIMER) = 0;
  TIMER_CONTROL = TIMER_BITS(CLOCK_TIMER, TIMER_ENABLE | TIMER_1MHZ) |
                  TIMER_BITS(WARNING_TIMER, TIMER_ENABLE | TIMER_1MHZ | TIMER_INTERRUPT);
}

/* ---- Serial line --------------------------------------------------------------------------- */

size_t martlet_hal_serial_write(const uint8_t *bytes, size_t length) {
  const uint8_t *next = bytes, *end = bytes + length;
  while (next < end && (UART_LSR & UART_LSR_THR_EMPTY) != 0) {
    /* With its FIFO on the transmitter is empty when all of the FIFO is. */
    const uint8_t *full = end - next < UART_FIFO ? end : next + UART_FIFO;
    while (next < full) UART_DATA = *next++;
  }
  return (size_t)(next - bytes);
}

size_t martlet_hal_serial_read(uint8_t *buffer, size_t capacity) {
  size_t taken = 0;
  while (taken < capacity && (UART_LSR & UART_LSR_DATA_READY) != 0) {
    buffer[taken++] = (uint8_t)UART_DATA;
  }
  return taken;
}

/* ---- Memory and identity ------------------------------------------------------------------- */

const void *martlet_hal_readable(uint32_t address, uint32_t *length) {
  /* All of the SRAM, which begins at 0; guards forbid writing alone. */
  uint32_t end = (uint32_t)martlet_ram_end, left = address < end ? end - address : 0;
  if (*length > left) *length = left;
  return left == 0 ? NULL : (const void *)address;
}

#ifndef MARTLET_IMAGE_VERSION
#define MARTLET_IMAGE_VERSION "1.0.0"
#endif

martlet_image martlet_hal_image(void) {
  /* The note: name size, descriptor size, type, "GNU\0", descriptor. */
  return (martlet_image){
      .build_id = martlet_build_id_note + 16,
      .build_id_length = (uint32_t)(martlet_build_id_note_end - martlet_build_id_note) - 16,
      .code_start = (uint32_t)martlet_code_start,
      .code_length = (uint32_t)(martlet_code_end - martlet_code_start),
      .version = MARTLET_IMAGE_VERSION,
  };
}

martlet_hal_status martlet_hal_entropy(uint8_t *buffer, size_t length) {
  for (size_t i = 0; i < length; i++) buffer[i] = (uint8_t)SCU_RNG_DATA;
  return MARTLET_HAL_OK;
}
