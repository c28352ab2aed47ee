/* Numbers into blocks as fast as they are computed: for a cache of keys and values, not for a file.
 *
 * No scale is searched, as block.h's quantisers do: it comes from the largest magnitude, as ggml's own rounding takes it. A block
 * depends on its numbers alone, so what lies in a cache is the same however a text was cut.
 */
#ifndef PC_BASE_BLOCK_STORE_H
#define PC_BASE_BLOCK_STORE_H

#include "base/dtype.h"

/* True for Q8_0 and Q4_0. */
bool pc_block_stores(pc_dtype dtype);

/* dst = blocks of src[count], count a multiple of 32; dst may lie at any address. A block with a number that is not finite, or
 * too large for a scale in f16, means no finite numbers.
 * Q8_0: d = amax / 127, q = round(x / d). Q4_0: d = m / -8 where m is the number of the largest magnitude,
 * q = min(15, trunc(x / d + 8.5)). Source: ggml, quantize_row_q8_0_ref and quantize_row_q4_0_ref. */
void pc_block_store(pc_dtype dtype, void *dst, const float *src, size_t count);

#endif
