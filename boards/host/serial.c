/* The emulated serial line: two queues, or a descriptor. It exists so that device modules meet
 * partial writes and lost bytes in a test, and a real bridge at the other end. */
#if defined(__linux__) || defined(__APPLE__)
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

/* ---- Queues -------------------------------------------------------------------------------- */

/* Changes the capacity; bytes inside are kept, even those beyond it. */
static bool queue_resize(martlet_queue *queue, size_t capacity) {
  size_t size = queue->count > capacity ? queue->count : capacity;
  uint8_t *bytes = malloc(size + 1);
  if (!bytes) return false;
  for (size_t i = 0; i < queue->count; i++)
    bytes[i] = queue->bytes[(queue->head + i) % queue->size];
  free(queue->bytes);
  *queue =
      (martlet_queue){.bytes = bytes, .size = size, .capacity = capacity, .count = queue->count};
  return true;
}

static size_t queue_put(martlet_queue *queue, const uint8_t *bytes, size_t length) {
  size_t room = queue->count < queue->capacity ? queue->capacity - queue->count : 0;
  size_t taken = length < room ? length : room;
  for (size_t i = 0; i < taken; i++)
    queue->bytes[(queue->head + queue->count + i) % queue->size] = bytes[i];
  queue->count += taken;
  return taken;
}

static size_t queue_take(martlet_queue *queue, uint8_t *bytes, size_t capacity) {
  size_t taken = capacity < queue->count ? capacity : queue->count;
  for (size_t i = 0; i < taken; i++) bytes[i] = queue->bytes[(queue->head + i) % queue->size];
  if (taken > 0) queue->head = (queue->head + taken) % queue->size;
  queue->count -= taken;
  return taken;
}

/* ---- Descriptor ---------------------------------------------------------------------------- */

/* A line does not know who listens: only a full one takes nothing, a closed one takes all. */
static size_t descriptor_put(martlet_host_board *board, const uint8_t *bytes, size_t length) {
  ssize_t count;
  do {
    count = board->descriptor_is_socket
                ? send(board->descriptor, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL)
                : write(board->descriptor, bytes, length);
  } while (count < 0 && errno == EINTR);
  if (count >= 0) return (size_t)count;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : length;
}

static size_t descriptor_take(martlet_host_board *board, uint8_t *bytes, size_t capacity) {
  ssize_t count;
  do {
    count = board->descriptor_is_socket ? recv(board->descriptor, bytes, capacity, MSG_DONTWAIT)
                                        : read(board->descriptor, bytes, capacity);
  } while (count < 0 && errno == EINTR);
  return count > 0 ? (size_t)count : 0;
}

bool martlet_host_serial_attach(martlet_host_board *board, int descriptor) {
  if (!martlet_host_enter(board)) return false;
  int own = -1;
  bool ok = descriptor < 0;
  if (!ok) {
    int type;
    socklen_t length = sizeof type;
    bool is_socket = getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &length) == 0;
    own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    ok = own >= 0;
    if (ok && !is_socket) {
      int flags = fcntl(own, F_GETFL);
      ok = flags >= 0 && fcntl(own, F_SETFL, flags | O_NONBLOCK) == 0;
    }
    if (!ok && own >= 0) close(own);
    if (ok) board->descriptor_is_socket = is_socket;
  }
  if (ok) {
    if (board->descriptor >= 0) close(board->descriptor);
    board->descriptor = own;
  }
  martlet_host_leave(board);
  return ok;
}

/* ---- Pace ---------------------------------------------------------------------------------- */

/* What a UART has when it has no FIFO worth the name. */
enum { LEAST_FIFO = 1, BITS_PER_BYTE = 10 };

static uint64_t now_ns(const martlet_host_board *board) { return board->elapsed * 1000u; }

/* Moves one byte from a queue to another. False when there is none. */
static bool move_byte(martlet_queue *from, martlet_queue *to, bool *lost) {
  uint8_t byte;
  if (queue_take(from, &byte, 1) == 0) return false;
  *lost = queue_put(to, &byte, 1) == 0;
  return true;
}

/* Lets the bytes that are through by now arrive at either end of a paced line. */
static void catch_up_line(martlet_host_board *board) {
  if (board->byte_ns == 0) return;
  uint64_t now = now_ns(board);
  bool lost = false;
  while (board->sent_at <= now && board->to_host.count < board->to_host.capacity &&
         move_byte(&board->send_fifo, &board->to_host, &lost))
    board->sent_at += board->byte_ns;
  while (board->received_at <= now && move_byte(&board->to_board, &board->receive_fifo, &lost)) {
    board->received_at += board->byte_ns;
    if (lost) board->counters.overruns++;
  }
}

/* Puts bytes at the begin of a paced way, which takes the first of them at once if it was idle. */
static size_t put_paced(martlet_host_board *board, martlet_queue *way, uint64_t *through_at,
                        const uint8_t *bytes, size_t length) {
  uint64_t first = now_ns(board) + board->byte_ns;
  if (way->count == 0 && *through_at < first) *through_at = first;
  return queue_put(way, bytes, length);
}

bool martlet_host_serial_set_baud(martlet_host_board *board, uint32_t baud, uint32_t fifo) {
  if (!martlet_host_enter(board)) return false;
  catch_up_line(board);
  size_t depth = fifo < LEAST_FIFO ? LEAST_FIFO : fifo;
  bool ok = queue_resize(&board->send_fifo, depth) && queue_resize(&board->receive_fifo, depth);
  if (ok) {
    board->byte_ns = baud == 0 ? 0 : BITS_PER_BYTE * 1000000000ull / baud;
    board->sent_at = board->received_at = now_ns(board) + board->byte_ns;
    board->send_fifo.count = board->receive_fifo.count = 0;
  }
  martlet_host_leave(board);
  return ok;
}

/* ---- Life ---------------------------------------------------------------------------------- */

const char *martlet_host_make_serial(martlet_host_board *board) {
  bool made = queue_resize(&board->to_host, board->config.to_host_capacity) &&
              queue_resize(&board->to_board, board->config.to_board_capacity);
  return made ? NULL : "memory is short";
}

void martlet_host_free_serial(martlet_host_board *board) {
  if (board->descriptor >= 0) close(board->descriptor);
  free(board->to_host.bytes);
  free(board->to_board.bytes);
  free(board->send_fifo.bytes);
  free(board->receive_fifo.bytes);
}

void martlet_host_clear_line(martlet_host_board *board) {
  /* What came in before the start went by a receiver that was not there. */
  board->to_board.count = 0;
  /* Time begins anew, and a UART forgets. */
  board->send_fifo.count = board->receive_fifo.count = 0;
  board->sent_at = board->received_at = 0;
  uint8_t lost[256];
  if (board->descriptor >= 0)
    while (descriptor_take(board, lost, sizeof lost) > 0) {
    }
}

bool martlet_host_serial_set_capacity(martlet_host_board *board, uint32_t to_host,
                                      uint32_t to_board) {
  if (!martlet_host_enter(board)) return false;
  bool ok = queue_resize(&board->to_host, to_host) && queue_resize(&board->to_board, to_board);
  martlet_host_leave(board);
  return ok;
}

void martlet_host_on_serial(martlet_host_board *board,
                            void (*handler)(void *context, bool wrote, size_t taken),
                            void *context) {
  if (!martlet_host_enter(board)) return;
  board->serial_handler = handler;
  board->serial_context = context;
  martlet_host_leave(board);
}

/* Ends a use of the line and lets whoever listens act, with the board unlocked. */
static void leave_and_tell(martlet_host_board *board, bool wrote, size_t taken) {
  void (*handler)(void *, bool, size_t) = board->serial_handler;
  void *context = board->serial_context;
  if (board->state != MARTLET_HOST_RUNNING) handler = NULL;
  martlet_host_leave(board);
  if (handler) handler(context, wrote, taken);
}

/* ---- The board's end ----------------------------------------------------------------------- */

size_t martlet_hal_serial_write(const uint8_t *bytes, size_t length) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return 0;
  size_t taken = 0;
  catch_up_line(board);
  if (martlet_host_admits(board, false) && bytes && length > 0) {
    if (board->descriptor >= 0)
      taken = descriptor_put(board, bytes, length);
    else if (board->byte_ns > 0)
      taken = put_paced(board, &board->send_fifo, &board->sent_at, bytes, length);
    else
      taken = queue_put(&board->to_host, bytes, length);
  }
  leave_and_tell(board, true, taken);
  return taken;
}

size_t martlet_hal_serial_read(uint8_t *buffer, size_t capacity) {
  martlet_host_board *board = martlet_host_enter_current();
  if (!board) return 0;
  size_t taken = 0;
  catch_up_line(board);
  if (martlet_host_admits(board, false) && buffer && capacity > 0) {
    martlet_queue *queue = board->byte_ns > 0 ? &board->receive_fifo : &board->to_board;
    taken = board->descriptor >= 0 ? descriptor_take(board, buffer, capacity)
                                   : queue_take(queue, buffer, capacity);
  }
  leave_and_tell(board, false, taken);
  return taken;
}

/* ---- The host's end ------------------------------------------------------------------------ */

size_t martlet_host_serial_send(martlet_host_board *board, const uint8_t *bytes, size_t length) {
  if (!bytes || !martlet_host_enter(board)) return 0;
  size_t taken = length;
  catch_up_line(board);
  if (board->state == MARTLET_HOST_RUNNING)
    taken = put_paced(board, &board->to_board, &board->received_at, bytes, length);
  martlet_host_leave(board);
  return taken;
}

size_t martlet_host_serial_receive(martlet_host_board *board, uint8_t *buffer, size_t capacity) {
  if (!buffer || !martlet_host_enter(board)) return 0;
  catch_up_line(board);
  size_t taken = queue_take(&board->to_host, buffer, capacity);
  martlet_host_leave(board);
  return taken;
}

size_t martlet_host_serial_waiting(martlet_host_board *board) {
  if (!martlet_host_enter(board)) return 0;
  catch_up_line(board);
  size_t count = board->to_host.count;
  martlet_host_leave(board);
  return count;
}

#endif
