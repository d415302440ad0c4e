/* Declares mallopt where the C library is glibc; a module map needs a header of its own. */
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
