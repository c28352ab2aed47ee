/* Blocks of samples: each one read and measured on any thread, then the block decided in order on this one.
 *
 * What needs other samples (duplicates) is asked twice: on the threads of what was kept before the block, so that no cosine is computed
 * in vain, and in order of what this block kept. A sample is a duplicate only of what is kept.
 */
#include "clean/clean.h"

#include "backend/cpu/cpu.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/pool.h"
#include "clean/progress.h"
#include "clean/seen.h"
#include "clean/similarity.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 64, CHECKPOINT = 32 /* blocks */, MESSAGE = 512 };

typedef struct item {
    pc_sample sample;
    pc_clean_measures measures;
    pc_clean_verdict verdict;
    pc_similarity_item fit;
    pc_status status;
    char message[MESSAGE]; /* of a sample that can't be read */
} item;

/* A record of hashes.bin. */
typedef pc_clean_key record;

typedef struct run {
    const pc_clean_options *options;
    const pc_clean_hooks *hooks;
    const char *folder;
    pc_dataset *dataset;
    int64_t total, base; /* samples; the first of the block */
    pc_pool *pool;
    pc_clean_uses *uses;
    pc_clean_seen *seen, *against;
    pc_backend *backend;
    pc_similarity *similarity;
    pc_clean_progress progress;
    pc_output output;
    item *items; /* [BLOCK] */
} run;

static void clear_item(item *it)
{
    pc_sample_clear(&it->sample);
    pc_clean_measures_clear(&it->measures);
    pc_similarity_item_clear(&it->fit);
    it->status = PC_OK;
    it->message[0] = 0;
}

/* --- passes over a dataset --- */

/* Fill r->items for samples [first, first + count) with `work`; a status that no sample explains ends it. */
static pc_status run_block(run *r, int64_t first, int64_t count, pc_pool_work work)
{
    r->base = first;
    for (int64_t i = 0; i < count; i++) {
        clear_item(&r->items[i]);
    }
    pc_pool_run(r->pool, count, work, r);
    for (int64_t i = 0; i < count; i++) {
        const item *it = &r->items[i];
        if (it->status != PC_OK && it->status != PC_ERR_DATA && it->status != PC_ERR_IO) {
            return pc_fail(it->status, "%s", it->message);
        }
    }
    return r->hooks->stop && r->hooks->stop(r->hooks->user) ? pc_fail(PC_ERR_INTERRUPTED, "stopped at sample %" PRId64, first) : PC_OK;
}

static void note(item *it, pc_status status)
{
    it->status = status;
    if (status != PC_OK) {
        snprintf(it->message, sizeof it->message, "%s", pc_error());
    }
}

/* The caption's hash alone. */
static void hash_text(void *context, int64_t i, int thread)
{
    run *r = context;
    item *it = &r->items[i];
    (void)thread;
    note(it, pc_dataset_read_texts(r->dataset, r->base + i, &it->sample));
    if (it->status == PC_OK) {
        note(it, pc_clean_hash_text(&it->measures.text_hash, &it->sample));
    }
}

static pc_status count_texts(run *r)
{
    PC_TRY(pc_clean_uses_new(&r->uses));
    for (int64_t i = 0; i < r->total; i += BLOCK) {
        int64_t count = r->total - i < BLOCK ? r->total - i : BLOCK;
        PC_TRY(run_block(r, i, count, hash_text));
        for (int64_t k = 0; k < count; k++) {
            PC_TRY(r->items[k].status == PC_OK ? pc_clean_uses_add(r->uses, r->items[k].measures.text_hash) : PC_OK);
        }
    }
    return PC_OK;
}

static void hash_picture(void *context, int64_t i, int thread)
{
    run *r = context;
    item *it = &r->items[i];
    (void)thread;
    note(it, pc_dataset_read_source(r->dataset, r->base + i, &it->sample));
    if (it->status == PC_OK) {
        note(it, pc_clean_measure(&it->measures, &it->sample, true));
    }
}

/* The pictures of the other dataset; one that can't be read there is none. */
static pc_status add_against(run *r)
{
    pc_dataset *own = r->dataset;
    int64_t bad = 0;
    pc_status status;
    PC_TRY(pc_clean_seen_new(&r->against, (int)r->options->near));
    r->dataset = NULL;
    PC_GO(pc_dataset_open(&r->dataset, r->options->against, NULL, NULL));
    for (int64_t i = 0, all = pc_dataset_count(r->dataset); i < all; i += BLOCK) {
        int64_t count = all - i < BLOCK ? all - i : BLOCK;
        PC_GO(run_block(r, i, count, hash_picture));
        for (int64_t k = 0; k < count; k++) {
            const item *it = &r->items[k];
            bool good = it->status == PC_OK && it->measures.pictures > 0;
            pc_clean_key key = {{it->measures.content[0], it->measures.content[1]}, it->measures.phash, 0};
            bad += !good;
            PC_GO(good ? pc_clean_seen_add(r->against, &key) : PC_OK);
        }
    }
    if (bad > 0) {
        pc_log(PC_LOG_WARNING, "%s: %" PRId64 " samples have no picture to compare with", r->options->against, bad);
    }
done:
    pc_dataset_close(r->dataset);
    r->dataset = own;
    return status;
}

/* --- one sample --- */

static pc_clean_key key_of(const run *r, const pc_clean_measures *m)
{
    bool pair = r->options->duplicates == PC_DUPLICATES_PAIR;
    return (pc_clean_key){{m->content[0], m->content[1]}, m->phash, pair ? m->text_hash : 0};
}

/* Whether what was kept, or the other dataset, has the picture. */
static void look_for_same(const run *r, item *it)
{
    pc_clean_key key = key_of(r, &it->measures);
    pc_clean_found found = r->seen ? pc_clean_seen_find(r->seen, &key) : PC_SEEN_NOT;
    key.text = 0;
    if (found != PC_SEEN_NOT) {
        it->verdict.rule = found == PC_SEEN_SAME ? PC_RULE_DUPLICATE : PC_RULE_NEAR_DUPLICATE;
    } else if (r->against && pc_clean_seen_find(r->against, &key) != PC_SEEN_NOT) {
        it->verdict.rule = PC_RULE_AGAINST;
    }
    if (it->verdict.rule >= PC_RULES_ALONE) {
        snprintf(it->verdict.found, sizeof it->verdict.found, "phash %016" PRIx64, it->measures.phash);
    }
}

static pc_status measure_item(const run *r, item *it)
{
    bool hashed = r->options->format != PC_CLEAN_NONE || r->options->duplicates || r->options->against;
    PC_TRY(pc_clean_measure(&it->measures, &it->sample, hashed));
    int64_t uses = r->uses ? pc_clean_uses_of(r->uses, it->measures.text_hash) : 1;
    pc_clean_judge(&it->verdict, r->options, &it->measures, it->sample.about, uses);
    if (it->verdict.rule < 0) {
        look_for_same(r, it);
    }
    return it->verdict.rule < 0 && r->similarity
               ? pc_similarity_prepare(r->similarity, it->sample.images[0], it->measures.text, it->measures.length, &it->fit)
               : PC_OK;
}

static void work_on(void *context, int64_t i, int thread)
{
    run *r = context;
    item *it = &r->items[i];
    pc_sample *sample = &it->sample;
    (void)thread;
    note(it, pc_dataset_read_source(r->dataset, r->base + i, sample));
    if (it->status == PC_OK) {
        note(it, measure_item(r, it));
    }
    /* Decoded pictures are large; what is written is the file. */
    for (size_t k = 0; k < sample->image_count && sample->encoded_count == sample->image_count; k++) {
        pc_image_free(sample->images[k]);
        sample->images[k] = NULL;
    }
}

/* --- a block --- */

static pc_status score_block(run *r, int64_t count)
{
    const pc_similarity_item *fits[BLOCK];
    item *scored[BLOCK];
    float cosines[BLOCK];
    size_t found = 0;
    for (int64_t i = 0; i < count && r->similarity; i++) {
        item *it = &r->items[i];
        if (it->status == PC_OK && it->verdict.rule < 0) {
            fits[found] = &it->fit;
            scored[found++] = it;
        }
    }
    PC_TRY(found ? pc_similarity_score(r->similarity, fits, found, cosines) : PC_OK);
    for (size_t i = 0; i < found; i++) {
        scored[i]->measures.similarity = cosines[i];
    }
    return PC_OK;
}

static pc_status drop(run *r, int64_t index, item *it, int rule, const char *found)
{
    const char *where = it->sample.where ? it->sample.where : "";
    PC_TRY(pc_clean_progress_drop(&r->progress, rule, where, found));
    return pc_output_drop(&r->output, index, where, pc_clean_reason(rule), found);
}

static pc_status keep(run *r, int64_t index, const item *it)
{
    record key = key_of(r, &it->measures);
    PC_TRY(pc_output_keep(&r->output, index, &it->sample, &it->measures));
    PC_TRY(pc_output_hash(&r->output, &key, sizeof key));
    PC_TRY(r->seen ? pc_clean_seen_add(r->seen, &key) : PC_OK);
    r->progress.kept++;
    return PC_OK;
}

static pc_status decide(run *r, int64_t index, item *it)
{
    if (it->status != PC_OK) {
        return drop(r, index, it, -1, it->message);
    }
    for (int rule = 0; rule < PC_RULES_ALONE; rule++) {
        r->progress.lacks[rule] += it->verdict.lacks[rule];
    }
    if (it->verdict.rule < 0) {
        look_for_same(r, it); /* of what this block kept */
    }
    double cosine = it->measures.similarity;
    if (it->verdict.rule < 0 && !isnan(cosine)) {
        pc_clean_progress_similarity(&r->progress, cosine);
        if (cosine < r->options->min_similarity && r->options->min_similarity > 0) {
            it->verdict.rule = PC_RULE_SIMILARITY;
            snprintf(it->verdict.found, sizeof it->verdict.found, "cosine %.4f", cosine);
        }
    }
    return it->verdict.rule < 0 ? keep(r, index, it) : drop(r, index, it, it->verdict.rule, it->verdict.found);
}

static pc_status save(run *r)
{
    PC_TRY(pc_output_sync(&r->output, &r->progress.sizes));
    return pc_clean_progress_save(&r->progress, r->folder);
}

static pc_status go_over(run *r)
{
    int64_t blocks = 0;
    while (r->progress.next < r->total) {
        int64_t first = r->progress.next, count = r->total - first < BLOCK ? r->total - first : BLOCK;
        pc_status status = run_block(r, first, count, work_on);
        if (status == PC_ERR_INTERRUPTED) {
            PC_TRY(save(r));
            return pc_fail(PC_ERR_INTERRUPTED, "stopped at sample %" PRId64 " of %" PRId64 "; the same command goes on from there",
                           first, r->total);
        }
        PC_TRY(status);
        PC_TRY(score_block(r, count));
        for (int64_t i = 0; i < count; i++) {
            PC_TRY(decide(r, first + i, &r->items[i]));
        }
        r->progress.next = first + count;
        PC_TRY(++blocks % CHECKPOINT == 0 ? save(r) : PC_OK);
        if (r->hooks->progress) {
            r->hooks->progress(r->hooks->user, r->progress.next, r->total, r->progress.kept);
        }
    }
    return PC_OK;
}

/* --- a run --- */

static pc_status identify(run *r)
{
    pc_str text = {0};
    pc_json *options = pc_json_new_object();
    pc_status status;
    PC_GO(options ? PC_OK : pc_fail_memory(0, "options"));
    PC_GO(pc_clean_write_options(r->options, options));
    PC_GO(pc_json_write(&text, options, 0));
    PC_GO(pc_str_putc(&text, '\n'));
    PC_GO(pc_dataset_describe(r->dataset, &text));
    pc_sha256(text.data, text.length, r->progress.identity);
done:
    pc_json_free(options);
    pc_str_clear(&text);
    return status;
}

static bool is_empty(const char *path)
{
    DIR *folder = opendir(path);
    bool empty = true;
    for (struct dirent *entry; folder && empty && (entry = readdir(folder));) {
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    }
    if (folder) {
        closedir(folder);
    }
    return empty;
}

/* The folder's state, or a new one; nothing is written. */
static pc_status look_at_folder(run *r)
{
    pc_clean_progress before = {0};
    bool found;
    PC_TRY(identify(r));
    pc_status status = pc_clean_progress_load(&before, &found, r->folder);
    if (status == PC_OK && found && strcmp(before.identity, r->progress.identity) != 0) {
        status = pc_fail(PC_ERR_USAGE, "%s: holds a run of another dataset or other options; give another folder", r->folder);
    } else if (status == PC_OK && found) {
        r->progress = before;
        return PC_OK;
    } else if (status == PC_OK && !is_empty(r->folder)) {
        status = pc_fail(PC_ERR_USAGE, "%s: expected an empty folder or one of a run that broke off", r->folder);
    }
    pc_clean_progress_clear(&before);
    return status;
}

/* Hashes of what was kept before the interruption. */
static pc_status recall(run *r)
{
    void *records = NULL;
    pc_status status;
    PC_TRY(pc_clean_seen_new(&r->seen, (int)r->options->near));
    PC_GO(pc_output_read_hashes(&r->output, &records));
    for (int64_t i = 0; i < r->output.hashes.size / (int64_t)sizeof(record); i++) {
        PC_GO(pc_clean_seen_add(r->seen, (const record *)records + i));
    }
done:
    pc_free(records);
    return status;
}

/* What can fail by the options comes before anything is written. */
static pc_status set_up(run *r)
{
    const pc_clean_options *o = r->options;
    PC_TRY(PC_NEW_ARRAY(r->items, BLOCK, "a block of samples"));
    PC_TRY(pc_pool_new(&r->pool, (int)o->threads));
    if (o->clip) {
        PC_TRY(pc_cpu_backend_new(&r->backend, (int)o->threads, 0));
        PC_TRY(pc_similarity_open(&r->similarity, o->clip, r->backend));
    }
    PC_TRY(o->against ? add_against(r) : PC_OK);
    PC_TRY(o->max_text_uses > 0 ? count_texts(r) : PC_OK);
    PC_TRY(pc_make_directories(r->folder));
    PC_TRY(pc_clean_progress_save(&r->progress, r->folder));
    PC_TRY(pc_output_open(&r->output, r->folder, o, &r->progress.sizes));
    return o->duplicates ? recall(r) : PC_OK;
}

static pc_status finish(run *r)
{
    PC_TRY(save(r));
    PC_TRY(pc_output_finish(&r->output));
    r->progress.finished = true;
    PC_TRY(pc_clean_progress_save(&r->progress, r->folder));
    pc_output_forget_hashes(&r->output);
    return PC_OK;
}

static void clear_run(run *r)
{
    for (int i = 0; r->items && i < BLOCK; i++) {
        clear_item(&r->items[i]);
    }
    pc_free(r->items);
    pc_output_close(&r->output);
    pc_similarity_free(r->similarity);
    pc_cpu_backend_free(r->backend);
    pc_clean_seen_free(r->seen);
    pc_clean_seen_free(r->against);
    pc_clean_uses_free(r->uses);
    pc_pool_free(r->pool);
    pc_dataset_close(r->dataset);
    pc_clean_progress_clear(&r->progress);
}

static pc_status write_report(pc_json **report, const run *r, const char *path)
{
    PC_TRY(pc_clean_report(report, &r->progress, path, r->options));
    char *file = pc_path_join(r->folder, "report.json");
    pc_status status = file ? pc_json_write_file(file, *report, 2) : pc_fail_memory(0, "a path");
    pc_free(file);
    if (status != PC_OK) {
        pc_json_free(*report);
        *report = NULL;
    }
    return status;
}

pc_status pc_clean_data(pc_json **report, const char *path, const char *folder, const pc_clean_options *options,
                        const pc_clean_hooks *hooks)
{
    static const pc_clean_hooks none = {0};
    run r = {.options = options, .hooks = hooks ? hooks : &none, .folder = folder};
    pc_status status;
    *report = NULL;
    PC_GO(pc_clean_check_options(options));
    PC_GO(pc_dataset_open(&r.dataset, path, NULL, NULL));
    r.total = pc_dataset_count(r.dataset);
    PC_GO(look_at_folder(&r));
    if (!r.progress.finished) {
        PC_GO(set_up(&r));
        PC_GO(go_over(&r));
        PC_GO(finish(&r));
    }
    status = write_report(report, &r, path);
done:
    clear_run(&r);
    return status;
}
