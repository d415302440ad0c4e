/* Gives the header-only HAL contract a translation unit, and checks the layouts that dumps and
 * assembly rely on. */
#include "martlet_hal.h"

_Static_assert(sizeof(martlet_hal_status) == 1, "a status is one byte on every board");
_Static_assert(sizeof(martlet_reset_cause) == 1, "a reset cause is one byte on every board");
_Static_assert(sizeof(martlet_fault_context) == 114 * 4, "the fault context is 114 words");
_Static_assert(offsetof(martlet_fault_context, sp) == 52, "r0-r12 come first");
_Static_assert(offsetof(martlet_fault_context, cfsr) == 26 * 4, "system registers follow");
_Static_assert(offsetof(martlet_fault_context, s) == 34 * 4, "floating point follows");
_Static_assert(offsetof(martlet_fault_context, mpu_type) == 67 * 4, "peripherals come last");
