/* POPE's sampling (Li et al. 2023): which absent objects to ask for, over any pictures whose objects are known.
 *
 * Of a picture with at least three different objects, the first three are asked for, each followed by one that is absent and was not
 * asked for in this split:
 *   random       any, drawn uniformly
 *   popular      the most frequent one in the pictures of the pool
 *   adversarial  the one that stands most often in a picture with the object just asked for
 *
 * Flow: the pool's pictures -> pc_pope_count; each picture -> pc_pope_choose -> 18 questions, one split after the other.
 */
#ifndef PC_EVAL_POPE_H
#define PC_EVAL_POPE_H

#include "base/rng.h"
#include "base/status.h"

#include <stdbool.h>

enum { PC_POPE_ASKED = 3, PC_POPE_SPLITS = 3, PC_POPE_QUESTIONS = PC_POPE_SPLITS * PC_POPE_ASKED * 2 };

typedef struct pc_pope pc_pope;

/* For objects numbered 0 .. classes - 1. */
pc_status pc_pope_new(pc_pope **out, int classes);
void pc_pope_free(pc_pope *pope); /* NULL is fine */

/* A picture of the pool holds these different objects. */
void pc_pope_count(pc_pope *pope, const int *objects, int count);
/* out = the objects to ask for, a present one and an absent one in turn; objects: at least PC_POPE_ASKED different ones, present
 * [classes]: what the picture holds. At least PC_POPE_ASKED objects must be absent. */
void pc_pope_choose(pc_pope *pope, int out[PC_POPE_QUESTIONS], const int *objects, const bool *present, pc_rng *rng);

const char *pc_pope_split(int question); /* "random", "popular", "adversarial" */

#endif
