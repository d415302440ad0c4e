/* Vectors and the way from reset to the application.
 *
 * In C because the vector table is data at a fixed address, and because memory is not set up yet
 * when the first instruction runs. */
#include "ast1030_evb.h"
#include "martlet_cortex_m4f.h"
#include "registers.h"

extern uint32_t martlet_stack_top[], martlet_data_start[], martlet_data_end[], martlet_data_load[],
    martlet_bss_start[], martlet_bss_end[], martlet_zeroed_start[], martlet_zeroed_end[];

void martlet_board_start(void);
int main(int argc, char **argv);

__attribute__((weak)) void martlet_board_first_instruction(void) {}
__attribute__((weak)) void martlet_board_before_main(void) {}

__attribute__((noreturn, used)) void martlet_board_reset(void) {
  /* What the fault path needs comes before anything that may fault: its memory and its clock. */
  for (uint32_t *to = martlet_zeroed_start; to < martlet_zeroed_end; to++) *to = 0;
  martlet_board_start();
  martlet_board_first_instruction();
  const uint32_t *from = martlet_data_load;
  for (uint32_t *to = martlet_data_start; to < martlet_data_end; to++) *to = *from++;
  for (uint32_t *to = martlet_bss_start; to < martlet_bss_end; to++) *to = 0;
  /* Full access to the floating-point unit before any code that may use it. */
  CPACR |= 0xFu << 20;
  __asm volatile("dsb\nisb" ::: "memory");
  martlet_cortex_m4f_start();
  martlet_board_protect();
  martlet_board_before_main();
  main(0, 0);
  martlet_hal_reset(MARTLET_RESET_SOFTWARE);
  for (;;) {
  }
}

typedef void (*vector)(void);

/* The core's 16, then the SoC's interrupt lines. An exception that nobody handles is a crash like
 * any other. */
__attribute__((section(".vectors"), used)) static const vector vectors[16 + INTERRUPT_LINES] = {
    [0] = (vector)martlet_stack_top,
    [1] = martlet_board_reset,
    [2 ... 10] = martlet_fault_entry,
    [11] = SVC_Handler,
    [12 ... 13] = martlet_fault_entry,
    [14] = PendSV_Handler,
    [15] = SysTick_Handler,
    [16 ... 15 + EARLY_WARNING_IRQ] = martlet_board_interrupt,
    [16 + EARLY_WARNING_IRQ] = martlet_fault_entry,
    [17 + EARLY_WARNING_IRQ... 15 + INTERRUPT_LINES] = martlet_board_interrupt,
};

const uint32_t martlet_board_warning_exception = 16 + EARLY_WARNING_IRQ;
