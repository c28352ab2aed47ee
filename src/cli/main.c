/* The program `percept`: finds the command, runs it, turns its status into an exit code and one line on stderr. */
#include "base/log.h"
#include "base/signal.h"
#include "base/str.h"
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#define PC_COMMAND(name) extern const pc_command pc_command_##name;
#include "cli/list.h"
#undef PC_COMMAND

#define PC_COMMAND(name) &pc_command_##name,
static const pc_command *const commands[] = {
#include "cli/list.h"
};
#undef PC_COMMAND

enum { COMMANDS = sizeof commands / sizeof commands[0] };

int pc_exit_code(pc_status status)
{
    switch (status) {
    case PC_OK: return 0;
    case PC_ERR_USAGE: return 2;
    case PC_ERR_DATA: return 3;
    case PC_ERR_DIVERGED: return 4;
    case PC_ERR_INTERRUPTED: return 128 + (pc_signal_pending() ? pc_signal_pending() : 2);
    default: return 1;
    }
}

static void print_log(void *user, pc_log_level level, const char *line)
{
    (void)user;
    if (level >= PC_LOG_INFO) {
        fprintf(stderr, "%s%s\n", level == PC_LOG_WARNING ? "warning: " : "", line);
    }
}

static void print_help(FILE *out)
{
    fprintf(out, "percept %s: build, train, measure, run and serve multimodal language models\n\n"
                 "usage: percept COMMAND [ARGUMENT]...\n\ncommands:\n", PERCEPT_VERSION);
    for (int i = 0; i < COMMANDS; i++) {
        fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    }
    fprintf(out, "\n`percept COMMAND --help` tells a command's options; results go to stdout, messages to stderr.\n");
}

static const pc_command *find_command(const char *name)
{
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[COMMANDS];
    for (int i = 0; i < COMMANDS; i++) {
        names[i] = commands[i]->name;
    }
    const char *near = pc_nearest_name(name, names, COMMANDS, sizeof names[0]);
    fprintf(stderr, "percept: there is no command '%s'%s%s%s\n", name, near ? "; did you mean '" : "",
            near ? near : "", near ? "'?" : "; `percept --help` lists them");
    return 2;
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    const pc_command *command = find_command(name);
    if (!command) {
        return unknown_command(name);
    }
    pc_log_set_sink(print_log, NULL);
    pc_signal_install();
    pc_status status = command->run(argc - 1, argv + 1);
    if (status != PC_OK && pc_error()[0]) {
        fprintf(stderr, "percept %s: %s\n", name, pc_error());
    }
    return pc_exit_code(status);
}
