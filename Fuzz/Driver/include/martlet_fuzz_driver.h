/* libFuzzer's driver, declared for Swift: SwiftPM gives every program a main of its own, so that
 * libFuzzer's is not reached and the driver must be called by name. */
#ifndef MARTLET_FUZZ_DRIVER_H
#define MARTLET_FUZZ_DRIVER_H

#include <stddef.h>
#include <stdint.h>

/* Runs the command line that libFuzzer documents and returns the exit status. Exported by the
 * compiler's fuzzer runtime. */
int LLVMFuzzerRunDriver(int *argc, char ***argv,
                        int (*callback)(const uint8_t *bytes, size_t count));

#endif
