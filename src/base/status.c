/* The failure message of each thread. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_SIZE = 1024 };

static _Thread_local char message[MESSAGE_SIZE];

/* One line, whatever the names in it held; and no code point cut in half at the end of a full buffer. */
static void make_line(char *text, int wanted)
{
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = ' ';
        }
    }
    if (wanted >= MESSAGE_SIZE) {
        size_t end = MESSAGE_SIZE - 1;
        size_t start = end;
        while (start > 0 && end - start < 4 && ((unsigned char)text[start - 1] & 0xc0u) == 0x80u) {
            start--;
        }
        if (start > 0 && (unsigned char)text[start - 1] >= 0xc0u) {
            text[start - 1] = '\0';
        }
    }
}

pc_status pc_fail(pc_status code, const char *format, ...)
{
    /* Formatted aside first: an argument may be the old message. */
    char line[MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (wanted < 0) {
        line[0] = '\0';
    }
    make_line(line, wanted);
    memcpy(message, line, sizeof message);
    return code;
}

pc_status pc_fail_memory(unsigned long long bytes, const char *what)
{
    return pc_fail(PC_ERR_MEMORY, "out of memory: %llu bytes wanted for %s", bytes, what);
}

pc_status pc_fail_prefix(pc_status code, const char *format, ...)
{
    char prefix[MESSAGE_SIZE];
    char line[MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(prefix, sizeof prefix, format, arguments) < 0) {
        prefix[0] = '\0';
    }
    va_end(arguments);
    size_t length = strlen(prefix);
    size_t rest = strlen(message);
    size_t room = length + 2 < sizeof line ? sizeof line - length - 3 : 0;
    int wanted = snprintf(line, sizeof line, "%s: %.*s", prefix, (int)(rest < room ? rest : room), message);
    make_line(line, rest > room ? MESSAGE_SIZE : wanted);
    memcpy(message, line, sizeof message);
    return code;
}

const char *pc_error(void)
{
    return message;
}

void pc_error_clear(void)
{
    message[0] = '\0';
}
