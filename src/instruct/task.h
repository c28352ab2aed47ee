/* A task that pictures' annotations are turned into: one file in task/ and one line in task/list.h.
 *
 * Flow: pc_known (a picture) -> make -> pc_adapt_say for each exchange: a template of a pool with its variables -> adapt.h.
 */
#ifndef PC_INSTRUCT_TASK_H
#define PC_INSTRUCT_TASK_H

#include "base/rng.h"
#include "instruct/facts.h"
#include "instruct/pools.h"

enum { PC_TASK_POOLS = 2 };

/* What an exchange says of the picture: a question may stand on a thing that is not there (LRV-Instruction, Liu et al. 2023). */
typedef enum pc_polarity { PC_POLARITY_NONE, PC_POLARITY_POSITIVE, PC_POLARITY_NEGATIVE } pc_polarity;

typedef struct pc_adapting pc_adapting;

typedef struct pc_adapt_pool {
    const char *name;
    const char *const *variables; /* ends with NULL */
} pc_adapt_pool;

typedef struct pc_adapt_task {
    const char *name; /* "vqa" */
    const char *help; /* one line */
    pc_adapt_pool pools[PC_TASK_POOLS]; /* unused ones {NULL} */
    bool given; /* people asked, or said it: all of it is taken, not only `most` */
    /* Say what the picture gives; nothing when it has nothing for this task. */
    pc_status (*make)(pc_adapting *adapting, const pc_known *known);
} pc_adapt_task;

/* --- for the tasks --- */

const pc_pools *pc_adapting_pools(const pc_adapting *adapting);
pc_rng *pc_adapting_rng(pc_adapting *adapting);
size_t pc_adapting_most(const pc_adapting *adapting); /* exchanges of a task for a picture, at most */
bool pc_adapting_wants_tokens(const pc_adapting *adapting); /* text that stands in the picture goes with questions */
/* The class of all pictures, "cat, dog, horse"; NULL when there are too many to name. */
const char *pc_adapting_labels(const pc_adapting *adapting);
/* A class of things that the picture does not hold and that was not asked for at this picture yet, by one of POPE's samplings in turn
 * (random, popular, adversarial); NULL when there is none. */
const char *pc_adapting_absent(pc_adapting *adapting, const pc_known *known);
/* Is this name met for exactly one thing, no crowd? *index (or NULL) = which. */
bool pc_adapting_unique(const pc_known *known, const char *name, size_t *index);
/* "the red star" without its article when name and colour make it the only one; NULL when they don't. In the pools' language. */
pc_status pc_adapting_phrase(pc_adapting *adapting, const pc_known *known, size_t thing, const char **phrase);
/* A box as the options want it written. */
pc_status pc_adapting_box(pc_adapting *adapting, const pc_known *known, const float box[4], const char **text);
/* Say the pool's templates with {phrase} and {box} of each thing that can be spoken of, from a drawn one on. */
pc_status pc_adapting_say_boxes(pc_adapting *a, const pc_known *known, const char *pool);
/* "2 dogs", "1 dog", "两个狗" is written "2个狗". */
pc_status pc_adapting_counted(pc_adapting *adapting, const char *name, int64_t count, const char **text);
/* "a dog", "an apple"; Chinese: the name. */
pc_status pc_adapting_with_article(pc_adapting *adapting, const char *name, const char **text);
/* A text made of parts (NULL-terminated list), in the arena. */
pc_status pc_adapting_join(pc_adapting *adapting, const char **text, const char *const *parts);

/* An exchange by a template of `pool`; the form is what the options ask for (drawn where both are wanted and there). */
pc_status pc_adapt_say(pc_adapting *adapting, const char *pool, pc_polarity polarity, const pc_variable *variables);
/* The same in a given form; nothing is said when the options don't want it. */
pc_status pc_adapt_say_as(pc_adapting *adapting, const char *pool, pc_form form, const pc_variable *variables);
/* Texts as they are. */
pc_status pc_adapt_repeat(pc_adapting *adapting, const char *question, const char *answer);

#endif
