/* What the application of the AST1030 board may call beyond the HAL contract. */
#ifndef AST1030_EVB_H
#define AST1030_EVB_H

#include "martlet_hal.h"

/* The application's entry point: called once, after memory is set up, with interrupts on. When it
 * returns the board resets. */
void martlet_application_main(void);

#endif
