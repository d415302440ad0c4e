/* What every Cortex-M4F board shares with the core's code: the fault entry, and what it asks back.
 */
#ifndef MARTLET_CORTEX_M4F_H
#define MARTLET_CORTEX_M4F_H

#include "martlet_hal.h"

/* The handler for HardFault, MemManage, BusFault, UsageFault, NMI and the board's early-warning
 * interrupt: put it into those vectors. It needs nothing of the interrupted stack, switches to a
 * private one, opens all memory, fills in the fault context, leaves handler mode so that a second
 * fault can be taken, calls martlet_capture_fault and resets. It does not return. */
void martlet_fault_entry(void);

/* For the vectors of exceptions and interrupts that an application may want: each is the fault
 * entry until the application defines it, so that one nobody handles is a crash like any other. */
void SVC_Handler(void);
void PendSV_Handler(void);
void SysTick_Handler(void);
/* All interrupts but the early warning; IPSR says which one it is. */
void martlet_board_interrupt(void);

/* Turns on the configurable faults and the trap on division by zero. Call once, early in reset. */
void martlet_cortex_m4f_start(void);

/* The MPU region that guards the stack of the running thread, and the one that guards the private
 * stack in the fault path; no application may use it. The highest wins over all others. */
enum { MARTLET_MPU_THREAD_GUARD = 3, MARTLET_MPU_CRASH_GUARD = 7 };

/* RASR of a guard: 32 bytes that nobody may write or execute, enabled. They can be read, so that
 * who looks at memory need not know of them. */
#define MARTLET_MPU_GUARD_RASR 0x16020009u

/* Defined by the board: number of the exception that is its early warning, 0 when it has none. */
extern const uint32_t martlet_board_warning_exception;

/* Defined by the board, zeroed before anything can fault, and kept where no application can write:
 * how many faults this boot has taken: 0 in the application, 1 in the fault path, 2 after a fault
 * inside it. */
extern uint32_t martlet_fault_depth;

/* Defined by the linker script: end of code and constants, and the lowest address of the main
 * stack, where its guard is. Between the two nothing can be written, and nobody has a reason to. */
extern uint8_t martlet_image_end[], martlet_stack_bottom[];

#endif
