/* The CPU backend: kernels for nodes, chosen by what the processor can do.
 *
 * Takes: a node of a graph. Gives: the function that computes it, and the scratch bytes it wants. A node that no kernel
 * supports (another number type, a bias in attention) gets NULL, and its operation's reference runs.
 * Every result is the same for any number of threads. A row of a product or of attention depends on that row and what
 * it reads, never on its place in the batch or on the other rows.
 */
#ifndef PC_BACKEND_CPU_CPU_H
#define PC_BACKEND_CPU_CPU_H

#include "tensor/backend.h"

/* threads 0 = one for each processor; cpu_flags 0 = all that this processor has, else a subset of pc_cpu_flag (tests lower
 * the level so). */
pc_status pc_cpu_backend_new(pc_backend **out, int threads, uint32_t cpu_flags);
void pc_cpu_backend_free(pc_backend *backend); /* NULL is fine */

/* "c", "avx2", "avx512", "avx512vnni", "avx512bf16". */
const char *pc_cpu_backend_level(const pc_backend *backend);

/* --- what parameters are packed into, so that it can lie in a file --- */

enum { PC_CPU_LAYOUT = 64 };
/* What panels for products in `compute` look like here, out of those of a sample: level, type, and a hash. Equal texts, equal
 * panels of equal values. */
pc_status pc_cpu_packed_layout(const pc_backend *backend, pc_dtype compute, char out[PC_CPU_LAYOUT]);
/* The panels of a parameter that pc_backend.pack made; borrowed. NULL when it has none. */
const void *pc_cpu_packed_panels(const pc_param *param, size_t *bytes);
/* Give a parameter panels that were made of the same values in the same layout and outlive its packed form (pc_backend.unpack), in
 * place of making them. PC_ERR_DATA when it wants another number of bytes. */
pc_status pc_cpu_packed_take(const pc_backend *backend, pc_param *param, pc_dtype compute, const void *panels, size_t bytes);

/* FLOP/s that one thread reaches with independent multiply-adds of this level; dtype PC_F32, or PC_BF16 for products of
 * bf16 summed in f32, or PC_U8 for products of 8 bits summed in 32. Takes about 0.1 s. */
double pc_cpu_peak_flops(uint32_t cpu_flags, pc_dtype dtype);

/* What all threads of the backend reach together, measured in about half a second: operations/s of multiply-adds that wait
 * for nothing, and bytes/s of reading memory from several places at once. 0 = this level has no such instruction. */
typedef struct pc_cpu_limits {
    double f32, bf16, int8;
    double read;
} pc_cpu_limits;
pc_status pc_cpu_measure_limits(const pc_backend *backend, pc_cpu_limits *out);

#endif
