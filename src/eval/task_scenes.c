/* Tasks `scenes` and `scenes_zh`: questions about pictures that nobody has seen, drawn on the fly, in English and Chinese.
 *
 * Scene 0, 1, 2 ... of a seed that no training recipe uses; all questions of a scene stand behind
 * each other, so that its picture is encoded once.
 */
#include "base/memory.h"
#include "data/scenes.h"
#include "eval/task.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct scenes {
    uint64_t seed, next_scene;
    const pc_scene_language *language;
    pc_image *image;
    pc_scene_question questions[PC_SCENE_QUESTIONS];
    int count, at;
} scenes;

static pc_status open_scenes(void **state, const pc_task_options *options, const char *language)
{
    scenes *self = NULL;
    PC_TRY(PC_NEW(self, "a task"));
    self->seed = options->seed;
    self->language = pc_scene_language_find(language);
    *state = self;
    return PC_OK;
}

static pc_status open_english(void **state, const pc_task_options *options)
{
    return open_scenes(state, options, "en");
}

static pc_status open_chinese(void **state, const pc_task_options *options)
{
    return open_scenes(state, options, "zh");
}

static pc_status draw(scenes *self)
{
    pc_scene scene;
    pc_image_free(self->image);
    self->image = NULL;
    PC_TRY(pc_scene_draw(&scene, self->seed, self->next_scene++, NULL));
    self->count = pc_scene_questions(&scene, self->language, self->questions);
    self->at = 0;
    return pc_scene_image(&self->image, &scene);
}

static pc_status next(void *state, pc_task_question *out, bool *have)
{
    scenes *self = state;
    while (self->at == self->count) {
        PC_TRY(draw(self));
    }
    const pc_scene_question *question = &self->questions[self->at];
    *out = (pc_task_question){
        .kind = pc_scene_kind_name(question->kind),
        .question = question->question,
        .answer = question->answer,
        .image = self->image,
    };
    snprintf(out->id, sizeof out->id, "%" PRIu64 "-%" PRIu64 "-%d", self->seed,
             self->next_scene - 1, self->at++);
    *have = true;
    return PC_OK;
}

static void close_scenes(void *state)
{
    scenes *self = state;
    pc_image_free(self->image);
    pc_free(self);
}

const pc_task pc_task_scenes = {
    .name = "scenes",
    .help = "unseen drawn scenes: existence, colour, shape, count, size, relation ...",
    .version = PC_SCENE_VERSION,
    .usual_limit = 1000,
    .open = open_english,
    .next = next,
    .close = close_scenes,
};

const pc_task pc_task_scenes_zh = {
    .name = "scenes_zh",
    .help = "the same scenes and questions in Chinese",
    .version = PC_SCENE_VERSION,
    .usual_limit = 1000,
    .open = open_chinese,
    .next = next,
    .close = close_scenes,
};
