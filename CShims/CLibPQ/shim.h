/* libpq's own header: a module map needs a header of its own to find it by pkg-config's path. */
#include <libpq-fe.h>
