/* SPI NOR through the flash controller's user mode: each access to the window is bytes on the wire.
 *
 * In C because every access is to a volatile register. */
#include "martlet_hal.h"
#include "registers.h"

enum {
  SIZE = 4 << 20,
  SECTOR = 4096,
  PAGE = 256,
  STATE_OFFSET = 0x0F0000,
  STATE_SIZE = 5 * SECTOR,
  RING_OFFSET = 0x100000,
  RING_SIZE = 512 << 10,
};

/* Commands of the W25Q32JV. */
enum { PROGRAM = 0x02, READ = 0x03, STATUS = 0x05, WRITE_ENABLE = 0x06, ERASE_4K = 0x20 };

enum { STATUS_BUSY = 1 };

/* Status reads before an operation counts as failed. One read is 16 clocks, at 50 MHz 0.32 us at
 * least, so these cover a page (3 ms) and a sector (400 ms) in the worst case. */
enum { PAGE_POLLS = 10000, SECTOR_POLLS = 1300000 };

static void select(void) {
  FMC_CONFIG |= FMC_CONFIG_WRITE_CE0;
  FMC_CE0_CONTROL = FMC_USER_SELECTED;
}

static void release(void) { FMC_CE0_CONTROL = FMC_USER_RELEASED; }

static void send(uint8_t byte) { REG8(NOR_WINDOW) = byte; }

static void command(uint8_t code, uint32_t offset) {
  select();
  send(code);
  send((uint8_t)(offset >> 16));
  send((uint8_t)(offset >> 8));
  send((uint8_t)offset);
}

static martlet_hal_status wait_ready(uint32_t polls) {
  uint8_t status = STATUS_BUSY;
  select();
  send(STATUS);
  while (polls-- > 0 && (status & STATUS_BUSY) != 0) status = REG8(NOR_WINDOW);
  release();
  return (status & STATUS_BUSY) != 0 ? MARTLET_HAL_FAILED : MARTLET_HAL_OK;
}

static void write_enable(void) {
  select();
  send(WRITE_ENABLE);
  release();
}

static int inside(uint32_t offset, uint32_t length) {
  return offset <= SIZE && length <= SIZE - offset;
}

martlet_flash_geometry martlet_hal_flash_geometry(void) {
  return (martlet_flash_geometry){
      .size = SIZE,
      .sector_size = SECTOR,
      .page_size = PAGE,
      .ring_offset = RING_OFFSET,
      .ring_size = RING_SIZE,
      .state_offset = STATE_OFFSET,
      .state_size = STATE_SIZE,
  };
}

martlet_hal_status martlet_hal_flash_read(uint32_t offset, void *buffer, uint32_t length) {
  uint8_t *out = buffer;
  if (!inside(offset, length)) return MARTLET_HAL_OUT_OF_RANGE;
  command(READ, offset);
  if (((uintptr_t)out & 3) == 0) {
    for (; length >= 16; length -= 16, out += 16) {
      ((uint32_t *)out)[0] = REG32(NOR_WINDOW);
      ((uint32_t *)out)[1] = REG32(NOR_WINDOW);
      ((uint32_t *)out)[2] = REG32(NOR_WINDOW);
      ((uint32_t *)out)[3] = REG32(NOR_WINDOW);
    }
    for (; length >= 4; length -= 4, out += 4) *(uint32_t *)out = REG32(NOR_WINDOW);
  }
  while (length-- > 0) *out++ = REG8(NOR_WINDOW);
  release();
  return MARTLET_HAL_OK;
}

martlet_hal_status martlet_hal_flash_program(uint32_t offset, const void *bytes, uint32_t length) {
  const uint8_t *in = bytes;
  if (!inside(offset, length)) return MARTLET_HAL_OUT_OF_RANGE;
  while (length > 0) {
    uint32_t run = PAGE - offset % PAGE;
    if (run > length) run = length;
    offset += run;
    length -= run;
    write_enable();
    command(PROGRAM, offset - run);
    if (((uintptr_t)in & 3) == 0) {
      for (; run >= 16; run -= 16, in += 16) {
        REG32(NOR_WINDOW) = ((const uint32_t *)in)[0];
        REG32(NOR_WINDOW) = ((const uint32_t *)in)[1];
        REG32(NOR_WINDOW) = ((const uint32_t *)in)[2];
        REG32(NOR_WINDOW) = ((const uint32_t *)in)[3];
      }
      for (; run >= 4; run -= 4, in += 4) REG32(NOR_WINDOW) = *(const uint32_t *)in;
    }
    while (run-- > 0) send(*in++);
    release();
    martlet_hal_status status = wait_ready(PAGE_POLLS);
    if (status != MARTLET_HAL_OK) return status;
  }
  return MARTLET_HAL_OK;
}

martlet_hal_status martlet_hal_flash_erase(uint32_t offset) {
  if (!inside(offset, SECTOR)) return MARTLET_HAL_OUT_OF_RANGE;
  if (offset % SECTOR != 0) return MARTLET_HAL_MISALIGNED;
  write_enable();
  command(ERASE_4K, offset);
  release();
  return wait_ready(SECTOR_POLLS);
}
