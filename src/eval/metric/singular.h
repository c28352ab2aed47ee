/* English words in the singular, by suffix rules and lists (Bermi's Inflector, as pattern.en applies it): what CHAIR compares.
 * Its oddities are kept, since published values hold them: "glass" -> "glas", "bus" -> "bu". */
#ifndef PC_EVAL_METRIC_SINGULAR_H
#define PC_EVAL_METRIC_SINGULAR_H

#include "base/str.h"

typedef struct pc_singular pc_singular;

pc_status pc_singular_new(pc_singular **out);
void pc_singular_free(pc_singular *singular); /* NULL is fine */
/* Rewrite a lower-case word in place. */
pc_status pc_singular_of(const pc_singular *singular, pc_str *word);

#endif
