/* Rows of keys and values as a cache has them: f32, bf16, f16, or blocks of Q8_0 and Q4_0. */
#ifndef PC_BACKEND_CPU_STORED_H
#define PC_BACKEND_CPU_STORED_H

#include "backend/cpu/node.h"

/* True for the types that the functions here read and write. */
bool pc_cpu_stored(pc_dtype dtype);

/* out[count] = numbers [first, first + count) of an array whose first number begins a block. */
void pc_cpu_read_stored(const pc_cpu_level *level, float *out, const void *data, pc_dtype dtype, int64_t first, int64_t count);

/* Numbers x[count] to number `first` on; both multiples of the type's unit. */
void pc_cpu_write_stored(void *data, pc_dtype dtype, int64_t first, const float *x, int64_t count);

#endif
