/* The emulated board's life: made, selected, powered, reset, freed. It exists so that device
 * modules run unchanged inside a test, on hardware that fails on command. */
#if defined(__linux__) || defined(__APPLE__)
#include "internal.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(martlet_host_state) == 1, "states are one byte, as statuses are");
_Static_assert(sizeof(martlet_host_torn) == 1, "torn states are one byte, as statuses are");
_Static_assert(MARTLET_HOST_ERASE_FAILS + 1 == MARTLET_FAULT_KINDS, "every fault has a counter");
_Static_assert(sizeof(((martlet_host_board *)0)->build_id) == 20, "the HAL's build-id is 20 bytes");

static _Thread_local martlet_host_board *current;

uint64_t martlet_host_chance(uint64_t *state) {
  uint64_t z = (*state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

void martlet_host_noise(uint64_t *state, uint8_t *bytes, size_t length) {
  for (size_t i = 0; i < length; i += 8) {
    uint64_t value = martlet_host_chance(state);
    memcpy(bytes + i, &value, length - i < 8 ? length - i : 8);
  }
}

/* ---- Making and freeing -------------------------------------------------------------------- */

martlet_host_config martlet_host_default_config(void) {
  return (martlet_host_config){
      .flash = {.size = 4u << 20,
                .sector_size = 4096,
                .page_size = 256,
                .ring_offset = 0x100000,
                .ring_size = 256u << 10,
                .state_offset = 0x0F0000,
                .state_size = 20u << 10},
      .ram_start = 0x20000000,
      .ram_size = 64u << 10,
      .code_start = 0,
      .code_size = 64u << 10,
      .retained_size = 4096,
      .working_size = 1408,
      .scratch_size = 4096,
      .to_host_capacity = 4096,
      .to_board_capacity = 4096,
      .page_program_us = 400,
      .sector_erase_us = 45000,
      .read_byte_ns = 160, /* one bit wide at 50 MHz */
      .seed = 1,
      .has_entropy = true,
      .has_watchdog = true,
  };
}

static const char *check(const martlet_host_config *config) {
  if (config->retained_size < 3584 || config->retained_size % 8 != 0)
    return "retained RAM is at least 3584 bytes and a multiple of 8";
  if (config->working_size < 1408 || config->working_size % 8 != 0)
    return "working RAM is at least 1408 bytes and a multiple of 8";
  if (config->scratch_size < 4096 || config->scratch_size % 8 != 0)
    return "scratch RAM is at least 4096 bytes and a multiple of 8";
  uint64_t ram_end = (uint64_t)config->ram_start + config->ram_size;
  uint64_t code_end = (uint64_t)config->code_start + config->code_size;
  if (ram_end > 1ull << 32 || code_end > 1ull << 32)
    return "RAM and code end within 32 bits of address";
  if (config->ram_size > 0 && config->code_size > 0 && config->ram_start < code_end &&
      config->code_start < ram_end)
    return "RAM and code overlap";
  return NULL;
}

static const char *make(martlet_host_board *board) {
  const martlet_host_config *config = &board->config;
  const char *problem = check(config);
  if (!problem) problem = martlet_host_make_flash(board);
  if (!problem) problem = martlet_host_make_serial(board);
  if (!problem) problem = martlet_host_make_memory(board);
  return problem;
}

martlet_host_board *martlet_host_create(const martlet_host_config *config, const char **problem) {
  const char *ignored;
  if (!problem) problem = &ignored;
  *problem = "no configuration";
  if (!config) return NULL;
  *problem = "memory is short";
  martlet_host_board *board = calloc(1, sizeof *board);
  if (!board) return NULL;
  if (pthread_mutex_init(&board->lock, NULL) != 0) {
    free(board);
    return NULL;
  }
  board->config = *config;
  board->descriptor = -1;
  *problem = make(board);
  if (*problem) {
    martlet_host_destroy(board);
    return NULL;
  }
  uint64_t seed = config->seed;
  board->chance_flash = martlet_host_chance(&seed);
  board->chance_ram = martlet_host_chance(&seed);
  board->chance_entropy = martlet_host_chance(&seed);
  for (uint8_t i = 0; i < sizeof board->build_id; i++) board->build_id[i] = 0xB0 + i;
  board->build_id_length = sizeof board->build_id;
  strcpy(board->version, "1.0.0");
  board->image_start = config->code_start;
  board->image_length = config->code_size;
  martlet_host_power_on(board);
  return board;
}

void martlet_host_destroy(martlet_host_board *board) {
  if (!board) return;
  if (current == board) current = NULL;
  martlet_host_free_serial(board);
  martlet_host_free_flash(board);
  martlet_host_free_memory(board);
  pthread_mutex_destroy(&board->lock);
  free(board);
}

/* ---- Selecting and locking ----------------------------------------------------------------- */

martlet_host_board *martlet_host_select(martlet_host_board *board) {
  martlet_host_board *before = current;
  current = board;
  return before;
}

martlet_host_board *martlet_host_enter(martlet_host_board *board) {
  if (!board) return NULL;
  pthread_mutex_lock(&board->lock);
  martlet_host_catch_up(board);
  return board;
}

martlet_host_board *martlet_host_enter_current(void) { return martlet_host_enter(current); }

/* Runs the early warning's handler as the board's fault entry would: in the fault context, on this
 * board, and with a reset behind it. */
static void run_warning(martlet_host_board *board, void (*handler)(void *), void *context) {
  martlet_host_board *before = martlet_host_select(board);
  bool in_fault = martlet_host_set_fault_context(board, true);
  handler(context);
  martlet_host_set_fault_context(board, in_fault);
  martlet_host_select(before);
  pthread_mutex_lock(&board->lock);
  martlet_host_mark_reset(board, MARTLET_RESET_FAULT);
  pthread_mutex_unlock(&board->lock);
}

void martlet_host_leave(martlet_host_board *board) {
  /* Interrupts are masked while guarded memory is open: the warning comes behind it. */
  bool held = board->guard_depth > 0 && board->state == MARTLET_HOST_RUNNING;
  bool due = board->warning_due && board->state == MARTLET_HOST_RUNNING && !held;
  if (!held) board->warning_due = false;
  void (*handler)(void *) = board->warning_handler;
  void *context = board->warning_context;
  pthread_mutex_unlock(&board->lock);
  if (due && handler) run_warning(board, handler, context);
}

bool martlet_host_admits(martlet_host_board *board, bool allowed_in_fault) {
  if (board->state != MARTLET_HOST_RUNNING) {
    board->counters.refused++;
    return false;
  }
  if (board->in_fault && !allowed_in_fault) {
    board->counters.context_violations++;
    return false;
  }
  return true;
}

bool martlet_host_set_fault_context(martlet_host_board *board, bool in_fault) {
  if (!martlet_host_enter(board)) return false;
  bool before = board->in_fault;
  martlet_host_hold_guard(board);
  board->in_fault = in_fault;
  /* What the fault path wrote was open to it. */
  if (before && !in_fault) martlet_host_restart_guard(board);
  martlet_host_leave(board);
  return before;
}

/* ---- Power and reset ----------------------------------------------------------------------- */

void martlet_host_mark_reset(martlet_host_board *board, martlet_reset_cause cause) {
  if (board->state != MARTLET_HOST_RUNNING) return;
  martlet_host_hold_guard(board);
  memcpy(board->retained_at_reset, board->retained, board->config.retained_size);
  board->state = MARTLET_HOST_RESET;
  board->pending = cause;
  board->counters.resets++;
}

void martlet_host_lose_power(martlet_host_board *board) { board->state = MARTLET_HOST_OFF; }

static void start(martlet_host_board *board, martlet_reset_cause cause) {
  memset(board->working, 0, board->config.working_size);
  martlet_host_restart_time(board);
  martlet_host_clear_line(board);
  martlet_host_noise(&board->chance_ram, board->scratch, board->config.scratch_size);
  martlet_host_restart_guard(board);
  board->in_fault = false;
  board->cause = cause;
  board->pending = MARTLET_RESET_UNKNOWN;
  board->state = MARTLET_HOST_RUNNING;
  board->counters.starts++;
}

void martlet_host_power_off(martlet_host_board *board) {
  if (!martlet_host_enter(board)) return;
  martlet_host_lose_power(board);
  martlet_host_leave(board);
}

void martlet_host_power_on(martlet_host_board *board) {
  if (!martlet_host_enter(board)) return;
  martlet_host_noise(&board->chance_ram, board->ram, board->config.ram_size);
  martlet_host_noise(&board->chance_ram, board->retained, board->config.retained_size);
  start(board, MARTLET_RESET_POWER_ON);
  martlet_host_leave(board);
}

bool martlet_host_warm_reset(martlet_host_board *board, martlet_reset_cause cause) {
  if (!martlet_host_enter(board)) return false;
  bool powered = board->state != MARTLET_HOST_OFF;
  martlet_host_hold_guard(board);
  if (board->state == MARTLET_HOST_RESET)
    memcpy(board->retained, board->retained_at_reset, board->config.retained_size);
  if (powered) start(board, cause);
  martlet_host_leave(board);
  return powered;
}

martlet_host_state martlet_host_get_state(martlet_host_board *board) {
  if (!martlet_host_enter(board)) return MARTLET_HOST_OFF;
  martlet_host_state state = board->state;
  martlet_host_leave(board);
  return state;
}

martlet_reset_cause martlet_host_pending_cause(martlet_host_board *board) {
  if (!martlet_host_enter(board)) return MARTLET_RESET_UNKNOWN;
  martlet_reset_cause cause = board->pending;
  martlet_host_leave(board);
  return cause;
}

void martlet_hal_reset(martlet_reset_cause cause) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return;
  if (martlet_host_admits(board, true)) martlet_host_mark_reset(board, cause);
  martlet_host_leave(board);
}

martlet_reset_cause martlet_hal_reset_cause(void) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return MARTLET_RESET_UNKNOWN;
  martlet_reset_cause cause = board->cause;
  martlet_host_leave(board);
  return cause;
}

/* ---- Counters ------------------------------------------------------------------------------ */

martlet_host_counters martlet_host_get_counters(martlet_host_board *board) {
  martlet_host_counters counters = {0};
  if (!martlet_host_enter(board)) return counters;
  counters = board->counters;
  martlet_host_leave(board);
  return counters;
}

void martlet_host_clear_counters(martlet_host_board *board) {
  if (!martlet_host_enter(board)) return;
  board->counters = (martlet_host_counters){0};
  if (board->sector_erases)
    memset(board->sector_erases, 0,
           (size_t)(board->config.flash.size / board->config.flash.sector_size) * sizeof(uint32_t));
  martlet_host_leave(board);
}

#endif
