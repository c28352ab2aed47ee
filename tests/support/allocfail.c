#include "allocfail.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static long each_allocation(pc_scenario_fn scenario, void *user, bool sticky)
{
    pc_alloc_fail_at(0, false);
    pc_error_clear();
    pc_alloc_count();
    pc_status status = scenario(user);
    if (status != PC_OK) {
        fail_msg("the scenario fails with %d by itself: %s", (int)status, pc_error());
    }
    long total = pc_alloc_count();
    for (long n = 1; n <= total; n++) {
        pc_error_clear();
        pc_alloc_count();
        pc_alloc_fail_at(n, sticky);
        status = scenario(user);
        pc_alloc_fail_at(0, false);
        long reached = pc_alloc_count();
        if (reached < n && status == PC_OK) {
            /* Fewer requests this time (a cache was warm): nothing failed. */
            continue;
        }
        if (status != PC_ERR_MEMORY || pc_error()[0] == '\0') {
            fail_msg("allocation %ld of %ld failed, and the scenario returned %d with the message "
                     "\"%s\"",
                     n, total, (int)status, pc_error());
        }
    }
    return total;
}

long pc_test_each_allocation(pc_scenario_fn scenario, void *user)
{
    return each_allocation(scenario, user, false);
}

long pc_test_each_allocation_on(pc_scenario_fn scenario, void *user)
{
    return each_allocation(scenario, user, true);
}
