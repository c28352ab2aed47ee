/* A benchmark as a YAML file: where its questions are, what is asked, what is right, how it is scored. Internal to eval/. */
#ifndef PC_EVAL_TASK_FILE_H
#define PC_EVAL_TASK_FILE_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Texts are pc_strdup'd, NULL when unset. In templates {key} stands for a field of the question's record. */
typedef struct pc_task_file {
    char *name, *version;
    char *data;     /* file of records, relative to the YAML file; --data takes its place */
    char *images;   /* folder of pictures; unset = the folder of the data */
    char *only;     /* "key=value": records without it are passed over */
    char *id;       /* templates: */
    char *kind;
    char *image;    /* unset: questions without pictures */
    char *question;
    char *answer;
    char *answers;  /* "0=no,1=yes": what the answer's values mean */
    char *answer_is; /* what the answer template gives: "text" (NULL), "index" from 0, "number" from 1, "letter" of the choice */
    char *choices;  /* the record's field of options, inner ones by "."; or several, separated by commas */
    char *delimiter; /* before each choice, when likelihoods decide */
    char *fields;   /* of the record that the metric asks for, separated by commas */
    char *metric, *metric_data;
    bool likelihood; /* the likeliest choice is the answer */
    int64_t limit;
} pc_task_file;

/* PC_ERR_USAGE names file and line: no flat mapping of scalars, an unknown key, one of name, version, question, answer missing.
 * pc_task_file_clear also after a failure. */
pc_status pc_task_file_read(pc_task_file *out, const char *path);
void pc_task_file_clear(pc_task_file *file);

#endif
