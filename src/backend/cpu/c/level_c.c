/* The level that every processor has. */
#include "backend/cpu/c/vec_c.h"
#define LEVEL c
#define FAST_BLOCKS(X)
#define LEVEL_FLAGS 0
#include "backend/cpu/template/level.h"
