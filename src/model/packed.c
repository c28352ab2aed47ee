/* Panels in a safetensors file: for each parameter an array of bytes under its name; in the metadata what they were made of.
 *
 *   layout    pc_cpu_packed_layout
 *   files     name, bytes and time of change of each file of weights
 *   values    SHA-256 of all parameters, asked only when `files` differs: a copied model keeps its packed form
 */
#include "model/packed.h"

#include "backend/cpu/cpu.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "store/writer.h"

#include <string.h>
#include <sys/stat.h>

struct pc_packed {
    pc_store *store;
};

static const char KIND[] = "percept-packed-1";

static pc_status note_file(pc_str *out, const char *path)
{
    struct stat about;
    if (!path || stat(path, &about) != 0) {
        return PC_OK;
    }
    return pc_str_printf(out, "%s %lld %lld.%09ld\n", pc_path_base(path), (long long)about.st_size, (long long)about.st_mtim.tv_sec,
                         about.st_mtim.tv_nsec);
}

/* The files of a store, each once: arrays of one lie side by side. */
static pc_status note_store(pc_str *out, const pc_store *store)
{
    const char *last = NULL;
    for (size_t i = 0; store && i < pc_store_count(store); i++) {
        const char *file = pc_store_at(store, i)->file;
        if (!last || strcmp(file, last) != 0) {
            PC_TRY(note_file(out, file));
        }
        last = file;
    }
    return PC_OK;
}

static pc_status files_of(pc_str *out, const pc_model *model)
{
    PC_TRY(model->store ? note_store(out, model->store) : note_file(out, model->path));
    PC_TRY(note_store(out, model->tower_store));
    return pc_str_printf(out, "%s", "");
}

/* One hash of hashes, so that nothing is copied. */
static pc_status values_of(char out[65], const pc_model *model)
{
    pc_str text = {0};
    char hash[65];
    pc_status status = PC_OK;
    for (size_t i = 0; i < model->params.count && status == PC_OK; i++) {
        const pc_param *param = &model->params.items[i]->param;
        pc_sha256(param->data, pc_param_bytes(param), hash);
        pc_store_release(model->store, param->data, pc_param_bytes(param));
        status = pc_str_printf(&text, "%s %s %s\n", param->name, pc_dtype_name(param->dtype), hash);
    }
    if (status == PC_OK) {
        pc_sha256(text.data ? text.data : "", text.length, out);
    }
    pc_str_clear(&text);
    return status;
}

pc_status pc_packed_path(char **path, const pc_model *model, const pc_backend *backend, pc_dtype compute)
{
    pc_str text = {0};
    const char *join = pc_path_is_directory(model->path) ? "/" : ".";
    *path = NULL;
    pc_status status = pc_str_printf(&text, "%s%spacked-%s-%s.safetensors", model->path, join, pc_cpu_backend_level(backend),
                                     pc_dtype_name(compute));
    if (status != PC_OK) {
        pc_str_clear(&text);
        return status;
    }
    *path = text.data;
    return PC_OK;
}

/* --- writing --- */

static pc_status declare(pc_store_writer *writer, const pc_model *model, pc_packed_report *report)
{
    for (size_t i = 0; i < model->params.count; i++) {
        const pc_param *param = &model->params.items[i]->param;
        size_t bytes;
        if (pc_cpu_packed_panels(param, &bytes)) {
            const int64_t dim = (int64_t)bytes;
            PC_TRY(pc_store_writer_declare(writer, param->name, PC_U8, 1, &dim));
            report->parameters++;
            report->bytes += bytes;
        }
    }
    return PC_OK;
}

static pc_status set_key(pc_store_writer *writer, const pc_model *model, const pc_backend *backend, pc_dtype compute)
{
    char layout[PC_CPU_LAYOUT], values[65];
    pc_str files = {0};
    pc_status status = pc_cpu_packed_layout(backend, compute, layout);
    PC_GO(status);
    PC_GO(values_of(values, model));
    PC_GO(files_of(&files, model));
    PC_GO(pc_store_writer_set_metadata(writer, "format", KIND));
    PC_GO(pc_store_writer_set_metadata(writer, "layout", layout));
    PC_GO(pc_store_writer_set_metadata(writer, "values", values));
    PC_GO(pc_store_writer_set_metadata(writer, "files", files.data));
done:
    pc_str_clear(&files);
    return status;
}

pc_status pc_packed_write(pc_packed_report *report, const pc_model *model, const pc_backend *backend, pc_dtype compute,
                          const char *path)
{
    pc_store_writer *writer = NULL;
    pc_status status;
    *report = (pc_packed_report){0};
    PC_TRY(pc_store_writer_new(&writer, path, 0));
    PC_GO(declare(writer, model, report));
    if (!report->parameters) {
        goto done;
    }
    PC_GO(set_key(writer, model, backend, compute));
    for (size_t i = 0; i < model->params.count; i++) {
        const pc_param *param = &model->params.items[i]->param;
        size_t bytes;
        const void *panels = pc_cpu_packed_panels(param, &bytes);
        PC_GO(panels ? pc_store_writer_put(writer, param->name, panels, bytes) : PC_OK);
    }
    PC_GO(pc_store_writer_finish(writer));
done:
    pc_store_writer_free(writer);
    return status;
}

/* --- reading --- */

/* Every line of `files` is one of `had`: a model may be opened without a part that was there. */
static bool are_among(const char *files, const char *had)
{
    while (*files) {
        const size_t length = strcspn(files, "\n") + 1;
        const char *at = had;
        while (*at && strncmp(at, files, length) != 0) {
            at += strcspn(at, "\n");
            at += *at == '\n';
        }
        if (!*at) {
            return false;
        }
        files += length;
    }
    return true;
}

static pc_status stale(const char *path, const char *what)
{
    return pc_fail(PC_ERR_DATA, "%s: made %s; `percept pack` makes it anew", path, what);
}

static pc_status check_source(const pc_store *store, const pc_model *model)
{
    const char *path = pc_store_path(store), *had = pc_store_metadata(store, "files"), *hash = pc_store_metadata(store, "values");
    char values[65];
    pc_str files = {0};
    pc_status status = files_of(&files, model);
    const bool same = status == PC_OK && had && are_among(files.data, had);
    pc_str_clear(&files);
    if (status != PC_OK || same) {
        return status;
    }
    PC_TRY(values_of(values, model));
    if (!hash || strcmp(hash, values) != 0) {
        return stale(path, "of other weights");
    }
    pc_log(PC_LOG_INFO, "%s: files of weights are as they were but for name or time; `percept pack` anew saves comparing them", path);
    return PC_OK;
}

static pc_status check(const pc_store *store, const pc_model *model, const pc_backend *backend, pc_dtype compute)
{
    const char *path = pc_store_path(store), *kind = pc_store_metadata(store, "format"), *had = pc_store_metadata(store, "layout");
    char layout[PC_CPU_LAYOUT];
    if (!kind || strcmp(kind, KIND) != 0) {
        return pc_fail(PC_ERR_DATA, "%s: not a packed form: its format is '%.40s', expected '%s'", path, kind ? kind : "", KIND);
    }
    PC_TRY(pc_cpu_packed_layout(backend, compute, layout));
    if (!had || strcmp(had, layout) != 0) {
        return stale(path, "for another processor, type or version of percept");
    }
    return check_source(store, model);
}

pc_status pc_packed_open(pc_packed **out, const char *path, const pc_model *model, const pc_backend *backend, pc_dtype compute)
{
    pc_packed *packed = NULL;
    *out = NULL;
    PC_TRY(PC_NEW(packed, "a packed form"));
    pc_status status = pc_store_open(&packed->store, path);
    status = status == PC_OK ? check(packed->store, model, backend, compute) : status;
    if (status != PC_OK) {
        pc_packed_free(packed);
        return status;
    }
    *out = packed;
    return PC_OK;
}

void pc_packed_free(pc_packed *packed)
{
    if (packed) {
        pc_store_free(packed->store);
        pc_free(packed);
    }
}

pc_status pc_packed_apply(const pc_packed *packed, pc_model *model, const pc_backend *backend, pc_dtype compute)
{
    model->packed_by = backend;
    for (size_t i = 0; i < model->params.count; i++) {
        pc_param *param = &model->params.items[i]->param;
        const pc_array *panels = param->any_type && !param->trains ? pc_store_find(packed->store, param->name) : NULL;
        if (panels) {
            PC_TRY(pc_cpu_packed_take(backend, param, compute, panels->data, panels->bytes));
        } else if (param->any_type && !param->trains) {
            PC_TRY(backend->pack(backend, param, compute));
        }
    }
    return PC_OK;
}

pc_status pc_packed_lay_out(pc_packed **out, pc_model *model, const pc_backend *backend, pc_dtype compute)
{
    char *path = NULL;
    *out = NULL;
    PC_TRY(pc_packed_path(&path, model, backend, compute));
    if (pc_path_exists(path) && pc_packed_open(out, path, model, backend, compute) != PC_OK) {
        pc_log(PC_LOG_WARNING, "%s; laid out as without it", pc_error());
        pc_error_clear();
    }
    pc_free(path);
    return *out ? pc_packed_apply(*out, model, backend, compute) : pc_model_pack(model, backend, compute);
}
