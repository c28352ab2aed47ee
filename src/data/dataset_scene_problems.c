/* Dataset kind `scene_problems`: questions of several steps about generated pictures, drawn on the fly.
 *
 * Sample i shows scene first + i of a seed; each of its questions is a turn. Contents:
 *   direct     the short answer alone
 *   rationale  the steps in words and the answer behind them (Zhang et al. 2023, arXiv:2302.00923; Wei et al. 2022, arXiv:2201.11903)
 */
#include "base/memory.h"
#include "base/rng.h"
#include "data/dataset.h"
#include "data/scenes_problems.h"

#include <string.h>

typedef struct scene_problems {
    uint64_t seed, first;
    pc_scene_options options;
    const pc_scene_language *language;
    bool rationale;
    int turns;      /* questions of a sample; 0 = all */
    unsigned kinds; /* 1 << pc_scene_problem_kind */
} scene_problems;

static bool matches(const char *path)
{
    return strcmp(path, "scene_problems") == 0;
}

static pc_status add_kind(unsigned *bits, const char *name, size_t length)
{
    for (int kind = 0; kind < PC_PROBLEMS; kind++) {
        const char *known = pc_scene_problem_name((pc_scene_problem_kind)kind);
        if (strlen(known) == length && memcmp(known, name, length) == 0) {
            *bits |= 1u << kind;
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_USAGE, "scene_problems: there are no questions of kind '%.*s'", (int)length, name);
}

/* *out = bits of the names in `list`, joined by +; all when it is NULL. */
static pc_status find_kinds(unsigned *out, const char *list)
{
    *out = list ? 0 : (1u << PC_PROBLEMS) - 1;
    for (const char *at = list; at; at = strchr(at, '+') ? strchr(at, '+') + 1 : NULL) {
        PC_TRY(add_kind(out, at, strcspn(at, "+")));
    }
    return PC_OK;
}

static pc_status set_up(scene_problems *self, const pc_dataset_options *options)
{
    const char *lang = options->lang ? options->lang : "en", *content = options->content ? options->content : "rationale";
    pc_scene scene;
    bool usual = !options->min_objects && !options->max_objects;
    *self = (scene_problems){
        .seed = options->seed,
        .first = options->first,
        .turns = options->turns,
        .language = pc_scene_language_find(lang),
        .rationale = strcmp(content, "rationale") == 0,
        .options = {.side = options->side,
                    .min_objects = usual ? pc_scene_problems_usual.min_objects : options->min_objects ? options->min_objects : 1,
                    .max_objects = options->max_objects ? options->max_objects : PC_SCENE_OBJECTS},
    };
    if (!self->language) {
        return pc_fail(PC_ERR_USAGE, "scene_problems: no words for language '%s'; there are en and zh", lang);
    }
    if (!self->rationale && strcmp(content, "direct") != 0) {
        return pc_fail(PC_ERR_USAGE, "scene_problems: content is rationale or direct, found '%s'", content);
    }
    PC_TRY(find_kinds(&self->kinds, options->kinds));
    return pc_scene_draw(&scene, self->seed, self->first, &self->options); /* refuses what is out of range */
}

static pc_status open_problems(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    scene_problems *self = NULL;
    (void)path;
    if (options->limit <= 0) {
        return pc_fail(PC_ERR_USAGE, "scene_problems: say how many, for example scene_problems?seed=1&n=10000");
    }
    PC_TRY(PC_NEW(self, "a dataset of problems"));
    pc_status status = set_up(self, options);
    if (status != PC_OK) {
        pc_free(self);
        return status;
    }
    *state = self;
    *count = options->limit;
    return PC_OK;
}

/* problems = those of the wanted kinds; of a scene that has none of these, all. Returns how many. */
static int choose(const scene_problems *self, const pc_scene *scene, pc_scene_problem problems[PC_PROBLEMS])
{
    int count = pc_scene_problems(scene, self->language, problems), kept = 0;
    for (int i = 0; i < count; i++) {
        if (self->kinds >> problems[i].kind & 1) {
            problems[kept++] = problems[i];
        }
    }
    return kept ? kept : count;
}

/* A question with its answer; the first one gets the picture. */
static pc_status add_turn(pc_conversation *conversation, const pc_scene_problem *problem, bool rationale)
{
    bool first = conversation->count == 0;
    PC_TRY(pc_conversation_begin(conversation, PC_ROLE_USER));
    if (first) {
        PC_TRY(pc_conversation_add_media(conversation, PC_MEDIA_IMAGE, 0));
    }
    PC_TRY(pc_conversation_add_text(conversation, problem->question, strlen(problem->question)));
    return pc_conversation_say(conversation, PC_ROLE_ASSISTANT, rationale ? problem->rationale : problem->answer);
}

static pc_status read_problems(void *state, int64_t index, pc_sample *out)
{
    const scene_problems *self = state;
    pc_scene scene;
    pc_image *picture;
    pc_scene_problem problems[PC_PROBLEMS];
    PC_TRY(pc_scene_draw(&scene, self->seed, self->first + (uint64_t)index, &self->options));
    PC_TRY(pc_scene_image(&picture, &scene));
    PC_TRY(pc_sample_add_image(out, picture));
    int count = choose(self, &scene, problems);
    int wanted = self->turns > 0 && self->turns < count ? self->turns : count;
    for (int i = 0; i < wanted; i++) {
        uint64_t at = wanted < count ? pc_rng_permute(scene.seed, scene.index, (uint64_t)count, (uint64_t)i) : (uint64_t)i;
        PC_TRY(add_turn(&out->conversation, &problems[at], self->rationale));
    }
    return PC_OK;
}

const pc_dataset_type pc_dataset_scene_problems = {
    .name = "scene_problems",
    .help = "questions of several steps about generated pictures, with the steps in words",
    .matches = matches,
    .open = open_problems,
    .read = read_problems,
    .close = pc_free,
};
