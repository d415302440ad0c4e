/* The emulated address space, no-init RAM, image and entropy. They exist so that a stack pointer
 * can lie and a board can forget, without the process noticing. */
#if defined(__linux__) || defined(__APPLE__)
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Board addresses ----------------------------------------------------------------------- */

/* Where the byte at `address` lies, and how many follow it in the same memory. */
static uint8_t *locate(martlet_host_board *board, uint32_t address, uint32_t *left) {
  const martlet_host_config *config = &board->config;
  if (address >= config->ram_start && address - config->ram_start < config->ram_size) {
    *left = config->ram_size - (address - config->ram_start);
    return board->ram + (address - config->ram_start);
  }
  if (address >= config->code_start && address - config->code_start < config->code_size) {
    *left = config->code_size - (address - config->code_start);
    return board->code + (address - config->code_start);
  }
  *left = 0;
  return NULL;
}

const void *martlet_hal_readable(uint32_t address, uint32_t *length) {
  if (!length) return NULL;
  martlet_host_board *board = martlet_host_enter_current();
  uint32_t left = 0;
  const uint8_t *found = NULL;
  if (board) {
    found = locate(board, address, &left);
    martlet_host_leave(board);
  }
  if (*length > left) *length = left;
  return *length > 0 ? found : NULL;
}

bool martlet_host_memory_set(martlet_host_board *board, uint32_t address, const void *bytes,
                             uint32_t length) {
  if (!bytes || !martlet_host_enter(board)) return false;
  uint32_t left;
  uint8_t *found = locate(board, address, &left);
  bool ok = found && length <= left;
  if (ok) memcpy(found, bytes, length);
  martlet_host_leave(board);
  return ok;
}

bool martlet_host_memory_get(martlet_host_board *board, uint32_t address, void *bytes,
                             uint32_t length) {
  if (!bytes || !martlet_host_enter(board)) return false;
  uint32_t left;
  const uint8_t *found = locate(board, address, &left);
  bool ok = found && length <= left;
  if (ok) memcpy(bytes, found, length);
  martlet_host_leave(board);
  return ok;
}

/* ---- Retained, working and scratch RAM ----------------------------------------------------- */

const char *martlet_host_make_memory(martlet_host_board *board) {
  const martlet_host_config *config = &board->config;
  board->ram = calloc(1, config->ram_size + 1u);
  board->code = calloc(1, config->code_size + 1u);
  board->retained = calloc(1, config->retained_size);
  board->retained_at_reset = calloc(1, config->retained_size);
  board->working = calloc(1, config->working_size);
  board->scratch = calloc(1, config->scratch_size);
  board->guard_copy = calloc(1, (size_t)config->retained_size + config->working_size);
  bool made = board->ram && board->code && board->retained && board->retained_at_reset &&
              board->working && board->scratch && board->guard_copy;
  return made ? NULL : "memory is short";
}

void martlet_host_free_memory(martlet_host_board *board) {
  free(board->ram);
  free(board->code);
  free(board->retained);
  free(board->retained_at_reset);
  free(board->working);
  free(board->scratch);
  free(board->guard_copy);
}

martlet_region martlet_hal_retained(void) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return (martlet_region){NULL, 0};
  martlet_region region = {board->retained, board->config.retained_size};
  martlet_host_leave(board);
  return region;
}

martlet_region martlet_hal_working(void) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return (martlet_region){NULL, 0};
  martlet_region region = {board->working, board->config.working_size};
  martlet_host_leave(board);
  return region;
}

martlet_region martlet_hal_scratch(void) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return (martlet_region){NULL, 0};
  martlet_region region = {board->scratch, board->config.scratch_size};
  if (board->state == MARTLET_HOST_RUNNING && board->in_fault) {
    board->counters.context_violations++;
    region = (martlet_region){NULL, 0};
  }
  martlet_host_leave(board);
  return region;
}

/* Retained RAM as the next warm start would find it. */
static uint8_t *retained(martlet_host_board *board) {
  return board->state == MARTLET_HOST_RESET ? board->retained_at_reset : board->retained;
}

bool martlet_host_retained_get(martlet_host_board *board, void *bytes, uint32_t length) {
  if (!bytes || !martlet_host_enter(board)) return false;
  bool ok = length <= board->config.retained_size;
  if (ok) memcpy(bytes, retained(board), length);
  martlet_host_leave(board);
  return ok;
}

bool martlet_host_retained_set(martlet_host_board *board, const void *bytes, uint32_t length) {
  if (!bytes || !martlet_host_enter(board)) return false;
  bool ok = length <= board->config.retained_size;
  if (ok) {
    martlet_host_hold_guard(board);
    memcpy(retained(board), bytes, length);
    memcpy(board->guard_copy, board->retained, board->config.retained_size);
  }
  martlet_host_leave(board);
  return ok;
}

/* ---- Identity ------------------------------------------------------------------------------ */

martlet_image martlet_hal_image(void) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return (martlet_image){.version = ""};
  martlet_image image = {
      .build_id = board->build_id,
      .build_id_length = board->build_id_length,
      .code_start = board->image_start,
      .code_length = board->image_length,
      .version = board->version,
  };
  martlet_host_leave(board);
  return image;
}

bool martlet_host_set_image(martlet_host_board *board, const uint8_t *build_id,
                            uint32_t build_id_length, const char *version, uint32_t code_start,
                            uint32_t code_length) {
  if (!build_id || !version || build_id_length > sizeof board->build_id ||
      strlen(version) >= sizeof board->version || !martlet_host_enter(board))
    return false;
  memset(board->build_id, 0, sizeof board->build_id);
  memcpy(board->build_id, build_id, build_id_length);
  board->build_id_length = build_id_length;
  memset(board->version, 0, sizeof board->version);
  memcpy(board->version, version, strlen(version));
  board->image_start = code_start;
  board->image_length = code_length;
  martlet_host_leave(board);
  return true;
}

martlet_hal_status martlet_hal_entropy(uint8_t *buffer, size_t length) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return MARTLET_HAL_FAILED;
  martlet_hal_status status = MARTLET_HAL_OK;
  if (!martlet_host_admits(board, false) || (!buffer && length > 0))
    status = MARTLET_HAL_FAILED;
  else if (!board->config.has_entropy)
    status = MARTLET_HAL_UNSUPPORTED;
  else
    martlet_host_noise(&board->chance_entropy, buffer, length);
  martlet_host_leave(board);
  return status;
}

/* ---- Deliberate crashes -------------------------------------------------------------------- */

/* There is no fault entry to trap into, and the contract says that the call does not return. */
void martlet_hal_crash(const uint8_t *reason, uint32_t length, uint32_t trap) {
  int shown = reason ? (int)(length < 256 ? length : 256) : 0;
  fprintf(stderr, "martlet_hal_crash: trap 0x%x: %.*s\n", (unsigned)trap, shown,
          reason ? (const char *)reason : "");
  abort();
}

#endif

void martlet_host_set_entropy(martlet_host_board *board, bool works) {
  board->config.has_entropy = works;
}
