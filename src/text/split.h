/* Cutting text into words (pre-tokens) that no token crosses. Internal to text/.
 *
 * A scanner stands for a regular expression whose matches are words, as is what lies between them. It gives the end of
 * the word that begins at `at`; a whole text takes linear time.
 */
#ifndef PC_TEXT_SPLIT_H
#define PC_TEXT_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

/* text[at..length), at < length -> end of the word, at < end <= length. */
typedef size_t (*pc_split_next)(const char *text, size_t length, size_t at);

typedef struct pc_split_pattern {
    const char *name;       /* for people */
    const char *regex;      /* as tokenizer.json spells it */
    pc_split_next next;
    bool covers;            /* the expression matches all text; else what lies between matches is a word too */
} pc_split_pattern;

/* The scanner that stands for a regular expression; NULL when there is none. */
const pc_split_pattern *pc_split_find(const char *regex);
const pc_split_pattern *pc_split_by_name(const char *name);

size_t pc_split_gpt2(const char *text, size_t length, size_t at);
size_t pc_split_qwen2(const char *text, size_t length, size_t at);
size_t pc_split_each_digit(const char *text, size_t length, size_t at); /* numbers by the digit, the rest in runs */
size_t pc_split_digit_runs(const char *text, size_t length, size_t at); /* runs of numbers, runs of others */

#endif
