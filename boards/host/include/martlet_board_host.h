/* An emulated board inside an ordinary process: the HAL contract over memory, hostile on purpose.
 *
 * The HAL functions carry no context, so each thread selects the board they act on. Functions of
 * this header take the board explicitly, may be called from any thread at any time, and do nothing
 * when it is NULL. Time passes only when a test says so, and chance comes from the seed alone: the
 * same calls on the same configuration have the same results.
 */
#ifndef MARTLET_BOARD_HOST_H
#define MARTLET_BOARD_HOST_H

#include "martlet_hal.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct martlet_host_board martlet_host_board;

/* ---- Making a board ------------------------------------------------------------------------ */

/* How a board is made. Start from martlet_host_default_config. Lengths are in bytes. */
typedef struct martlet_host_config {
  /* Areas may be moved and resized; all whole sectors. A size of 0 is a board without flash. */
  martlet_flash_geometry flash;
  /* A file that holds the NOR contents, flash.size bytes, created full of ff when it is empty or
   * absent. It outlives the process, however that ends. NULL: memory. */
  const char *nor_path;
  /* RAM at ram_start. Arbitrary after a power-on, kept over a warm reset. */
  uint32_t ram_start;
  uint32_t ram_size;
  /* Code at code_start, kept always. */
  uint32_t code_start;
  uint32_t code_size;
  /* At least 3584; a multiple of 8. */
  uint32_t retained_size;
  /* At least 1408; a multiple of 8. */
  uint32_t working_size;
  /* At least 4096; a multiple of 8. */
  uint32_t scratch_size;
  /* Bytes the line to the host takes before writes become partial. */
  uint32_t to_host_capacity;
  /* Bytes the line to the board takes before the host's bytes are lost. */
  uint32_t to_board_capacity;
  /* What auto-advance counts for one page programmed and one sector erased, microseconds. */
  uint32_t page_program_us;
  uint32_t sector_erase_us;
  /* And for one byte read, nanoseconds. */
  uint32_t read_byte_ns;
  /* Everything that is left to chance follows from it. */
  uint64_t seed;
  bool has_entropy;
  bool has_watchdog;
} martlet_host_config;

/* 4 MiB of NOR in memory (sector 4096, page 256, ring 256 KiB at 0x100000, state 20 KiB at
 * 0x0F0000), 64 KiB of RAM at 0x20000000, 64 KiB of code at 0, 4 KiB retained, 1 KiB working, 4 KiB
 * of scratch. */
martlet_host_config martlet_host_default_config(void);

/* Makes a board and powers it on. On failure returns NULL and lets `*problem` (which may be NULL)
 * point at a constant text that says what is wrong. */
martlet_host_board *martlet_host_create(const martlet_host_config *config, const char **problem);

/* Frees the board. No thread but the calling one may still have it selected. */
void martlet_host_destroy(martlet_host_board *board);

/* Makes `board` (or none, with NULL) the one that HAL calls of this thread act on and returns the
 * one before. With none selected every HAL call answers FAILED or zero. */
martlet_host_board *martlet_host_select(martlet_host_board *board);

/* ---- Power and reset ----------------------------------------------------------------------- */

typedef enum MARTLET_CLOSED MARTLET_NAME("HostBoardState") martlet_host_state
    : uint8_t{
          MARTLET_HOST_RUNNING MARTLET_NAME("running") = 0,
          /* martlet_hal_reset was called or the watchdog bit; waits for martlet_host_warm_reset. */
          MARTLET_HOST_RESET MARTLET_NAME("reset") = 1,
          /* Without power; waits for martlet_host_power_on. */
          MARTLET_HOST_OFF MARTLET_NAME("off") = 2,
      } martlet_host_state;

/* While a board is not running, HAL operations touch nothing and answer FAILED or zero. Constants
 * (geometry, image) and RAM pointers stay what they were, and martlet_hal_monotonic_us races ahead
 * by a second a call, so that code which outlives its board ends its waits. */
martlet_host_state martlet_host_get_state(martlet_host_board *board);

/* Why the board waits for a warm reset; UNKNOWN when it does not. */
martlet_reset_cause martlet_host_pending_cause(martlet_host_board *board);

/* Takes the power away between two operations. */
void martlet_host_power_off(martlet_host_board *board);

/* Cold start, from any state: RAM and retained RAM are arbitrary, flash is as it was. */
void martlet_host_power_on(martlet_host_board *board);

/* Warm start with `cause`: RAM is kept; retained RAM is as it was when the board was reset,
 * whatever was written after that. A board without power stays off and the answer is false. */
bool martlet_host_warm_reset(martlet_host_board *board, martlet_reset_cause cause);

/* Whether HAL calls count as coming from the fault context; returns what held before. In it, calls
 * that the contract allows only elsewhere (erase, serial, watchdog start, entropy) are refused and
 * counted in context_violations. */
bool martlet_host_set_fault_context(martlet_host_board *board, bool in_fault);

/* ---- Counters ------------------------------------------------------------------------------ */

typedef struct MARTLET_NAME("HostBoardCounters") martlet_host_counters {
  uint64_t reads;
  uint64_t bytes_read MARTLET_NAME("bytesRead");
  uint64_t programs;
  uint64_t bytes_programmed MARTLET_NAME("bytesProgrammed");
  uint64_t erases;
  /* Bytes programmed and sectors erased: the moments at which power can be cut. */
  uint64_t cut_points MARTLET_NAME("cutPoints");
  /* Bytes that a program wanted a 1 in where a 0 stood: written without an erase. */
  uint64_t conflicts;
  uint64_t clock_reads MARTLET_NAME("clockReads");
  uint64_t feeds;
  uint64_t warnings;
  uint64_t bites;
  /* Resets that the board asked for by itself, bites included. */
  uint64_t resets;
  uint64_t starts;
  /* Operations refused because the board was not running. */
  uint64_t refused;
  /* Operations refused because the fault context may not use them. */
  uint64_t context_violations MARTLET_NAME("contextViolations");
  /* Bytes of the host that a paced line lost because nobody took them from the UART in time. */
  uint64_t overruns;
  /* Times at which guarded memory was found changed without an open, or left open, or closed with
   * a token that was not the last one given: what faults, hangs or goes unprotected on a board. */
  uint64_t guard_violations MARTLET_NAME("guardViolations");
  /* The first byte that the first of them changed: offset in retained RAM, or retained_size plus
   * offset in working RAM; UINT64_MAX for a token or an open that was left. 0 when there is none.
   */
  uint64_t guard_offset MARTLET_NAME("guardOffset");
} martlet_host_counters;

martlet_host_counters martlet_host_get_counters(martlet_host_board *board);

/* Sets all counters to 0, those per sector too. */
void martlet_host_clear_counters(martlet_host_board *board);

/* Erases of the sector that holds flash offset `offset`; 0 outside the part. */
uint32_t martlet_host_sector_erases(martlet_host_board *board, uint32_t offset);

/* ---- Flash, seen from outside -------------------------------------------------------------- */

/* Copies cells out of or into the part, past every fault and counter. False outside the part. Cells
 * that are written become stable. Unstable cells are copied as the value they drift around. */
bool martlet_host_nor_get(martlet_host_board *board, uint32_t offset, void *bytes, uint32_t length);
bool martlet_host_nor_set(martlet_host_board *board, uint32_t offset, const void *bytes,
                          uint32_t length);

/* ---- Flash faults -------------------------------------------------------------------------- */

/* What a power cut leaves of the byte being programmed or the sector being erased. */
typedef enum MARTLET_CLOSED MARTLET_NAME("HostTornState") martlet_host_torn
    : uint8_t{
          /* As before the operation. */
          MARTLET_HOST_TORN_UNTOUCHED MARTLET_NAME("untouched") = 0,
          /* Of a byte, the lower four bits are programmed; of a sector, the first half is erased.
           */
          MARTLET_HOST_TORN_HALF MARTLET_NAME("half") = 1,
          /* Of a byte, random bits are cleared, also such as were to stay; a sector reads ff with
           * random bits cleared, since parts program a sector to 0 before they erase it. */
          MARTLET_HOST_TORN_RANDOM MARTLET_NAME("random") = 2,
          /* The bits that were to be cleared, or the whole sector, read differently each time until
           * they are programmed again or erased. */
          MARTLET_HOST_TORN_UNSTABLE MARTLET_NAME("unstable") = 3,
      } martlet_host_torn;

/* Cuts the power at the `point`-th cut point from now, from 1; 0 disarms. With `whole_page` all
 * bytes of the page being programmed are torn, not only the one at the cut. */
void martlet_host_cut_power(martlet_host_board *board, uint64_t point, martlet_host_torn torn,
                            bool whole_page);

/* Single operations that go wrong; each is armed for the n-th operation from now, from 1, and
 * happens once; 0 disarms. */
typedef enum MARTLET_CLOSED MARTLET_NAME("HostFlashFault") martlet_host_fault
    : uint8_t{
          /* Answers FAILED, the buffer is full of noise. */
          MARTLET_HOST_READ_FAILS MARTLET_NAME("readFails") = 0,
          /* Answers OK, nothing was programmed. */
          MARTLET_HOST_PROGRAM_IGNORED MARTLET_NAME("programIgnored") = 1,
          /* Answers FAILED, the first half of the bytes was programmed. */
          MARTLET_HOST_PROGRAM_FAILS MARTLET_NAME("programFails") = 2,
          /* Answers OK, nothing was erased. */
          MARTLET_HOST_ERASE_IGNORED MARTLET_NAME("eraseIgnored") = 3,
          /* Answers FAILED, the first half of the sector was erased. */
          MARTLET_HOST_ERASE_FAILS MARTLET_NAME("eraseFails") = 4,
      } martlet_host_fault;

void martlet_host_arm_fault(martlet_host_board *board, martlet_host_fault fault,
                            uint64_t operation);

/* What a sector does when it is erased. */
typedef enum MARTLET_CLOSED MARTLET_NAME("HostSectorHealth") martlet_host_sector
    : uint8_t{
          MARTLET_HOST_SECTOR_GOOD MARTLET_NAME("good") = 0,
          /* Answers FAILED and keeps its contents. */
          MARTLET_HOST_SECTOR_FAILS MARTLET_NAME("fails") = 1,
          /* Answers OK and keeps its contents. */
          MARTLET_HOST_SECTOR_LIES MARTLET_NAME("lies") = 2,
          /* Answers OK; random bits stay programmed. */
          MARTLET_HOST_SECTOR_WEAK MARTLET_NAME("weak") = 3,
      } martlet_host_sector;

/* What a page does when bytes of it are programmed, every time. */
typedef enum MARTLET_CLOSED MARTLET_NAME("HostPageHealth") martlet_host_page
    : uint8_t{
          MARTLET_HOST_PAGE_GOOD MARTLET_NAME("good") = 0,
          /* Answers FAILED and keeps its contents. */
          MARTLET_HOST_PAGE_FAILS MARTLET_NAME("fails") = 1,
          /* Answers OK and keeps its contents. */
          MARTLET_HOST_PAGE_LIES MARTLET_NAME("lies") = 2,
          /* Answers OK; of the bits that were to be cleared, random ones stay. */
          MARTLET_HOST_PAGE_WEAK MARTLET_NAME("weak") = 3,
      } martlet_host_page;

/* Sets the health of the page that holds `offset`. False outside the part. */
bool martlet_host_set_page(martlet_host_board *board, uint32_t offset, martlet_host_page health);

/* Sets the health of the sector that holds `offset`. False outside the part. */
bool martlet_host_set_sector(martlet_host_board *board, uint32_t offset,
                             martlet_host_sector health);

/* Lets bits of the byte at `offset` read 0 or 1 whatever they hold; two zeros heal it. False
 * outside the part, when a bit is in both masks, or when 256 bytes are stuck already. */
bool martlet_host_set_stuck(martlet_host_board *board, uint32_t offset, uint8_t zeros,
                            uint8_t ones);

/* Every read that touches the `length` bytes from `offset` answers FAILED; a length of 0 ends it.
 */
void martlet_host_set_unreadable(martlet_host_board *board, uint32_t offset, uint32_t length);

/* ---- Time and watchdog --------------------------------------------------------------------- */

/* Lets `us` pass. A watchdog may warn and bite. A board that is not running has no time. */
void martlet_host_advance(martlet_host_board *board, uint64_t us);

/* What the clock shows; reading it here moves nothing. */
uint64_t martlet_host_clock(martlet_host_board *board);

/* Sets what the clock shows, forward or back. The watchdog counts by itself and does not notice. */
void martlet_host_set_clock(martlet_host_board *board, uint64_t us);

/* Moves what the clock shows by `us` at its `read`-th read from now, from 1; 0 disarms. */
void martlet_host_jump_clock(martlet_host_board *board, int64_t us, uint64_t read);

/* Lets flash operations take the configured times. */
void martlet_host_set_auto_advance(martlet_host_board *board, bool on);

/* Lets `us` pass at every read of the clock by the board, so that loops which wait for it end. */
void martlet_host_set_clock_step(martlet_host_board *board, uint64_t us);

/* Lets the clock follow the real one, for live use. */
void martlet_host_follow_real_time(martlet_host_board *board, bool on);

/* Microseconds until the watchdog bites; UINT64_MAX when it is not running. */
uint64_t martlet_host_watchdog_left(martlet_host_board *board);

/* What the early warning enters: called with the board selected and in the fault context, on the
 * thread that let the time pass, after the operation that did so. When it returns, the board resets
 * with cause FAULT. NULL: a warning is only counted. */
void martlet_host_on_warning(martlet_host_board *board, void (*handler)(void *context),
                             void *context);

/* ---- Serial line, the host's end ----------------------------------------------------------- */

/* Puts bytes on the line to the board and returns how many it took: the others are lost. Bytes sent
 * to a board that is not running are lost too, and counted as taken. */
size_t martlet_host_serial_send(martlet_host_board *board, const uint8_t *bytes, size_t length);

/* Takes up to `capacity` bytes that the board wrote and returns how many. */
size_t martlet_host_serial_receive(martlet_host_board *board, uint8_t *buffer, size_t capacity);

/* Bytes that wait for martlet_host_serial_receive. */
size_t martlet_host_serial_waiting(martlet_host_board *board);

/* Changes the line's capacities. Bytes under way are kept. False when memory is short. */
bool martlet_host_serial_set_capacity(martlet_host_board *board, uint32_t to_host,
                                      uint32_t to_board);

/* Paces the line: a byte takes 10 bits of `baud` each way, and the UART has FIFOs of `fifo` bytes.
 * Writes are partial once the send FIFO is full, and what arrives while the receive FIFO is full is
 * lost and counted in overruns. What the host sends waits in the queue to the board until its time
 * comes. Passes with the board's time; a `baud` of 0 ends it. What the FIFOs held is dropped. A
 * descriptor is never paced. False when memory is short. */
bool martlet_host_serial_set_baud(martlet_host_board *board, uint32_t baud, uint32_t fifo);

/* What is called after each use that a running board makes of its line, on the thread that made it
 * and with the board unlocked: the other end can act in the board's own time, or let it pass.
 * `taken` is how many bytes were written or read. NULL ends it. */
void martlet_host_on_serial(martlet_host_board *board,
                            void (*handler)(void *context, bool wrote, size_t taken),
                            void *context);

/* Connects the line to a socket, pipe or tty instead of the queues; -1 disconnects. The descriptor
 * is duplicated, and made non-blocking unless it is a socket. False when it cannot be. */
bool martlet_host_serial_attach(martlet_host_board *board, int descriptor);

/* ---- Memory and identity ------------------------------------------------------------------- */

/* Copies bytes into or out of RAM or code at a board address. False where neither is. */
bool martlet_host_memory_set(martlet_host_board *board, uint32_t address, const void *bytes,
                             uint32_t length);
bool martlet_host_memory_get(martlet_host_board *board, uint32_t address, void *bytes,
                             uint32_t length);

/* Copies retained RAM as the next warm start would find it out, from its first byte, or puts it in:
 * `length` bytes, at most its size. False beyond that. Only while no device code runs. */
bool martlet_host_retained_get(martlet_host_board *board, void *bytes, uint32_t length);
bool martlet_host_retained_set(martlet_host_board *board, const void *bytes, uint32_t length);

/* Holds guarded memory against what it was when it was last closed, and counts it when somebody
 * else has changed it or left it open. Every open, close and reset does so by itself; the caller
 * that ran device code does so at its end. */
void martlet_host_check_guard(martlet_host_board *board);

/* What martlet_hal_guard_stack was last given in this boot; NULL: no guard. */
const void *martlet_host_guarded_stack(martlet_host_board *board);

/* Takes the source of entropy away, or gives it back. */
void martlet_host_set_entropy(martlet_host_board *board, bool works);

/* Sets what martlet_hal_image answers. `build_id_length` is at most 20, `version` at most 15 bytes.
 * Only between two boots: the HAL promises that the pointers do not change during one. */
bool martlet_host_set_image(martlet_host_board *board, const uint8_t *build_id,
                            uint32_t build_id_length, const char *version, uint32_t code_start,
                            uint32_t code_length);

#ifdef __cplusplus
}
#endif
#endif
