/* What the start-up code of the AST1030 board expects of an application.
 *
 * It calls `main` once, after memory is set up and with interrupts on; in Swift that is the `main`
 * of the `@main` type. When it returns the board resets. The application calls nothing of the
 * board's own: what it may ask of hardware is in martlet_hal.h. */
#ifndef AST1030_EVB_H
#define AST1030_EVB_H

#include "martlet_hal.h"

/* Two places for early bring-up code, such as clocks and pins; each does nothing unless the
 * application defines it. A crash in either leaves a record, as one in `main` does.
 *
 * Called first of all: no variable is initialised yet, the MPU is off, every fault arrives as a
 * HardFault, and floating point is not to be used. */
void martlet_board_first_instruction(void);
/* Called right before `main`, with everything set up but the boot agent. */
void martlet_board_before_main(void);

/* Adds what guards the fault path: code and constants are read-only, RAM is not executable, guarded
 * memory is closed. Start-up code calls it before martlet_board_before_main. */
void martlet_board_protect(void);

#endif
