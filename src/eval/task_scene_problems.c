/* Tasks `scene_problems` and `scene_problems_zh`: questions of several steps about pictures that nobody has seen, drawn on the fly.
 *
 * A model may answer at once or with steps before: what stands behind the last "answer is" counts, else the whole text
 * (decode/vote.h). Scene 0, 1, 2 ... of the seed; all questions of a scene stand behind each other, so that its picture is encoded
 * once. The true steps go into the samples as `rationale`.
 */
#include "base/memory.h"
#include "data/scenes_problems.h"
#include "decode/vote.h"
#include "eval/task.h"
#include "prompt/match.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct problems {
    uint64_t seed, next_scene;
    const pc_scene_language *language;
    pc_image *image;
    pc_json *fields; /* of the question that is lent */
    pc_scene_problem problems[PC_PROBLEMS];
    int count, at;
} problems;

static pc_status open_problems(void **state, const pc_task_options *options, const char *language)
{
    problems *self = NULL;
    PC_TRY(PC_NEW(self, "a task"));
    self->seed = options->seed;
    self->language = pc_scene_language_find(language);
    *state = self;
    return PC_OK;
}

static pc_status open_english(void **state, const pc_task_options *options)
{
    return open_problems(state, options, "en");
}

static pc_status open_chinese(void **state, const pc_task_options *options)
{
    return open_problems(state, options, "zh");
}

static pc_status draw(problems *self)
{
    pc_scene scene;
    pc_image_free(self->image);
    self->image = NULL;
    PC_TRY(pc_scene_draw(&scene, self->seed, self->next_scene++, &pc_scene_problems_usual));
    self->count = pc_scene_problems(&scene, self->language, self->problems);
    self->at = 0;
    return pc_scene_image(&self->image, &scene);
}

static pc_status next(void *state, pc_task_question *out, bool *have)
{
    problems *self = state;
    while (self->at == self->count) {
        PC_TRY(draw(self));
    }
    const pc_scene_problem *problem = &self->problems[self->at];
    pc_json_free(self->fields);
    self->fields = pc_json_new_object();
    PC_TRY(pc_json_set(self->fields, "rationale", pc_json_new_text(problem->rationale)));
    *out = (pc_task_question){
        .kind = pc_scene_problem_name(problem->kind),
        .question = problem->question,
        .answer = problem->answer,
        .fields = self->fields,
        .image = self->image,
    };
    snprintf(out->id, sizeof out->id, "%" PRIu64 "-%" PRIu64 "-%d", self->seed, self->next_scene - 1, self->at++);
    *have = true;
    return PC_OK;
}

static pc_status judge(const char *answer, const char *truth, bool *right)
{
    pc_str said = {0};
    pc_status status;
    PC_GO(pc_extract_answer(&said, answer));
    PC_GO(pc_match_exact(said.data, truth, right));
done:
    pc_str_clear(&said);
    return status;
}

static void close_problems(void *state)
{
    problems *self = state;
    pc_image_free(self->image);
    pc_json_free(self->fields);
    pc_free(self);
}

const pc_task pc_task_scene_problems = {
    .name = "scene_problems",
    .help = "questions of two or three steps about unseen drawn scenes; what stands behind \"answer is\" counts",
    .version = PC_SCENE_PROBLEMS_VERSION,
    .usual_limit = 1000,
    .open = open_english,
    .next = next,
    .judge = judge,
    .close = close_problems,
};

const pc_task pc_task_scene_problems_zh = {
    .name = "scene_problems_zh",
    .help = "the same scenes and questions in Chinese",
    .version = PC_SCENE_PROBLEMS_VERSION,
    .usual_limit = 1000,
    .open = open_chinese,
    .next = next,
    .judge = judge,
    .close = close_problems,
};
