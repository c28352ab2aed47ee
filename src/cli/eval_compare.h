/* `percept eval compare`, which `percept eval` hands on. */
#ifndef PC_CLI_EVAL_COMPARE_H
#define PC_CLI_EVAL_COMPARE_H

#include "base/status.h"

/* argv[0] is "compare". */
pc_status pc_cli_eval_compare(int argc, char **argv);

#endif
