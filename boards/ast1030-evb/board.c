/* The HAL contract on the AST1030 board, flash apart: serial line, time, watchdog, reset, memory.
 *
 * In C because every access is to a volatile register or to no-init storage. */
#include "ast1030_evb.h"
#include "registers.h"

extern uint8_t martlet_build_id_note[], martlet_build_id_note_end[], martlet_code_start[],
    martlet_code_end[], martlet_image_end[], martlet_data_start[], martlet_ram_end[];

void martlet_board_start(void);

/* ---- What a reset keeps -------------------------------------------------------------------- */

enum { RETAINED_BYTES = 1024, WORKING_BYTES = 4096 };

#define CAUSE_MAGIC 0x4D524C54u

/* The watchdog's status does not tell that it bit, so software leaves its own causes here and what
 * is left without one was the watchdog. */
__attribute__((section(".noinit.cause"))) static struct {
  uint32_t magic;
  uint32_t cause;
  uint32_t inverse;
} kept_cause;

__attribute__((section(".noinit.retained"), aligned(8))) static uint8_t retained[RETAINED_BYTES];
__attribute__((aligned(8))) static uint8_t working[WORKING_BYTES];

static martlet_reset_cause cause;

static void leave_cause(uint32_t value) {
  kept_cause.magic = CAUSE_MAGIC;
  kept_cause.cause = value;
  kept_cause.inverse = ~value;
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
  cause = find_cause();
  leave_cause(MARTLET_RESET_EXTERNAL);
  UART_FCR = 7;
  TIMER_RELOAD(CLOCK_TIMER) = 0xFFFFFFFFu;
  TIMER_STATUS(CLOCK_TIMER) = 0xFFFFFFFFu;
  TIMER_CONTROL = TIMER_BITS(CLOCK_TIMER, TIMER_ENABLE | TIMER_1MHZ);
  __asm volatile("cpsie i" ::: "memory");
}

martlet_region martlet_hal_retained(void) {
  return (martlet_region){.start = retained, .length = sizeof retained};
}

martlet_region martlet_hal_working(void) {
  return (martlet_region){.start = working, .length = sizeof working};
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

martlet_reset_cause martlet_hal_reset_cause(void) { return cause; }

/* ---- Time and watchdog --------------------------------------------------------------------- */

uint64_t martlet_hal_monotonic_us(void) {
  /* The counter is 32 bits wide: reading it at least once in 71 minutes catches every wrap. The
   * boot agent's poll does. */
  static uint32_t last, wraps;
  uint32_t now = ~TIMER_STATUS(CLOCK_TIMER);
  if (now < last) wraps += 1;
  last = now;
  return (uint64_t)wraps << 32 | now;
}

static uint32_t warning_us;

static void arm_warning(void) {
  TIMER_CONTROL_CLEAR = TIMER_BITS(WARNING_TIMER, 7u);
  if (warning_us == 0) return;
  TIMER_RELOAD(WARNING_TIMER) = warning_us;
  TIMER_STATUS(WARNING_TIMER) = warning_us;
  TIMER_MATCH1(WARNING_TIMER) = 0;
  TIMER_MATCH2(WARNING_TIMER) = 0;
  TIMER_CONTROL = TIMER_BITS(CLOCK_TIMER, TIMER_ENABLE | TIMER_1MHZ) |
                  TIMER_BITS(WARNING_TIMER, TIMER_ENABLE | TIMER_1MHZ | TIMER_INTERRUPT);
}

martlet_hal_status martlet_hal_watchdog_start(uint32_t timeout_ms, uint32_t warning_ms) {
  if (timeout_ms == 0 || timeout_ms > 0xFFFFFFFFu / 1000 || warning_ms >= timeout_ms) {
    return MARTLET_HAL_OUT_OF_RANGE;
  }
  warning_us = warning_ms == 0 ? 0 : (timeout_ms - warning_ms) * 1000;
  WDT_CONTROL = 0;
  WDT_RELOAD = timeout_ms * 1000;
  NVIC_IPR(EARLY_WARNING_IRQ) = 0;
  NVIC_ISER0 = 1u << EARLY_WARNING_IRQ;
  martlet_hal_watchdog_feed();
  WDT_CONTROL = WDT_ENABLE_RESET;
  /* From here a reset that leaves no cause was the watchdog's. */
  leave_cause(MARTLET_RESET_WATCHDOG);
  return MARTLET_HAL_OK;
}

void martlet_hal_watchdog_feed(void) {
  WDT_RESTART = WDT_RESTART_MAGIC;
  arm_warning();
}

/* ---- Serial line --------------------------------------------------------------------------- */

size_t martlet_hal_serial_write(const uint8_t *bytes, size_t length) {
  size_t sent = 0;
  while (sent < length && (UART_LSR & UART_LSR_THR_EMPTY) != 0) UART_DATA = bytes[sent++];
  return sent;
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
  uint32_t end = (uint32_t)martlet_ram_end;
  if (address < (uint32_t)martlet_image_end) end = (uint32_t)martlet_image_end;
  if (address >= end ||
      (address >= (uint32_t)martlet_image_end && address < (uint32_t)martlet_data_start)) {
    *length = 0;
    return NULL;
  }
  if (*length > end - address) *length = end - address;
  return (const void *)address;
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
