/* Asks questions about a scene.
 *
 *   a list of asks (which kinds, how many of each) -> facts (scenes_asks.c) -> a phrasing of the language table
 *     -> short answer or sentence
 */
#include "data/scenes_asks.h"

#include <stdio.h>
#include <string.h>

/* One slot of a scene's list: asks to choose from (repeated ones are likelier); the next ones stand in when the scene
 * has no such question. */
enum { CHOICES = 4 };
static const pc_scene_ask slots[][CHOICES] = {
    {PC_ASK_EXIST, PC_ASK_EXIST, PC_ASK_EXIST, PC_ASK_EXIST},
    {PC_ASK_COLOUR, PC_ASK_COLOUR, PC_ASK_COLOUR, PC_ASK_COLOUR_AT},
    {PC_ASK_SHAPE, PC_ASK_SHAPE, PC_ASK_SHAPE, PC_ASK_SHAPE_AT},
    {PC_ASK_COUNT, PC_ASK_COUNT, PC_ASK_COUNT, PC_ASK_COUNT_ALL},
    {PC_ASK_SIZE, PC_ASK_SIZE, PC_ASK_SIZE, PC_ASK_SIZE},
    {PC_ASK_TEXTURE, PC_ASK_TEXTURE, PC_ASK_TEXTURE, PC_ASK_TEXTURE},
    {PC_ASK_RELATION, PC_ASK_RELATION, PC_ASK_RELATION, PC_ASK_RELATION},
    {PC_ASK_RELATION, PC_ASK_RELATION, PC_ASK_SIDE_X, PC_ASK_SIDE_Y},
    {PC_ASK_RELATION, PC_ASK_RELATION, PC_ASK_SIDE_X, PC_ASK_SIDE_Y},
    {PC_ASK_MORE, PC_ASK_SAME_COLOUR, PC_ASK_SAME_COLOUR, PC_ASK_LARGER},
    {PC_ASK_READ, PC_ASK_READ, PC_ASK_READ, PC_ASK_READ_ONLY},
    {PC_ASK_WHERE, PC_ASK_WHERE, PC_ASK_ROW, PC_ASK_COLUMN},
    {PC_ASK_SHARED_COLOUR, PC_ASK_SHARED_COLOUR, PC_ASK_SHARED_COLOUR, PC_ASK_SHARED_COLOUR},
};
enum { SLOTS = sizeof slots / sizeof slots[0], USUAL_SLOTS = SLOTS - 1 }; /* the last ones only by their kind's name */
_Static_assert((int)USUAL_SLOTS <= (int)PC_SCENE_QUESTIONS, "a scene's questions fit the caller's array");

static void phrase_question(pc_scene_asking *a, pc_scene_ask ask, pc_scene_question *out)
{
    const pc_scene_ask_words *words = &a->language->asks[ask];
    int phrasings = 0;
    while (phrasings < PC_SCENE_PHRASINGS && words->questions[phrasings]) {
        phrasings++;
    }
    int phrasing = pc_scene_below(a, phrasings);
    out->kind = words->kind;
    out->pattern = (int)ask * PC_SCENE_PHRASINGS + phrasing;
    out->sentence = pc_scene_below(a, 5) == 0;
    pc_scene_expand(out->question, sizeof out->question, words->questions[phrasing], &a->blanks);
    const char *suffix = out->sentence ? a->language->ask_sentence[pc_scene_below(a, 3)] : a->language->ask_short[pc_scene_below(a, 6) == 0];
    size_t length = strlen(out->question);
    snprintf(out->question + length, sizeof out->question - length, "%s", suffix);
    const char *pattern = !out->sentence ? "{answer}" : words->denial && !a->yes ? words->denial : words->sentence;
    pc_scene_expand(out->answer, sizeof out->answer, pattern, &a->blanks);
}

static bool is_new(const pc_scene_question *questions, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(questions[i].question, questions[count].question) == 0) {
            return false;
        }
    }
    return true;
}

/* out[count] = one more question of a slot; false when the scene has none that is new. */
static bool ask_slot(pc_scene_asking *a, int slot, pc_scene_question *out, int count)
{
    for (int try = 0, first = pc_scene_below(a, CHOICES); try < CHOICES; try++) {
        pc_scene_ask ask = slots[slot][(first + try) % CHOICES];
        a->blanks.count = 0;
        if (pc_scene_ask_functions[ask](a)) {
            phrase_question(a, ask, &out[count]);
            if (is_new(out, count)) {
                return true;
            }
        }
    }
    return false;
}

int pc_scene_questions(const pc_scene *scene, const pc_scene_language *language,
                       pc_scene_question out[PC_SCENE_QUESTIONS])
{
    pc_scene_asking a = {.scene = scene, .language = language};
    int count = 0;
    pc_scene_rng(&a.rng, scene->seed, scene->index, PC_SCENE_STREAM_QUESTIONS);
    for (int slot = 0; slot < USUAL_SLOTS; slot++) {
        count += ask_slot(&a, slot, out, count);
    }
    return count;
}

int pc_scene_questions_of(const pc_scene *scene, const pc_scene_language *language, unsigned kinds,
                          pc_scene_question out[PC_SCENE_QUESTIONS])
{
    pc_scene_asking a = {.scene = scene, .language = language};
    int count = 0;
    pc_scene_rng(&a.rng, scene->seed, scene->index, PC_SCENE_STREAM_KINDS);
    for (int round = 0; round < PC_SCENE_QUESTIONS; round++) {
        for (int slot = 0; slot < SLOTS && count < PC_SCENE_QUESTIONS; slot++) {
            if (kinds >> language->asks[slots[slot][0]].kind & 1) {
                count += ask_slot(&a, slot, out, count);
            }
        }
    }
    return count;
}
