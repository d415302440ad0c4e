#include "martlet_board_host.h"
