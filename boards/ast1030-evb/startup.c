/* Vectors and the way from reset to the application.
 *
 * In C because the vector table is data at a fixed address, and because memory is not set up yet
 * when the first instruction runs. */
#include "martlet_cortex_m4f.h"
#include "registers.h"

extern uint32_t martlet_stack_top[], martlet_data_start[], martlet_data_end[], martlet_data_load[],
    martlet_bss_start[], martlet_bss_end[];

void martlet_board_start(void);
int main(int argc, char **argv);

__attribute__((noreturn, used)) void martlet_board_reset(void) {
  const uint32_t *from = martlet_data_load;
  for (uint32_t *to = martlet_data_start; to < martlet_data_end; to++) *to = *from++;
  for (uint32_t *to = martlet_bss_start; to < martlet_bss_end; to++) *to = 0;
  /* Full access to the floating-point unit before any code that may use it. */
  CPACR |= 0xFu << 20;
  __asm volatile("dsb\nisb" ::: "memory");
  martlet_cortex_m4f_start();
  martlet_board_start();
  main(0, 0);
  martlet_hal_reset(MARTLET_RESET_SOFTWARE);
  for (;;) {
  }
}

/* An exception that nobody handles is a crash like any other. */
#define FAULT martlet_fault_entry

typedef void (*vector)(void);

__attribute__((section(".vectors"),
               used)) static const vector vectors[16 + EARLY_WARNING_IRQ + 1] = {
    (vector)martlet_stack_top,
    martlet_board_reset,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
    FAULT,
};

const uint32_t martlet_board_warning_exception = 16 + EARLY_WARNING_IRQ;
