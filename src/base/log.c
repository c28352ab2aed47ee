/* Formats a line and hands it to the program's sink. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static pc_log_sink current_sink; /* set before threads start, see log.h */
static void *current_user;

void pc_log_set_sink(pc_log_sink sink, void *user)
{
    current_sink = sink;
    current_user = user;
}

void pc_log(pc_log_level level, const char *format, ...)
{
    char line[2048]; /* longer lines are cut */
    if (!current_sink) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length >= 0) {
        current_sink(current_user, level, line);
    }
}
