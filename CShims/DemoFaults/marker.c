/* Memory that only the application knows, for those who look for it elsewhere.
 *
 * In C because the demo's application registers it by its board address. */
#include "martlet_demo_faults.h"

static uint32_t demo_marker[DEMO_MARKER_WORDS];

uint32_t demo_marker_address(void) { return (uint32_t)demo_marker; }

/* Marsaglia's xorshift with shifts 13, 17 and 5: each word from the one before, the first from the
 * seed. */
void demo_fill_marker(uint32_t seed) {
  uint32_t word = seed == 0 ? 1 : seed;
  for (int i = 0; i < DEMO_MARKER_WORDS; i++) {
    word ^= word << 13;
    word ^= word >> 17;
    word ^= word << 5;
    demo_marker[i] = word;
  }
}
