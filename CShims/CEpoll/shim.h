/* Declares epoll where the system is Linux; a module map needs a header of its own. */
#ifdef __linux__
#include <sys/epoll.h>
#endif
