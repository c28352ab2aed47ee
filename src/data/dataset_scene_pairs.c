/* Dataset kind `scene_pairs`: preferences about generated pictures, drawn on the fly.
 *
 * Sample i shows scene first + i of a seed. Contents:
 *   answers      one of the scene's questions; chosen the true answer, rejected what is true of the same question in another
 *                scene: an object that isn't there, a wrong colour, count, relation
 *   corrections  a request for a detailed caption; rejected a caption with one object's colour or shape wrong, chosen the
 *                same with that segment mended, as the annotators of RLHF-V do it (Yu et al. 2024, arXiv:2312.00849)
 *   labelled     the answers of `answers` one by one: of even samples the true one, which is wanted, of odd ones the wrong one
 */
#include "base/memory.h"
#include "base/rng.h"
#include "data/dataset.h"
#include "data/scenes.h"

#include <string.h>

enum { OTHER_SCENES = 64 }; /* searched for a question with another answer */

static const uint64_t CHOICE_STREAM = UINT64_C(1) << 60;

typedef struct scene_pairs {
    uint64_t seed, first;
    pc_scene_options options;
    const pc_scene_language *language;
    bool corrections, labelled;
} scene_pairs;

static bool matches(const char *path)
{
    return strcmp(path, "scene_pairs") == 0;
}

static pc_status set_up(scene_pairs *self, const pc_dataset_options *options)
{
    const char *lang = options->lang ? options->lang : "en", *content = options->content ? options->content : "answers";
    pc_scene scene;
    bool usual = !options->min_objects && !options->max_objects;
    self->seed = options->seed;
    self->first = options->first;
    self->options = (pc_scene_options){
        .side = options->side,
        .min_objects = usual || options->min_objects ? options->min_objects : 1,
        .max_objects = usual || options->max_objects ? options->max_objects : PC_SCENE_OBJECTS,
    };
    self->language = pc_scene_language_find(lang);
    self->corrections = strcmp(content, "corrections") == 0;
    self->labelled = strcmp(content, "labelled") == 0;
    if (!self->language) {
        return pc_fail(PC_ERR_USAGE, "scene_pairs: no words for language '%s'; there are en and zh", lang);
    }
    if (!self->corrections && !self->labelled && strcmp(content, "answers") != 0) {
        return pc_fail(PC_ERR_USAGE, "scene_pairs: content is answers, corrections or labelled, found '%s'", content);
    }
    return pc_scene_draw(&scene, self->seed, self->first, &self->options); /* refuses what is out of range */
}

static pc_status open_pairs(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    scene_pairs *self = NULL;
    (void)path;
    if (options->limit <= 0) {
        return pc_fail(PC_ERR_USAGE, "scene_pairs: say how many, for example scene_pairs?seed=1&n=10000");
    }
    PC_TRY(PC_NEW(self, "a dataset of pairs"));
    pc_status status = set_up(self, options);
    if (status != PC_OK) {
        pc_free(self);
        return status;
    }
    *state = self;
    *count = options->limit;
    return PC_OK;
}

static pc_status ask(pc_sample *out, const char *asked)
{
    PC_TRY(pc_conversation_begin(&out->conversation, PC_ROLE_USER));
    PC_TRY(pc_conversation_add_media(&out->conversation, PC_MEDIA_IMAGE, 0));
    return pc_conversation_add_text(&out->conversation, asked, strlen(asked));
}

static pc_status add_pair(pc_sample *out, const char *asked, const char *chosen, const char *rejected)
{
    PC_TRY(ask(out, asked));
    PC_TRY(pc_conversation_say(&out->conversation, PC_ROLE_ASSISTANT, chosen));
    return pc_conversation_say(&out->rejected, PC_ROLE_ASSISTANT, rejected);
}

/* The answer that a question with the same words around its blanks has in a later scene, unless it is the same one. */
static pc_status find_wrong_answer(const scene_pairs *self, const pc_scene *scene, const pc_scene_question *asked,
                                   char out[PC_SCENE_TEXT])
{
    pc_scene_question questions[PC_SCENE_QUESTIONS];
    pc_scene other;
    for (uint64_t k = 1; k <= OTHER_SCENES; k++) {
        PC_TRY(pc_scene_draw(&other, self->seed, scene->index + k, &self->options));
        int count = pc_scene_questions_of(&other, self->language, 1u << asked->kind, questions);
        for (int i = 0; i < count; i++) {
            const pc_scene_question *q = &questions[i];
            if (q->pattern == asked->pattern && q->sentence == asked->sentence && strcmp(q->answer, asked->answer) != 0) {
                memcpy(out, q->answer, PC_SCENE_TEXT);
                return PC_OK;
            }
        }
    }
    return pc_fail(PC_ERR_DATA, "scene %llu: no other answer to '%s'", (unsigned long long)scene->index, asked->question);
}

static pc_status add_answers(pc_sample *out, const scene_pairs *self, const pc_scene *scene)
{
    pc_scene_question questions[PC_SCENE_QUESTIONS];
    char wrong[PC_SCENE_TEXT];
    int count = pc_scene_questions(scene, self->language, questions);
    const pc_scene_question *asked = &questions[pc_rng_permute(scene->seed, scene->index, (uint64_t)count, 0)];
    PC_TRY(find_wrong_answer(self, scene, asked, wrong));
    if (self->labelled) {
        bool wanted = scene->index % 2 == 0;
        out->label = wanted ? 1 : -1;
        PC_TRY(ask(out, asked->question));
        return pc_conversation_say(&out->conversation, PC_ROLE_ASSISTANT, wanted ? asked->answer : wrong);
    }
    return add_pair(out, asked->question, asked->answer, wrong);
}

static pc_status add_corrections(pc_sample *out, const scene_pairs *self, const pc_scene *scene)
{
    pc_scene altered = *scene;
    pc_scene_caption right, wrong;
    pc_rng rng;
    pc_rng_init(&rng, scene->seed, CHOICE_STREAM + scene->index);
    pc_scene_object *object = &altered.objects[pc_rng_below(&rng, (uint64_t)scene->count)];
    if (object->noun < PC_SCENE_SHAPES && pc_rng_below(&rng, 2)) {
        object->noun = (object->noun + 1 + (int)pc_rng_below(&rng, PC_SCENE_SHAPES - 1)) % PC_SCENE_SHAPES;
    } else {
        object->colour = (object->colour + 1 + (int)pc_rng_below(&rng, PC_SCENE_COLOURS - 1)) % PC_SCENE_COLOURS;
    }
    pc_scene_caption_write(&right, scene, self->language, true);
    pc_scene_caption_write(&wrong, &altered, self->language, true);
    return add_pair(out, right.request, right.text, wrong.text);
}

static pc_status read_pair(void *state, int64_t index, pc_sample *out)
{
    const scene_pairs *self = state;
    pc_scene scene;
    pc_image *picture;
    PC_TRY(pc_scene_draw(&scene, self->seed, self->first + (uint64_t)index, &self->options));
    PC_TRY(pc_scene_image(&picture, &scene));
    PC_TRY(pc_sample_add_image(out, picture));
    return self->corrections ? add_corrections(out, self, &scene) : add_answers(out, self, &scene);
}

const pc_dataset_type pc_dataset_scene_pairs = {
    .name = "scene_pairs",
    .help = "preferences about generated pictures: a true and a wrong answer, drawn on the fly",
    .matches = matches,
    .open = open_pairs,
    .read = read_pair,
    .close = pc_free,
};
