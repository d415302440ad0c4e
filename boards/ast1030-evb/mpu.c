/* The memory protection unit: what keeps an application that runs wild out of the fault path.
 *
 * In C because every access is to a register. Of two regions that hold an address the one with the
 * higher number counts, so that these win over what an application sets up from region 1 on. */
#include "ast1030_evb.h"
#include "martlet_cortex_m4f.h"
#include "registers.h"

extern uint8_t martlet_guarded_start[];

/* Regions 1 and 2 are the application's own. It may have 0 as well, when it wants to execute from
 * RAM. 3 is the running thread's guard, 7 the crash stack's: martlet_cortex_m4f.h. */
enum { RAM_REGION = 0, STACK_GUARD_REGION = 4, CODE_REGION = 5, GUARDED_REGION = 6 };

#define RASR_ENABLE 1u
#define RASR_SIZE(log2) (((log2)-1u) << 1)
/* Normal memory, as all of the SRAM is. */
#define RASR_NORMAL (2u << 16)
#define RASR_READ_WRITE (3u << 24)
#define RASR_PRIVILEGED_READ_WRITE (1u << 24)
#define RASR_PRIVILEGED_READ (5u << 24)
#define RASR_READ (6u << 24)
#define RASR_EXECUTE_NEVER (1u << 28)

#define RAM_RASR (RASR_EXECUTE_NEVER | RASR_READ_WRITE | RASR_NORMAL | RASR_SIZE(20) | RASR_ENABLE)
#define CODE_RASR (RASR_READ | RASR_NORMAL | RASR_SIZE(18) | RASR_ENABLE)
#define GUARDED_RASR (RASR_EXECUTE_NEVER | RASR_NORMAL | RASR_SIZE(13) | RASR_ENABLE)
#define OPEN_RASR (GUARDED_RASR | RASR_PRIVILEGED_READ_WRITE)
#define CLOSED_RASR (GUARDED_RASR | RASR_PRIVILEGED_READ)

#define MPU_RBAR_VALID 0x10u
#define MPU_CTRL_ENABLE_PRIVDEFENA 5u

static void set(uint32_t region, const void *start, uint32_t rasr) {
  MPU_RBAR = (uint32_t)start | MPU_RBAR_VALID | region;
  MPU_RASR = rasr;
}

static void settle(void) { __asm volatile("dsb\nisb" ::: "memory"); }

void martlet_board_protect(void) {
  set(RAM_REGION, NULL, RAM_RASR);
  set(STACK_GUARD_REGION, martlet_stack_bottom, MARTLET_MPU_GUARD_RASR);
  set(CODE_REGION, NULL, CODE_RASR);
  set(GUARDED_REGION, martlet_guarded_start, CLOSED_RASR);
  MPU_CTRL = MPU_CTRL_ENABLE_PRIVDEFENA;
  settle();
}

/* The token is RASR as it was, with PRIMASK in one of its reserved bits. In the fault path the
 * region is off, which close puts back. */
#define TOKEN_PRIMASK (1u << 7)

uint32_t martlet_hal_open(void) {
  uint32_t primask;
  __asm volatile("mrs %0, primask\ncpsid i" : "=r"(primask)::"memory");
  /* The base, too: a crash before martlet_board_protect finds none. */
  MPU_RBAR = (uint32_t)martlet_guarded_start | MPU_RBAR_VALID | GUARDED_REGION;
  uint32_t token = MPU_RASR | (primask & 1 ? TOKEN_PRIMASK : 0);
  MPU_RASR = OPEN_RASR;
  settle();
  return token;
}

void martlet_hal_close(uint32_t token) {
  MPU_RNR = GUARDED_REGION;
  MPU_RASR = token & ~TOKEN_PRIMASK;
  settle();
  if ((token & TOKEN_PRIMASK) == 0) __asm volatile("cpsie i" ::: "memory");
}

martlet_hal_status martlet_hal_guard_stack(const void *bottom) {
  if (((uint32_t)bottom & 31) != 0) return MARTLET_HAL_MISALIGNED;
  set(MARTLET_MPU_THREAD_GUARD, bottom, bottom == NULL ? 0 : MARTLET_MPU_GUARD_RASR);
  settle();
  return MARTLET_HAL_OK;
}
