/* The registry of parameters. */
#include "nn/params.h"

#include "base/rng.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void free_entry(pc_param_entry *entry)
{
    if (!entry) {
        return;
    }
    pc_free(entry->param.name);
    pc_free(entry->param.grad);
    pc_pages_free(entry->owned, entry->owned_bytes);
    pc_free(entry);
}

void pc_params_clear(pc_params *params)
{
    for (size_t i = 0; i < params->count; i++) {
        free_entry(params->items[i]);
    }
    pc_free(params->items);
    memset(params, 0, sizeof *params);
}

pc_param *pc_params_find(const pc_params *params, const char *name)
{
    for (size_t i = 0; i < params->count; i++) {
        if (strcmp(params->items[i]->param.name, name) == 0) {
            return &params->items[i]->param;
        }
    }
    return NULL;
}

int64_t pc_params_elements(const pc_params *params, const char *part)
{
    int64_t count = 0;
    for (size_t i = 0; i < params->count; i++) {
        const pc_param *param = &params->items[i]->param;
        if (!part || strcmp(part, param->part) == 0) {
            count += pc_shape_count(&param->shape);
        }
    }
    return count;
}

pc_status pc_param_allocate(pc_param_entry *entry, pc_dtype dtype)
{
    size_t bytes;
    if (!pc_dtype_bytes(dtype, (size_t)pc_shape_count(&entry->param.shape), &bytes)) {
        return pc_fail_memory(SIZE_MAX, entry->param.name);
    }
    void *memory;
    PC_TRY(pc_pages_new(&memory, bytes ? bytes : 1, entry->param.name));
    pc_pages_free(entry->owned, entry->owned_bytes);
    entry->owned = memory;
    entry->owned_bytes = bytes ? bytes : 1;
    entry->param.data = memory;
    entry->param.dtype = dtype;
    return PC_OK;
}

size_t pc_param_bytes(const pc_param *param)
{
    size_t bytes = 0;
    pc_dtype_bytes(param->dtype, (size_t)pc_shape_count(&param->shape), &bytes);
    return bytes;
}

/* Each row of `from` becomes blocks. */
static pc_status quantise_rows(pc_param *param, const pc_param *from, float *row)
{
    size_t width = (size_t)pc_shape_last(&param->shape), rows = (size_t)pc_shape_count(&param->shape) / width;
    size_t theirs = pc_param_bytes(from) / rows, ours = pc_param_bytes(param) / rows;
    for (size_t r = 0; r < rows; r++) {
        pc_convert_to_f32(row, (const char *)from->data + r * theirs, from->dtype, width);
        for (size_t i = 0; i < width; i++) {
            if (!isfinite(row[i])) {
                return pc_fail(PC_ERR_DATA, "%s: number %zu is not finite and can't be quantised", param->name, r * width + i);
            }
        }
        pc_convert_from_f32((char *)param->data + r * ours, param->dtype, row, width);
    }
    return PC_OK;
}

pc_status pc_param_quantise(pc_param_entry *entry, pc_dtype dtype)
{
    pc_param_entry old = *entry;
    size_t width = (size_t)pc_shape_last(&old.param.shape);
    float *row = NULL;
    dtype = width % pc_dtype_unit(dtype) == 0 ? dtype : PC_Q8_0;
    if (pc_dtype_is_block(old.param.dtype) || width == 0 || width % pc_dtype_unit(dtype) != 0) {
        return PC_OK;
    }
    entry->owned = NULL; /* what was there stays until the blocks are made */
    entry->owned_bytes = 0;
    pc_status status = PC_NEW_ARRAY(row, width, "a row");
    if (status == PC_OK) {
        status = pc_param_allocate(entry, dtype);
    }
    if (status == PC_OK) {
        status = quantise_rows(&entry->param, &old.param, row);
    }
    if (status == PC_OK) {
        pc_pages_free(old.owned, old.owned_bytes);
    } else {
        pc_pages_free(entry->owned, entry->owned_bytes);
        *entry = old;
    }
    pc_free(row);
    return status;
}

static pc_status own_one(pc_param_entry *entry)
{
    pc_param *param = &entry->param;
    if (entry->owned && param->data == entry->owned && param->dtype == PC_F32) {
        return PC_OK;
    }
    const void *old = param->data;
    void *old_pages = entry->owned;
    size_t old_bytes = entry->owned_bytes;
    pc_dtype old_dtype = param->dtype;
    entry->owned = NULL;
    entry->owned_bytes = 0;
    pc_status status = pc_param_allocate(entry, PC_F32);
    if (status != PC_OK) {
        entry->owned = old_pages;
        entry->owned_bytes = old_bytes;
        return status;
    }
    if (old) {
        pc_convert_to_f32(param->data, old, old_dtype, (size_t)pc_shape_count(&param->shape));
    }
    pc_pages_free(old_pages, old_bytes);
    return PC_OK;
}

pc_status pc_params_own(pc_params *params)
{
    for (size_t i = 0; i < params->count; i++) {
        PC_TRY(own_one(params->items[i]));
    }
    return PC_OK;
}

/* FNV-1a: names a stream of random numbers after the parameter. */
static uint64_t hash_name(const char *name)
{
    uint64_t hash = 1469598103934665603u;
    for (; *name; name++) {
        hash = (hash ^ (uint8_t)*name) * 1099511628211u;
    }
    return hash;
}

/* Positions of a grid as in Vaswani et al. 2017, half of the features for the row, half for the column. */
static void initialise_grid(float *data, const pc_shape *shape, double amplitude)
{
    static const double BASE = 10000;
    int64_t width = shape->dim[1], side = (int64_t)sqrt((double)shape->dim[0]), quarter = width / 4;
    int64_t first = shape->dim[0] - side * side;
    for (int64_t p = 0; p < side * side; p++) {
        float *row = data + (p + first) * width;
        for (int64_t i = 0; i < quarter; i++) {
            double omega = pow(BASE, -(double)i / (double)quarter);
            double y = (double)(p / side) * omega, x = (double)(p % side) * omega;
            row[i] = (float)(amplitude * sin(y));
            row[quarter + i] = (float)(amplitude * cos(y));
            row[2 * quarter + i] = (float)(amplitude * sin(x));
            row[3 * quarter + i] = (float)(amplitude * cos(x));
        }
    }
}

static void initialise(pc_param_entry *entry, uint64_t seed)
{
    float *data = entry->param.data;
    int64_t count = pc_shape_count(&entry->param.shape);
    pc_rng rng;
    if (entry->init.kind == PC_INIT_GRID) {
        initialise_grid(data, &entry->param.shape, entry->init.value);
        return;
    }
    pc_rng_init(&rng, seed, hash_name(entry->param.name));
    for (int64_t i = 0; i < count; i++) {
        double value = entry->init.value;
        switch (entry->init.kind) {
        case PC_INIT_NORMAL: data[i] = (float)(value * pc_rng_normal(&rng)); break;
        case PC_INIT_UNIFORM: data[i] = (float)(value * (2 * pc_rng_uniform(&rng) - 1)); break;
        default: data[i] = (float)value;
        }
    }
}

pc_status pc_params_initialise(pc_params *params, uint64_t seed)
{
    for (size_t i = 0; i < params->count; i++) {
        PC_TRY(own_one(params->items[i]));
        initialise(params->items[i], seed);
    }
    return PC_OK;
}

pc_status pc_params_make_gradients(pc_params *params)
{
    for (size_t i = 0; i < params->count; i++) {
        pc_param *param = &params->items[i]->param;
        pc_free(param->grad);
        param->grad = NULL;
        if (param->trains) {
            PC_TRY(pc_new_array(&param->grad, (size_t)pc_shape_count(&param->shape), sizeof(float), param->name));
        }
    }
    return PC_OK;
}

void pc_params_zero_gradients(pc_params *params)
{
    for (size_t i = 0; i < params->count; i++) {
        pc_param *param = &params->items[i]->param;
        if (param->grad) {
            memset(param->grad, 0, (size_t)pc_shape_count(&param->shape) * sizeof(float));
        }
    }
}

static pc_param_entry *new_entry(pc_scope *scope, const char *name, pc_init init, pc_shape shape)
{
    pc_params *params = scope->params;
    pc_param_entry *entry = NULL;
    scope->status = pc_grow(&params->items, &params->capacity, params->count + 1, sizeof *params->items,
                            "the parameters of a model");
    if (scope->status != PC_OK) {
        return NULL;
    }
    scope->status = PC_NEW(entry, "a parameter");
    if (scope->status != PC_OK) {
        return NULL;
    }
    entry->param.name = pc_strdup(name);
    if (!entry->param.name) {
        scope->status = pc_fail_memory(strlen(name), "a parameter's name");
        free_entry(entry);
        return NULL;
    }
    entry->param.part = scope->part;
    entry->param.shape = shape;
    entry->param.dtype = PC_F32;
    entry->param.decays = entry->param.any_type = shape.ndim > 1;
    entry->init = init;
    params->items[params->count++] = entry;
    return entry;
}

double pc_scope_std(const pc_scope *scope, int64_t fan_in)
{
    return scope->std > 0 ? scope->std : 1 / sqrt((double)fan_in);
}

pc_param *pc_declare(pc_scope *scope, pc_init init, pc_shape shape, const char *format, ...)
{
    char name[512];
    if (scope->status != PC_OK) {
        return NULL;
    }
    size_t used = (size_t)snprintf(name, sizeof name, "%s", scope->prefix);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(name + used, sizeof name - used, format, arguments);
    va_end(arguments);
    if (length < 0 || used + (size_t)length >= sizeof name) {
        scope->status = pc_fail(PC_ERR_DATA, "the parameter name '%s...' is too long", name);
        return NULL;
    }
    pc_param_entry *entry = new_entry(scope, name, init, shape);
    return entry ? &entry->param : NULL;
}

void pc_declared_as(pc_scope *scope, pc_param_role role)
{
    if (scope->status == PC_OK && scope->params->count > 0) {
        scope->params->items[scope->params->count - 1]->role = role;
    }
}
