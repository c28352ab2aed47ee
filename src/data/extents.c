/* Measuring samples, in blocks: those of a block in parallel. The file of kept sizes is a head of 64 bytes, then the sizes as
 * they lie in memory (little endian):
 *
 *   "PCSIZES1", samples, then the SHA-256 of the sizes (first 48 digits)
 */
#include "data/extents.h"

#include "base/file.h"
#include "base/signal.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/pool.h"
#include "data/batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 1024, HEAD = 64, SUM = 48 };
static const char MAGIC[8] = "PCSIZES1";

typedef struct head {
    char magic[8];
    int64_t count;
    char sum[SUM]; /* hexadecimal digits */
} head;
_Static_assert(sizeof(head) == HEAD, "the head has no holes");
_Static_assert(sizeof(pc_extent) == 12, "a size has no holes");

void pc_extents_clear(pc_extents *extents)
{
    pc_free(extents->items);
    pc_free(extents->first);
    *extents = (pc_extents){0};
}

const pc_extent *pc_extent_at(const pc_extents *extents, int dataset, int64_t sample)
{
    return &extents->items[extents->first[dataset] + sample];
}

/* --- measuring --- */

typedef struct fault {
    pc_status status;
    char message[320];
} fault;

typedef struct measuring {
    pc_extents *out;
    const pc_dataset *const *datasets;
    int count;
    pc_batch_maker *makers; /* [threads] */
    fault *faults;          /* [BLOCK] */
    int64_t begin;          /* sample of the block */
} measuring;

static void measure_one(void *context, int64_t item, int thread)
{
    const measuring *m = context;
    pc_batch_maker *maker = &m->makers[thread];
    int64_t at = m->begin + item;
    int d = m->count - 1;
    while (m->out->first[d] > at) {
        d--;
    }
    fault *f = &m->faults[item];
    pc_extent *extent = &m->out->items[at];
    *extent = (pc_extent){0};
    f->status = pc_dataset_read_texts(m->datasets[d], at - m->out->first[d], &maker->sample);
    if (f->status == PC_OK) {
        f->status = pc_batch_measure(maker, extent);
        f->status = f->status == PC_ERR_DATA ? pc_fail_prefix(f->status, "%s", maker->sample.where) : f->status;
    }
    if (f->status != PC_OK) {
        snprintf(f->message, sizeof f->message, "%s", pc_error());
    }
}

static pc_status count_block(pc_extents *out, const fault *faults, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        const fault *f = &faults[i];
        if (f->status != PC_OK && f->status != PC_ERR_DATA && f->status != PC_ERR_IO) {
            return pc_fail(f->status, "%s", f->message);
        }
        if (f->status != PC_OK && out->bad++ == 0) {
            memcpy(out->reason, f->message, sizeof out->reason);
        }
    }
    return PC_OK;
}

static pc_status measure_all(measuring *m, pc_pool *pool)
{
    for (; m->begin < m->out->count; m->begin += BLOCK) {
        int64_t here = m->out->count - m->begin < BLOCK ? m->out->count - m->begin : BLOCK;
        pc_pool_run(pool, here, measure_one, m);
        PC_TRY(count_block(m->out, m->faults, here));
        if (pc_signal_pending()) {
            return pc_fail(PC_ERR_INTERRUPTED, "stopped behind %" PRId64 " of %" PRId64 " samples", m->begin + here,
                           m->out->count);
        }
    }
    return PC_OK;
}

static pc_status measure(pc_extents *out, const pc_dataset *const *datasets, int count, const pc_loader_options *options)
{
    measuring m = {.out = out, .datasets = datasets, .count = count};
    pc_pool *pool = NULL;
    int threads = options->workers > 0 ? options->workers : 1;
    pc_status status;
    PC_GO(pc_pool_new(&pool, threads));
    PC_GO(PC_NEW_ARRAY(m.makers, (size_t)threads, "measuring data"));
    PC_GO(PC_NEW_ARRAY(m.faults, BLOCK, "measuring data"));
    for (int i = 0; i < threads; i++) {
        m.makers[i].options = options;
    }
    PC_GO(measure_all(&m, pool));
done:
    for (int i = 0; m.makers && i < threads; i++) {
        pc_batch_maker_clear(&m.makers[i]);
    }
    pc_free(m.makers);
    pc_free(m.faults);
    pc_pool_free(pool);
    return status;
}

/* --- the file --- */

static void sum_items(head *out, const pc_extents *extents)
{
    char hex[65];
    pc_sha256(extents->items, (size_t)extents->count * sizeof *extents->items, hex);
    memcpy(out->sum, hex, SUM);
}

/* Sizes that some sample may have. */
static bool sensible(const pc_extents *extents, int64_t cutoff)
{
    for (int64_t i = 0; i < extents->count; i++) {
        const pc_extent *e = &extents->items[i];
        if (e->tokens < 0 || e->tokens > cutoff || e->images < 0 || e->images > e->tokens || e->targets < 0) {
            return false;
        }
    }
    return true;
}

/* A file that doesn't fit is no error: the samples are measured again. */
static bool load(pc_extents *out, const char *file, int64_t cutoff)
{
    pc_map map = {0};
    head found, summed = {0};
    size_t bytes = (size_t)out->count * sizeof *out->items;
    bool good = pc_path_exists(file) && pc_map_open(&map, file) == PC_OK && map.size == HEAD + bytes;
    if (good) {
        memcpy(&found, map.data, HEAD);
        memcpy(out->items, map.data + HEAD, bytes);
        sum_items(&summed, out);
        good = memcmp(found.magic, MAGIC, sizeof found.magic) == 0 && found.count == out->count &&
               memcmp(found.sum, summed.sum, SUM) == 0 && sensible(out, cutoff);
    }
    pc_map_close(&map);
    for (int64_t i = 0; good && i < out->count; i++) {
        out->bad += out->items[i].tokens == 0;
    }
    return good;
}

static pc_status write_file(const pc_extents *extents, const char *file)
{
    head top = {.count = extents->count};
    size_t bytes = (size_t)extents->count * sizeof *extents->items;
    char *folder = pc_path_parent(file), *all = NULL;
    pc_status status;
    memcpy(top.magic, MAGIC, sizeof top.magic);
    sum_items(&top, extents);
    PC_GO(folder ? pc_make_directories(folder) : pc_fail_memory(strlen(file), "a path"));
    PC_GO(PC_NEW_ARRAY(all, HEAD + bytes, "sizes of samples"));
    memcpy(all, &top, HEAD);
    memcpy(all + HEAD, extents->items, bytes);
    status = pc_file_write(file, all, HEAD + bytes);
done:
    pc_free(folder);
    pc_free(all);
    return status;
}

static pc_status make_room(pc_extents *out, const pc_dataset *const *datasets, int count)
{
    PC_TRY(PC_NEW_ARRAY(out->first, (size_t)count + 1, "sizes of samples"));
    for (int d = 0; d < count; d++) {
        out->first[d] = out->count;
        out->count += pc_dataset_count(datasets[d]);
    }
    return PC_NEW_ARRAY(out->items, (size_t)out->count + 1, "sizes of samples");
}

static pc_status fill(pc_extents *out, const pc_dataset *const *datasets, int count, const pc_loader_options *options,
                      const char *file)
{
    PC_TRY(make_room(out, datasets, count));
    if (file && load(out, file, options->cutoff)) {
        return PC_OK;
    }
    pc_log(PC_LOG_INFO, "measuring %" PRId64 " samples", out->count);
    PC_TRY(measure(out, datasets, count, options));
    if (file && write_file(out, file) != PC_OK) {
        pc_log(PC_LOG_WARNING, "the sizes of the samples are not kept: %s", pc_error());
    }
    return PC_OK;
}

pc_status pc_extents_measure(pc_extents *out, const pc_dataset *const *datasets, int count, const pc_loader_options *options,
                             const char *file)
{
    *out = (pc_extents){0};
    pc_status status = fill(out, datasets, count, options, file);
    if (status != PC_OK) {
        pc_extents_clear(out);
    }
    return status;
}
