/* The level that every processor has. */
#include "backend/cpu/c/vec_c.h"

#include "base/block.h"
#define LEVEL c
#define FAST_BLOCKS(X)
#define LEVEL_FLAGS 0

#define TAKE_OF(type, dtype, unit, size, offset, has_min)                                                               \
    INLINE void take_##type(pc_block_parts *out, const char *block, int64_t count)                                      \
    {                                                                                                                   \
        if (unit == PC_BLOCK_LARGE) {                                                                                   \
            pc_block_take_apart(dtype, out, block);                                                                     \
            return;                                                                                                     \
        }                                                                                                               \
        for (int64_t i = 0; i < count / unit; i++) {                                                                    \
            pc_block_parts one;                                                                                         \
            pc_block_take_apart(dtype, &one, block + i * (int64_t)sizeof(pc_block_##type));                             \
            memcpy(out->code + i * unit, one.code, unit);                                                               \
            out->scale[i] = one.scale[0];                                                                               \
            out->min[i] = has_min ? one.min[0] : 0;                                                                     \
        }                                                                                                               \
    }
PC_BLOCK_FORMATS(TAKE_OF)

INLINE vi add_products(vi sum, vi w, vi y)
{
    uint8_t code[sizeof w];
    int8_t row[sizeof y];
    memcpy(code, &w, sizeof w);
    memcpy(row, &y, sizeof y);
    for (int i = 0; i < LANES; i++) {
        for (int j = 4 * i; j < 4 * i + 4; j++) {
            sum[i] += code[j] * row[j];
        }
    }
    return sum;
}
#define DOT_NARROW(sum, w, y) add_products(sum, w, y)
#define DOT_WIDE(sum, w, y) add_products(sum, w, y)
#define WIDE_SIGNED false
#define TILE8_ROWS 2

#include "backend/cpu/template/level.h"
