/* Task `pope_scenes`: POPE (pope.h) over drawn scenes: is an object named that isn't there?
 *
 * An object is a colour and a shape; the pool is 500 scenes. The splits are the kinds of the questions; the metric `pope` tells
 * precision, recall, F1 and the share of yes of each.
 */
#include "base/memory.h"
#include "base/rng.h"
#include "data/scenes.h"
#include "eval/pope.h"
#include "eval/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CLASSES = PC_SCENE_COLOURS * PC_SCENE_SHAPES, POOL = 500 };

typedef struct pope {
    uint64_t seed, next_scene;
    const pc_scene_language *language;
    pc_pope *counts;
    pc_image *image;
    int object[PC_POPE_QUESTIONS], at;
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
        pc_pope_count(self->counts, class, find_classes(class, present, &scene));
    }
    return PC_OK;
}

static pc_status draw(pope *self)
{
    for (;;) {
        int class[PC_SCENE_OBJECTS];
        pc_scene scene;
        PC_TRY(pc_scene_draw(&scene, self->seed, self->next_scene++, NULL));
        if (find_classes(class, self->present, &scene) >= PC_POPE_ASKED) {
            pc_rng rng;
            pc_rng_init(&rng, self->seed, self->next_scene);
            pc_pope_choose(self->counts, self->object, class, self->present, &rng);
            self->at = 0;
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
    pc_pope_free(self->counts);
    pc_free(self);
}

static pc_status open_pope(void **state, const pc_task_options *options)
{
    pope *self = NULL;
    PC_TRY(PC_NEW(self, "a task"));
    self->seed = options->seed;
    self->language = pc_scene_language_find("en");
    self->at = PC_POPE_QUESTIONS;
    pc_status status = pc_pope_new(&self->counts, CLASSES);
    status = status == PC_OK ? count_pool(self) : status;
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
    PC_TRY(self->at == PC_POPE_QUESTIONS ? draw(self) : PC_OK);
    int class = self->object[self->at];
    const char *colour = pc_scene_colour_word(self->language, class / PC_SCENE_SHAPES);
    snprintf(self->question, sizeof self->question, "Is there %s %s %s in the picture? Answer with one word.",
             strchr("aeiou", colour[0]) ? "an" : "a", colour, pc_scene_noun_word(self->language, class % PC_SCENE_SHAPES));
    *out = (pc_task_question){
        .kind = pc_pope_split(self->at),
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
