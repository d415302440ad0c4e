/* What the parts of the emulated board share. Not for tests: they use martlet_board_host.h. */
#ifndef MARTLET_BOARD_HOST_INTERNAL_H
#define MARTLET_BOARD_HOST_INTERNAL_H

#include <pthread.h>

#include "martlet_board_host.h"

enum { MARTLET_STUCK_MAX = 256, MARTLET_FAULT_KINDS = 5 };

/* A byte whose bits do not follow what they hold. */
typedef struct {
  uint32_t offset;
  uint8_t zeros;
  uint8_t ones;
} martlet_stuck_byte;

/* One direction of the serial line: a ring of bytes. */
typedef struct {
  uint8_t *bytes;
  size_t size;     /* of the storage */
  size_t capacity; /* bytes it takes, at most the size */
  size_t head;
  size_t count;
} martlet_queue;

struct martlet_host_board {
  pthread_mutex_t lock;
  martlet_host_config config;
  martlet_host_counters counters;

  /* Power. */
  martlet_host_state state;
  martlet_reset_cause cause;
  martlet_reset_cause pending;
  bool in_fault;

  /* Flash. Cells in memory are stored inverted, so that fresh zero pages read as erased. */
  uint8_t *nor;
  uint8_t nor_flip;
  bool nor_mapped;
  uint8_t *unstable; /* per byte, the bits that drift; made when first needed */
  uint32_t unstable_bytes;
  uint32_t *sector_erases;
  uint8_t *sector_health;
  uint8_t *page_health;
  uint64_t cut_left; /* cut points until the power goes; 0: never */
  martlet_host_torn cut_torn;
  bool cut_page;
  uint64_t read_ns; /* time of reads that did not fill a microsecond yet */
  uint64_t fault_left[MARTLET_FAULT_KINDS];
  martlet_stuck_byte stuck[MARTLET_STUCK_MAX];
  uint32_t stuck_count;
  uint32_t unreadable_offset;
  uint32_t unreadable_length;

  /* Time. The clock shows elapsed plus offset; the watchdog counts in elapsed alone. */
  uint64_t elapsed;
  uint64_t clock_offset; /* wraps: a clock may be set back */
  uint64_t clock_step;
  uint64_t dead_time;
  bool auto_advance;
  bool follows;
  uint64_t followed;
  int64_t jump_by;
  uint64_t jump_left;
  bool watchdog_on;
  uint64_t watchdog_timeout;
  uint64_t watchdog_warning;
  uint64_t watchdog_deadline;
  bool watchdog_warned;
  bool warning_due;
  void (*warning_handler)(void *);
  void *warning_context;

  /* Serial line. */
  martlet_queue to_host;
  martlet_queue to_board;
  /* A paced line: what the UART holds for either way, the time of a byte (0: not paced), and when
   * the next byte is through. */
  martlet_queue send_fifo;
  martlet_queue receive_fifo;
  uint64_t byte_ns;
  uint64_t sent_at;
  uint64_t received_at;
  int descriptor;
  bool descriptor_is_socket;
  void (*serial_handler)(void *, bool, size_t);
  void *serial_context;

  /* Memory. */
  uint8_t *ram;
  uint8_t *code;
  uint8_t *retained;
  uint8_t *retained_at_reset;
  uint8_t *working;
  uint8_t *scratch;

  /* Guarded memory: what it was at the last close, retained and working RAM one after the other. */
  uint8_t *guard_copy;
  uint32_t guard_depth; /* opens that are not closed yet */
  const void *guarded_stack;

  /* Identity. */
  uint8_t build_id[20];
  uint32_t build_id_length;
  char version[16];
  uint32_t image_start;
  uint32_t image_length;

  /* One stream for each use, so that more draws of one do not change another. */
  uint64_t chance_flash;
  uint64_t chance_ram;
  uint64_t chance_entropy;
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
uint64_t martlet_host_chance(uint64_t *state);
void martlet_host_noise(uint64_t *state, uint8_t *bytes, size_t length);

/* Locks the board, or this thread's board, and lets followed time catch up. NULL when there is
 * none. Every enter that returned a board is ended by one leave, which runs a warning that became
 * due. */
martlet_host_board *martlet_host_enter(martlet_host_board *board);
martlet_host_board *martlet_host_enter_current(void);
void martlet_host_leave(martlet_host_board *board);

/* With the board locked: whether the operation may go on; counts it when not. */
bool martlet_host_admits(martlet_host_board *board, bool allowed_in_fault);

/* With the board locked. */
void martlet_host_mark_reset(martlet_host_board *board, martlet_reset_cause cause);
void martlet_host_lose_power(martlet_host_board *board);
void martlet_host_pass_time(martlet_host_board *board, uint64_t us);
void martlet_host_catch_up(martlet_host_board *board);
void martlet_host_restart_time(martlet_host_board *board);
void martlet_host_clear_line(martlet_host_board *board);
/* Remembers guarded memory as it is now, closed, with no guard under any stack. */
void martlet_host_restart_guard(martlet_host_board *board);
/* Holds guarded memory against what is remembered, unless it is open. */
void martlet_host_hold_guard(martlet_host_board *board);

/* Making and freeing of each part. */
const char *martlet_host_make_flash(martlet_host_board *board);
void martlet_host_free_flash(martlet_host_board *board);
const char *martlet_host_make_memory(martlet_host_board *board);
void martlet_host_free_memory(martlet_host_board *board);
const char *martlet_host_make_serial(martlet_host_board *board);
void martlet_host_free_serial(martlet_host_board *board);

#endif
