/* CRC-32C by the processor's own instruction, which Swift has no words for. For hosts alone. */
#ifndef MARTLET_HOST_CRC_H
#define MARTLET_HOST_CRC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether this processor has the instruction: then, and then alone, martlet_crc32c may be called.
 */
bool martlet_has_crc32c(void);

/* What `count` bytes make of a checksum's state, which begins as all ones and is inverted in the
 * end. */
uint32_t martlet_crc32c(uint32_t state, const void *bytes, size_t count);

#endif
