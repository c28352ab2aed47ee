/* Choose a type for each tensor -> declare -> row block by row block: what it was -> f32 -> the new type. */
#include "store/gguf_quantise.h"

#include "base/block.h"
#include "base/memory.h"
#include "base/str.h"
#include "store/gguf_write.h"
#include "store/store.h"

#include <string.h>

uint32_t pc_gguf_file_type(pc_dtype dtype)
{
    switch (dtype) {
    case PC_F32: return 0;
    case PC_F16: return 1;
    case PC_Q4_0: return 2;
    case PC_Q8_0: return 7;
    case PC_Q4_K: return 14;
    case PC_Q5_K: return 16;
    case PC_Q6_K: return 18;
    case PC_IQ4_NL: return 25;
    default: return 32; /* BF16 */
    }
}

static pc_dtype that_fits(pc_dtype wanted, int64_t row)
{
    const pc_dtype tries[] = {wanted, PC_Q8_0, PC_F16};
    size_t i = 0;
    while (row % (int64_t)pc_dtype_unit(tries[i])) {
        i++;
    }
    return tries[i];
}

static bool is_head(const pc_store *store, const char *name)
{
    return strcmp(name, pc_store_find(store, "output.weight") ? "output.weight" : "token_embd.weight") == 0;
}

/* The head decides between close words; llama.cpp spares it too. */
pc_dtype pc_gguf_type_for(pc_dtype dtype, int ndim, int64_t row, bool head)
{
    bool few = dtype == PC_Q4_0 || dtype == PC_Q4_K || dtype == PC_Q5_K || dtype == PC_IQ4_NL;
    return ndim < 2 ? PC_F32 : that_fits(few && head ? PC_Q6_K : dtype, row);
}

pc_status pc_gguf_check_type(pc_dtype dtype)
{
    return dtype == PC_F32 || dtype == PC_F16 || dtype == PC_BF16 || pc_block_quantises(dtype)
               ? PC_OK
               : pc_fail(PC_ERR_USAGE, "%s is no type to quantise to", pc_dtype_name(dtype));
}

static pc_dtype choose(const pc_store *store, const pc_array *array, pc_dtype wanted)
{
    bool language = pc_starts_with(array->name, "blk.") || pc_starts_with(array->name, "token_embd.") ||
                    pc_starts_with(array->name, "output.");
    if (array->ndim != 2 || !language || !pc_ends_with(array->name, ".weight")) {
        return array->dtype;
    }
    return pc_gguf_type_for(wanted, array->ndim, array->dim[1], is_head(store, array->name));
}

static pc_status check_finite(const pc_array *array, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (values[i] - values[i] != 0) {
            return pc_fail(PC_ERR_DATA, "%s: the tensor '%s' has a number that is not finite", array->file, array->name);
        }
    }
    return PC_OK;
}

static pc_status put(pc_gguf_writer *writer, const pc_array *array, pc_dtype dtype)
{
    size_t count = (size_t)pc_array_count(array), bytes = 0;
    float *values = NULL;
    void *blocks = NULL;
    pc_status status;
    if (dtype == array->dtype) {
        return pc_gguf_writer_put(writer, array->data, array->bytes);
    }
    pc_dtype_bytes(dtype, count, &bytes);
    PC_GO(PC_NEW_ARRAY(values, count, array->name));
    PC_GO(pc_new_array(&blocks, bytes, 1, array->name));
    PC_GO(pc_array_to_f32(array, values));
    PC_GO(check_finite(array, values, count));
    pc_convert_from_f32(blocks, dtype, values, count);
    PC_GO(pc_gguf_writer_put(writer, blocks, bytes));
done:
    pc_free(values);
    pc_free(blocks);
    return status;
}

/* All keys but those that this file decides, and those of a split. */
static pc_status copy_keys(pc_gguf_writer *writer, const pc_gguf *gguf, pc_dtype dtype)
{
    for (size_t i = 0; i < pc_gguf_count(gguf); i++) {
        const pc_gguf_value *value = pc_gguf_at(gguf, i);
        bool own = strcmp(value->key, "general.file_type") == 0 || strcmp(value->key, "general.quantization_version") == 0 ||
                   strcmp(value->key, "general.alignment") == 0 || pc_starts_with(value->key, "split.");
        if (!own) {
            PC_TRY(pc_gguf_writer_copy(writer, value));
        }
    }
    PC_TRY(pc_gguf_writer_integer(writer, "general.file_type", pc_gguf_file_type(dtype)));
    return pc_gguf_writer_integer(writer, "general.quantization_version", 2);
}

static pc_status write_all(pc_quantise_report *out, pc_gguf_writer *writer, const pc_store *store, pc_dtype dtype)
{
    PC_TRY(copy_keys(writer, pc_store_gguf(store), dtype));
    for (size_t i = 0; i < pc_store_count(store); i++) {
        const pc_array *array = pc_store_at(store, i);
        if (array->dtype == PC_DTYPE_COUNT) {
            return pc_fail(PC_ERR_DATA, "%s: the tensor '%s' is %s, which can't be read", array->file, array->name,
                           array->dtype_name);
        }
        PC_TRY(pc_gguf_writer_declare(writer, array->name, choose(store, array, dtype), array->ndim, array->dim));
    }
    for (size_t i = 0; i < pc_store_count(store); i++) {
        const pc_array *array = pc_store_at(store, i);
        pc_dtype chosen = choose(store, array, dtype);
        size_t bytes = 0;
        PC_TRY(put(writer, array, chosen));
        pc_dtype_bytes(chosen, (size_t)pc_array_count(array), &bytes);
        out->tensors++;
        out->changed += chosen != array->dtype;
        out->bytes_before += array->bytes;
        out->bytes_after += bytes;
    }
    return pc_gguf_writer_finish(writer);
}

pc_status pc_gguf_quantise(pc_quantise_report *out, const char *from, const char *to, pc_dtype dtype)
{
    pc_store *store = NULL;
    pc_gguf_writer *writer = NULL;
    pc_status status;
    *out = (pc_quantise_report){0};
    PC_TRY(pc_gguf_check_type(dtype));
    PC_GO(pc_store_open(&store, from));
    if (!pc_store_gguf(store)) {
        status = pc_fail(PC_ERR_DATA, "%s: offset 0: not a GGUF file", from);
        goto done;
    }
    PC_GO(pc_gguf_writer_new(&writer, to));
    PC_GO(write_all(out, writer, store, dtype));
done:
    pc_gguf_writer_free(writer);
    pc_store_free(store);
    return status;
}
