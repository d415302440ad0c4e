/* The emulated clock and watchdog. They exist so that hours pass in a test at once, and clocks
 * break on command. */
#if defined(__linux__) || defined(__APPLE__)
#include "internal.h"

#include <time.h>

enum { MARTLET_DEAD_STEP_US = 1000000 };

static uint64_t real_us(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) return 0;
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* ---- Time ---------------------------------------------------------------------------------- */

/* The moment of the early warning; UINT64_MAX when none is to come. */
static uint64_t warning_time(const martlet_host_board *board) {
  if (!board->watchdog_on || board->watchdog_warning == 0 || board->watchdog_warned)
    return UINT64_MAX;
  return board->watchdog_deadline - board->watchdog_warning;
}

void martlet_host_pass_time(martlet_host_board *board, uint64_t us) {
  if (board->state != MARTLET_HOST_RUNNING) return;
  board->elapsed += us;
  if (board->elapsed >= warning_time(board)) {
    board->watchdog_warned = true;
    board->counters.warnings++;
    board->warning_due = board->warning_handler != NULL;
  }
  /* The warning comes first: its handler runs before a bite that the same step would bring, unless
   * it is held off while guarded memory is open. */
  bool warns = board->warning_due && board->guard_depth == 0;
  if (board->watchdog_on && board->elapsed >= board->watchdog_deadline && !warns) {
    board->counters.bites++;
    martlet_host_mark_reset(board, MARTLET_RESET_WATCHDOG);
  }
}

void martlet_host_catch_up(martlet_host_board *board) {
  if (!board->follows) return;
  uint64_t now = real_us();
  uint64_t passed = now - board->followed;
  board->followed = now;
  martlet_host_pass_time(board, passed);
}

void martlet_host_restart_time(martlet_host_board *board) {
  board->elapsed = 0;
  board->clock_offset = 0;
  board->dead_time = 0;
  board->watchdog_on = false;
  board->warning_due = false;
  if (board->follows) board->followed = real_us();
}

static uint64_t shown(const martlet_host_board *board) {
  return board->elapsed + board->clock_offset + board->dead_time;
}

static void show(martlet_host_board *board, uint64_t us) {
  board->clock_offset = us - board->elapsed - board->dead_time;
}

/* `us` moved by `by`, held between zero and the largest number. */
static uint64_t jumped(uint64_t us, int64_t by) {
  uint64_t far = by < 0 ? 0 - (uint64_t)by : (uint64_t)by;
  if (by < 0) return far > us ? 0 : us - far;
  return far > UINT64_MAX - us ? UINT64_MAX : us + far;
}

uint64_t martlet_hal_monotonic_us(void) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return 0;
  board->counters.clock_reads++;
  martlet_host_pass_time(board, board->clock_step);
  if (board->state != MARTLET_HOST_RUNNING) {
    board->counters.refused++;
    board->dead_time += MARTLET_DEAD_STEP_US;
  } else if (board->jump_left > 0 && --board->jump_left == 0) {
    show(board, jumped(shown(board), board->jump_by));
  }
  uint64_t us = shown(board);
  martlet_host_leave(board);
  return us;
}

void martlet_host_advance(martlet_host_board *board, uint64_t us) {
  if (!martlet_host_enter(board)) return;
  uint64_t warning = warning_time(board);
  uint64_t until = warning > board->elapsed ? warning - board->elapsed : 0;
  if (board->warning_handler && warning != UINT64_MAX && until < us) {
    /* The handler finds the clock at the moment of the warning. */
    martlet_host_pass_time(board, until);
    us -= until;
    martlet_host_leave(board);
    martlet_host_enter(board);
  }
  martlet_host_pass_time(board, us);
  martlet_host_leave(board);
}

uint64_t martlet_host_clock(martlet_host_board *board) {
  if (!martlet_host_enter(board)) return 0;
  uint64_t us = shown(board);
  martlet_host_leave(board);
  return us;
}

void martlet_host_set_clock(martlet_host_board *board, uint64_t us) {
  if (!martlet_host_enter(board)) return;
  show(board, us);
  martlet_host_leave(board);
}

void martlet_host_jump_clock(martlet_host_board *board, int64_t us, uint64_t read) {
  if (!martlet_host_enter(board)) return;
  board->jump_by = us;
  board->jump_left = read;
  martlet_host_leave(board);
}

void martlet_host_set_auto_advance(martlet_host_board *board, bool on) {
  if (!martlet_host_enter(board)) return;
  board->auto_advance = on;
  martlet_host_leave(board);
}

void martlet_host_set_clock_step(martlet_host_board *board, uint64_t us) {
  if (!martlet_host_enter(board)) return;
  board->clock_step = us;
  martlet_host_leave(board);
}

void martlet_host_follow_real_time(martlet_host_board *board, bool on) {
  if (!martlet_host_enter(board)) return;
  board->follows = on;
  board->followed = real_us();
  martlet_host_leave(board);
}

/* ---- Watchdog ------------------------------------------------------------------------------ */

static void feed(martlet_host_board *board) {
  board->watchdog_deadline = board->elapsed + board->watchdog_timeout;
  board->watchdog_warned = false;
}

martlet_hal_status martlet_hal_watchdog_start(uint32_t timeout_ms, uint32_t warning_ms) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return MARTLET_HAL_FAILED;
  martlet_hal_status status = MARTLET_HAL_OK;
  if (!martlet_host_admits(board, false)) {
    status = MARTLET_HAL_FAILED;
  } else if (!board->config.has_watchdog) {
    status = MARTLET_HAL_UNSUPPORTED;
  } else if (timeout_ms == 0 || warning_ms >= timeout_ms) {
    status = MARTLET_HAL_OUT_OF_RANGE;
  } else {
    board->watchdog_timeout = (uint64_t)timeout_ms * 1000u;
    board->watchdog_warning = (uint64_t)warning_ms * 1000u;
    board->watchdog_on = true;
    feed(board);
  }
  martlet_host_leave(board);
  return status;
}

void martlet_hal_watchdog_feed(void) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return;
  if (martlet_host_admits(board, true)) {
    board->counters.feeds++;
    feed(board);
  }
  martlet_host_leave(board);
}

uint64_t martlet_host_watchdog_left(martlet_host_board *board) {
  if (!martlet_host_enter(board)) return UINT64_MAX;
  uint64_t left = UINT64_MAX;
  if (board->watchdog_on && board->state == MARTLET_HOST_RUNNING)
    left =
        board->watchdog_deadline > board->elapsed ? board->watchdog_deadline - board->elapsed : 0;
  martlet_host_leave(board);
  return left;
}

void martlet_host_on_warning(martlet_host_board *board, void (*handler)(void *), void *context) {
  if (!martlet_host_enter(board)) return;
  board->warning_handler = handler;
  board->warning_context = context;
  martlet_host_leave(board);
}

#endif
