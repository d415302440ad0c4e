/* What the start-up code of the AST1030 board expects of an application.
 *
 * It calls `main` once, after memory is set up and with interrupts on; in Swift that is the `main`
 * of the `@main` type. When it returns the board resets. The application calls nothing of the
 * board's own: what it may ask of hardware is in martlet_hal.h. */
#ifndef AST1030_EVB_H
#define AST1030_EVB_H

#include "martlet_hal.h"

#endif
