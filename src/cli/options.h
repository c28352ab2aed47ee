/* Command lines: options from a field table, short spellings, options that repeat, and positional arguments. */
#ifndef PC_CLI_OPTIONS_H
#define PC_CLI_OPTIONS_H

#include "base/field.h"

/* -n as --predict, for example; also a second long spelling. */
typedef struct pc_option_alias {
    const char *spelling; /* with its dashes: "-n" */
    const char *name;     /* field or list name */
} pc_option_alias;

/* An option that may be given several times; items point into argv. */
typedef struct pc_option_list {
    const char *name; /* "image" */
    const char *help;
    const char **items; /* room for argc entries */
    int count;
} pc_option_list;

typedef struct pc_options {
    const char *usage; /* "percept run MODEL [PROMPT] [OPTION]...\n\nwhat it does" */
    pc_field_table fields;
    const pc_option_alias *aliases; /* ends with {0}; may be NULL */
    pc_option_list *lists;          /* ends with {0}; may be NULL */
    int min_arguments, max_arguments;
    /* --config FILE: fields that the options behind it and before it win over; NULL: there is no such option. */
    pc_status (*read_config)(void *object, const char *path);
} pc_options;

typedef struct pc_arguments {
    const char *items[64];
    int count;
    bool help; /* --help was given and printed: the command has nothing more to do */
} pc_arguments;

/* Fill *object (defaults first) and *arguments. "--name value", "--name=value", "--flag" for bools; '-' and '_' are
 * equal in names; "--" ends the options. PC_ERR_USAGE names what is wrong, with a suggestion. Clear *object with
 * pc_fields_clear also after a failure. */
pc_status pc_options_parse(const pc_options *options, void *object, pc_arguments *arguments, int argc, char **argv);

#endif
