/* The cache of features. See features.h for the file's layout. */
#include "train/features.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "model/forward.h"
#include "tensor/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { HEADER = 32, RECORD_HEAD = 32 };

static const char MAGIC[8] = "PCFEAT1";

typedef struct record_head {
    XXH128_canonical_t key;
    XXH64_canonical_t checksum;
    uint8_t zeros[8];
} record_head;

/* Open addressing: place[i] = number of a record + 1, 0 = free. */
typedef struct table {
    XXH128_hash_t *keys; /* [records] */
    size_t key_capacity;
    uint32_t *places;
    size_t size; /* a power of two; 0 = none yet */
} table;

struct pc_features {
    char *path;
    int fd;
    bool adds; /* this process may write */
    int64_t records;
    table table;
    int64_t image, width; /* floats of a picture, of its features */
    pc_shape shape;
    pc_graph *graph;
    pc_exec *exec;
    pc_tensor *pixels, *features;
    float *out; /* [images,P,D] */
    int64_t found, encoded;
};

/* --- the table --- */

static size_t start_of(const table *t, XXH128_hash_t key)
{
    return (size_t)key.low64 & (t->size - 1);
}

static void put(table *t, uint32_t record)
{
    size_t at = start_of(t, t->keys[record]);
    while (t->places[at]) {
        at = (at + 1) & (t->size - 1);
    }
    t->places[at] = record + 1;
}

/* The newest record of a key, -1 when there is none. */
static int64_t find(const table *t, XXH128_hash_t key)
{
    int64_t newest = -1;
    for (size_t at = t->size ? start_of(t, key) : 0; t->size && t->places[at]; at = (at + 1) & (t->size - 1)) {
        int64_t record = (int64_t)t->places[at] - 1;
        newest = XXH128_isEqual(t->keys[record], key) && record > newest ? record : newest;
    }
    return newest;
}

static pc_status grow_table(table *t, size_t records)
{
    uint32_t *places = NULL;
    size_t size = t->size ? t->size : 1024;
    while (size < 2 * records) {
        size *= 2;
    }
    if (size == t->size) {
        return PC_OK;
    }
    PC_TRY(PC_NEW_ARRAY(places, size, "the table of a feature cache"));
    pc_free(t->places);
    t->places = places;
    t->size = size;
    for (size_t i = 0; i + 1 < records; i++) {
        put(t, (uint32_t)i);
    }
    return PC_OK;
}

static pc_status add_key(pc_features *f, XXH128_hash_t key)
{
    table *t = &f->table;
    if (f->records >= INT32_MAX) {
        return pc_fail(PC_ERR_DATA, "%s: too many records", f->path);
    }
    PC_TRY(pc_grow(&t->keys, &t->key_capacity, (size_t)f->records + 1, sizeof *t->keys, "the keys of a feature cache"));
    PC_TRY(grow_table(t, (size_t)f->records + 1));
    t->keys[f->records] = key;
    put(t, (uint32_t)f->records++);
    return PC_OK;
}

/* --- the file --- */

static int64_t record_bytes(const pc_features *f)
{
    return RECORD_HEAD + f->width * (int64_t)sizeof(float);
}

static int64_t place_of(const pc_features *f, int64_t record)
{
    return HEADER + record * record_bytes(f);
}

static bool read_at(int fd, void *out, size_t bytes, int64_t offset)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t got = pread(fd, (char *)out + done, bytes - done, offset + (int64_t)done);
        if (got <= 0 && !(got < 0 && errno == EINTR)) {
            return false;
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return true;
}

static bool write_at(int fd, const void *bytes, size_t size, int64_t offset)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pwrite(fd, (const char *)bytes + done, size - done, offset + (int64_t)done);
        if (got < 0 && errno != EINTR) {
            return false;
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return true;
}

static bool load_record(pc_features *f, int64_t record, float *out)
{
    record_head head;
    size_t bytes = (size_t)f->width * sizeof(float);
    return read_at(f->fd, &head, sizeof head, place_of(f, record)) &&
           read_at(f->fd, out, bytes, place_of(f, record) + RECORD_HEAD) &&
           XXH64_hashFromCanonical(&head.checksum) == XXH3_64bits(out, bytes);
}

static pc_status save_record(pc_features *f, XXH128_hash_t key, const float *values)
{
    record_head head = {.zeros = {0}};
    size_t bytes = (size_t)f->width * sizeof(float);
    int64_t place = place_of(f, f->records);
    if (!f->adds) {
        return PC_OK;
    }
    XXH128_canonicalFromHash(&head.key, key);
    XXH64_canonicalFromHash(&head.checksum, XXH3_64bits(values, bytes));
    if (!write_at(f->fd, values, bytes, place + RECORD_HEAD) || !write_at(f->fd, &head, sizeof head, place)) {
        pc_log(PC_LOG_WARNING, "%s: %s; no more features are kept", f->path, strerror(errno));
        f->adds = false;
        return PC_OK;
    }
    return add_key(f, key);
}

static pc_status read_keys(pc_features *f, int64_t size)
{
    record_head head;
    int64_t count = size > HEADER ? (size - HEADER) / record_bytes(f) : 0;
    for (int64_t i = 0; i < count; i++) {
        if (!read_at(f->fd, &head, sizeof head, place_of(f, i))) {
            return pc_fail(PC_ERR_IO, "%s: record %" PRId64 " can't be read", f->path, i);
        }
        PC_TRY(add_key(f, XXH128_hashFromCanonical(&head.key)));
    }
    return PC_OK;
}

static pc_status open_file(pc_features *f)
{
    char header[HEADER] = {0}, found[HEADER];
    struct stat about;
    memcpy(header, MAGIC, sizeof MAGIC);
    memcpy(header + 8, &f->width, sizeof f->width);
    f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (f->fd < 0 || fstat(f->fd, &about) != 0) {
        return pc_fail(PC_ERR_IO, "%s: %s", f->path, strerror(errno));
    }
    f->adds = flock(f->fd, LOCK_EX | LOCK_NB) == 0;
    if (!f->adds) {
        pc_log(PC_LOG_WARNING, "%s is in use by another process: features are read, none are added", f->path);
    }
    if (about.st_size < HEADER) {
        if (f->adds && (ftruncate(f->fd, 0) != 0 || !write_at(f->fd, header, HEADER, 0))) {
            return pc_fail(PC_ERR_IO, "%s: %s", f->path, strerror(errno));
        }
        return PC_OK;
    }
    if (!read_at(f->fd, found, HEADER, 0) || memcmp(found, header, HEADER) != 0) {
        return pc_fail(PC_ERR_DATA, "%s: offset 0: not the header of this encoder's feature cache", f->path);
    }
    return read_keys(f, about.st_size);
}

/* --- the encoder --- */

static void hash_text(XXH3_state_t *state, const char *text)
{
    XXH3_128bits_update(state, text, strlen(text) + 1);
}

/* Name of the file: what the features depend on beside the pixels. */
static pc_status name_file(pc_features *f, const char *folder, const pc_model *model, const pc_backend *backend,
                           pc_dtype compute)
{
    XXH3_state_t *state = XXH3_createState();
    char name[64];
    if (!state) {
        return pc_fail_memory(sizeof(XXH3_state_t *), "a hash");
    }
    XXH3_128bits_reset(state);
    hash_text(state, PERCEPT_VERSION);
    hash_text(state, model->encoder.type->model_type);
    hash_text(state, backend->name ? backend->name : "");
    XXH3_128bits_update(state, &compute, sizeof compute);
    const pc_encoder_select *select = &model->encoder.select;
    XXH3_128bits_update(state, &select->count, sizeof select->count);
    XXH3_128bits_update(state, select->layer, sizeof select->layer);
    XXH3_128bits_update(state, &select->keep_class_token, sizeof select->keep_class_token);
    XXH3_128bits_update(state, &select->final_norm, sizeof select->final_norm);
    for (size_t i = 0; i < model->params.count; i++) {
        const pc_param *param = &model->params.items[i]->param;
        if (strcmp(param->part, "encoder") == 0) {
            hash_text(state, param->name);
            XXH3_128bits_update(state, param->data, pc_param_bytes(param));
        }
    }
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    XXH3_freeState(state);
    snprintf(name, sizeof name, "features-%016" PRIx64 "%016" PRIx64 ".bin", (uint64_t)hash.high64, (uint64_t)hash.low64);
    f->path = pc_path_join(folder, name);
    return f->path ? PC_OK : pc_fail_memory(sizeof name, "a path");
}

static pc_status build(pc_features *f, const pc_model *model, const pc_backend *backend, pc_dtype compute, int64_t images)
{
    int64_t side = model->encoder.info.image_size;
    PC_TRY(pc_graph_new(&f->graph));
    pc_build build = {.graph = f->graph, .compute = compute};
    f->pixels = pc_graph_input(f->graph, "pixel_values", PC_F32, pc_dims(4, images, 3, side, side));
    f->features = pc_keep(f->graph, pc_model_encode(&build, model, f->pixels).features);
    PC_TRY(pc_exec_new(&f->exec, f->graph, backend));
    f->shape = f->features->max;
    f->image = 3 * side * side;
    f->width = pc_shape_count(&f->shape) / images;
    return PC_NEW_ARRAY(f->out, (size_t)(images * f->width), "features");
}

static pc_status set_up(pc_features *f, const char *folder, const pc_model *model, const pc_backend *backend,
                        pc_dtype compute, int64_t images)
{
    PC_TRY(pc_make_directories(folder));
    PC_TRY(name_file(f, folder, model, backend, compute));
    PC_TRY(build(f, model, backend, compute, images));
    return open_file(f);
}

pc_status pc_features_open(pc_features **out, const char *folder, const pc_model *model, const pc_backend *backend,
                           pc_dtype compute, int64_t images)
{
    pc_features *f = NULL;
    *out = NULL;
    PC_TRY(PC_NEW(f, "a feature cache"));
    f->fd = -1;
    pc_status status = set_up(f, folder, model, backend, compute, images);
    if (status != PC_OK) {
        pc_features_free(f);
        return status;
    }
    *out = f;
    return PC_OK;
}

void pc_features_free(pc_features *f)
{
    if (!f) {
        return;
    }
    if (f->fd >= 0) {
        close(f->fd);
    }
    pc_exec_free(f->exec);
    pc_graph_free(f->graph);
    pc_free(f->table.keys);
    pc_free(f->table.places);
    pc_free(f->out);
    pc_free(f->path);
    pc_free(f);
}

static pc_status encode(pc_features *f, const float *pixels, const XXH128_hash_t *keys, int64_t first, int64_t count)
{
    pc_shape shape = f->pixels->max;
    shape.dim[0] = count;
    PC_TRY(pc_exec_bind(f->exec, f->pixels, pixels + first * f->image, shape));
    PC_TRY(pc_exec_run(f->exec));
    memcpy(f->out + first * f->width, pc_f32(f->features), (size_t)(count * f->width) * sizeof(float));
    for (int64_t i = 0; i < count; i++) {
        PC_TRY(save_record(f, keys[first + i], f->out + (first + i) * f->width));
    }
    f->encoded += count;
    return PC_OK;
}

/* Runs of pictures that are not there are encoded together; a picture's features don't depend on its neighbours. */
static pc_status fill(pc_features *f, const float *pixels, const XXH128_hash_t *keys, int64_t images)
{
    int64_t missing = 0;
    for (int64_t i = 0; i < images; i++) {
        int64_t record = find(&f->table, keys[i]);
        if (record >= 0 && load_record(f, record, f->out + i * f->width)) {
            f->found++;
            PC_TRY(missing ? encode(f, pixels, keys, i - missing, missing) : PC_OK);
            missing = 0;
        } else {
            missing++;
        }
    }
    return missing ? encode(f, pixels, keys, images - missing, missing) : PC_OK;
}

pc_status pc_features_get(pc_features *f, const float *pixels, int64_t images, const float **out)
{
    XXH128_hash_t *keys = NULL;
    *out = f->out;
    if (images > f->shape.dim[0]) {
        return pc_fail(PC_ERR_DATA, "%" PRId64 " pictures, at most %" PRId64 " were planned", images, f->shape.dim[0]);
    }
    PC_TRY(PC_NEW_ARRAY(keys, (size_t)images + 1, "the keys of pictures"));
    for (int64_t i = 0; i < images; i++) {
        keys[i] = XXH3_128bits(pixels + i * f->image, (size_t)f->image * sizeof(float));
    }
    pc_status status = fill(f, pixels, keys, images);
    pc_free(keys);
    return status;
}

pc_shape pc_features_shape(const pc_features *f)
{
    return f->shape;
}

size_t pc_features_bytes(const pc_features *f)
{
    return pc_exec_arena_bytes(f->exec) + (size_t)pc_shape_count(&f->shape) * sizeof(float);
}

void pc_features_counts(const pc_features *f, int64_t *found, int64_t *encoded)
{
    *found = f->found;
    *encoded = f->encoded;
}
