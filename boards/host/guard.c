/* The emulated guard: what a board's MPU does to memory and stacks, done by comparison. It exists
 * so that a test sees a write to guarded memory that would be a fault on a board. */
#if defined(__linux__) || defined(__APPLE__)
#include "internal.h"

#include <string.h>

/* ---- Guarded memory ------------------------------------------------------------------------ */

static void remember(martlet_host_board *board) {
  memcpy(board->guard_copy, board->retained, board->config.retained_size);
  memcpy(board->guard_copy + board->config.retained_size, board->working,
         board->config.working_size);
}

static void report(martlet_host_board *board, uint64_t offset) {
  if (board->counters.guard_violations++ == 0) board->counters.guard_offset = offset;
}

/* The first byte that is not as remembered, counted through both memories; their size: none. */
static uint32_t first_change(const martlet_host_board *board) {
  uint32_t kept = board->config.retained_size;
  uint32_t size = kept + board->config.working_size;
  if (memcmp(board->retained, board->guard_copy, kept) == 0 &&
      memcmp(board->working, board->guard_copy + kept, size - kept) == 0)
    return size;
  uint32_t i = 0;
  while (i < size &&
         board->guard_copy[i] == (i < kept ? board->retained[i] : board->working[i - kept]))
    i++;
  return i;
}

void martlet_host_hold_guard(martlet_host_board *board) {
  if (board->state != MARTLET_HOST_RUNNING || board->in_fault || board->guard_depth > 0) return;
  uint32_t change = first_change(board);
  if (change == board->config.retained_size + board->config.working_size) return;
  report(board, change);
  remember(board);
}

void martlet_host_restart_guard(martlet_host_board *board) {
  board->guard_depth = 0;
  board->guarded_stack = NULL;
  remember(board);
}

void martlet_host_check_guard(martlet_host_board *board) {
  if (!martlet_host_enter(board)) return;
  martlet_host_hold_guard(board);
  if (board->state == MARTLET_HOST_RUNNING && !board->in_fault && board->guard_depth > 0) {
    report(board, UINT64_MAX);
    board->guard_depth = 0;
    remember(board);
  }
  martlet_host_leave(board);
}

/* In the fault context, and on a board that does not run, nothing is guarded. */
static bool guards(const martlet_host_board *board) {
  return board->state == MARTLET_HOST_RUNNING && !board->in_fault;
}

uint32_t martlet_hal_open(void) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return 0;
  uint32_t token = board->guard_depth;
  if (guards(board)) {
    martlet_host_hold_guard(board);
    board->guard_depth++;
  }
  martlet_host_leave(board);
  return token;
}

void martlet_hal_close(uint32_t token) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return;
  if (guards(board)) {
    if (board->guard_depth == 0 || token != board->guard_depth - 1) report(board, UINT64_MAX);
    board->guard_depth = token < board->guard_depth ? token : 0;
    if (board->guard_depth == 0) remember(board);
  }
  martlet_host_leave(board);
}

/* ---- Stacks -------------------------------------------------------------------------------- */

martlet_hal_status martlet_hal_guard_stack(const void *bottom) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return MARTLET_HAL_FAILED;
  martlet_hal_status status = MARTLET_HAL_OK;
  if (!martlet_host_admits(board, false))
    status = MARTLET_HAL_FAILED;
  else if ((uintptr_t)bottom % 32 != 0)
    status = MARTLET_HAL_MISALIGNED;
  else
    board->guarded_stack = bottom;
  martlet_host_leave(board);
  return status;
}

const void *martlet_host_guarded_stack(martlet_host_board *board) {
  if (!martlet_host_enter(board)) return NULL;
  const void *bottom = board->guarded_stack;
  martlet_host_leave(board);
  return bottom;
}

#endif
