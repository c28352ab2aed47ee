/* Shapes, and element access for reference kernels. */
#include "tensor/tensor.h"

#include "base/block.h"
#include "base/str.h"

#include <stdio.h>

pc_shape pc_shape_of(int ndim, const int64_t *dim)
{
    pc_shape shape = {.ndim = ndim};
    for (int i = 0; i < ndim && i < PC_MAX_DIMS; i++) {
        shape.dim[i] = dim[i];
    }
    return shape;
}

int64_t pc_shape_count(const pc_shape *shape)
{
    int64_t count = 1;
    for (int i = 0; i < shape->ndim; i++) {
        count *= shape->dim[i];
    }
    return count;
}

int64_t pc_shape_last(const pc_shape *shape)
{
    return shape->ndim ? shape->dim[shape->ndim - 1] : 1;
}

int64_t pc_shape_rows(const pc_shape *shape)
{
    int64_t last = pc_shape_last(shape);
    return last ? pc_shape_count(shape) / last : 0;
}

bool pc_shape_equal(const pc_shape *a, const pc_shape *b)
{
    if (a->ndim != b->ndim) {
        return false;
    }
    for (int i = 0; i < a->ndim; i++) {
        if (a->dim[i] != b->dim[i]) {
            return false;
        }
    }
    return true;
}

const char *pc_shape_text(const pc_shape *shape, char out[96])
{
    size_t used = 0;
    out[used++] = '[';
    for (int i = 0; i < shape->ndim && used < 80; i++) {
        used += (size_t)snprintf(out + used, 96 - used, "%s%lld", i ? "," : "", (long long)shape->dim[i]);
    }
    out[used < 94 ? used : 94] = ']';
    out[used < 94 ? used + 1 : 95] = '\0';
    return out;
}

double pc_tensor_get(const pc_tensor *tensor, int64_t i)
{
    switch (tensor->dtype) {
    case PC_F32: return ((const float *)tensor->data)[i];
    case PC_F64: return ((const double *)tensor->data)[i];
    case PC_BF16: return pc_bf16_to_f32(((const pc_bf16 *)tensor->data)[i]);
    case PC_F16: return pc_f16_to_f32(((const pc_f16 *)tensor->data)[i]);
    case PC_I32: return ((const int32_t *)tensor->data)[i];
    case PC_I64: return (double)((const int64_t *)tensor->data)[i];
    case PC_U8:
    case PC_BOOL: return ((const uint8_t *)tensor->data)[i];
    default: return pc_block_get(tensor->dtype, tensor->data, (size_t)i);
    }
}

void pc_tensor_set(pc_tensor *tensor, int64_t i, double value)
{
    switch (tensor->dtype) {
    case PC_F32: ((float *)tensor->data)[i] = (float)value; break;
    case PC_F64: ((double *)tensor->data)[i] = value; break;
    case PC_BF16: ((pc_bf16 *)tensor->data)[i] = pc_f32_to_bf16((float)value); break;
    case PC_F16: ((pc_f16 *)tensor->data)[i] = pc_f32_to_f16((float)value); break;
    case PC_I32: ((int32_t *)tensor->data)[i] = (int32_t)value; break;
    case PC_I64: ((int64_t *)tensor->data)[i] = (int64_t)value; break;
    case PC_U8:
    case PC_BOOL: ((uint8_t *)tensor->data)[i] = (uint8_t)value; break;
    default: break;
    }
}

size_t pc_tensor_bytes(const pc_tensor *tensor)
{
    size_t bytes = 0; /* blocks are whole: the shape rules and the loader see to that */
    pc_dtype_bytes(tensor->dtype, (size_t)pc_shape_count(&tensor->shape), &bytes);
    return bytes;
}
