/* What a question about a scene is made of, shared by the facts (scenes_asks.c) and the list of questions (scenes_questions.c). */
#ifndef PC_DATA_SCENES_ASKS_H
#define PC_DATA_SCENES_ASKS_H

#include "data/scenes_internal.h"

/* One question in the making. */
typedef struct pc_scene_asking {
    const pc_scene *scene;
    const pc_scene_language *language;
    pc_rng rng;
    pc_scene_blanks blanks;
    bool yes; /* which sentence of a yes/no question */
} pc_scene_asking;

/* Looks for facts and fills the blanks; false: this scene has no such question. */
typedef bool (*pc_scene_ask_function)(pc_scene_asking *a);
extern const pc_scene_ask_function pc_scene_ask_functions[PC_ASKS];

/* A number from 0 to n - 1. */
static inline int pc_scene_below(pc_scene_asking *a, int n)
{
    return (int)pc_rng_below(&a->rng, (uint64_t)n);
}

#endif
