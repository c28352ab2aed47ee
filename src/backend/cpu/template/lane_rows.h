/* Rows of blocks whose bytes template/lanes8.h reads side by side. */
#ifndef PC_BACKEND_CPU_LANE_ROWS_H
#define PC_BACKEND_CPU_LANE_ROWS_H

#include <stdint.h>

/* Every fourth row has a pointer, the others are reached by an index: sixteen pointers don't fit the registers. */
typedef struct lane_rows {
    const char *fourth[4]; /* rows 0, 4, 8, 12, as far as there are */
    int64_t stride, thrice; /* bytes */
} lane_rows;

static inline __attribute__((always_inline, unused)) const char *row_of(const lane_rows *rows, const int i)
{
    return rows->fourth[i / 4] + (i % 4 == 3 ? rows->thrice : i % 4 * rows->stride);
}

static inline __attribute__((always_inline, unused)) lane_rows lane_rows_at(const char *first, int64_t stride)
{
    return (lane_rows){{first, first + 4 * stride, first + 8 * stride, first + 12 * stride}, stride, 3 * stride};
}

#endif
