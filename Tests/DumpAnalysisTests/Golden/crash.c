// A program that divides by zero, and calls a null pointer when it survives that: source of crash.elf.
#include <stdint.h>
#define NOINLINE __attribute__((noinline))
extern int main(void);
extern uint32_t stack_top;
__attribute__((noreturn)) void reset(void);
__attribute__((section(".vectors"), used)) const uintptr_t vectors[4] = {0x20010000, (uintptr_t)reset, 0, 0};
volatile int sink, zero;
static const char message[] = "read-only";
NOINLINE int divide(int a, int b) {
  volatile int local[4] = {a, b, a + b, 0};
  return local[0] / local[1];
}
NOINLINE int average(int count) {
  int r = divide(420, count);
  sink = r;
  return r + message[zero];
}
typedef int (*callback)(int);
callback hook;
NOINLINE int notify(int value) {
  int r = hook(value);
  sink = r;
  return r + 1;
}
int main(void) {
  int a = average(zero);
  sink = notify(a);
  return a;
}
void reset(void) {
  main();
  for (;;) {
  }
}
