/* NumPy's .npy files, version 1.0: one array, little-endian, row-major. For results that other tools read, and tests.
 *
 * bf16 has no NumPy type: it is written as '<V2' (two opaque bytes), which is what ml_dtypes writes, and read back.
 */
#ifndef PC_STORE_NPY_H
#define PC_STORE_NPY_H

#include "base/dtype.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

#define PC_NPY_MAX_RANK 8

typedef struct pc_npy {
    pc_dtype dtype;
    int rank;                       /* 0 = a single number */
    int64_t shape[PC_NPY_MAX_RANK]; /* outermost first */
    size_t count;                   /* elements */
    void *data;                     /* row-major */
} pc_npy;

/* Write rank sizes (each >= 0) and the elements at data (may be NULL when there are none); readers see the old file or
 * the whole new one. PC_ERR_USAGE for a shape that can't be, PC_ERR_IO, PC_ERR_MEMORY. */
pc_status pc_npy_write(const char *path, pc_dtype dtype, const int64_t *shape, int rank, const void *data);

/* Read a file of at most `limit` bytes. PC_ERR_DATA for column-major order, big-endian or other types, and for a file
 * whose length is not exactly that of its header and elements. Release with pc_npy_clear. */
pc_status pc_npy_read(pc_npy *out, const char *path, size_t limit);
void pc_npy_clear(pc_npy *array); /* leaves it zeroed */

#endif
