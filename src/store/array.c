/* Reading the values of a mapped array, whatever its alignment. */
#include "base/memory.h"
#include "store/names.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>

/* Bytes that are copied to an aligned place at a time when the mapped address does not suit the
 * type. */
enum { PIECE = 4096 };

int64_t pc_array_count(const pc_array *array)
{
    uint64_t count = 1;
    for (int i = 0; i < array->ndim; i++) {
        count *= (uint64_t)array->dim[i];
    }
    return (int64_t)count;
}

int pc_array_is_aligned(const pc_array *array)
{
    if (array->dtype == PC_DTYPE_COUNT) {
        return 0;
    }
    return (uintptr_t)array->data % pc_dtype_align(array->dtype) == 0;
}

const char *pc_array_shape_text(const pc_array *array, char out[192])
{
    size_t used = 0;
    out[used++] = '[';
    for (int i = 0; i < array->ndim && used < 160; i++) {
        used += (size_t)snprintf(out + used, 192 - used, "%s%lld", i > 0 ? "," : "",
                                 (long long)array->dim[i]);
    }
    out[used++] = ']';
    out[used] = '\0';
    return out;
}

pc_status pc_array_need_shape(const pc_array *array, int ndim, const int64_t *dim)
{
    char expected[192], found[192], shown[96];
    if (array->ndim == ndim &&
        (ndim == 0 || memcmp(array->dim, dim, (size_t)ndim * sizeof *dim) == 0)) {
        return PC_OK;
    }
    pc_array wanted = {.ndim = ndim < PC_ARRAY_MAX_DIMS ? ndim : PC_ARRAY_MAX_DIMS};
    for (int i = 0; i < wanted.ndim; i++) {
        wanted.dim[i] = dim[i];
    }
    return pc_fail(PC_ERR_DATA, "%s: tensor %s has shape %s, expected %s", array->file,
                   pc_name_text(array->name, shown), pc_array_shape_text(array, found),
                   pc_array_shape_text(&wanted, expected));
}

static pc_status refuse_type(const pc_array *array, const char *wanted)
{
    char shown[96];
    return pc_fail(PC_ERR_DATA, "%s: tensor %s: reading %s as %s is not supported", array->file,
                   pc_name_text(array->name, shown), array->dtype_name, wanted);
}

pc_status pc_array_to_f32(const pc_array *array, float *out)
{
    pc_dtype type = array->dtype;
    if (type != PC_F32 && type != PC_BF16 && type != PC_F16 && type != PC_F64 &&
        !(type < PC_DTYPE_COUNT && pc_dtype_is_block(type))) {
        return refuse_type(array, "f32");
    }
    size_t count = (size_t)pc_array_count(array);
    if (count == 0) {
        return PC_OK;
    }
    if (pc_dtype_is_block(type) || pc_array_is_aligned(array)) { /* blocks are read at any address */
        pc_convert_to_f32(out, array->data, type, count);
        return PC_OK;
    }
    double piece[PIECE / sizeof(double)]; /* aligned for every type */
    size_t step = PIECE / pc_dtype_size(type);
    for (size_t at = 0; at < count; at += step) {
        size_t here = count - at < step ? count - at : step;
        memcpy(piece, (const uint8_t *)array->data + at * pc_dtype_size(type),
               here * pc_dtype_size(type));
        pc_convert_to_f32(out + at, piece, type, here);
    }
    return PC_OK;
}

pc_status pc_array_to_i64(const pc_array *array, int64_t *out)
{
    pc_dtype type = array->dtype;
    if (type != PC_I64 && type != PC_I32 && type != PC_U8 && type != PC_BOOL) {
        return refuse_type(array, "i64");
    }
    size_t count = (size_t)pc_array_count(array);
    const uint8_t *from = array->data;
    if (type == PC_I64 && count > 0) {
        memcpy(out, from, count * sizeof *out);
        return PC_OK;
    }
    for (size_t i = 0; i < count; i++) {
        int32_t value = type == PC_BOOL ? from[i] != 0 : 0;
        if (type == PC_I32) {
            memcpy(&value, from + i * sizeof value, sizeof value);
        } else if (type == PC_U8) {
            value = from[i];
        }
        out[i] = value;
    }
    return PC_OK;
}
