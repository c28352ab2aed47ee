#include "backend/cpu/stored.h"

#include "base/block.h"
#include "base/block_store.h"

#include <string.h>

bool pc_cpu_stored(pc_dtype dtype)
{
    return dtype == PC_F32 || dtype == PC_BF16 || dtype == PC_F16 || pc_block_stores(dtype);
}

static void read_blocks(const pc_cpu_level *level, float *out, const char *block, pc_dtype dtype, int64_t count)
{
    void (*const read)(float *, const void *, int64_t) = level->blocks->read[dtype - PC_DTYPE_PLAIN];
    if (read) {
        read(out, block, count);
    } else {
        pc_block_dequantise(dtype, out, block, (size_t)count);
    }
}

/* Where neither end need be a block's: a head that is no whole blocks lies in those of its neighbours, too. */
static void read_inside(const pc_cpu_level *level, float *out, const char *data, pc_dtype dtype, int64_t first, int64_t count)
{
    float block[PC_BLOCK_SMALL];
    while (count > 0) {
        const int64_t inside = first % PC_BLOCK_SMALL, part = pc_least(count, PC_BLOCK_SMALL - inside);
        read_blocks(level, block, data + (size_t)(first / PC_BLOCK_SMALL) * pc_dtype_size(dtype), dtype, PC_BLOCK_SMALL);
        memcpy(out, block + inside, (size_t)part * sizeof *out);
        out += part;
        first += part;
        count -= part;
    }
}

void pc_cpu_read_stored(const pc_cpu_level *level, float *out, const void *data, pc_dtype dtype, int64_t first, int64_t count)
{
    const size_t size = pc_dtype_size(dtype);
    if (!pc_dtype_is_block(dtype)) {
        level->rows->to_f32(out, (const char *)data + (size_t)first * size, dtype, count);
    } else if (first % PC_BLOCK_SMALL || count % PC_BLOCK_SMALL) {
        read_inside(level, out, data, dtype, first, count);
    } else {
        read_blocks(level, out, (const char *)data + (size_t)(first / PC_BLOCK_SMALL) * size, dtype, count);
    }
}

void pc_cpu_write_stored(void *data, pc_dtype dtype, int64_t first, const float *x, int64_t count)
{
    char *to = (char *)data + (size_t)first / pc_dtype_unit(dtype) * pc_dtype_size(dtype);
    if (pc_dtype_is_block(dtype)) {
        pc_block_store(dtype, to, x, (size_t)count);
    } else {
        pc_convert_from_f32(to, dtype, x, (size_t)count);
    }
}
