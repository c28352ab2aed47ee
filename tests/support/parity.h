/* A tiny model against what transformers computed for it: every stage that both name. */
#ifndef PC_TESTS_SUPPORT_PARITY_H
#define PC_TESTS_SUPPORT_PARITY_H

#include "support/golden.h"

typedef struct parity_fixture {
    const char *name, *model, *truth;
    bool has_texts; /* input_ids [M,T]: several texts, traced one by one */
} parity_fixture;

/* Trace the fixture's input on `backend` (NULL: references) and compare each tensor of the truth that the trace names,
 * at least four; fails the running test beyond 1e-4 (bf16: 2e-2) of the largest magnitude. */
void parity_check(const parity_fixture *fixture, const pc_backend *backend, const char *level, pc_dtype compute);

/* All fixtures at every level of this processor, in both arithmetics. */
void parity_check_levels(const parity_fixture *fixtures, int count);

#endif
