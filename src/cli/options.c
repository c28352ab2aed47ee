#include "cli/options.h"

#include "base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static bool same_name(const char *a, const char *b, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if ((a[i] == '_' ? '-' : a[i]) != (b[i] == '_' ? '-' : b[i]) || !a[i]) {
            return false;
        }
    }
    return b[length] == '\0';
}

static pc_status print_help(const pc_options *options)
{
    pc_str text = {0};
    pc_status status = pc_fields_help(&options->fields, &text);
    for (const pc_option_list *list = options->lists; status == PC_OK && list && list->name; list++) {
        status = pc_str_printf(&text, "  %s  (may repeat)  %s\n", list->name, list->help);
    }
    for (const pc_option_alias *alias = options->aliases; status == PC_OK && alias && alias->spelling; alias++) {
        status = pc_str_printf(&text, "  %s = --%s\n", alias->spelling, alias->name);
    }
    if (status == PC_OK && options->read_config) {
        status = pc_str_puts(&text, "  config  (text)  a YAML file of these options; the command line wins over it\n");
    }
    if (status == PC_OK) {
        printf("usage: %s\n\noptions (--name value):\n%s", options->usage, text.data ? text.data : "");
    }
    pc_str_clear(&text);
    return status;
}

static pc_option_list *find_list(const pc_options *options, const char *name, size_t length)
{
    for (pc_option_list *list = options->lists; list && list->name; list++) {
        if (same_name(name, list->name, length)) {
            return list;
        }
    }
    return NULL;
}

/* The long name that an argument means; "-x" without an alias is an error. */
static pc_status long_name(const pc_options *options, const char *argument, size_t length, const char **name,
                           size_t *name_length)
{
    for (const pc_option_alias *alias = options->aliases; alias && alias->spelling; alias++) {
        if (strlen(alias->spelling) == length && strncmp(alias->spelling, argument, length) == 0) {
            *name = alias->name;
            *name_length = strlen(alias->name);
            return PC_OK;
        }
    }
    if (strncmp(argument, "--", 2) != 0) {
        return pc_fail(PC_ERR_USAGE, "unknown option '%s'; see --help", argument);
    }
    *name = argument + 2;
    *name_length = length - 2;
    return PC_OK;
}

static bool looks_like_bool(const char *text)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "1", "0"};
    for (size_t i = 0; text && i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* One option at argv[*i]; moves *i past its value. */
static pc_status take_option(const pc_options *options, void *object, int argc, char **argv, int *i)
{
    const char *argument = argv[*i], *equals = strchr(argument, '='), *name = "";
    size_t length = equals ? (size_t)(equals - argument) : strlen(argument), name_length = 0;
    PC_TRY(long_name(options, argument, length, &name, &name_length));
    const char *next = *i + 1 < argc ? argv[*i + 1] : NULL;
    pc_option_list *list = find_list(options, name, name_length);
    char key[64];
    snprintf(key, sizeof key, "%.*s", (int)name_length, name);
    const pc_field *field = list ? NULL : pc_fields_find(&options->fields, key);
    bool config = options->read_config && strcmp(key, "config") == 0;
    const char *value = equals ? equals + 1 : NULL;
    if (!value && field && field->type == PC_FIELD_BOOL) {
        value = "true";
        if (looks_like_bool(next) && strlen(next) > 1) {
            value = next;
            ++*i;
        }
    } else if (!value && (list || field || config)) {
        if (!next) {
            return pc_fail(PC_ERR_USAGE, "--%s needs a value", key);
        }
        value = next;
        ++*i;
    }
    if (list) {
        list->items[list->count++] = value;
        return PC_OK;
    }
    if (config) {
        return PC_OK; /* it was read before the others */
    }
    return pc_fields_set(&options->fields, object, key, value ? value : "", "command line");
}

/* "-" alone and negative numbers are arguments. */
static bool is_option(const char *argument)
{
    return argument[0] == '-' && argument[1] && !isdigit((unsigned char)argument[1]) && argument[1] != '.';
}

static pc_status check_count(const pc_options *options, const pc_arguments *arguments)
{
    if (arguments->count < options->min_arguments) {
        return pc_fail(PC_ERR_USAGE, "usage: %.*s", (int)strcspn(options->usage, "\n"), options->usage);
    }
    return PC_OK;
}

/* The file of --config, wherever it stands, so that the other options win. */
static pc_status take_config(const pc_options *options, void *object, int argc, char **argv)
{
    for (int i = 1; options->read_config && i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (pc_starts_with(argv[i], "--config=")) {
            PC_TRY(options->read_config(object, argv[i] + strlen("--config=")));
        } else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
            PC_TRY(options->read_config(object, argv[++i]));
        }
    }
    return PC_OK;
}

pc_status pc_options_parse(const pc_options *options, void *object, pc_arguments *arguments, int argc, char **argv)
{
    bool only_arguments = false;
    *arguments = (pc_arguments){0};
    PC_TRY(pc_fields_default(&options->fields, object));
    PC_TRY(take_config(options, object, argc, argv));
    for (int i = 1; i < argc; i++) {
        if (!only_arguments && strcmp(argv[i], "--") == 0) {
            only_arguments = true;
        } else if (!only_arguments && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            arguments->help = true;
            return print_help(options);
        } else if (!only_arguments && is_option(argv[i])) {
            PC_TRY(take_option(options, object, argc, argv, &i));
        } else if (arguments->count < options->max_arguments) {
            arguments->items[arguments->count++] = argv[i];
        } else {
            return pc_fail(PC_ERR_USAGE, "unexpected argument '%s'", argv[i]);
        }
    }
    return check_count(options, arguments);
}
