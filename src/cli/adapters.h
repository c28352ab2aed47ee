/* --adapter [NAME=]DIR, as often as wanted: adapters of the opened model. */
#ifndef PC_CLI_ADAPTERS_H
#define PC_CLI_ADAPTERS_H

#include "cli/options.h"
#include "model/adapter.h"

enum { PC_CLI_ADAPTERS = 16 };

typedef struct pc_cli_adapters {
    pc_adapter *items[PC_CLI_ADAPTERS]; /* named after NAME, else after their folder */
    int count;
} pc_cli_adapters;

/* Close also after a failure. */
pc_status pc_cli_adapters_open(pc_cli_adapters *out, const pc_model *model, const pc_option_list *list);
void pc_cli_adapters_close(pc_cli_adapters *adapters);
/* *index = the one that is called `name`; PC_ERR_USAGE tells the names. */
pc_status pc_cli_adapters_find(const pc_cli_adapters *adapters, const char *name, int *index);

#endif
