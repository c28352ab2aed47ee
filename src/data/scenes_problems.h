/* Questions about a scene that take two or three steps, each with the steps in words (a rationale, chain of thought) and a short
 * answer.
 *
 * Flow: pc_scene -> pc_scene_problems -> dataset `scene_problems` (train on answers, or on rationale and answer), tasks `scenes_steps`.
 *
 * A pure function of (PC_SCENE_PROBLEMS_VERSION, scene); problem i of a scene asks the same in every language. Thread safe.
 */
#ifndef PC_DATA_SCENES_PROBLEMS_H
#define PC_DATA_SCENES_PROBLEMS_H

#include "data/scenes.h"

/* Changes with every change of texts, together with the frozen hash in tests/data. */
#define PC_SCENE_PROBLEMS_VERSION "problems-1 " PC_SCENE_VERSION

typedef enum pc_scene_problem_kind {
    PC_PROBLEM_SIDE_COUNT,   /* how many red objects left of the star? */
    PC_PROBLEM_SUM,          /* how many circles and stars together? */
    PC_PROBLEM_DIFFERENCE,   /* how many more circles than stars? */
    PC_PROBLEM_SAME_COUNT,   /* how many others of the star's colour? */
    PC_PROBLEM_OTHER_SHAPE,  /* shape of the other one of the star's colour */
    PC_PROBLEM_OTHER_COLOUR, /* colour of the other one of the red one's shape */
    PC_PROBLEM_EXTREME,      /* colour of the leftmost of the circles */
    PC_PROBLEM_BESIDE,       /* colour of the only one left of the star */
    PC_PROBLEM_COMPARISON,   /* is the leftmost of the circles of the star's colour? */
    PC_PROBLEMS
} pc_scene_problem_kind;
const char *pc_scene_problem_name(pc_scene_problem_kind kind); /* "side_count", ... */

enum { PC_SCENE_RATIONALE = 6 * PC_SCENE_TEXT };

typedef struct pc_scene_problem {
    pc_scene_problem_kind kind;
    int pattern; /* which phrasing: equal numbers have the same words around the blanks */
    char question[PC_SCENE_TEXT];
    char rationale[PC_SCENE_RATIONALE]; /* ends with the answer: "... The answer is 2." */
    char answer[PC_SCENE_TEXT];         /* short */
} pc_scene_problem;

/* What scenes are drawn with when nobody says more: three objects and more. */
extern const pc_scene_options pc_scene_problems_usual;

/* Fill out with one question of each kind of which the scene has one; returns how many, at least 1. */
int pc_scene_problems(const pc_scene *scene, const pc_scene_language *language, pc_scene_problem out[PC_PROBLEMS]);

/* out_hex = SHA-256 over the problems of the first 64 scenes of seed 1 in that language. */
pc_status pc_scene_problems_hash(const pc_scene_language *language, char out_hex[65]);

#endif
