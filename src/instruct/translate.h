/* Conversations in another language by a model: VisCPM and Qwen-VL have Chinese instructions that way.
 *
 *   a row's turns, numbered -> model -> the same turns, numbered -> the row with its texts exchanged, all other members as they are
 *
 * Files: DIR/replies.jsonl (asking.h), and when all is asked DIR/translated.json and DIR/apart.jsonl (replies that are not good).
 * A reply without one character of the language's script (Chinese, Japanese, Korean, Cyrillic, Arabic) for a text that has letters is
 * malformed: it was copied.
 */
#ifndef PC_INSTRUCT_TRANSLATE_H
#define PC_INSTRUCT_TRANSLATE_H

#include "instruct/asking.h"

typedef struct pc_translate_options {
    const char *const *rows; /* [row_count] files with "conversations" or "messages" */
    int row_count;
    const char *language;    /* its code, "zh": what the rule on scripts goes by */
    const char *language_name; /* as the model is told: "Simplified Chinese"; NULL = by the code */
    const char *rules;       /* further rules for the model; NULL = none */
    const char *model;       /* for the settings */
    int64_t limit;           /* rows; 0 = all */
    pc_asking_options asking;
} pc_translate_options;

typedef struct pc_translate_counts {
    pc_asking_counts asking;
    int64_t rows, turns; /* written */
} pc_translate_counts;

pc_status pc_translate(const pc_translate_options *options, pc_translate_counts *counts);

#endif
