/* A few steps of AdamW over a registry of parameters: proof that a block learns. */
#ifndef PC_TESTS_SUPPORT_LEARN_H
#define PC_TESTS_SUPPORT_LEARN_H

#include "nn/params.h"
#include "tensor/exec.h"

/* exec runs a graph with backward pass that is ready to run; its kept scalar `loss` has to fall with each of six updates,
 * and by a fifth in all. Fails the running cmocka test otherwise. params has gradients; those that train change. */
void check_learns(pc_exec *exec, const pc_tensor *loss, pc_params *params, double rate);

#endif
