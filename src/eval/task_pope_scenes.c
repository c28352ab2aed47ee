/* Task `pope_scenes`: POPE (Li et al. 2023) over drawn scenes: is an object named that isn't there?
 *
 * An object is a colour and a shape. Of every scene with at least three different ones, the first three are asked for, each
 * followed by one that is absent and was not asked for in this split:
 *   random       any, drawn uniformly
 *   popular      the most frequent one in the 500 scenes of the pool
 *   adversarial  the one that stands most often in a scene with the object just asked for
 * The splits are the kinds of the questions; the metric `pope` tells precision, recall, F1 and the share of yes of each.
 */
#include "base/memory.h"
#include "base/rng.h"
#include "data/scenes.h"
#include "eval/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CLASSES = PC_SCENE_COLOURS * PC_SCENE_SHAPES, POOL = 500, ASKED = 3, SPLITS = 3, QUESTIONS = SPLITS * ASKED * 2 };

static const char *const splits[SPLITS] = {"random", "popular", "adversarial"};

typedef struct pope {
    uint64_t seed, next_scene;
    const pc_scene_language *language;
    int frequency[CLASSES], together[CLASSES][CLASSES]; /* scenes of the pool */
    pc_image *image;
    int object[QUESTIONS], at;
    bool present[CLASSES];
    char question[128];
} pope;

/* The different objects of a scene, in the order in which they are drawn. */
static int find_classes(int out[PC_SCENE_OBJECTS], bool present[CLASSES], const pc_scene *scene)
{
    int count = 0;
    memset(present, 0, CLASSES * sizeof *present);
    for (int i = 0; i < scene->count; i++) {
        const pc_scene_object *object = &scene->objects[i];
        if (object->noun < PC_SCENE_SHAPES) {
            int class = object->colour * PC_SCENE_SHAPES + object->noun;
            if (!present[class]) {
                out[count++] = class;
            }
            present[class] = true;
        }
    }
    return count;
}

static pc_status count_pool(pope *self)
{
    for (uint64_t i = 0; i < POOL; i++) {
        int class[PC_SCENE_OBJECTS];
        bool present[CLASSES];
        pc_scene scene;
        PC_TRY(pc_scene_draw(&scene, self->seed, i, NULL));
        int count = find_classes(class, present, &scene);
        for (int a = 0; a < count; a++) {
            self->frequency[class[a]]++;
            for (int b = 0; b < count; b++) {
                self->together[class[a]][class[b]] += a != b;
            }
        }
    }
    return PC_OK;
}

static int most(const int count[CLASSES], const bool taken[CLASSES])
{
    int best = -1;
    for (int i = 0; i < CLASSES; i++) {
        if (!taken[i] && (best < 0 || count[i] > count[best])) {
            best = i;
        }
    }
    return best;
}

static int any(pc_rng *rng, const bool taken[CLASSES])
{
    uint64_t left = 0;
    for (int i = 0; i < CLASSES; i++) {
        left += !taken[i];
    }
    uint64_t chosen = pc_rng_below(rng, left);
    for (int i = 0; i < CLASSES; i++) {
        if (!taken[i] && chosen-- == 0) {
            return i;
        }
    }
    return 0;
}

static void choose(pope *self, const int class[PC_SCENE_OBJECTS])
{
    pc_rng rng;
    int at = 0;
    pc_rng_init(&rng, self->seed, self->next_scene);
    for (int split = 0; split < SPLITS; split++) {
        bool taken[CLASSES];
        memcpy(taken, self->present, sizeof taken);
        for (int i = 0; i < ASKED; i++) {
            int absent = split == 0   ? any(&rng, taken)
                         : split == 1 ? most(self->frequency, taken)
                                      : most(self->together[class[i]], taken);
            taken[absent] = true;
            self->object[at++] = class[i];
            self->object[at++] = absent;
        }
    }
    self->at = 0;
}

static pc_status draw(pope *self)
{
    for (;;) {
        int class[PC_SCENE_OBJECTS];
        pc_scene scene;
        PC_TRY(pc_scene_draw(&scene, self->seed, self->next_scene++, NULL));
        if (find_classes(class, self->present, &scene) >= ASKED) {
            choose(self, class);
            pc_image_free(self->image);
            self->image = NULL;
            return pc_scene_image(&self->image, &scene);
        }
    }
}

static void close_pope(void *state)
{
    pope *self = state;
    pc_image_free(self->image);
    pc_free(self);
}

static pc_status open_pope(void **state, const pc_task_options *options)
{
    pope *self = NULL;
    PC_TRY(PC_NEW(self, "a task"));
    self->seed = options->seed;
    self->language = pc_scene_language_find("en");
    self->at = QUESTIONS;
    pc_status status = count_pool(self);
    if (status != PC_OK) {
        close_pope(self);
        return status;
    }
    *state = self;
    return PC_OK;
}

static pc_status next(void *state, pc_task_question *out, bool *have)
{
    pope *self = state;
    PC_TRY(self->at == QUESTIONS ? draw(self) : PC_OK);
    int class = self->object[self->at];
    const char *colour = pc_scene_colour_word(self->language, class / PC_SCENE_SHAPES);
    snprintf(self->question, sizeof self->question, "Is there %s %s %s in the picture? Answer with one word.",
             strchr("aeiou", colour[0]) ? "an" : "a", colour, pc_scene_noun_word(self->language, class % PC_SCENE_SHAPES));
    *out = (pc_task_question){
        .kind = splits[self->at / (ASKED * 2)],
        .question = self->question,
        .answer = self->present[class] ? "yes" : "no",
        .image = self->image,
    };
    snprintf(out->id, sizeof out->id, "%" PRIu64 "-%" PRIu64 "-%d", self->seed, self->next_scene - 1, self->at++);
    *have = true;
    return PC_OK;
}

const pc_task pc_task_pope_scenes = {
    .name = "pope_scenes",
    .help = "POPE over drawn scenes: random, popular and adversarial absent objects",
    .version = "pope-1 " PC_SCENE_VERSION,
    .metric = "pope",
    .usual_limit = 900,
    .open = open_pope,
    .next = next,
    .close = close_pope,
};
