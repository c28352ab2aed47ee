/* Dataset kind `scenes`: generated pictures with their texts, drawn on the fly.
 *
 * Sample i is scene first + i of a seed, the one that `percept data make scenes` writes under that number. Contents:
 * questions (each a turn), captions (detailed), brief, mixed (the detailed caption, then the questions). Every object is
 * a region with its description as words.
 */
#include "base/memory.h"
#include "base/rng.h"
#include "data/dataset.h"
#include "data/scenes_internal.h"

#include <stdio.h>
#include <string.h>

typedef enum content { QUESTIONS, CAPTIONS, BRIEF, MIXED, CONTENTS } content;
static const char *const content_names[CONTENTS] = {"questions", "captions", "brief", "mixed"};

typedef struct scenes {
    uint64_t seed, first;
    pc_scene_options options;
    const pc_scene_language *language;
    content content;
    int turns; /* questions of a sample; 0 = all */
    unsigned kinds; /* 1 << pc_scene_kind; 0 = the usual mix */
} scenes;

static bool matches(const char *path)
{
    return strcmp(path, "scenes") == 0;
}

static pc_status find_content(content *out, const char *name)
{
    for (int i = 0; i < CONTENTS; i++) {
        if (!name || strcmp(name, content_names[i]) == 0) {
            *out = (content)i;
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_USAGE, "scenes: content is questions, captions, brief or mixed, found '%s'", name);
}

/* *out = bits of the names in `list`, joined by +. */
static pc_status find_kinds(unsigned *out, const char *list)
{
    *out = 0;
    for (const char *at = list; at; at = strchr(at, '+') ? strchr(at, '+') + 1 : NULL) {
        size_t length = strcspn(at, "+");
        int kind = 0;
        while (kind < PC_SCENE_KINDS && (strlen(pc_scene_kind_name((pc_scene_kind)kind)) != length ||
                                         memcmp(pc_scene_kind_name((pc_scene_kind)kind), at, length) != 0)) {
            kind++;
        }
        if (kind == PC_SCENE_KINDS) {
            return pc_fail(PC_ERR_USAGE, "scenes: there are no questions of kind '%.*s'", (int)length, at);
        }
        *out |= 1u << kind;
    }
    return PC_OK;
}

static pc_status set_up(scenes *self, const pc_dataset_options *options)
{
    const char *lang = options->lang ? options->lang : "en";
    pc_scene scene;
    bool usual = !options->min_objects && !options->max_objects;
    self->seed = options->seed;
    self->first = options->first;
    self->turns = options->turns;
    self->options = (pc_scene_options){
        .side = options->side,
        .min_objects = usual || options->min_objects ? options->min_objects : 1,
        .max_objects = usual || options->max_objects ? options->max_objects : PC_SCENE_OBJECTS,
    };
    self->language = pc_scene_language_find(lang);
    if (!self->language) {
        return pc_fail(PC_ERR_USAGE, "scenes: no words for language '%s'; there are en and zh", lang);
    }
    PC_TRY(find_content(&self->content, options->content));
    PC_TRY(find_kinds(&self->kinds, options->kinds));
    return pc_scene_draw(&scene, self->seed, self->first, &self->options); /* refuses what is out of range */
}

static pc_status open_scenes(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    scenes *self = NULL;
    (void)path;
    if (options->limit <= 0) {
        return pc_fail(PC_ERR_USAGE, "scenes: say how many, for example scenes?seed=1&n=10000");
    }
    PC_TRY(PC_NEW(self, "a dataset of scenes"));
    pc_status status = set_up(self, options);
    if (status != PC_OK) {
        pc_free(self);
        return status;
    }
    *state = self;
    *count = options->limit;
    return PC_OK;
}

/* A question with its answer; the first one gets the picture. */
static pc_status add_turn(pc_conversation *conversation, const char *question, const char *answer)
{
    bool first = conversation->count == 0;
    PC_TRY(pc_conversation_begin(conversation, PC_ROLE_USER));
    if (first) {
        PC_TRY(pc_conversation_add_media(conversation, PC_MEDIA_IMAGE, 0));
    }
    PC_TRY(pc_conversation_add_text(conversation, question, strlen(question)));
    return pc_conversation_say(conversation, PC_ROLE_ASSISTANT, answer);
}

static pc_status add_caption(pc_conversation *conversation, const scenes *self, const pc_scene *scene, bool detailed)
{
    pc_scene_caption caption;
    pc_scene_caption_write(&caption, scene, self->language, detailed);
    return add_turn(conversation, caption.request, caption.text);
}

/* All questions of the scene, or self->turns of them: a shuffle that the scene's number decides. */
static pc_status add_questions(pc_conversation *conversation, const scenes *self, const pc_scene *scene)
{
    pc_scene_question questions[PC_SCENE_QUESTIONS];
    int count = self->kinds ? pc_scene_questions_of(scene, self->language, self->kinds, questions)
                            : pc_scene_questions(scene, self->language, questions);
    int wanted = self->turns > 0 && self->turns < count ? self->turns : count;
    for (int i = 0; i < wanted; i++) {
        uint64_t at = wanted < count ? pc_rng_permute(scene->seed, scene->index, (uint64_t)count, (uint64_t)i) : (uint64_t)i;
        PC_TRY(add_turn(conversation, questions[at].question, questions[at].answer));
    }
    return PC_OK;
}

static pc_status add_regions(pc_sample *out, const scenes *self, const pc_scene *scene)
{
    for (int i = 0; i < scene->count; i++) {
        const pc_scene_object *object = &scene->objects[i];
        /* The inner part, where a patch shows little else. */
        float reach = 0.8f * object->radius;
        pc_region region = {.box = {(object->x - reach) / PC_SCENE_UNIT, (object->y - reach) / PC_SCENE_UNIT,
                                    (object->x + reach) / PC_SCENE_UNIT, (object->y + reach) / PC_SCENE_UNIT}};
        pc_scene_object_words(region.words, sizeof region.words, object, self->language);
        snprintf(region.middle, sizeof region.middle, "%s", self->language->nouns[PC_SCENE_NOUNS]);
        PC_TRY(pc_sample_add_region(out, &region));
    }
    return PC_OK;
}

static pc_status read_scene(void *state, int64_t index, pc_sample *out)
{
    const scenes *self = state;
    pc_scene scene;
    pc_image *picture;
    PC_TRY(pc_scene_draw(&scene, self->seed, self->first + (uint64_t)index, &self->options));
    PC_TRY(pc_scene_image(&picture, &scene));
    PC_TRY(pc_sample_add_image(out, picture));
    PC_TRY(add_regions(out, self, &scene));
    if (self->content != QUESTIONS) {
        PC_TRY(add_caption(&out->conversation, self, &scene, self->content != BRIEF));
    }
    return self->content == QUESTIONS || self->content == MIXED ? add_questions(&out->conversation, self, &scene)
                                                                : PC_OK;
}

const pc_dataset_type pc_dataset_scenes = {
    .name = "scenes",
    .help = "generated pictures of shapes, digits and letters, drawn on the fly",
    .matches = matches,
    .open = open_scenes,
    .read = read_scene,
    .close = pc_free,
};
