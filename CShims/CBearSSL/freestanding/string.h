/* What BearSSL uses of the C library, for targets that have none: the firmware brings these,
 * because compilers call them by themselves. */
#ifndef MARTLET_FREESTANDING_STRING_H
#define MARTLET_FREESTANDING_STRING_H

#if __STDC_HOSTED__
#include_next <string.h>
#else
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int value, size_t length);
int memcmp(const void *a, const void *b, size_t length);
size_t strlen(const char *text);
#endif

#endif
