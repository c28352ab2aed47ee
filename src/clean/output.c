#include "clean/output.h"

#include "base/file.h"
#include "base/memory.h"
#include "clean/sample_row.h"
#include "clean/tar_write.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { IN_FOLDER = 1000 /* pictures of a folder beside data.jsonl */ };

/* --- files that grow --- */

static pc_status file_error(const pc_output_file *f)
{
    return pc_fail(PC_ERR_IO, "%s: %s", f->path, strerror(errno));
}

static pc_status open_file(pc_output_file *f, const char *folder, const char *name, int64_t size)
{
    f->path = pc_path_join(folder, name);
    PC_TRY(f->path ? PC_OK : pc_fail_memory(strlen(folder), "a path"));
    int fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    f->file = fd >= 0 ? fdopen(fd, "r+") : NULL;
    if (!f->file) {
        if (fd >= 0) {
            close(fd);
        }
        return file_error(f);
    }
    f->size = size;
    if (lseek(fd, 0, SEEK_END) < size) {
        return pc_fail(PC_ERR_DATA, "%s: the file is shorter than the %" PRId64 " bytes that were written", f->path, size);
    }
    return ftruncate(fd, size) == 0 && fseek(f->file, 0, SEEK_END) == 0 ? PC_OK : file_error(f);
}

static pc_status write_bytes(pc_output_file *f, const void *bytes, size_t size)
{
    f->size += (int64_t)size;
    return size == 0 || fwrite(bytes, 1, size, f->file) == size ? PC_OK : file_error(f);
}

static pc_status sync_file(pc_output_file *f)
{
    return !f->file || (fflush(f->file) == 0 && fsync(fileno(f->file)) == 0) ? PC_OK : file_error(f);
}

static void close_file(pc_output_file *f)
{
    if (f->file) {
        fclose(f->file);
    }
    pc_free(f->path);
    *f = (pc_output_file){0};
}

static pc_status write_json(pc_output_file *f, const pc_json *json)
{
    pc_str line = {0};
    pc_status status;
    PC_GO(pc_json_write(&line, json, 0));
    PC_GO(pc_str_putc(&line, '\n'));
    status = write_bytes(f, line.data, line.length);
done:
    pc_str_clear(&line);
    return status;
}

/* --- shards --- */

static pc_status shard_path(pc_str *out, const pc_output *o, int64_t number, const char *behind)
{
    return pc_str_printf(out, "%s/%05" PRId64 ".tar%s", o->folder, number, behind);
}

static pc_status open_shard(pc_output *o, int64_t size)
{
    char name[40];
    snprintf(name, sizeof name, "%05" PRId64 ".tar.part", o->shard);
    return open_file(&o->rows, o->folder, name, size);
}

/* The shard at hand was finished behind the state that is gone back to: it is opened again, and later ones go. */
static pc_status step_back(const pc_output *o)
{
    pc_str whole = {0}, part = {0};
    pc_status status = PC_OK;
    for (int64_t i = o->shard; status == PC_OK; i++) {
        pc_str_reset(&whole);
        pc_str_reset(&part);
        PC_GO(shard_path(&whole, o, i, ""));
        PC_GO(shard_path(&part, o, i, ".part"));
        bool finished = pc_path_exists(whole.data);
        if (i == o->shard && finished && rename(whole.data, part.data) != 0) {
            status = pc_fail(PC_ERR_IO, "%s: %s", whole.data, strerror(errno));
        }
        if (i > o->shard && ((finished && unlink(whole.data) != 0) || (pc_path_exists(part.data) && unlink(part.data) != 0))) {
            status = pc_fail(PC_ERR_IO, "%s: %s", whole.data, strerror(errno));
        }
        if (!finished) {
            break;
        }
    }
done:
    pc_str_clear(&whole);
    pc_str_clear(&part);
    return status;
}

/* The shard stands under its name then. An empty one is none. */
static pc_status finish_shard(pc_output *o)
{
    pc_str whole = {0};
    pc_status status;
    bool empty = o->in_shard == 0;
    PC_GO(empty ? PC_OK : pc_tar_write_end(&o->rows));
    PC_GO(sync_file(&o->rows));
    PC_GO(shard_path(&whole, o, o->shard, ""));
    status = (empty ? unlink(o->rows.path) : rename(o->rows.path, whole.data)) == 0 ? PC_OK : file_error(&o->rows);
    close_file(&o->rows);
    o->shard += !empty;
    o->in_shard = 0;
done:
    pc_str_clear(&whole);
    return status;
}

/* --- opening --- */

/* Rows that were finished behind the state that is gone back to. */
static pc_status open_rows(pc_output *o, int64_t size)
{
    char *whole = pc_path_join(o->folder, "data.jsonl"), *part = pc_path_join(o->folder, "data.jsonl.part");
    pc_status status = whole && part ? PC_OK : pc_fail_memory(0, "a path");
    if (status == PC_OK && pc_path_exists(whole) && rename(whole, part) != 0) {
        status = pc_fail(PC_ERR_IO, "%s: %s", whole, strerror(errno));
    }
    pc_free(whole);
    pc_free(part);
    return status == PC_OK ? open_file(&o->rows, o->folder, "data.jsonl.part", size) : status;
}

pc_status pc_output_open(pc_output *out, const char *folder, const pc_clean_options *options, const pc_output_sizes *sizes)
{
    *out = (pc_output){.format = options->format, .per_shard = options->shard, .shard = sizes->shard, .in_shard = sizes->in_shard};
    out->folder = pc_strdup(folder);
    PC_TRY(out->folder ? PC_OK : pc_fail_memory(strlen(folder), "a path"));
    PC_TRY(open_file(&out->dropped, folder, "dropped.jsonl", sizes->dropped));
    PC_TRY(options->duplicates ? open_file(&out->hashes, folder, "hashes.bin", sizes->hashes) : PC_OK);
    if (out->format == PC_CLEAN_WEBDATASET) {
        PC_TRY(step_back(out));
        return open_shard(out, sizes->rows);
    }
    return out->format == PC_CLEAN_JSONL ? open_rows(out, sizes->rows) : PC_OK;
}

void pc_output_close(pc_output *out)
{
    close_file(&out->rows);
    close_file(&out->dropped);
    close_file(&out->hashes);
    pc_free(out->folder);
    *out = (pc_output){0};
}

/* --- samples --- */

/* Picture `i` as a file: as it was stored, else as PNG. *made holds the bytes then. */
static pc_status picture_of(const pc_sample *sample, size_t i, pc_str *made, const char **bytes, size_t *size)
{
    if (sample->encoded_count == sample->image_count) {
        *bytes = sample->encoded[i].data;
        *size = sample->encoded[i].length;
        return PC_OK;
    }
    pc_str_reset(made);
    PC_TRY(pc_image_encode_png(sample->images[i], made));
    *bytes = made->data;
    *size = made->length;
    return PC_OK;
}

static pc_status put_pictures(pc_output *o, int64_t index, const pc_sample *sample)
{
    pc_str made = {0};
    pc_status status = PC_OK;
    for (size_t i = 0; i < sample->image_count && status == PC_OK; i++) {
        const char *bytes;
        size_t size;
        char name[64], number[24] = "";
        status = picture_of(sample, i, &made, &bytes, &size);
        if (status == PC_OK) {
            snprintf(number, sizeof number, sample->image_count > 1 ? "%zu." : "", i);
            snprintf(name, sizeof name, "%09" PRId64 ".%s%s", index, number, pc_clean_picture_suffix(bytes, size));
            status = pc_tar_write(&o->rows, name, bytes, size);
        }
    }
    pc_str_clear(&made);
    return status;
}

static pc_status put_json(pc_output *o, int64_t index, const pc_sample *sample, const pc_clean_measures *m)
{
    pc_json *json = pc_json_new_object();
    pc_str text = {0};
    char name[64];
    pc_status status;
    PC_GO(json ? PC_OK : pc_fail_memory(0, "a row"));
    PC_GO(pc_clean_is_caption(sample) ? PC_OK : pc_clean_add_row(json, sample, m));
    PC_GO(pc_clean_add_about(json, sample, m));
    PC_GO(pc_json_write(&text, json, 0));
    snprintf(name, sizeof name, "%09" PRId64 ".json", index);
    status = pc_tar_write(&o->rows, name, text.data, text.length);
done:
    pc_json_free(json);
    pc_str_clear(&text);
    return status;
}

static pc_status keep_in_shard(pc_output *o, int64_t index, const pc_sample *sample, const pc_clean_measures *m)
{
    char name[64];
    PC_TRY(put_pictures(o, index, sample));
    if (pc_clean_is_caption(sample)) {
        snprintf(name, sizeof name, "%09" PRId64 ".txt", index);
        PC_TRY(pc_tar_write(&o->rows, name, m->text, m->length));
    }
    PC_TRY(put_json(o, index, sample, m));
    if (++o->in_shard < o->per_shard) {
        return PC_OK;
    }
    PC_TRY(finish_shard(o));
    return open_shard(o, 0);
}

/* images/00000/000000042.jpg below the folder, written; its name is pushed to `names`. */
static pc_status save_picture(pc_output *o, int64_t index, size_t i, const pc_sample *sample, pc_json *names)
{
    pc_str made = {0}, path = {0};
    const char *bytes;
    size_t size;
    char folder[64], name[128], number[24] = "";
    FILE *file = NULL;
    pc_status status;
    PC_GO(picture_of(sample, i, &made, &bytes, &size));
    snprintf(folder, sizeof folder, "images/%05" PRId64, index / IN_FOLDER);
    snprintf(number, sizeof number, sample->image_count > 1 ? "%zu." : "", i);
    snprintf(name, sizeof name, "%s/%09" PRId64 ".%s%s", folder, index, number, pc_clean_picture_suffix(bytes, size));
    PC_GO(pc_str_printf(&path, "%s/%s", o->folder, folder));
    PC_GO(pc_make_directories(path.data));
    pc_str_reset(&path);
    PC_GO(pc_str_printf(&path, "%s/%s", o->folder, name));
    file = fopen(path.data, "we");
    bool good = file && fwrite(bytes, 1, size, file) == size;
    good = file && fclose(file) == 0 && good;
    PC_GO(good ? PC_OK : pc_fail(PC_ERR_IO, "%s: %s", path.data, strerror(errno)));
    status = pc_json_push(names, pc_json_new_text(name));
done:
    pc_str_clear(&made);
    pc_str_clear(&path);
    return status;
}

static pc_status keep_row(pc_output *o, int64_t index, const pc_sample *sample, const pc_clean_measures *m)
{
    pc_json *row = pc_json_new_object(), *names = pc_json_new_array();
    pc_status status;
    PC_GO(row && names ? PC_OK : pc_fail_memory(0, "a row"));
    PC_GO(pc_clean_add_row(row, sample, m));
    for (size_t i = 0; i < sample->image_count; i++) {
        PC_GO(save_picture(o, index, i, sample, names));
    }
    status = pc_json_set(row, "images", names);
    names = NULL;
    PC_GO(status);
    PC_GO(pc_clean_add_about(row, sample, m));
    status = write_json(&o->rows, row);
done:
    pc_json_free(row);
    pc_json_free(names);
    return status;
}

pc_status pc_output_keep(pc_output *out, int64_t index, const pc_sample *sample, const pc_clean_measures *measures)
{
    switch (out->format) {
    case PC_CLEAN_WEBDATASET: return keep_in_shard(out, index, sample, measures);
    case PC_CLEAN_JSONL: return keep_row(out, index, sample, measures);
    default: return PC_OK;
    }
}

pc_status pc_output_drop(pc_output *out, int64_t index, const char *where, const char *reason, const char *found)
{
    pc_json *row = pc_json_new_object();
    pc_str clean = {0};
    pc_status status;
    PC_GO(row ? PC_OK : pc_fail_memory(0, "a row"));
    PC_GO(pc_json_set(row, "sample", pc_json_new_integer(index)));
    PC_GO(pc_json_set(row, "where", pc_json_new_text(where)));
    PC_GO(pc_json_set(row, "reason", pc_json_new_text(reason)));
    /* A message may quote bytes of a damaged file. */
    for (const char *at = found; *at;) {
        size_t good = pc_utf8_valid_prefix(at, strlen(at));
        PC_GO(pc_str_add(&clean, at, good));
        at += good;
        PC_GO(*at ? pc_str_putc(&clean, '?') : PC_OK);
        at += *at != 0;
    }
    PC_GO(pc_json_set(row, "found", pc_json_new_text(clean.data ? clean.data : "")));
    status = write_json(&out->dropped, row);
done:
    pc_str_clear(&clean);
    pc_json_free(row);
    return status;
}

pc_status pc_output_hash(pc_output *out, const void *record, size_t size)
{
    return out->hashes.file ? write_bytes(&out->hashes, record, size) : PC_OK;
}

pc_status pc_output_read_hashes(const pc_output *out, void **records)
{
    size_t size = (size_t)out->hashes.size;
    char *bytes = NULL;
    PC_TRY(PC_NEW_ARRAY(bytes, size + 1, "hashes of pictures"));
    if (size > 0 && (fseek(out->hashes.file, 0, SEEK_SET) != 0 || fread(bytes, 1, size, out->hashes.file) != size ||
                     fseek(out->hashes.file, 0, SEEK_END) != 0)) {
        pc_free(bytes);
        return file_error(&out->hashes);
    }
    *records = bytes;
    return PC_OK;
}

pc_status pc_output_sync(pc_output *out, pc_output_sizes *sizes)
{
    PC_TRY(sync_file(&out->rows));
    PC_TRY(sync_file(&out->dropped));
    PC_TRY(sync_file(&out->hashes));
    if (out->format == PC_CLEAN_JSONL && syncfs(fileno(out->rows.file)) != 0) { /* the pictures */
        return file_error(&out->rows);
    }
    *sizes = (pc_output_sizes){out->shard, out->in_shard, out->rows.size, out->dropped.size, out->hashes.size};
    return PC_OK;
}

pc_status pc_output_finish(pc_output *out)
{
    pc_output_sizes sizes;
    char *path = NULL;
    pc_status status;
    PC_GO(pc_output_sync(out, &sizes));
    PC_GO(out->format == PC_CLEAN_WEBDATASET ? finish_shard(out) : PC_OK);
    if (out->format == PC_CLEAN_JSONL) {
        path = pc_path_join(out->folder, "data.jsonl");
        PC_GO(path ? PC_OK : pc_fail_memory(0, "a path"));
        PC_GO(rename(out->rows.path, path) == 0 ? PC_OK : file_error(&out->rows));
    }
    status = pc_fsync_directory(out->folder);
done:
    pc_free(path);
    return status;
}

void pc_output_forget_hashes(pc_output *out)
{
    if (out->hashes.path) {
        (void)unlink(out->hashes.path);
    }
}
