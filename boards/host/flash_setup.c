/* The emulated NOR part as tests set it up: its storage, and the faults it is told to have. Apart
 * from flash.c so that the operations stand alone. */
#if defined(__linux__) || defined(__APPLE__)
#include "internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Storage ------------------------------------------------------------------------------- */

static bool is_power_of_two(uint32_t value) { return value != 0 && (value & (value - 1)) == 0; }

static bool is_area(const martlet_flash_geometry *flash, uint32_t offset, uint32_t size) {
  return offset % flash->sector_size == 0 && size % flash->sector_size == 0 &&
         offset <= flash->size && size <= flash->size - offset;
}

static const char *check_geometry(const martlet_flash_geometry *flash) {
  if (!is_power_of_two(flash->sector_size) || !is_power_of_two(flash->page_size))
    return "sector and page sizes are powers of two";
  if (flash->page_size > flash->sector_size) return "a page is no larger than a sector";
  if (flash->size % flash->sector_size != 0) return "the flash is whole sectors";
  if (!is_area(flash, flash->ring_offset, flash->ring_size))
    return "the ring is whole sectors inside the flash";
  if (!is_area(flash, flash->state_offset, flash->state_size))
    return "the state area is whole sectors inside the flash";
  return NULL;
}

/* Maps the file at `path`, shared, so that what was programmed outlives the process. */
static const char *map_file(martlet_host_board *board, const char *path) {
  uint32_t size = board->config.flash.size;
  int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return "the NOR file cannot be opened for writing";
  struct stat info;
  const char *problem = NULL;
  bool fresh = false;
  if (fstat(descriptor, &info) != 0) {
    problem = "the NOR file cannot be examined";
  } else if (info.st_size == 0) {
    fresh = true;
    if (ftruncate(descriptor, size) != 0) problem = "the NOR file cannot be made long enough";
  } else if (info.st_size != (off_t)size) {
    problem = "the NOR file has another size than the flash";
  }
  void *cells = MAP_FAILED;
  if (!problem) {
    cells = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (cells == MAP_FAILED) problem = "the NOR file cannot be mapped";
  }
  close(descriptor);
  if (problem) return problem;
  if (fresh) memset(cells, 0xFF, size);
  board->nor = cells;
  board->nor_mapped = true;
  return NULL;
}

const char *martlet_host_make_flash(martlet_host_board *board) {
  const martlet_flash_geometry *flash = &board->config.flash;
  if (flash->size == 0) return NULL;
  const char *problem = check_geometry(flash);
  if (problem) return problem;
  uint32_t sectors = flash->size / flash->sector_size;
  board->sector_erases = calloc(sectors, sizeof(uint32_t));
  board->sector_health = calloc(sectors, 1);
  board->page_health = calloc(flash->size / flash->page_size, 1);
  if (!board->sector_erases || !board->sector_health || !board->page_health)
    return "memory is short";
  if (board->config.nor_path) {
    problem = map_file(board, board->config.nor_path);
    board->config.nor_path = NULL;
    return problem;
  }
  board->nor_flip = 0xFF;
  board->nor = calloc(1, flash->size);
  return board->nor ? NULL : "memory is short";
}

void martlet_host_free_flash(martlet_host_board *board) {
  if (board->nor_mapped)
    munmap(board->nor, board->config.flash.size);
  else
    free(board->nor);
  free(board->unstable);
  free(board->sector_erases);
  free(board->sector_health);
  free(board->page_health);
}

/* ---- Faults -------------------------------------------------------------------------------- */

void martlet_host_cut_power(martlet_host_board *board, uint64_t point, martlet_host_torn torn,
                            bool whole_page) {
  if (!martlet_host_enter(board)) return;
  board->cut_left = point;
  board->cut_torn = torn;
  board->cut_page = whole_page;
  martlet_host_leave(board);
}

void martlet_host_arm_fault(martlet_host_board *board, martlet_host_fault fault,
                            uint64_t operation) {
  if (!martlet_host_enter(board)) return;
  if ((unsigned)fault < MARTLET_FAULT_KINDS) board->fault_left[fault] = operation;
  martlet_host_leave(board);
}

bool martlet_host_set_sector(martlet_host_board *board, uint32_t offset,
                             martlet_host_sector health) {
  if (!martlet_host_enter(board)) return false;
  bool ok = offset < board->config.flash.size;
  if (ok) board->sector_health[offset / board->config.flash.sector_size] = health;
  martlet_host_leave(board);
  return ok;
}

bool martlet_host_set_page(martlet_host_board *board, uint32_t offset, martlet_host_page health) {
  if (!martlet_host_enter(board)) return false;
  bool ok = offset < board->config.flash.size;
  if (ok) board->page_health[offset / board->config.flash.page_size] = health;
  martlet_host_leave(board);
  return ok;
}

bool martlet_host_set_stuck(martlet_host_board *board, uint32_t offset, uint8_t zeros,
                            uint8_t ones) {
  if (!martlet_host_enter(board)) return false;
  uint32_t i = 0;
  while (i < board->stuck_count && board->stuck[i].offset != offset) i++;
  bool known = i < board->stuck_count;
  bool heals = zeros == 0 && ones == 0;
  bool ok = offset < board->config.flash.size && (zeros & ones) == 0 &&
            (known || heals || i < MARTLET_STUCK_MAX);
  if (ok && !heals) {
    board->stuck[i] = (martlet_stuck_byte){.offset = offset, .zeros = zeros, .ones = ones};
    if (!known) board->stuck_count++;
  } else if (ok && known) {
    board->stuck[i] = board->stuck[--board->stuck_count];
  }
  martlet_host_leave(board);
  return ok;
}

void martlet_host_set_unreadable(martlet_host_board *board, uint32_t offset, uint32_t length) {
  if (!martlet_host_enter(board)) return;
  board->unreadable_offset = offset;
  board->unreadable_length = length;
  martlet_host_leave(board);
}

uint32_t martlet_host_sector_erases(martlet_host_board *board, uint32_t offset) {
  if (!martlet_host_enter(board)) return 0;
  uint32_t erases = 0;
  if (offset < board->config.flash.size)
    erases = board->sector_erases[offset / board->config.flash.sector_size];
  martlet_host_leave(board);
  return erases;
}

#endif
