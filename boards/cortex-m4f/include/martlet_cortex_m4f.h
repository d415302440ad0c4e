/* What every Cortex-M4F board shares with the core's code: the fault entry, and what it asks back.
 */
#ifndef MARTLET_CORTEX_M4F_H
#define MARTLET_CORTEX_M4F_H

#include "martlet_hal.h"

/* The handler for HardFault, MemManage, BusFault, UsageFault, NMI and the board's early-warning
 * interrupt: put it into those vectors. It needs nothing of the interrupted stack, switches to a
 * private one, fills in the fault context, leaves handler mode so that a second fault can be taken,
 * calls martlet_capture_fault and resets. It does not return. */
void martlet_fault_entry(void);

/* Turns on the configurable faults and the trap on division by zero. Call once, early in reset. */
void martlet_cortex_m4f_start(void);

/* Defined by the board: number of the exception that is its early warning, 0 when it has none. */
extern const uint32_t martlet_board_warning_exception;

#endif
