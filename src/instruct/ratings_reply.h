/* A judge's reply: ratings of several answers on several aspects, with rationales.
 *
 *   Response 1
 *   Helpfulness
 *   Rating: 4
 *   Rationale: It answers the question.
 *   Visual Faithfulness
 *   ...
 *   Response 2
 *   ...
 *
 * Labels begin a line, in any case; marks of Markdown round them, "4/5" and "Helpfulness: 4" are understood. Every answer needs exactly one
 * rating from 1 to 5 on every aspect.
 */
#ifndef PC_INSTRUCT_RATINGS_REPLY_H
#define PC_INSTRUCT_RATINGS_REPLY_H

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { PC_RATING_LEAST = 1, PC_RATING_MOST = 5, PC_RATING_ASPECTS = 8, PC_RATING_ANSWERS = 64 };

typedef struct pc_rating {
    double value;          /* 0 = none yet */
    const char *rationale; /* in the arena; NULL = none */
} pc_rating;

/* Initialise with {0}; reusable; release with pc_ratings_clear. */
typedef struct pc_ratings {
    pc_rating rating[PC_RATING_ANSWERS][PC_RATING_ASPECTS];
    pc_arena texts;
} pc_ratings;
void pc_ratings_clear(pc_ratings *ratings);

/* *good = false and a reason when one is missing, doubled or out of range. */
pc_status pc_reply_ratings(pc_ratings *out, const char *reply, const char *const *aspects, size_t aspect_count, size_t answers, bool *good,
                           char reason[160]);

#endif
