// Vectors and entry of the Swift program: source of trap.elf.
#include <stdint.h>
int run(int last);
__attribute__((noreturn)) void reset(void);
__attribute__((section(".vectors"), used)) const uintptr_t vectors[4] = {0x20010000, (uintptr_t)reset, 0, 0};
volatile int last = 9, sink;
void reset(void) {
  last = 9;
  sink = run(last);
  for (;;) {
  }
}
