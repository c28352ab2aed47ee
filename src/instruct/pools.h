/* Pools of templates, and the words and names of a language that go into them, from data files that users extend.
 *
 *   {"templates": {POOL: {LANGUAGE: {"short" | "long": {"ask": [...], "answer": [...], "replace": false}}}},
 *    "words": {LANGUAGE: {...}}, "names": {LANGUAGE: {name: translation}}, "colours": {LANGUAGE: {colour: translation}},
 *    "plurals": {name: plural}}
 *
 * Several files are put together: a later one's templates come behind those that are there ("replace": true = in their place), its
 * words win. {variable} in a template is filled in; which ones a pool knows says its task (task.h).
 */
#ifndef PC_INSTRUCT_POOLS_H
#define PC_INSTRUCT_POOLS_H

#include "base/json.h"

#include <stddef.h>

typedef enum pc_form { PC_FORM_SHORT, PC_FORM_LONG, PC_FORMS } pc_form;

/* A variable and its text; lists of them end with {0}. */
typedef struct pc_variable {
    const char *name, *text;
} pc_variable;

typedef struct pc_pool_texts {
    const char **ask, **answer; /* [..._count]; borrowed from the pools */
    size_t ask_count, answer_count;
    size_t ask_room, answer_room;
} pc_pool_texts;

typedef struct pc_pools pc_pools;

/* PC_ERR_DATA names the file for what is no file of templates. Free with pc_pools_free. */
pc_status pc_pools_open(pc_pools **out, const char *const *paths, int count, const char *language);
void pc_pools_free(pc_pools *pools); /* NULL is fine */

/* NULL when the language has no questions of this form; without answers of its own the answer is what it is. */
const pc_pool_texts *pc_pools_find(const pc_pools *pools, const char *pool, pc_form form);
/* PC_ERR_DATA names file, pool and template when one has a variable that is not in `known` (ends with NULL), or an open brace. */
pc_status pc_pools_check(const pc_pools *pools, const char *pool, const char *const *known);

const char *pc_pools_word(const pc_pools *pools, const char *word);     /* NULL: the language has none */
const char *pc_pools_name(const pc_pools *pools, const char *name);     /* English: itself where no file says otherwise; else NULL */
const char *pc_pools_colour(const pc_pools *pools, const char *colour); /* NULL: not known */
const char *pc_pools_any_colour(const pc_pools *pools, size_t i);       /* the i-th colour in English, NULL behind the last */
/* Append how a thing is called where there are several; English alone changes. */
pc_status pc_pools_plural(const pc_pools *pools, pc_str *out, const char *name);
bool pc_pools_english(const pc_pools *pools);

/* Append the template with its variables. */
pc_status pc_pool_fill(pc_str *out, const char *text, const pc_variable *variables);

#endif
