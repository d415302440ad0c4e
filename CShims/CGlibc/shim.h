/* Declares the heap's settings, epoll, and what glibc shows only to those who ask for its
   extensions. A module map needs a header of its own. */
#include <spawn.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#include <sys/epoll.h>
/* Since glibc 2.34. */
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int first);
#endif
