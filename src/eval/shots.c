#include "eval/shots.h"

#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct pc_shots {
    pc_shots_options options;
    pc_shot *pool;
    size_t count, room, width; /* width: D' of the features */
    size_t *fixed;             /* [N] the ones that stand before every question, or NULL */
    size_t *order;             /* [count] */
};

static void clear_shot(pc_shot *shot)
{
    pc_free(shot->question);
    pc_free(shot->answer);
    pc_free(shot->path);
    pc_image_free(shot->image);
    pc_free(shot->features);
}

void pc_shots_free(pc_shots *self)
{
    if (self) {
        for (size_t i = 0; i < self->count; i++) {
            clear_shot(&self->pool[i]);
        }
        pc_free(self->pool);
        pc_free(self->fixed);
        pc_free(self->order);
        pc_free(self);
    }
}

/* --- pictures --- */

static pc_status see(pc_shots *self, const pc_image *image, const char *path, float **out)
{
    const pc_answer_media media = {.kind = PC_MEDIA_IMAGE, .image = image, .path = path};
    *out = NULL;
    if (!image && !path) {
        return PC_OK;
    }
    PC_TRY(pc_local_see(self->options.local, &media, out, &self->width));
    double square = 0;
    for (size_t i = 0; i < self->width; i++) {
        square += (double)(*out)[i] * (double)(*out)[i];
    }
    for (size_t i = 0; i < self->width && square > 0; i++) {
        (*out)[i] = (float)((double)(*out)[i] / sqrt(square));
    }
    return PC_OK;
}

static double likeness(const pc_shots *self, const float *a, const float *b)
{
    double sum = 0;
    for (size_t i = 0; i < self->width && a && b; i++) {
        sum += (double)a[i] * (double)b[i];
    }
    return a && b ? sum : -2;
}

/* --- the pool --- */

static pc_status add(pc_shots *self, const pc_task_question *question)
{
    PC_TRY(pc_grow(&self->pool, &self->room, self->count + 1, sizeof *self->pool, "examples"));
    pc_shot *shot = &self->pool[self->count++];
    *shot = (pc_shot){.question = pc_strdup(question->question), .answer = pc_strdup(question->answer),
                      .path = question->path ? pc_strdup(question->path) : NULL};
    if (!shot->question || !shot->answer || (question->path && !shot->path)) {
        return pc_fail_memory(0, "an example");
    }
    PC_TRY(question->image ? pc_image_copy(&shot->image, question->image) : PC_OK);
    return strcmp(self->options.select, "similar") == 0 ? see(self, shot->image, shot->path, &shot->features) : PC_OK;
}

static pc_status fill_pool(pc_shots *self)
{
    const pc_task *task = self->options.task;
    void *state = NULL;
    bool have = true;
    pc_status status;
    if (!task->open) {
        return pc_fail(PC_ERR_USAGE, "--shots: %s asks no questions", task->name);
    }
    PC_GO(task->open(&state, &self->options.task_options));
    while ((int64_t)self->count < self->options.pool) {
        pc_task_question question;
        PC_GO(task->next(state, &question, &have));
        if (!have) {
            break;
        }
        PC_GO(add(self, &question));
    }
    if ((int64_t)self->count < self->options.count) {
        status = pc_fail(PC_ERR_USAGE, "--shots %lld: %s has only %zu examples", (long long)self->options.count, task->name, self->count);
    }
done:
    if (state) {
        task->close(state);
    }
    return status;
}

/* --- choosing --- */

/* Fisher-Yates. */
static void shuffle(const pc_shots *self)
{
    pc_rng rng;
    pc_rng_init(&rng, self->options.seed, 0);
    for (size_t i = 0; i < self->count; i++) {
        self->order[i] = i;
    }
    for (size_t i = self->count; i > 1; i--) {
        size_t k = pc_rng_below(&rng, i), kept = self->order[k];
        self->order[k] = self->order[i - 1];
        self->order[i - 1] = kept;
    }
}

/* How many of the chosen ones have this answer. */
static size_t like_answers(const pc_shots *self, size_t chosen, const char *answer)
{
    size_t same = 0;
    for (size_t i = 0; i < chosen; i++) {
        same += strcmp(self->pool[self->fixed[i]].answer, answer) == 0;
    }
    return same;
}

/* Each time the first of the shuffled pool whose answer was chosen least so far. */
static void balance(pc_shots *self)
{
    for (size_t n = 0; n < (size_t)self->options.count; n++) {
        size_t best = SIZE_MAX, place = 0;
        for (size_t i = n; i < self->count; i++) {
            size_t same = like_answers(self, n, self->pool[self->order[i]].answer);
            if (same < best) {
                best = same;
                place = i;
            }
        }
        size_t kept = self->order[place];
        memmove(self->order + n + 1, self->order + n, (place - n) * sizeof *self->order);
        self->order[n] = self->fixed[n] = kept;
    }
}

static pc_status fix(pc_shots *self)
{
    bool similar = strcmp(self->options.select, "similar") == 0;
    PC_TRY(PC_NEW_ARRAY(self->order, self->count, "examples"));
    if (similar) {
        return PC_OK;
    }
    PC_TRY(PC_NEW_ARRAY(self->fixed, (size_t)self->options.count, "examples"));
    shuffle(self);
    if (strcmp(self->options.select, "balanced") == 0) {
        balance(self);
    } else {
        memcpy(self->fixed, self->order, (size_t)self->options.count * sizeof *self->fixed);
    }
    return PC_OK;
}

static pc_status check(const pc_shots_options *options)
{
    static const char *const ways[] = {"random", "balanced", "similar"};
    bool known = false;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        known = known || strcmp(options->select, ways[i]) == 0;
    }
    if (!known) {
        return pc_fail(PC_ERR_USAGE, "--shots_select '%s': expected random, balanced or similar", options->select);
    }
    return strcmp(options->select, "similar") == 0 && !options->local
               ? pc_fail(PC_ERR_USAGE, "--shots_select similar: an endpoint can't be asked for features of pictures")
               : PC_OK;
}

pc_status pc_shots_new(pc_shots **out, const pc_shots_options *options)
{
    pc_shots *self = NULL;
    pc_status status;
    *out = NULL;
    PC_GO(check(options));
    PC_GO(PC_NEW(self, "examples"));
    self->options = *options;
    PC_GO(fill_pool(self));
    PC_GO(fix(self));
    *out = self;
    return PC_OK;
done:
    pc_shots_free(self);
    return status;
}

size_t pc_shots_count(const pc_shots *self)
{
    return (size_t)self->options.count;
}

/* The N most alike, least alike of them first; of equals the earlier one of the pool is more alike. */
static void nearest(const pc_shots *self, const float *features, const pc_shot **chosen)
{
    size_t n = (size_t)self->options.count;
    double best[PC_SHOTS_MOST];
    size_t have = 0;
    for (size_t i = 0; i < self->count; i++) {
        double value = likeness(self, features, self->pool[i].features);
        size_t at = have;
        for (; at > 0 && value > best[at - 1]; at--) {
        }
        if (at < n) {
            size_t moved = (have < n ? have : n - 1) - at;
            memmove(best + at + 1, best + at, moved * sizeof *best);
            memmove(self->order + at + 1, self->order + at, moved * sizeof *self->order);
            best[at] = value;
            self->order[at] = i;
            have += have < n;
        }
    }
    for (size_t i = 0; i < n; i++) {
        chosen[i] = &self->pool[self->order[n - 1 - i]];
    }
}

pc_status pc_shots_choose(pc_shots *self, const pc_task_question *question, const pc_shot **chosen)
{
    float *features;
    for (size_t i = 0; self->fixed && i < (size_t)self->options.count; i++) {
        chosen[i] = &self->pool[self->fixed[i]];
    }
    if (self->fixed) {
        return PC_OK;
    }
    PC_TRY(see(self, question->image, question->path, &features));
    nearest(self, features, chosen);
    pc_free(features);
    return PC_OK;
}
