/* How row-wise and element-wise work is cut into pieces. */
#include "backend/cpu/node.h"

#include <string.h>

enum { ROWS_IN_PART = 64 };

typedef struct pieces {
    int64_t count, block;
    pc_cpu_piece work;
    void *context;
} pieces;

static void run_piece(void *context, int64_t item, int thread)
{
    const pieces *p = context;
    p->work(p->context, item * p->block, pc_least((item + 1) * p->block, p->count), thread);
}

void pc_cpu_run_pieces(pc_pool *pool, int64_t count, int64_t block, pc_cpu_piece work, void *context)
{
    pieces p = {count, block, work, context};
    pc_pool_run(pool, pc_ceil_div(count, block), run_piece, &p);
}

int64_t pc_cpu_rows_in_part(int64_t rows)
{
    return pc_most(ROWS_IN_PART, pc_ceil_div(rows, PC_CPU_PARTS));
}

void pc_cpu_sum_parts(const pc_cpu_rows *functions, float *out, const float *parts, int64_t count, int64_t stride,
                      int64_t width, bool accumulate)
{
    if (!accumulate) {
        memset(out, 0, (size_t)width * sizeof *out);
    }
    for (int64_t p = 0; p < count; p++) {
        functions->add(out, out, parts + p * stride, width);
    }
}
