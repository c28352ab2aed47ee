/* Out of memory at every place: run a scenario with its n-th allocation failing once, for n = 1, 2
 * ... until it passes.
 *
 *     static pc_status scenario(void *user) { ... open, use, release ...; return status; }
 *     pc_test_each_allocation(scenario, NULL);
 *
 * Must be called inside a cmocka test. Each failing run has to return PC_ERR_MEMORY with a message;
 * leaks and stray accesses are what the sanitizer presets see. The scenario must release all it
 * made, also when it fails, and do the same each time.
 */
#ifndef PC_TESTS_SUPPORT_ALLOCFAIL_H
#define PC_TESTS_SUPPORT_ALLOCFAIL_H

#include "base/status.h"

typedef pc_status (*pc_scenario_fn)(void *user);

/* Returns the number of allocations that were made to fail. The scenario must pass without a
 * failure. */
long pc_test_each_allocation(pc_scenario_fn scenario, void *user);
/* The same where each failure lasts: the n-th request and all after it fail. */
long pc_test_each_allocation_on(pc_scenario_fn scenario, void *user);

#endif
