/* A persistent thread pool. One caller at a time runs a parallel section; workers spin briefly, then sleep.
 *
 * Work is a number of items; `run` is called once for each item, on any thread, items handed out dynamically. What an
 * item computes must not depend on which thread takes it: that is what keeps results independent of thread count.
 */
#ifndef PC_BASE_POOL_H
#define PC_BASE_POOL_H

#include "base/status.h"

#include <stdint.h>

typedef struct pc_pool pc_pool;

/* item in [0, items); thread in [0, pc_pool_threads): index for per-thread scratch. */
typedef void (*pc_pool_work)(void *context, int64_t item, int thread);

/* threads 0 = one for each processor that this process may use. threads 1 starts none. */
pc_status pc_pool_new(pc_pool **out, int threads);
void pc_pool_free(pc_pool *pool);
int pc_pool_threads(const pc_pool *pool); /* NULL counts as 1 */

/* Run all items and return when all are done. A NULL pool runs them here, in order. */
void pc_pool_run(pc_pool *pool, int64_t items, pc_pool_work run, void *context);

#endif
