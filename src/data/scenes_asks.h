/* What a question about a scene is made of, shared by the facts (scenes_asks.c), the list of questions (scenes_questions.c) and the
 * questions of several steps (scenes_problems.c). */
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

/* Least difference of centres, in 1/96 of the side, for left/right and above/below. */
#define PC_SCENE_CLEAR 12

/* Words that a reference may use; NEED_NOUN: it must say what the thing is ("the red letter", not "the red object"). */
enum { PC_SCENE_ANY_WORD = PC_SAY_SIZE | PC_SAY_TEXTURE | PC_SAY_COLOUR | PC_SAY_NOUN | PC_SAY_NAME, PC_SCENE_NEED_NOUN = 32 };
/* Fill a blank with "the red circle": words of `allowed` that fit no other object; false when there are none. */
bool pc_scene_name_object(pc_scene_asking *a, int object, int allowed, const char *blank_name);

/* Looks for facts and fills the blanks; false: this scene has no such question. */
typedef bool (*pc_scene_ask_function)(pc_scene_asking *a);
extern const pc_scene_ask_function pc_scene_ask_functions[PC_ASKS];

/* A number from 0 to n - 1. */
static inline int pc_scene_below(pc_scene_asking *a, int n)
{
    return (int)pc_rng_below(&a->rng, (uint64_t)n);
}

#endif
