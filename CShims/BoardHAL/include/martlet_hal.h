/* The contract between Martlet's device modules and a board: everything they may ask of hardware.
 *
 * A board is one folder below `boards` that defines every function declared here. `boards/host`
 * does so inside an ordinary process, for tests; `boards/ast1030-evb` does so on the metal.
 *
 * Contexts. Each function says from which of these it may be called:
 *   boot   the boot agent, before the application starts; interrupts may be on;
 *   app    the application's own thread of control, between its own work;
 *   fault  the fault path: interrupts masked, private stack, never returns to the application.
 *
 * Rules for all functions: no heap, no lock, no recursion, a bounded number of steps, and nothing
 * beyond the stack budget of 128 bytes in the fault context. None may be called from an interrupt
 * handler of the application.
 */
#ifndef MARTLET_HAL_H
#define MARTLET_HAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MARTLET_CLOSED __attribute__((enum_extensibility(closed)))
#define MARTLET_NAME(name) __attribute__((swift_name(name)))

/* ---- Results ------------------------------------------------------------------------------- */

/* What every operation that can fail answers. The numbers are stable: they appear in dumps. */
typedef enum MARTLET_CLOSED MARTLET_NAME("HALStatus") martlet_hal_status
    : uint8_t{
          /* Done, and for flash: done as far as the part can tell. */
          MARTLET_HAL_OK MARTLET_NAME("ok") = 0,
          /* An address or a length lies outside the part, or overflows. Nothing was touched. */
          MARTLET_HAL_OUT_OF_RANGE MARTLET_NAME("outOfRange") = 1,
          /* A sector address is not a multiple of the sector size. Nothing was touched. */
          MARTLET_HAL_MISALIGNED MARTLET_NAME("misaligned") = 2,
          /* The part did not become ready in its worst-case time, or does not answer. The bytes
           * named in the call are in an unknown state: some done, some not. */
          MARTLET_HAL_FAILED MARTLET_NAME("failed") = 3,
          /* This board has no such thing (no entropy source, no watchdog). Nothing was touched. */
          MARTLET_HAL_UNSUPPORTED MARTLET_NAME("unsupported") = 4,
      } martlet_hal_status;

/* ---- Flash --------------------------------------------------------------------------------- */

/* Where NOR flash is and how Martlet divides it. Offsets count from the start of the part; both
 * areas begin on a sector and are a whole number of sectors. */
typedef struct MARTLET_NAME("FlashGeometry") martlet_flash_geometry {
  /* Size of the part, bytes. 0: no flash that can be written; the ring lies in retained RAM. */
  uint32_t size;
  /* Smallest erasable unit, bytes; a power of two. */
  uint32_t sector_size MARTLET_NAME("sectorSize");
  /* Largest run one program command takes, bytes; a power of two. */
  uint32_t page_size MARTLET_NAME("pageSize");
  /* The dump ring's area. */
  uint32_t ring_offset MARTLET_NAME("ringOffset");
  uint32_t ring_size MARTLET_NAME("ringSize");
  /* What the device remembers beside its dumps: the state log in two halves of equal size, then one
   * sector for the device's identity. At least 3 sectors; with 5 of 4 KiB the log holds the counts
   * of 64 fingerprints, with fewer less. */
  uint32_t state_offset MARTLET_NAME("stateOffset");
  uint32_t state_size MARTLET_NAME("stateSize");
} martlet_flash_geometry;

/* Contexts: boot, app, fault. Constant for the life of the board. */
martlet_flash_geometry martlet_hal_flash_geometry(void) MARTLET_NAME("halFlashGeometry()");

/* Reads `length` bytes at flash offset `offset` into `buffer`. Contexts: boot, app, fault.
 * Any alignment. On anything but OK the buffer's contents are unspecified. */
martlet_hal_status martlet_hal_flash_read(uint32_t offset, void *buffer, uint32_t length)
    MARTLET_NAME("halFlashRead(_:_:_:)");

/* Programs `length` bytes at flash offset `offset`: each stored bit becomes old AND new, so a bit
 * goes from 1 to 0 only. May cross pages: the board splits the run. Returns after the part reports
 * ready (page: 3 ms worst on W25Q32JV). Contexts: boot, app, fault. It does not read back; who
 * needs certainty reads and compares. */
martlet_hal_status martlet_hal_flash_program(uint32_t offset, const void *bytes, uint32_t length)
    MARTLET_NAME("halFlashProgram(_:_:_:)");

/* Erases the sector that begins at `offset` to all ones (400 ms worst on W25Q32JV). Contexts: boot,
 * app. Never in the fault context: it is too slow to be bounded there. */
martlet_hal_status martlet_hal_flash_erase(uint32_t offset) MARTLET_NAME("halFlashErase(_:)");

/* ---- Serial line --------------------------------------------------------------------------- */

/* Hands as many of `length` bytes to the line as it takes without waiting and returns how many that
 * were, 0 when the line is full. The caller decides whether to try again and until when.
 * Contexts: boot, app. */
size_t martlet_hal_serial_write(const uint8_t *bytes, size_t length)
    MARTLET_NAME("halSerialWrite(_:_:)");

/* Takes up to `capacity` received bytes and returns how many, 0 when none wait. Never waits.
 * Contexts: boot, app. */
size_t martlet_hal_serial_read(uint8_t *buffer, size_t capacity)
    MARTLET_NAME("halSerialRead(_:_:)");

/* ---- Time and watchdog --------------------------------------------------------------------- */

/* Microseconds since this reset, monotonic. Contexts: boot, app, fault. A board whose counter is
 * narrower extends it; the board says in its README how often the function must be called for
 * that. A value lower than an earlier one of the same boot means broken hardware, and the consent
 * gate closes on it. */
uint64_t martlet_hal_monotonic_us(void) MARTLET_NAME("halMonotonicMicroseconds()");

/* Starts the watchdog, or restarts it with new times. Without a feed for `timeout_ms` the board
 * resets; `warning_ms` before that the early warning enters the fault path by itself, at a priority
 * that no application interrupt can hold off (0: no warning). Contexts: boot, app. UNSUPPORTED when
 * the board has none, OUT_OF_RANGE when a time cannot be set. */
martlet_hal_status martlet_hal_watchdog_start(uint32_t timeout_ms, uint32_t warning_ms)
    MARTLET_NAME("halWatchdogStart(timeoutMilliseconds:warningMilliseconds:)");

/* Starts the watchdog's time anew. Contexts: boot, app, fault. Harmless when it is not running. */
void martlet_hal_watchdog_feed(void) MARTLET_NAME("halWatchdogFeed()");

/* ---- Reset --------------------------------------------------------------------------------- */

/* Why the board last started. The numbers are stable: they appear in dumps and on the link. */
typedef enum MARTLET_CLOSED MARTLET_NAME("HALResetCause") martlet_reset_cause
    : uint8_t{
          /* The board cannot tell. */
          MARTLET_RESET_UNKNOWN MARTLET_NAME("unknown") = 0,
          /* Power came up; retained RAM holds nothing. */
          MARTLET_RESET_POWER_ON MARTLET_NAME("powerOn") = 1,
          /* The watchdog bit. */
          MARTLET_RESET_WATCHDOG MARTLET_NAME("watchdog") = 2,
          /* Software asked for it. */
          MARTLET_RESET_SOFTWARE MARTLET_NAME("software") = 3,
          /* The fault path asked for it. */
          MARTLET_RESET_FAULT MARTLET_NAME("fault") = 4,
          /* The reset pin or a debugger. */
          MARTLET_RESET_EXTERNAL MARTLET_NAME("external") = 5,
      } martlet_reset_cause;

/* Resets the board; `cause` is what martlet_hal_reset_cause answers after it. Contexts: boot, app,
 * fault. Does not return on a board. The emulated HAL marks the board as reset and does return, so
 * a caller returns at once after calling it. */
void martlet_hal_reset(martlet_reset_cause cause) MARTLET_NAME("halReset(_:)");

/* Contexts: boot, app, fault. The same answer during one boot. */
martlet_reset_cause martlet_hal_reset_cause(void) MARTLET_NAME("halResetCause()");

/* ---- Memory -------------------------------------------------------------------------------- */

/* A run of bytes this process or board can address. */
typedef struct MARTLET_NAME("HALRegion") martlet_region {
  void *start;
  size_t length;
} martlet_region;

/* RAM that a warm reset keeps and a power cut does not; at least 3,584 bytes, aligned to 8. Nobody
 * but Martlet's device modules writes it. After a power-on its contents are arbitrary: whoever
 * reads it checks a checksum first. Guarded. Contexts: boot, app, fault. */
martlet_region martlet_hal_retained(void) MARTLET_NAME("halRetained()");

/* RAM for the fault path's own state, zero at every start before anything else runs; at least 1,408
 * bytes, aligned to 8. Guarded. Contexts: boot, app, fault. */
martlet_region martlet_hal_working(void) MARTLET_NAME("halWorking()");

/* RAM for the boot agent's buffers, contents arbitrary; at least 4,096 bytes, aligned to 8. Not
 * guarded, because nothing in it matters to a crash. Contexts: boot, app. */
martlet_region martlet_hal_scratch(void) MARTLET_NAME("halScratch()");

/* Guarded memory can be read at any time and written between open and close alone: a board with an
 * MPU makes any other write a fault, so that an application that scribbles over its RAM still gets
 * its dump. Between the two interrupts are masked, so the caller does a bounded piece of work and
 * no more. `close` takes what `open` answered; calls may nest. Contexts: boot, app, fault; in the
 * fault context guarded memory is open and neither call changes anything. */
uint32_t martlet_hal_open(void) MARTLET_NAME("halOpenGuarded()");
void martlet_hal_close(uint32_t token) MARTLET_NAME("halCloseGuarded(_:)");

/* Puts a guard at the low end of the thread stack that runs now, so that its overflow is a fault
 * that dumps call stackOverflow; a scheduler calls it at each switch of threads. The main stack has
 * a guard of its own. `bottom` is the stack's lowest address, a multiple of 32: the 32 bytes from
 * there are lost to the stack. NULL takes the guard away. Contexts: boot, app. UNSUPPORTED without
 * an MPU, MISALIGNED when `bottom` is not a multiple of 32. */
martlet_hal_status martlet_hal_guard_stack(const void *bottom) MARTLET_NAME("halGuardStack(_:)");

/* Translates a board address for reading. Returns where the byte at `address` can be read and
 * lowers
 * `*length` to the number of bytes that can be read from there without a fault, or returns NULL and
 * sets it to 0 when not even one can. It is how a stack pointer is checked before it is followed.
 * Contexts: boot, app, fault. */
const void *martlet_hal_readable(uint32_t address, uint32_t *length)
    MARTLET_NAME("halReadable(_:_:)");

/* ---- Identity ------------------------------------------------------------------------------ */

/* What this image is. Pointers stay valid for the life of the image. */
typedef struct MARTLET_NAME("HALImage") martlet_image {
  /* The GNU build-id note's descriptor, 20 bytes (SHA-1), in the image itself. */
  const uint8_t *build_id MARTLET_NAME("buildID");
  uint32_t build_id_length MARTLET_NAME("buildIDLength");
  /* Where the image's code lies in board addresses; program counters are taken relative to it. */
  uint32_t code_start MARTLET_NAME("codeStart");
  uint32_t code_length MARTLET_NAME("codeLength");
  /* Zero-terminated UTF-8, at most 15 bytes before the zero. */
  const char *version;
} martlet_image;

/* Contexts: boot, app, fault. */
martlet_image martlet_hal_image(void) MARTLET_NAME("halImage()");

/* Fills `buffer` with bytes nobody can predict, for identities and nonces. Contexts: boot, app.
 * UNSUPPORTED on a board without a source: it then has no identity and asks for no lease. */
martlet_hal_status martlet_hal_entropy(uint8_t *buffer, size_t length)
    MARTLET_NAME("halEntropy(_:_:)");

/* ---- The fault path ------------------------------------------------------------------------ */

/* Which parts of a fault context are known. Unknown is not zero. */
#define MARTLET_CONTEXT_FRAME_VALID 0x1u /* r0-r3, r12, lr, pc, xpsr were read from the stack */
#define MARTLET_CONTEXT_FP_LIVE 0x2u     /* s0-s31 and fpscr are the interrupted code's */
#define MARTLET_CONTEXT_WARNING 0x4u     /* entered by the watchdog's early warning */
#define MARTLET_CONTEXT_NESTED 0x8u      /* a fault inside the fault path itself */
#define MARTLET_CONTEXT_GUARD 0x10u      /* a stack ran into its guard, or beyond its low end */

/* Most MPU regions and most words of 32 interrupt lines that a context tells about. */
#define MARTLET_CONTEXT_MPU_REGIONS 8
#define MARTLET_CONTEXT_NVIC_WORDS 8

/* The processor as it was when the exception was taken (Armv7-M ARM, B1.5.6). The member order is
 * the order in which cortex-m4f/fault_entry.c stores it, and static assertions there hold it. */
typedef struct MARTLET_NAME("FaultContext") martlet_fault_context {
  uint32_t r[13]; /* r0-r12 */
  uint32_t sp;    /* before the exception frame was pushed */
  uint32_t lr;    /* of the interrupted code */
  uint32_t pc;    /* of the interrupted code */
  uint32_t xpsr;  /* of the interrupted code */
  uint32_t exc_return MARTLET_NAME("excReturn");
  uint32_t msp; /* at entry, frame included where it lies on this stack */
  uint32_t psp;
  uint32_t control;
  uint32_t primask;
  uint32_t basepri;
  uint32_t faultmask;
  uint32_t flags;     /* MARTLET_CONTEXT_* */
  uint32_t exception; /* number of the exception that was taken: 3 HardFault, 4 MemManage, ... */
  uint32_t cfsr;      /* 0xE000ED28 */
  uint32_t hfsr;      /* 0xE000ED2C */
  uint32_t dfsr;      /* 0xE000ED30 */
  uint32_t mmfar;     /* 0xE000ED34; known when CFSR bit 7 is set */
  uint32_t bfar;      /* 0xE000ED38; known when CFSR bit 15 is set */
  uint32_t afsr;      /* 0xE000ED3C */
  uint32_t shcsr;     /* 0xE000ED24 */
  uint32_t icsr;      /* 0xE000ED04 */
  uint32_t s[32];     /* s0-s31 */
  uint32_t fpscr;
  /* MPU as the application had set it up: 0xE000ED90, 0xE000ED94, then RBAR and RASR of the first
   * regions, as many as there are. */
  uint32_t mpu_type MARTLET_NAME("mpuType");
  uint32_t mpu_ctrl MARTLET_NAME("mpuControl");
  uint32_t mpu_regions[2 * MARTLET_CONTEXT_MPU_REGIONS] MARTLET_NAME("mpuRegions");
  /* n = words of 32 interrupt lines (0xE000E004), at most MARTLET_CONTEXT_NVIC_WORDS; then n words
   * enabled (0xE000E100), n pending (0xE000E200) and n active (0xE000E300). */
  uint32_t nvic_words MARTLET_NAME("nvicWords");
  uint32_t nvic[3 * MARTLET_CONTEXT_NVIC_WORDS];
  uint32_t systick[4] MARTLET_NAME("sysTick"); /* 0xE000E010: CSR, RVR, CVR, CALIB */
} martlet_fault_context;

/* Implemented by CrashCapture, called by the board's fault entry on the private stack with
 * interrupts masked. Writes the dump if the gate is open and returns; the board then resets with
 * MARTLET_RESET_FAULT. `context` stays valid during the call. */
void martlet_capture_fault(const martlet_fault_context *context);

/* Which of the deliberate crashes martlet_hal_crash is to be. The numbers are the immediates of the
 * `udf` instructions that boards execute for them; 0xFE is the one that Swift's own checks use. */
#define MARTLET_TRAP_CRASH 0xC0u
#define MARTLET_TRAP_ASSERTION 0xC1u
#define MARTLET_TRAP_ABORT 0xC2u
#define MARTLET_TRAP_SWIFT 0xFEu

/* Enters the fault path on purpose. `reason` is UTF-8 and `length` its bytes; a board executes
 * `udf #trap` with the reason's address in r0 and its length in r1, so that the registers, the
 * stack and the caller are those of the crash. `trap` is one of the first three above. Contexts:
 * app. Does not return; the emulated HAL ends the process. */
__attribute__((noreturn)) void martlet_hal_crash(const uint8_t *reason, uint32_t length,
                                                 uint32_t trap) MARTLET_NAME("halCrash(_:_:_:)");

#ifdef __cplusplus
}
#endif
#endif
