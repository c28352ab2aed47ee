/* Samples are gone over in blocks: the samples of a block in parallel, their results told in order. */
#include "train/check.h"

#include "base/memory.h"
#include "train/data.h"
#include "train/setup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 256, MESSAGE = 1024 };

/* What both uses need of a recipe. */
typedef struct pc_train_parts {
    pc_model *model;
    pc_train_data data;
} parts;

const char *pc_problem_name(pc_problem problem)
{
    static const char *const names[PC_PROBLEMS] = {"missing or unreadable file", "row that can't be read",
                                                   "pictures that don't fit", "longer than cutoff_len",
                                                   "nothing to learn from"};
    return names[problem];
}

static void close_parts(parts *p)
{
    if (p) {
        pc_train_data_close(&p->data);
        pc_model_free(p->model);
        pc_free(p);
    }
}

static pc_status open_parts(parts **out, const pc_recipe *recipe)
{
    const pc_stage *stage;
    parts *p = NULL;
    pc_status status;
    pc_recipe one_by_one = *recipe;
    one_by_one.packing = one_by_one.neat_packing = one_by_one.group_by_length = false; /* bad samples are for us to find */
    recipe = &one_by_one;
    *out = NULL;
    PC_TRY(pc_setup_check(recipe, &stage));
    PC_TRY(PC_NEW(p, "the parts of a recipe"));
    PC_GO(pc_setup_model(&p->model, recipe));
    PC_GO(pc_train_data_open(&p->data, recipe, p->model, stage));
    *out = p;
    return PC_OK;
done:
    close_parts(p);
    return status;
}

/* --- one sample --- */

static pc_status make(pc_batch_maker *maker, pc_batch *batch, const pc_train_data *data, int64_t at, bool *shortened,
                      pc_problem *problem)
{
    static const pc_problem by_fault[] = {[PC_FAULT_OTHER] = PC_PROBLEM_ROW, [PC_FAULT_LENGTH] = PC_PROBLEM_LENGTH,
                                          [PC_FAULT_ANSWER] = PC_PROBLEM_ANSWER, [PC_FAULT_PICTURE] = PC_PROBLEM_PICTURE};
    int dataset = pc_train_data_find(data, &at);
    pc_batch_reset(batch);
    pc_status status = pc_dataset_read(data->datasets[dataset], at, &maker->sample);
    *problem = status == PC_ERR_IO ? PC_PROBLEM_FILE : PC_PROBLEM_ROW;
    if (status == PC_OK) {
        status = pc_batch_add(batch, maker, 0, 0, shortened);
        *problem = by_fault[maker->fault];
        if (status == PC_ERR_DATA) {
            pc_fail_prefix(status, "%s", maker->sample.where);
        }
    }
    return status;
}

/* --- all samples --- */

typedef struct finding {
    pc_status status;
    pc_problem problem;
    bool shortened, unmarked, text_only, preference;
    int64_t images, tokens, targets;
    char where[256], message[MESSAGE];
} finding;

typedef struct check {
    const pc_train_data *data;
    pc_batch_maker *makers; /* [threads] */
    pc_batch *batches;      /* [threads] */
    finding *findings;      /* [BLOCK] */
    int64_t first;          /* sample of the block */
} check;

static void check_one(void *context, int64_t item, int thread)
{
    const check *c = context;
    pc_batch_maker *maker = &c->makers[thread];
    pc_batch *batch = &c->batches[thread];
    finding *f = &c->findings[item];
    *f = (finding){0};
    f->status = make(maker, batch, c->data, c->first + item, &f->shortened, &f->problem);
    snprintf(f->message, sizeof f->message, "%s", f->status == PC_OK ? "" : pc_error());
    snprintf(f->where, sizeof f->where, "%s", maker->sample.where ? maker->sample.where : "");
    f->unmarked = maker->sample.unmarked > 0;
    f->text_only = maker->sample.image_count == 0;
    f->preference = maker->sample.rejected.count > 0 || maker->sample.label != 0;
    f->images = batch->images;
    f->tokens = batch->tokens;
    f->targets = batch->targets;
}

static pc_status count(pc_check_counts *counts, const finding *f, const pc_check_hooks *hooks)
{
    counts->samples++;
    if (f->status != PC_OK) {
        if (f->status != PC_ERR_DATA && f->status != PC_ERR_IO) {
            return pc_fail(f->status, "%s", f->message);
        }
        counts->bad++;
        counts->problems[f->problem]++;
        if (hooks->problem) {
            hooks->problem(hooks->user, f->problem, f->message);
        }
        return PC_OK;
    }
    counts->shortened += f->shortened;
    counts->unmarked += f->unmarked;
    counts->text_only += f->text_only;
    counts->preferences += f->preference;
    counts->images += f->images;
    counts->tokens += f->tokens;
    counts->targets += f->targets;
    if (f->tokens > counts->longest) {
        counts->longest = f->tokens;
        memcpy(counts->longest_where, f->where, sizeof counts->longest_where);
    }
    return PC_OK;
}

static pc_status go_over(check *c, pc_pool *pool, int64_t total, const pc_check_hooks *hooks, pc_check_counts *counts)
{
    for (c->first = 0; c->first < total; c->first += BLOCK) {
        int64_t here = total - c->first < BLOCK ? total - c->first : BLOCK;
        pc_pool_run(pool, here, check_one, c);
        for (int64_t i = 0; i < here; i++) {
            PC_TRY(count(counts, &c->findings[i], hooks));
        }
        if (hooks->stop && hooks->stop(hooks->user)) {
            return pc_fail(PC_ERR_INTERRUPTED, "stopped behind %" PRId64 " of %" PRId64 " samples", counts->samples, total);
        }
    }
    return PC_OK;
}

pc_status pc_check_data(const pc_recipe *recipe, pc_pool *pool, const pc_check_hooks *hooks, pc_check_counts *counts)
{
    parts *p = NULL;
    check c = {0};
    int threads = pc_pool_threads(pool);
    int64_t total = 0;
    pc_status status;
    *counts = (pc_check_counts){0};
    PC_GO(open_parts(&p, recipe));
    PC_GO(PC_NEW_ARRAY(c.makers, (size_t)threads, "checking data"));
    PC_GO(PC_NEW_ARRAY(c.batches, (size_t)threads, "checking data"));
    PC_GO(PC_NEW_ARRAY(c.findings, BLOCK, "checking data"));
    for (int i = 0; i < threads; i++) {
        c.makers[i].options = pc_loader_options_of(p->data.loader);
    }
    for (int d = 0; d < p->data.count; d++) {
        total += pc_dataset_count(p->data.datasets[d]);
    }
    c.data = &p->data;
    status = go_over(&c, pool, total, hooks, counts);
done:
    for (int i = 0; c.makers && c.batches && i < threads; i++) {
        pc_batch_maker_clear(&c.makers[i]);
        pc_batch_clear(&c.batches[i]);
    }
    pc_free(c.makers);
    pc_free(c.batches);
    pc_free(c.findings);
    close_parts(p);
    return status;
}

/* --- showing one --- */

pc_status pc_sample_view_open(pc_sample_view *out, const pc_recipe *recipe, int64_t index)
{
    pc_problem problem;
    int64_t at = index;
    *out = (pc_sample_view){0};
    PC_TRY(open_parts(&out->parts, recipe));
    const pc_train_data *data = &out->parts->data;
    if (index < 0 || pc_train_data_find(data, &at) == data->count) {
        return pc_fail(PC_ERR_USAGE, "there is no sample %" PRId64, index);
    }
    out->maker.options = pc_loader_options_of(data->loader);
    out->status = make(&out->maker, &out->batch, data, index, &out->shortened, &problem);
    snprintf(out->message, sizeof out->message, "%s", out->status == PC_OK ? "" : pc_error());
    return out->status == PC_ERR_DATA || out->status == PC_ERR_IO ? PC_OK : out->status;
}

void pc_sample_view_clear(pc_sample_view *view)
{
    pc_batch_clear(&view->batch);
    pc_batch_maker_clear(&view->maker);
    close_parts(view->parts);
    *view = (pc_sample_view){0};
}
