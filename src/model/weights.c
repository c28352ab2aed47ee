/* Parameters <- arrays of a file: by name, by a view of a larger array, joined from several; mapped where their type serves. */
#include "base/file.h"
#include "model/load_internal.h"

#include <string.h>

/* Where one parameter lies. */
typedef struct place {
    const pc_array *array;
    pc_import_view view; /* all zeros: the array is the parameter */
    const pc_store *pieces; /* the array is the first of several, all here; NULL: it is the only one */
} place;

static bool find_place(const pc_model *model, const pc_store *store, const pc_param *param, place *out)
{
    const char *name = param->name;
    pc_import_piece piece;
    char alias[512];
    *out = (place){0};
    if (model->import->piece && model->import->piece(model, param, 0, &piece)) {
        *out = (place){.array = pc_store_find(store, piece.tensor), .pieces = store};
        if (out->array) {
            return true;
        }
        *out = (place){0};
    }
    for (int i = 0; model->import->alias(name, i, alias, sizeof alias); i++) {
        out->array = pc_store_find(store, alias);
        if (out->array) {
            return true;
        }
    }
    for (int i = 0; model->import->view && model->import->view(name, i, &out->view); i++) {
        out->array = pc_store_find(store, out->view.tensor);
        if (out->array) {
            return true;
        }
    }
    return false;
}

static pc_status check_array(const pc_array *array, const pc_param *param)
{
    int64_t dims[PC_MAX_DIMS];
    for (int i = 0; i < param->shape.ndim; i++) {
        dims[i] = param->shape.dim[i];
    }
    if (param->shape.ndim == 0 && pc_array_count(array) == 1) {
        return PC_OK;
    }
    return pc_array_need_shape(array, param->shape.ndim, dims);
}

/* One of equal parts of an array, cut along its first dimension. */
static pc_status cut(pc_array *out, const pc_array *array, const pc_import_view *view)
{
    *out = *array;
    if (!view->parts) {
        return PC_OK;
    }
    if (array->ndim < 1 || array->dim[0] % view->parts || pc_dtype_is_block(array->dtype)) {
        char shape[192];
        return pc_fail(PC_ERR_DATA, "%s: the tensor '%s' %s does not divide into %lld", array->file, array->name,
                       pc_array_shape_text(array, shape), (long long)view->parts);
    }
    out->dim[0] /= view->parts;
    out->bytes /= (size_t)view->parts;
    out->data = (const char *)array->data + (size_t)view->part * out->bytes;
    return PC_OK;
}

/* out f32 of the parameter's shape [N,K] <- the array [K,N]. */
static pc_status read_transposed(const pc_array *array, const pc_param *param, float *out)
{
    const int64_t rows = param->shape.dim[0], columns = param->shape.dim[1], theirs[2] = {columns, rows};
    float *values = NULL;
    PC_TRY(pc_array_need_shape(array, 2, theirs));
    PC_TRY(pc_new_array(&values, (size_t)rows * (size_t)columns, sizeof *values, param->name));
    pc_status status = pc_array_to_f32(array, values);
    for (int64_t i = 0; status == PC_OK && i < rows * columns; i++) {
        out[i] = values[i % columns * rows + i / columns];
    }
    pc_free(values);
    return status;
}

/* The stored type that all pieces have and that serves as it is; PC_F32 else. */
static pc_dtype type_of_pieces(const pc_model *model, const place *at, const pc_param *param)
{
    pc_import_piece piece;
    pc_dtype dtype = at->array->dtype;
    for (int i = 0; model->import->piece(model, param, i, &piece); i++) {
        const pc_array *array = pc_store_find(at->pieces, piece.tensor);
        dtype = array && array->dtype == dtype ? dtype : PC_F32;
    }
    return param->any_type && (dtype == PC_BF16 || dtype == PC_F16) ? dtype : PC_F32;
}

/* out, in `dtype` <- all pieces; dtype is theirs, or PC_F32. */
static pc_status join(const pc_model *model, const place *at, const pc_param *param, pc_dtype dtype, void *out)
{
    pc_import_piece piece;
    const pc_array *array;
    int64_t done = 0, total = pc_shape_count(&param->shape);
    for (int i = 0; model->import->piece(model, param, i, &piece); i++) {
        int64_t count = pc_shape_count(&piece.shape);
        PC_TRY(pc_store_need(&array, at->pieces, piece.tensor));
        PC_TRY(pc_array_need_shape(array, piece.shape.ndim, piece.shape.dim));
        if (count > total - done) {
            return pc_fail(PC_ERR_DATA, "%s: '%s' and the tensors before it are larger than '%s'", array->file, array->name, param->name);
        }
        char *to = (char *)out + (size_t)done * pc_dtype_size(dtype);
        if (array->dtype == dtype) {
            memcpy(to, array->data, array->bytes);
        } else {
            PC_TRY(pc_array_to_f32(array, (void *)to));
        }
        done += count;
    }
    return done == total ? PC_OK
                         : pc_fail(PC_ERR_DATA, "%s: the tensors of '%s' have %lld numbers, expected %lld",
                                   pc_store_path(at->pieces), param->name, (long long)done, (long long)total);
}

static pc_status read_values(const pc_model *model, const place *at, const pc_param *param, float *out)
{
    pc_array part;
    if (at->pieces) {
        return join(model, at, param, PC_F32, out);
    }
    if (at->view.transposed) {
        return read_transposed(at->array, param, out);
    }
    PC_TRY(cut(&part, at->array, &at->view));
    PC_TRY(check_array(&part, param));
    return pc_array_to_f32(&part, out);
}

/* Point at the mapped bytes where their type serves, else convert. */
static pc_status attach(const pc_model *model, pc_param_entry *entry, const place *at)
{
    pc_array part;
    if (at->pieces) {
        PC_TRY(pc_param_allocate(entry, type_of_pieces(model, at, &entry->param)));
        return join(model, at, &entry->param, entry->param.dtype, entry->param.data);
    }
    PC_TRY(cut(&part, at->array, &at->view));
    bool serves = part.dtype == PC_BF16 || part.dtype == PC_F16 || pc_dtype_is_block(part.dtype);
    bool fits = (part.dtype == PC_F32 || (serves && entry->param.any_type)) && pc_array_is_aligned(&part);
    if (fits && !at->view.transposed) {
        PC_TRY(check_array(&part, &entry->param));
        entry->param.data = (void *)part.data;
        entry->param.dtype = part.dtype;
        return PC_OK;
    }
    PC_TRY(pc_param_allocate(entry, PC_F32));
    return read_values(model, at, &entry->param, entry->param.data);
}

pc_status pc_model_attach(pc_param_entry *entry, const pc_array *array)
{
    const place at = {.array = array};
    return attach(NULL, entry, &at);
}

/* In the model's files, else in those of its vision tower. */
static pc_status need_place(pc_model *model, const pc_param *param, place *out)
{
    const char *name = param->name;
    bool found = find_place(model, model->store, param, out);
    if (!found && model->tower) {
        if (!model->tower_store) {
            PC_TRY(pc_store_open(&model->tower_store, model->tower));
        }
        found = find_place(model, model->tower_store, param, out);
    }
    if (found) {
        return PC_OK;
    }
    const char *tower = model->tower ? NULL : pc_json_get_text(model->config, "mm_vision_tower", NULL);
    return tower ? pc_fail(PC_ERR_DATA, "%s: the tensor '%s' is missing; the weights of the vision tower %s belong in a directory "
                                        "'%s' beside the model's", pc_store_path(model->store), name, tower, pc_path_base(tower))
                 : pc_fail(PC_ERR_DATA, "%s: the tensor '%s' is missing",
                           pc_store_path(model->tower_store ? model->tower_store : model->store), name);
}

pc_status pc_model_attach_all(pc_model *model)
{
    int64_t largest = 0;
    for (size_t i = 0; i < model->params.count; i++) {
        pc_param_entry *entry = model->params.items[i];
        place at;
        PC_TRY(need_place(model, &entry->param, &at));
        PC_TRY(attach(model, entry, &at));
        if (pc_shape_count(&entry->param.shape) > largest) {
            largest = pc_shape_count(&entry->param.shape);
            model->stored = at.array->dtype;
        }
    }
    return PC_OK;
}

pc_status pc_model_load_values(pc_model *model, const char *path, bool partial, int *loaded)
{
    pc_store *store;
    int count = 0;
    PC_TRY(pc_store_open(&store, path));
    pc_status status = PC_OK;
    for (size_t i = 0; i < model->params.count && status == PC_OK; i++) {
        pc_param *param = &model->params.items[i]->param;
        place at;
        if (find_place(model, store, param, &at)) {
            status = read_values(model, &at, param, param->data);
            count += status == PC_OK;
        } else if (!partial) {
            status = pc_fail(PC_ERR_DATA, "%s: the tensor '%s' is missing", path, param->name);
        }
    }
    pc_store_free(store);
    if (loaded) {
        *loaded = count;
    }
    return status;
}
