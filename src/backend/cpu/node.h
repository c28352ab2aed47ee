/* A kernel for nodes of one operation: one file and one line in list.h. */
#ifndef PC_BACKEND_CPU_NODE_H
#define PC_BACKEND_CPU_NODE_H

#include "backend/cpu/kernels.h"
#include "base/pool.h"
#include "tensor/op.h"

typedef struct pc_cpu_kernel {
    const pc_op *op;
    void (*run)(const pc_call *call, const pc_cpu_level *level);
    /* Bytes at the node's planned dims, enough for all smaller ones; NULL = none. */
    size_t (*scratch)(const pc_node *node, const pc_cpu_level *level, int threads);
    /* NULL: all float tensors are f32. */
    bool (*supports)(const pc_node *node);
} pc_cpu_kernel;

struct pc_backend;
const pc_cpu_level *pc_cpu_level_of(const struct pc_backend *backend);

/* All tensors are f32 or i32. */
bool pc_cpu_plain(const pc_node *node);

enum {
    PC_CPU_BLOCK = 16384, /* numbers in an item of element-wise work */
    PC_CPU_ALIGN = 64,    /* bytes */
};

static inline int64_t pc_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t pc_round_up(int64_t a, int64_t b) { return pc_ceil_div(a, b) * b; }
static inline int64_t pc_least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t pc_most(int64_t a, int64_t b) { return a > b ? a : b; }

/* Rows of `width` numbers that make an item of about PC_CPU_BLOCK numbers; depends on the width alone. */
static inline int64_t pc_cpu_rows_in_block(int64_t width)
{
    return width >= PC_CPU_BLOCK ? 1 : PC_CPU_BLOCK / pc_most(width, 1);
}

/* Hand out `bytes` of scratch, aligned; *at moves on. With base NULL it only counts. */
static inline void *pc_cpu_carve(void *base, size_t *at, size_t bytes)
{
    void *result = base ? (char *)base + *at : NULL;
    *at += (bytes + PC_CPU_ALIGN - 1) / PC_CPU_ALIGN * PC_CPU_ALIGN;
    return result;
}

/* Run `work` on [begin, end) pieces of `count` numbers or rows, `block` at a time: pieces depend on these two alone. */
typedef void (*pc_cpu_piece)(void *context, int64_t begin, int64_t end, int thread);
void pc_cpu_run_pieces(pc_pool *pool, int64_t count, int64_t block, pc_cpu_piece work, void *context);

/* Sums over many rows: partial sums of fixed blocks of rows, then the sum of the blocks in order. */
enum { PC_CPU_PARTS = 64 }; /* most blocks */
int64_t pc_cpu_rows_in_part(int64_t rows);
/* out [width] = or += sum over parts p of parts[p * stride + i]. */
void pc_cpu_sum_parts(const pc_cpu_rows *functions, float *out, const float *parts, int64_t count, int64_t stride,
                      int64_t width, bool accumulate);

/* The packed form of a parameter [N,K] that does not train: panels of gemm->cols rows, each [units of K][cols], or pairs
 * (pc_cpu_pairs) where the gemm has them. One with three dims is a stack of `count` matrices [N,K], packed each for itself. */
typedef struct pc_cpu_packed {
    const pc_cpu_gemm *gemm; /* whose panels */
    pc_dtype compute;
    int64_t count, n, k;
    int64_t floats; /* of one matrix's panels */
    void *panels;
    size_t bytes;
    bool borrowed; /* panels are somebody else's */
} pc_cpu_packed;

#endif
