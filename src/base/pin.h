/* The threads of a pool on processors of their own. */
#ifndef PC_BASE_PIN_H
#define PC_BASE_PIN_H

#include "base/pool.h"

/* Bind each thread of the pool to one processor of those that this process may use, spread over packages and cores before
 * threads of one core share it; with more threads than processors some share one. The caller's own thread is thread 0: it
 * moves, too, and gets its old processors back when the pool is freed, which it does itself. Results don't change. PC_ERR_IO where
 * the system doesn't allow it (the pool is as before then). */
pc_status pc_pool_pin(pc_pool *pool);

#endif
