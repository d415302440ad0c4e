/* The emulated NOR part: cells, and the three operations of the HAL on them. It exists to do what a
 * real part does at its worst moment, power loss included. */
#if defined(__linux__) || defined(__APPLE__)
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- Cells --------------------------------------------------------------------------------- */

/* What the byte at `offset` reads as now: drifting bits are drawn anew. */
static uint8_t cell(martlet_host_board *board, uint32_t offset) {
  uint8_t value = board->nor[offset] ^ board->nor_flip;
  if (board->unstable_bytes > 0 && board->unstable[offset] != 0)
    value &= ~(board->unstable[offset] & (uint8_t)martlet_host_chance(&board->chance_flash));
  return value;
}

static void set_cell(martlet_host_board *board, uint32_t offset, uint8_t value) {
  board->nor[offset] = value ^ board->nor_flip;
  if (board->unstable_bytes > 0 && board->unstable[offset] != 0) {
    board->unstable[offset] = 0;
    board->unstable_bytes--;
  }
}

/* Lets `bits` of the byte drift between 0 and 1; the others stay. */
static void set_drifting(martlet_host_board *board, uint32_t offset, uint8_t bits) {
  if (!board->unstable) board->unstable = calloc(1, board->config.flash.size);
  if (!board->unstable || bits == 0) return;
  if (board->unstable[offset] == 0) board->unstable_bytes++;
  board->unstable[offset] |= bits;
  board->nor[offset] = (uint8_t)((board->nor[offset] ^ board->nor_flip) | bits) ^ board->nor_flip;
}

static bool inside(const martlet_host_board *board, uint32_t offset, uint32_t length) {
  uint32_t size = board->config.flash.size;
  return offset <= size && length <= size - offset;
}

/* Counts one operation towards an armed fault and says whether this is the one. */
static bool strikes(martlet_host_board *board, martlet_host_fault fault) {
  if (board->fault_left[fault] == 0) return false;
  return --board->fault_left[fault] == 0;
}

/* Counts cut points up to `count`. Returns how many were reached: fewer than, or equal to, `count`
 * with `*cut` set means that the power goes at the last of them. */
static uint32_t reach(martlet_host_board *board, uint32_t count, bool *cut) {
  *cut = board->cut_left > 0 && board->cut_left <= count;
  uint32_t reached = *cut ? (uint32_t)board->cut_left : count;
  if (board->cut_left > 0) board->cut_left -= reached;
  board->counters.cut_points += reached;
  return reached;
}

/* ---- Reading ------------------------------------------------------------------------------- */

static bool overlaps_unreadable(const martlet_host_board *board, uint32_t offset, uint32_t length) {
  uint64_t end = (uint64_t)offset + length;
  uint64_t bad_end = (uint64_t)board->unreadable_offset + board->unreadable_length;
  return board->unreadable_length > 0 && offset < bad_end && board->unreadable_offset < end;
}

/* Copies cells that are neither drifting nor stuck, eight at a time: whole parts are copied often.
 */
static void copy_flipped(uint8_t *to, const uint8_t *from, size_t length, uint8_t flip) {
  const uint64_t flips = flip * 0x0101010101010101u;
  size_t i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t eight;
    memcpy(&eight, from + i, 8);
    eight ^= flips;
    memcpy(to + i, &eight, 8);
  }
  for (; i < length; i++) to[i] = from[i] ^ flip;
}

static void copy_out(martlet_host_board *board, uint32_t offset, uint8_t *out, uint32_t length) {
  if (board->unstable_bytes == 0) {
    copy_flipped(out, board->nor + offset, length, board->nor_flip);
  } else {
    for (uint32_t i = 0; i < length; i++) out[i] = cell(board, offset + i);
  }
  for (uint32_t i = 0; i < board->stuck_count; i++) {
    const martlet_stuck_byte *stuck = &board->stuck[i];
    if (stuck->offset < offset || stuck->offset - offset >= length) continue;
    uint8_t *byte = &out[stuck->offset - offset];
    *byte = (*byte & ~stuck->zeros) | stuck->ones;
  }
}

static martlet_hal_status read_cells(martlet_host_board *board, uint32_t offset, uint8_t *buffer,
                                     uint32_t length) {
  if (!martlet_host_admits(board, true)) return MARTLET_HAL_FAILED;
  if (!inside(board, offset, length)) return MARTLET_HAL_OUT_OF_RANGE;
  if (!buffer && length > 0) return MARTLET_HAL_FAILED;
  board->counters.reads++;
  if (strikes(board, MARTLET_HOST_READ_FAILS) || overlaps_unreadable(board, offset, length)) {
    martlet_host_noise(&board->chance_flash, buffer, length);
    return MARTLET_HAL_FAILED;
  }
  if (length > 0) copy_out(board, offset, buffer, length);
  board->counters.bytes_read += length;
  return MARTLET_HAL_OK;
}

/* ---- Programming --------------------------------------------------------------------------- */

static void program_byte(martlet_host_board *board, uint32_t offset, uint8_t value) {
  uint8_t old = cell(board, offset);
  if ((value & ~old) != 0) board->counters.conflicts++;
  set_cell(board, offset, old & value);
}

/* Leaves a byte whose programming the power cut ended. */
static void tear_byte(martlet_host_board *board, uint32_t offset, uint8_t value) {
  if (board->cut_torn == MARTLET_HOST_TORN_UNTOUCHED) return;
  uint8_t old = cell(board, offset);
  switch (board->cut_torn) {
    case MARTLET_HOST_TORN_UNTOUCHED:
      break;
    case MARTLET_HOST_TORN_HALF:
      set_cell(board, offset, old & (value | 0xF0));
      break;
    case MARTLET_HOST_TORN_RANDOM:
      set_cell(board, offset, old & (uint8_t)martlet_host_chance(&board->chance_flash));
      break;
    case MARTLET_HOST_TORN_UNSTABLE:
      set_cell(board, offset, old);
      set_drifting(board, offset, old & ~value);
      break;
  }
}

/* Programs a byte of a page in poor health. */
static void program_poorly(martlet_host_board *board, uint32_t offset, uint8_t value,
                           martlet_host_page health) {
  uint8_t stay = 0xFF;
  if (health == MARTLET_HOST_PAGE_WEAK) stay = (uint8_t)martlet_host_chance(&board->chance_flash);
  program_byte(board, offset, value | stay);
}

/* Programs one run within a page. False when the power went or the page says that it failed. */
static bool program_page(martlet_host_board *board, uint32_t offset, const uint8_t *bytes,
                         uint32_t length) {
  martlet_host_page health =
      (martlet_host_page)board->page_health[offset / board->config.flash.page_size];
  bool cut;
  uint32_t reached = reach(board, length, &cut);
  uint32_t whole = cut ? reached - 1 : reached;
  uint32_t done = cut && board->cut_page ? 0 : whole;
  bool good = health == MARTLET_HOST_PAGE_GOOD;
  for (uint32_t i = 0; i < done; i++) {
    if (good)
      program_byte(board, offset + i, bytes[i]);
    else
      program_poorly(board, offset + i, bytes[i], health);
  }
  board->counters.bytes_programmed += done;
  if (!cut) return health != MARTLET_HOST_PAGE_FAILS;
  uint32_t torn = board->cut_page ? length : reached;
  for (uint32_t i = done; good && i < torn; i++) tear_byte(board, offset + i, bytes[i]);
  martlet_host_lose_power(board);
  return false;
}

static martlet_hal_status program_cells(martlet_host_board *board, uint32_t offset,
                                        const uint8_t *bytes, uint32_t length) {
  if (!martlet_host_admits(board, true)) return MARTLET_HAL_FAILED;
  if (!inside(board, offset, length)) return MARTLET_HAL_OUT_OF_RANGE;
  if (!bytes && length > 0) return MARTLET_HAL_FAILED;
  board->counters.programs++;
  bool ignored = strikes(board, MARTLET_HOST_PROGRAM_IGNORED);
  bool fails = strikes(board, MARTLET_HOST_PROGRAM_FAILS);
  uint32_t page = board->config.flash.page_size;
  uint32_t done = 0;
  uint32_t end = fails ? length / 2 : length;
  while (done < end) {
    uint32_t run = page - ((offset + done) & (page - 1));
    if (run > end - done) run = end - done;
    if (ignored) {
      bool cut;
      reach(board, run, &cut);
      if (cut) martlet_host_lose_power(board);
    } else {
      fails |= !program_page(board, offset + done, bytes + done, run);
    }
    if (board->auto_advance) martlet_host_pass_time(board, board->config.page_program_us);
    /* A watchdog that bites here resets the processor; the part has finished the page by itself. */
    if (board->state != MARTLET_HOST_RUNNING) return MARTLET_HAL_FAILED;
    done += run;
  }
  return fails ? MARTLET_HAL_FAILED : MARTLET_HAL_OK;
}

/* ---- Erasing ------------------------------------------------------------------------------- */

static void erase_bytes(martlet_host_board *board, uint32_t offset, uint32_t length) {
  if (board->unstable_bytes == 0) {
    memset(board->nor + offset, 0xFF ^ board->nor_flip, length);
  } else {
    for (uint32_t i = 0; i < length; i++) set_cell(board, offset + i, 0xFF);
  }
}

/* Erases a run of a sector in poor health: of the bits that are 0, random ones stay. */
static void erase_poorly(martlet_host_board *board, uint32_t offset, uint32_t length) {
  for (uint32_t i = 0; i < length; i++)
    set_cell(board, offset + i,
             cell(board, offset + i) | (uint8_t)martlet_host_chance(&board->chance_flash));
}

/* Leaves a sector whose erase the power cut ended. */
static void tear_sector(martlet_host_board *board, uint32_t offset) {
  uint32_t size = board->config.flash.sector_size;
  switch (board->cut_torn) {
    case MARTLET_HOST_TORN_UNTOUCHED:
      break;
    case MARTLET_HOST_TORN_HALF:
      erase_bytes(board, offset, size / 2);
      break;
    case MARTLET_HOST_TORN_RANDOM:
      for (uint32_t i = 0; i < size; i++)
        set_cell(board, offset + i, (uint8_t)martlet_host_chance(&board->chance_flash));
      break;
    case MARTLET_HOST_TORN_UNSTABLE:
      for (uint32_t i = 0; i < size; i++) set_drifting(board, offset + i, 0xFF);
      break;
  }
}

static martlet_hal_status erase_sector(martlet_host_board *board, uint32_t offset) {
  if (!martlet_host_admits(board, false)) return MARTLET_HAL_FAILED;
  uint32_t size = board->config.flash.sector_size;
  if (offset >= board->config.flash.size) return MARTLET_HAL_OUT_OF_RANGE;
  if ((offset & (size - 1)) != 0) return MARTLET_HAL_MISALIGNED;
  board->counters.erases++;
  board->sector_erases[offset / size]++;
  martlet_host_sector health = (martlet_host_sector)board->sector_health[offset / size];
  bool weak = health == MARTLET_HOST_SECTOR_WEAK;
  bool ignored =
      strikes(board, MARTLET_HOST_ERASE_IGNORED) || (health != MARTLET_HOST_SECTOR_GOOD && !weak);
  bool fails = strikes(board, MARTLET_HOST_ERASE_FAILS);
  bool cut;
  reach(board, 1, &cut);
  if (cut) {
    if (!ignored) tear_sector(board, offset);
    martlet_host_lose_power(board);
    return MARTLET_HAL_FAILED;
  }
  if (!ignored && weak)
    erase_poorly(board, offset, fails ? size / 2 : size);
  else if (!ignored)
    erase_bytes(board, offset, fails ? size / 2 : size);
  if (board->auto_advance) martlet_host_pass_time(board, board->config.sector_erase_us);
  bool failed = fails || health == MARTLET_HOST_SECTOR_FAILS;
  return failed || board->state != MARTLET_HOST_RUNNING ? MARTLET_HAL_FAILED : MARTLET_HAL_OK;
}

/* ---- The HAL's operations ------------------------------------------------------------------ */

martlet_flash_geometry martlet_hal_flash_geometry(void) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return (martlet_flash_geometry){0};
  martlet_flash_geometry geometry = board->config.flash;
  martlet_host_leave(board);
  return geometry;
}

martlet_hal_status martlet_hal_flash_read(uint32_t offset, void *buffer, uint32_t length) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return MARTLET_HAL_FAILED;
  martlet_hal_status status = read_cells(board, offset, buffer, length);
  if (board->auto_advance && status == MARTLET_HAL_OK) {
    board->read_ns += (uint64_t)length * board->config.read_byte_ns;
    martlet_host_pass_time(board, board->read_ns / 1000u);
    board->read_ns %= 1000u;
  }
  martlet_host_leave(board);
  return status;
}

martlet_hal_status martlet_hal_flash_program(uint32_t offset, const void *bytes, uint32_t length) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return MARTLET_HAL_FAILED;
  martlet_hal_status status = program_cells(board, offset, bytes, length);
  martlet_host_leave(board);
  return status;
}

martlet_hal_status martlet_hal_flash_erase(uint32_t offset) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return MARTLET_HAL_FAILED;
  martlet_hal_status status = erase_sector(board, offset);
  martlet_host_leave(board);
  return status;
}

/* ---- Cells from outside -------------------------------------------------------------------- */

bool martlet_host_nor_get(martlet_host_board *board, uint32_t offset, void *bytes,
                          uint32_t length) {
  if (!martlet_host_enter(board)) return false;
  bool ok = inside(board, offset, length) && (bytes || length == 0);
  if (ok && length > 0) copy_flipped(bytes, board->nor + offset, length, board->nor_flip);
  martlet_host_leave(board);
  return ok;
}

bool martlet_host_nor_set(martlet_host_board *board, uint32_t offset, const void *bytes,
                          uint32_t length) {
  if (!martlet_host_enter(board)) return false;
  bool ok = inside(board, offset, length) && (bytes || length == 0);
  const uint8_t *in = bytes;
  if (ok && length > 0 && board->unstable_bytes == 0) {
    copy_flipped(board->nor + offset, in, length, board->nor_flip);
  } else {
    for (uint32_t i = 0; ok && i < length; i++) set_cell(board, offset + i, in[i]);
  }
  martlet_host_leave(board);
  return ok;
}

#endif
