/* Registers of the AST1030 and its core that the board code uses. Source: QEMU's models of the SoC
 * (hw/arm/aspeed_ast10x0.c, hw/timer/aspeed_timer.c, hw/watchdog/wdt_aspeed.c, hw/ssi/aspeed_smc.c,
 * hw/misc/aspeed_scu.c) and the Armv7-M Architecture Reference Manual. */
#ifndef AST1030_REGISTERS_H
#define AST1030_REGISTERS_H

#include <stdint.h>

#define REG32(address) (*(volatile uint32_t *)(address))
#define REG8(address) (*(volatile uint8_t *)(address))

/* Core */
#define NVIC_ISER0 REG32(0xE000E100)
#define NVIC_IPR(irq) REG8(0xE000E400 + (irq))
#define AIRCR REG32(0xE000ED0C)
#define AIRCR_SYSRESETREQ 0x05FA0004u
#define CPACR REG32(0xE000ED88)
#define MPU_CTRL REG32(0xE000ED94)
#define MPU_RNR REG32(0xE000ED98)
#define MPU_RBAR REG32(0xE000ED9C)
#define MPU_RASR REG32(0xE000EDA0)
enum { INTERRUPT_LINES = 256 };

/* 16550 console */
#define UART_DATA REG32(0x7E784000)
#define UART_FCR REG32(0x7E784008)
#define UART_LSR REG32(0x7E784014)
#define UART_LSR_DATA_READY (1u << 0)
#define UART_LSR_THR_EMPTY (1u << 5)
enum { UART_FIFO = 16 };

/* Timers: they count down at 1 MHz when the external clock is chosen. */
#define TIMER_STATUS(n) REG32(0x7E782000 + 0x10 * ((n)-1))
#define TIMER_RELOAD(n) REG32(0x7E782004 + 0x10 * ((n)-1))
#define TIMER_MATCH1(n) REG32(0x7E782008 + 0x10 * ((n)-1))
#define TIMER_MATCH2(n) REG32(0x7E78200C + 0x10 * ((n)-1))
#define TIMER_CONTROL REG32(0x7E782030)
#define TIMER_INTERRUPTS REG32(0x7E782034)
#define TIMER_CONTROL_CLEAR REG32(0x7E78203C)
#define TIMER_ENABLE 1u
#define TIMER_1MHZ 2u
#define TIMER_INTERRUPT 4u
#define TIMER_BITS(n, bits) ((bits) << (4 * ((n)-1)))
enum { CLOCK_TIMER = 1, WARNING_TIMER = 2, EARLY_WARNING_IRQ = 17 };

/* Watchdog 1 */
#define WDT_RELOAD REG32(0x7E785004)
#define WDT_RESTART REG32(0x7E785008)
#define WDT_CONTROL REG32(0x7E78500C)
#define WDT_RESTART_MAGIC 0x4755u
#define WDT_ENABLE 1u
#define WDT_ENABLE_RESET 3u

/* Random numbers: the data register needs no enabling. */
#define SCU_RNG_DATA REG32(0x7E6E2540)

/* Flash controller, chip enable 0 */
#define FMC_CONFIG REG32(0x7E620000)
#define FMC_CONFIG_WRITE_CE0 (1u << 16)
#define FMC_CE0_CONTROL REG32(0x7E620010)
#define FMC_USER_SELECTED 3u
#define FMC_USER_RELEASED 7u
#define NOR_WINDOW 0x80000000u

#endif
