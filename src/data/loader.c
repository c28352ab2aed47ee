/* The loader: worker threads prepare steps ahead of the one that trains.
 *
 *   order -> step s = draws [s*A*B, (s+1)*A*B) -> ring of slots, step s in slot s mod R -> pc_loader_next in order
 *
 * A worker claims the next step whose slot is free, fills it without the lock, and marks it ready. The slot handed out
 * last is free again with the next call of pc_loader_next. A bad sample is replaced by another one that depends on its
 * draw alone, so that batches keep their size and steps don't depend on what was skipped before.
 */
#include "data/loader.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/rng.h"
#include "data/batch.h"
#include "data/groups.h"
#include "data/order.h"
#include "data/packs.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum {
    MICRO_BATCHES_AHEAD = 4,
    REPLACEMENTS = 16, /* tries to replace one bad sample */
    REASONS = 3,       /* kept for the message */
    REASON = 320,      /* bytes */
    MESSAGE = 1024,    /* bytes of pc_error */
    FREE_SKIPS = 10,   /* skipped samples that never end a run */
    SKIPS_IN = 100,    /* beyond them: at most one skipped sample in so many */
};

static const uint64_t SHIFT_STREAM = UINT64_C(1) << 62, MIRROR_STREAM = UINT64_C(1) << 61, PACK_STREAM = UINT64_C(1) << 60;

/* What was met while a step was prepared. */
typedef struct tally {
    int64_t seen, skipped, shortened;
    int reasons;
    char reason[REASONS][REASON];
} tally;

typedef struct step_slot {
    pc_batch *batches; /* [accumulation] */
    bool ready;
    pc_status status;
    char error[MESSAGE]; /* messages are kept by thread, so a worker's one is carried over */
    tally tally;
} step_slot;

typedef struct worker {
    struct pc_loader *loader;
    pthread_t thread;
    pc_batch_maker maker;
    pc_batch prompts; /* LABELLED: samples before their answers are crossed */
    pc_groups groups;
} worker;

struct pc_loader {
    pc_loader_options options;
    const pc_dataset **datasets;
    pc_order order;
    pc_extents extents; /* of packing and group_by_length */
    pc_packs packs;
    step_slot *slots; /* [slot_count] */
    int64_t slot_count;
    worker *workers; /* [options.workers] */
    int running;     /* threads that were started */
    tally total;     /* of the steps handed out */

    pthread_mutex_t lock; /* guards what follows and the slots' `ready` */
    pthread_cond_t wake;  /* for workers: a slot is free, or it is time to stop */
    pthread_cond_t done;  /* for the reader: a step is ready, or a worker is idle */
    int64_t next;         /* step that pc_loader_next hands out next */
    int64_t oldest;       /* first step whose slot is in use: next, or next - 1 while that one is with the reader */
    int64_t claim;        /* next step to prepare */
    int busy;             /* workers that prepare a step */
    bool paused, stop;
};

/* --- one step --- */

static void note_reason(tally *t, const char *reason)
{
    if (t->reasons < REASONS) {
        snprintf(t->reason[t->reasons++], REASON, "%s", reason);
    }
}

/* Where the pictures of a draw are moved to. */
static void draw_shift(const pc_loader_options *options, uint64_t draw, int *dx, int *dy)
{
    pc_rng rng;
    uint64_t range = 2 * (uint64_t)options->shift + 1;
    *dx = *dy = 0;
    if (options->shift > 0) {
        pc_rng_init(&rng, options->seed, SHIFT_STREAM + draw);
        *dx = (int)pc_rng_below(&rng, range) - options->shift;
        *dy = (int)pc_rng_below(&rng, range) - options->shift;
    }
}

/* Mirror the pictures of a draw in place, all of a sample alike. */
static pc_status mirror(const pc_loader_options *options, uint64_t draw, pc_sample *sample)
{
    enum { UPRIGHT = 1 };
    static const int orientations[] = {UPRIGHT, 2, 4, 3}; /* EXIF's: left and right change sides, top and bottom, both */
    pc_rng rng;
    if (options->mirror == PC_MIRROR_NONE) {
        return PC_OK;
    }
    pc_rng_init(&rng, options->seed, MIRROR_STREAM + draw);
    int way = orientations[pc_rng_below(&rng, options->mirror == PC_MIRROR_BOTH ? 4 : 2)];
    for (size_t i = 0; way != UPRIGHT && i < sample->image_count; i++) {
        pc_image *mirrored;
        PC_TRY(pc_image_orient(&mirrored, sample->images[i], way));
        pc_image_free(sample->images[i]);
        sample->images[i] = mirrored;
    }
    return PC_OK;
}

static pc_status add_sample(const pc_loader *loader, pc_batch *batch, pc_batch_maker *maker, int dataset,
                            int64_t index, uint64_t draw, tally *t)
{
    int dx, dy;
    bool shortened = false;
    draw_shift(&loader->options, draw, &dx, &dy);
    PC_TRY(pc_dataset_read(loader->datasets[dataset], index, &maker->sample));
    PC_TRY(mirror(&loader->options, draw, &maker->sample));
    pc_status status = pc_batch_add(batch, maker, dx, dy, &shortened);
    t->shortened += shortened;
    return status == PC_ERR_DATA ? pc_fail_prefix(status, "%s", maker->sample.where) : status;
}

static pc_status add_draw(const pc_loader *loader, pc_batch *batch, pc_batch_maker *maker, uint64_t draw, tally *t)
{
    int dataset;
    int64_t index;
    pc_order_at(&loader->order, draw, &dataset, &index);
    for (int attempt = 0;; attempt++) {
        pc_status status = add_sample(loader, batch, maker, dataset, index, draw, t);
        t->seen++;
        if (status == PC_OK || loader->options.strict || (status != PC_ERR_DATA && status != PC_ERR_IO)) {
            return status;
        }
        t->skipped++;
        note_reason(t, pc_error());
        if (attempt == REPLACEMENTS) {
            return pc_fail_prefix(status, "%d samples in a row are bad; the last one", REPLACEMENTS + 1);
        }
        pc_order_instead(&loader->order, draw, attempt, &dataset, &index);
    }
}

/* The n-th draw, or what stands in its place among samples of its length. */
static pc_status add_nth(const pc_loader *loader, pc_batch *batch, worker *self, uint64_t n, tally *t)
{
    const pc_loader_options *options = &loader->options;
    if (options->group_by_length) {
        PC_TRY(pc_groups_at(&self->groups, &loader->order, &loader->extents, options->batch_size * options->accumulation, n, &n));
    }
    return add_draw(loader, batch, &self->maker, n, t);
}

/* A sample that is not as it was measured would break the sizes that were planned: the batch is left as it was. */
static pc_status add_member(const pc_loader *loader, pc_batch *batch, pc_batch_maker *maker, uint64_t draw, uint64_t epoch,
                            tally *t)
{
    const pc_batch before = *batch;
    int dataset;
    int64_t index;
    pc_order_at(&loader->order, draw, &dataset, &index);
    t->seen++;
    PC_TRY(add_sample(loader, batch, maker, dataset, index, draw + epoch * (uint64_t)loader->order.total, t));
    const pc_extent *extent = pc_extent_at(&loader->extents, dataset, index);
    int64_t tokens = batch->tokens - before.tokens;
    if (tokens != extent->tokens || batch->images - before.images != extent->images) {
        batch->samples = before.samples;
        batch->images = before.images;
        batch->tokens = before.tokens;
        batch->soft = before.soft;
        batch->targets = before.targets;
        return pc_fail(PC_ERR_DATA, "%s: %" PRId64 " tokens, measured were %d: remove %s", maker->sample.where, tokens,
                       extent->tokens, loader->options.sizes_file ? loader->options.sizes_file : "what changes the data");
    }
    return PC_OK;
}

static pc_status add_members(const pc_loader *loader, pc_batch *batch, pc_batch_maker *maker, uint64_t pack, uint64_t epoch,
                             tally *t)
{
    const pc_packs *packs = &loader->packs;
    for (int64_t i = pack > 0 ? packs->ends[pack - 1] : 0; i < packs->ends[pack]; i++) {
        pc_status status = add_member(loader, batch, maker, packs->draws[i], epoch, t);
        if (status != PC_OK && (loader->options.strict || (status != PC_ERR_DATA && status != PC_ERR_IO))) {
            return status;
        }
        if (status != PC_OK) {
            t->skipped++;
            note_reason(t, pc_error());
        }
    }
    return PC_OK;
}

/* Another pack takes the place of one in which nothing is good. */
static pc_status add_pack(const pc_loader *loader, pc_batch *batch, worker *self, uint64_t n, tally *t)
{
    uint64_t count = (uint64_t)loader->packs.count, epoch = n / count;
    int64_t before = batch->samples;
    for (uint64_t attempt = 0; attempt <= REPLACEMENTS; attempt++) {
        uint64_t pack = pc_rng_permute(loader->options.seed, PACK_STREAM + epoch, count, (n + attempt) % count);
        PC_TRY(add_members(loader, batch, &self->maker, pack, epoch, t));
        if (batch->samples > before) {
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_DATA, "%d packs in a row hold bad samples alone; the first one: %s", REPLACEMENTS + 1, t->reason[0]);
}

static pc_status fill_step(const pc_loader *loader, step_slot *slot, worker *self, int64_t step)
{
    const pc_loader_options *options = &loader->options;
    uint64_t draw = (uint64_t)step * (uint64_t)options->accumulation * (uint64_t)options->batch_size;
    memset(&slot->tally, 0, sizeof slot->tally);
    bool labelled = options->kind == PC_BATCH_LABELLED;
    int64_t picture = 3 * options->image_width * options->image_height;
    for (int64_t m = 0; m < options->accumulation; m++) {
        pc_batch *out = &slot->batches[m], *into = labelled ? &self->prompts : out;
        pc_batch_reset(into);
        for (int64_t b = 0; b < options->batch_size; b++) {
            PC_TRY(options->packing ? add_pack(loader, into, self, draw++, &slot->tally)
                                    : add_nth(loader, into, self, draw++, &slot->tally));
        }
        PC_TRY(labelled ? pc_batch_label(out, &self->prompts, options->cutoff, picture) : PC_OK);
    }
    return PC_OK;
}

static void *work(void *argument)
{
    worker *self = argument;
    pc_loader *loader = self->loader;
    pthread_mutex_lock(&loader->lock);
    for (;;) {
        while (!loader->stop && (loader->paused || loader->claim >= loader->oldest + loader->slot_count)) {
            pthread_cond_wait(&loader->wake, &loader->lock);
        }
        if (loader->stop) {
            break;
        }
        int64_t step = loader->claim++;
        step_slot *slot = &loader->slots[step % loader->slot_count];
        slot->ready = false;
        loader->busy++;
        pthread_mutex_unlock(&loader->lock);
        slot->status = fill_step(loader, slot, self, step);
        snprintf(slot->error, sizeof slot->error, "%s", slot->status == PC_OK ? "" : pc_error());
        pthread_mutex_lock(&loader->lock);
        slot->ready = true;
        loader->busy--;
        pthread_cond_broadcast(&loader->done);
    }
    pthread_mutex_unlock(&loader->lock);
    return NULL;
}

/* --- making --- */

static pc_status check_pictures(const pc_loader_options *o)
{
    int64_t images;
    if (__builtin_mul_overflow(o->batch_size, o->max_images, &images) || images > INT32_MAX ||
        o->image_width < 1 || o->image_width > PC_IMAGE_MAX_SIDE || o->image_height < 1 ||
        o->image_height > PC_IMAGE_MAX_SIDE || o->tokens_per_image > INT32_MAX) {
        return pc_fail(PC_ERR_USAGE, "a loader's pictures are too large or too many");
    }
    if (o->region_weight > 0 && o->kind != PC_BATCH_PAIRS && !pc_region_grid(o->tokens_per_image)) {
        return pc_fail(PC_ERR_USAGE, "region_weight needs picture tokens in a square grid; %" PRId64 " are none",
                       o->tokens_per_image);
    }
    return PC_OK;
}

bool pc_batch_is_of_language(pc_batch_kind kind)
{
    return kind == PC_BATCH_LANGUAGE || kind == PC_BATCH_PREFERENCES || kind == PC_BATCH_PROMPTS || kind == PC_BATCH_LABELLED;
}

static pc_status check_options(const pc_loader_options *o)
{
    bool language = pc_batch_is_of_language(o->kind), answers = language && o->kind != PC_BATCH_LANGUAGE;
    int64_t rows;
    if (!o->tokenizer || (!language && !o->recipe) || (language && !o->chat)) {
        return pc_fail(PC_ERR_USAGE, "a loader needs a tokenizer, and an image recipe for pairs or regions or a chat "
                                     "template for conversations");
    }
    if (o->kind == PC_BATCH_REGIONS && !(o->region_weight > 0)) {
        return pc_fail(PC_ERR_USAGE, "region_weight must be above 0: this stage learns the words of regions");
    }
    if (answers && o->region_weight > 0) {
        return pc_fail(PC_ERR_USAGE, "region_weight must be 0: this stage learns from answers alone");
    }
    if (answers && o->turns == PC_TURNS_INDEPENDENT) {
        return pc_fail(PC_ERR_USAGE, "turns: this stage is about a conversation's last answer and needs its history");
    }
    if ((o->packing || o->group_by_length) && o->kind != PC_BATCH_LANGUAGE) {
        return pc_fail(PC_ERR_USAGE, "%s: only the conversations of stages pt and sft",
                       o->packing ? "packing" : "group_by_length");
    }
    if (o->packing && o->group_by_length) {
        return pc_fail(PC_ERR_USAGE, "packing and group_by_length: packs are equally long, there is nothing to group");
    }
    if (o->mirror != PC_MIRROR_NONE && o->region_weight > 0) {
        return pc_fail(PC_ERR_USAGE, "image_mirror: regions don't follow it; set region_weight to 0");
    }
    if (o->batch_size < 1 || o->vocabulary < 1 || o->accumulation < 1 || o->cutoff < 1 || o->tokens_per_image < 0 || o->max_images < 0 ||
        o->workers < 0 || o->ahead < 0 || o->shift < 0) {
        return pc_fail(PC_ERR_USAGE, "a loader's sizes must not be negative, and batches, accumulation, cutoff and "
                                     "vocabulary at least 1");
    }
    if (__builtin_mul_overflow(o->batch_size, o->cutoff, &rows) || rows > INT32_MAX / 2) {
        return pc_fail(PC_ERR_USAGE, "%" PRId64 " samples of %" PRId64 " tokens are too many for one micro-batch",
                       o->batch_size, o->cutoff);
    }
    return o->recipe ? check_pictures(o) : PC_OK;
}

static void take_options(pc_loader *loader, const pc_loader_options *options)
{
    pc_loader_options *o = &loader->options;
    int64_t ahead = MICRO_BATCHES_AHEAD / (options->accumulation > 0 ? options->accumulation : 1);
    *o = *options;
    o->workers = o->workers ? o->workers : 1;
    o->max_images = o->max_images ? o->max_images : 1;
    o->image_token = o->recipe ? o->image_token : 0; /* so that a prompt with a picture is refused */
    o->ahead = o->ahead ? o->ahead : ahead > 1 ? (int)ahead : 1;
    loader->slot_count = (int64_t)o->ahead + 1;
}

static pc_status make_order(pc_loader *loader, const pc_dataset *const *datasets, const double *weights, int count)
{
    int64_t *sizes = NULL;
    pc_status status;
    PC_GO(PC_NEW_ARRAY(loader->datasets, (size_t)count, "a loader"));
    PC_GO(PC_NEW_ARRAY(sizes, (size_t)count, "a loader"));
    for (int i = 0; i < count; i++) {
        loader->datasets[i] = datasets[i];
        sizes[i] = pc_dataset_count(datasets[i]);
    }
    PC_GO(pc_order_init(&loader->order, sizes, weights, count, loader->options.seed));
done:
    pc_free(sizes);
    return status;
}

static pc_status make_slots(pc_loader *loader)
{
    PC_TRY(PC_NEW_ARRAY(loader->slots, (size_t)loader->slot_count, "a loader"));
    for (int64_t i = 0; i < loader->slot_count; i++) {
        PC_TRY(PC_NEW_ARRAY(loader->slots[i].batches, (size_t)loader->options.accumulation, "a loader"));
    }
    PC_TRY(PC_NEW_ARRAY(loader->workers, (size_t)loader->options.workers, "a loader"));
    for (int i = 0; i < loader->options.workers; i++) {
        loader->workers[i].loader = loader;
        loader->workers[i].maker.options = &loader->options;
    }
    return PC_OK;
}

/* Samples that can't be packed are left out before anything starts. */
static pc_status make_packs(pc_loader *loader)
{
    const pc_loader_options *o = &loader->options;
    const pc_extents *extents = &loader->extents;
    const char *reason = extents->reason[0] ? extents->reason : "percept data check names them";
    bool many = extents->bad > FREE_SKIPS && extents->bad > extents->count / SKIPS_IN;
    if (extents->bad > 0 && (many || o->strict)) {
        return pc_fail(PC_ERR_DATA, "%" PRId64 " of %" PRId64 " samples are bad%s: %s", extents->bad, extents->count,
                       many ? ", more than one in a hundred" : "", reason);
    }
    if (extents->bad > 0) {
        pc_log(PC_LOG_WARNING, "%" PRId64 " samples are left out of the packs: %s", extents->bad, reason);
    }
    PC_TRY(pc_packs_make(&loader->packs, &loader->order, extents, o->cutoff));
    pc_log(PC_LOG_INFO, "%" PRId64 " samples in %" PRId64 " packs of up to %" PRId64 " tokens", loader->packs.drawn,
           loader->packs.count, loader->packs.tokens);
    return PC_OK;
}

static pc_status measure(pc_loader *loader, const pc_dataset *const *datasets, int count)
{
    const pc_loader_options *o = &loader->options;
    if (!o->packing && !o->group_by_length) {
        return PC_OK;
    }
    PC_TRY(pc_extents_measure(&loader->extents, datasets, count, o, o->sizes_file));
    return o->packing ? make_packs(loader) : PC_OK;
}

pc_status pc_loader_new(pc_loader **out, const pc_dataset *const *datasets, const double *weights, int count,
                        const pc_loader_options *options)
{
    pc_loader *loader = NULL;
    pc_status status;
    *out = NULL;
    PC_TRY(PC_NEW(loader, "a loader"));
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->wake, NULL);
    pthread_cond_init(&loader->done, NULL);
    take_options(loader, options);
    PC_GO(check_options(&loader->options));
    PC_GO(make_order(loader, datasets, weights, count));
    PC_GO(measure(loader, datasets, count));
    PC_GO(make_slots(loader));
    *out = loader;
    return PC_OK;
done:
    pc_loader_free(loader);
    return status;
}

static void stop_workers(pc_loader *loader)
{
    pthread_mutex_lock(&loader->lock);
    loader->stop = true;
    pthread_cond_broadcast(&loader->wake);
    pthread_mutex_unlock(&loader->lock);
    for (int i = 0; i < loader->running; i++) {
        pthread_join(loader->workers[i].thread, NULL);
    }
}

void pc_loader_free(pc_loader *loader)
{
    if (!loader) {
        return;
    }
    stop_workers(loader);
    for (int i = 0; loader->workers && i < loader->options.workers; i++) {
        pc_batch_maker_clear(&loader->workers[i].maker);
        pc_batch_clear(&loader->workers[i].prompts);
        pc_groups_clear(&loader->workers[i].groups);
    }
    for (int64_t i = 0; loader->slots && i < loader->slot_count; i++) {
        for (int64_t m = 0; loader->slots[i].batches && m < loader->options.accumulation; m++) {
            pc_batch_clear(&loader->slots[i].batches[m]);
        }
        pc_free(loader->slots[i].batches);
    }
    pc_free(loader->slots);
    pc_free(loader->workers);
    pc_free(loader->datasets);
    pc_packs_clear(&loader->packs);
    pc_extents_clear(&loader->extents);
    pc_order_clear(&loader->order);
    pthread_cond_destroy(&loader->done);
    pthread_cond_destroy(&loader->wake);
    pthread_mutex_destroy(&loader->lock);
    pc_free(loader);
}

static pc_status start_workers(pc_loader *loader)
{
    while (loader->running < loader->options.workers) {
        worker *next = &loader->workers[loader->running];
        int error = pthread_create(&next->thread, NULL, work, next);
        if (error && loader->running > 0) {
            pc_log(PC_LOG_WARNING, "the data loader runs with %d threads: %s", loader->running, strerror(error));
            return PC_OK;
        }
        if (error) {
            return pc_fail(PC_ERR_MEMORY, "no thread for the data loader: %s", strerror(error));
        }
        loader->running++;
    }
    return PC_OK;
}

/* --- reading --- */

int64_t pc_loader_steps_per_epoch(const pc_loader *loader)
{
    int64_t samples = loader->options.batch_size * loader->options.accumulation;
    int64_t total = loader->options.packing ? loader->packs.count : loader->order.total;
    return (total - 1) / samples + 1;
}

pc_status pc_loader_seek(pc_loader *loader, int64_t step)
{
    if (step < 0) {
        return pc_fail(PC_ERR_USAGE, "step %" PRId64 " of the data: steps count from 0", step);
    }
    pthread_mutex_lock(&loader->lock);
    loader->paused = true;
    while (loader->busy > 0) {
        pthread_cond_wait(&loader->done, &loader->lock);
    }
    for (int64_t i = 0; i < loader->slot_count; i++) {
        loader->slots[i].ready = false;
    }
    loader->next = loader->oldest = loader->claim = step;
    loader->paused = false;
    pthread_cond_broadcast(&loader->wake);
    pthread_mutex_unlock(&loader->lock);
    return PC_OK;
}

/* Add a step's tally to the total; PC_ERR_DATA when too many samples are bad. */
static pc_status count_in(pc_loader *loader, const tally *t)
{
    tally *total = &loader->total;
    for (int i = 0; i < t->reasons && total->reasons < REASONS; i++) {
        note_reason(total, t->reason[i]);
        pc_log(PC_LOG_WARNING, "sample skipped: %s", t->reason[i]);
    }
    total->seen += t->seen;
    total->skipped += t->skipped;
    total->shortened += t->shortened;
    if (total->skipped <= FREE_SKIPS || total->skipped <= total->seen / SKIPS_IN) {
        return PC_OK;
    }
    return pc_fail(PC_ERR_DATA, "%" PRId64 " of %" PRId64 " samples are bad, more than one in %d: %s; %s; %s",
                   total->skipped, total->seen, SKIPS_IN, total->reason[0], total->reason[1], total->reason[2]);
}

pc_status pc_loader_next(pc_loader *loader, const pc_batch **batches)
{
    *batches = NULL;
    PC_TRY(start_workers(loader));
    pthread_mutex_lock(&loader->lock);
    step_slot *slot = &loader->slots[loader->next % loader->slot_count];
    if (loader->oldest < loader->next) {
        loader->oldest = loader->next;
        pthread_cond_broadcast(&loader->wake);
    }
    /* Its slot may still hold the step before it in the ring until a worker claims this one. */
    while (loader->claim <= loader->next || !slot->ready) {
        pthread_cond_wait(&loader->done, &loader->lock);
    }
    if (slot->status == PC_OK) {
        loader->next++;
    }
    pthread_mutex_unlock(&loader->lock);
    if (slot->status != PC_OK) {
        return pc_fail(slot->status, "%s", slot->error);
    }
    PC_TRY(count_in(loader, &slot->tally));
    *batches = slot->batches;
    return PC_OK;
}

void pc_loader_counts(const pc_loader *loader, int64_t *seen, int64_t *skipped)
{
    int64_t left_out = loader->options.packing ? loader->extents.bad : 0;
    *seen = loader->total.seen + left_out;
    *skipped = loader->total.skipped + left_out;
}

int64_t pc_loader_shortened(const pc_loader *loader)
{
    return loader->total.shortened;
}

const pc_loader_options *pc_loader_options_of(const pc_loader *loader)
{
    return &loader->options;
}

/* What the largest packs hold, as often as there are packs in a micro-batch. */
static void limits_of_packs(const pc_loader *loader, pc_batch_limits *out)
{
    const pc_packs *packs = &loader->packs;
    int64_t times = loader->options.batch_size;
    out->samples = times * packs->samples;
    out->images = times * packs->images;
    out->tokens = times * packs->tokens;
    out->targets = times * packs->targets;
    out->soft = out->images * loader->options.tokens_per_image;
}

void pc_loader_limits(const pc_loader *loader, pc_batch_limits *out)
{
    const pc_loader_options *o = &loader->options;
    bool pairs = o->kind == PC_BATCH_PAIRS;
    out->samples = o->batch_size;
    out->images = pairs ? o->batch_size : o->recipe ? o->batch_size * o->max_images : 0;
    out->tokens = o->kind == PC_BATCH_REGIONS ? 0 : o->batch_size * o->cutoff;
    out->tokens *= o->kind == PC_BATCH_PREFERENCES || o->kind == PC_BATCH_LABELLED ? 2 : 1;
    out->soft = pairs ? 0 : out->images * o->tokens_per_image;
    out->question = o->reader && out->images ? o->question_limit : 0;
    out->targets = pairs ? o->batch_size : out->tokens;
    if (o->packing) {
        limits_of_packs(loader, out);
    }
    if (!pairs && o->region_weight > 0) {
        out->targets += out->soft * PC_REGION_IDS;
    }
}
