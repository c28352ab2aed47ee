/* Task `scenes_captions`: detailed descriptions of drawn scenes. A description is right when it names objects and none that isn't
 * there; the metric `scene_claims` tells how many it names, and how many of those that are there.
 *
 * Scene 0, 1, 2 ... of the seed that task `scenes` has; one description of each.
 */
#include "base/memory.h"
#include "data/scenes_claims.h"
#include "eval/task.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct captions {
    uint64_t seed, next_scene;
    pc_image *image;
    pc_scene_caption caption;
} captions;

static pc_status open_captions(void **state, const pc_task_options *options)
{
    captions *self = NULL;
    PC_TRY(PC_NEW(self, "a task"));
    self->seed = options->seed;
    *state = self;
    return PC_OK;
}

static pc_status next(void *state, pc_task_question *out, bool *have)
{
    captions *self = state;
    pc_scene scene;
    pc_image_free(self->image);
    self->image = NULL;
    PC_TRY(pc_scene_draw(&scene, self->seed, self->next_scene, NULL));
    PC_TRY(pc_scene_image(&self->image, &scene));
    pc_scene_caption_write(&self->caption, &scene, pc_scene_language_find("en"), true);
    *out = (pc_task_question){
        .kind = "", .question = self->caption.request, .answer = self->caption.text, .image = self->image};
    snprintf(out->id, sizeof out->id, "%" PRIu64 "-%" PRIu64, self->seed, self->next_scene++);
    *have = true;
    return PC_OK;
}

static pc_status judge(const char *answer, const char *truth, bool *right)
{
    pc_scene_agreement a = pc_scene_compare(answer, truth);
    *right = a.named > 0 && a.wrong == 0;
    return PC_OK;
}

static void close_captions(void *state)
{
    captions *self = state;
    pc_image_free(self->image);
    pc_free(self);
}

const pc_task pc_task_scenes_captions = {
    .name = "scenes_captions",
    .help = "descriptions of unseen drawn scenes: right when they name nothing that isn't there",
    .version = "claims-1 " PC_SCENE_VERSION,
    .metric = "scene_claims",
    .usual_limit = 1000,
    .open = open_captions,
    .next = next,
    .judge = judge,
    .close = close_captions,
};
