/* `percept version`: the version and what the processor can do. */
#include "base/cpu.h"
#include "cli/command.h"

#include <stdio.h>

static pc_status run(int argc, char **argv)
{
    char flags[128];
    (void)argc;
    (void)argv;
    printf("percept %s (%s)\n", PERCEPT_VERSION, pc_cpu_flags_text(pc_cpu_flags(), flags));
    return PC_OK;
}

const pc_command pc_command_version = {.name = "version", .summary = "print the version", .run = run};
