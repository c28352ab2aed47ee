/* A command of the program: one file in cli/ and one line in cli/list.h. */
#ifndef PC_CLI_COMMAND_H
#define PC_CLI_COMMAND_H

#include "base/status.h"

typedef struct pc_command {
    const char *name;    /* as typed: "run" */
    const char *summary; /* one line for `percept --help` */
    /* argv[0] is the command's name. Returns PC_OK or the failure whose message is in pc_error(). */
    pc_status (*run)(int argc, char **argv);
} pc_command;

/* Exit code of a status: 0; 1 I/O or memory; 2 usage; 3 data; 4 diverged; 130/143 interrupted. */
int pc_exit_code(pc_status status);

#endif
