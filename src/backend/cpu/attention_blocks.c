/* Cutting queries into blocks, and the small products that both passes of attention are made of. */
#include "backend/cpu/attention_blocks.h"

enum {
    ROWS = 64,            /* of a block */
    ROWS_MOST = 80,       /* when that ends a run: the 65 tokens of a small ViT stay in one block */
    ROWS_LEAST = 16,
    SLACK = 64,           /* keys a block may touch beyond those of its longest query */
    SCORE_FLOATS = 4 << 20, /* aimed at for the scores of a block */
};

pc_attention_view pc_attention_view_of(const pc_node *node, const pc_cpu_level *level)
{
    const pc_shape *q = &node->in[0]->shape, *k = &node->in[1]->shape;
    const pc_attention_params *params = node->params;
    const bool paged = node->op == &pc_op_attention && node->inputs > 5 && node->in[5];
    pc_attention_view v = {
        .queries = q->dim[0],
        .keys = k->dim[0],
        .heads = q->dim[1],
        .key_heads = k->dim[1],
        .size = q->dim[2],
        .group = k->dim[1] > 0 ? q->dim[1] / k->dim[1] : 1,
        .most_keys = paged ? node->in[5]->max.dim[0] * params->page_rows : node->in[1]->max.dim[0],
        .scale = (float)params->scale,
        .distances = node->in[4] ? node->in[4]->shape.dim[1] : 0,
        .by_row = params->place == PC_PLACE_ROW,
    };
    const int64_t room = SCORE_FLOATS / pc_most(2 * v.most_keys, 1);
    v.most_rows = pc_most(ROWS_LEAST, pc_least(ROWS_MOST, room)) / level->f32->lanes * level->f32->lanes;
    v.block_rows = v.most_rows == ROWS_MOST ? ROWS : v.most_rows;
    v.chunk = pc_least(v.group, v.block_rows);
    v.chunks = v.chunk > 0 ? pc_ceil_div(v.group, v.chunk) : 0;
    return v;
}

static pc_key_piece join(pc_key_piece a, int32_t low, int32_t high)
{
    if (low >= high) {
        return a;
    }
    if (a.low >= a.high) {
        return (pc_key_piece){low, high};
    }
    return (pc_key_piece){low < a.low ? low : a.low, high > a.high ? high : a.high};
}

static pc_query_block extend(pc_query_block block, const pc_attention_range *range)
{
    block.piece[0] = join(block.piece[0], range->prefix_begin, range->prefix_end);
    block.piece[1] = join(block.piece[1], range->begin, range->end);
    block.count++;
    return block;
}

static int64_t length(int32_t low, int32_t high) { return high > low ? (int64_t)high - low : 0; }

static int64_t keys_of(const pc_query_block *block)
{
    return length(block->piece[0].low, block->piece[0].high) + length(block->piece[1].low, block->piece[1].high);
}

/* The block that begins at query t with at most `most` queries; *ended tells whether its run ended by itself. */
static pc_query_block grow(const pc_attention_view *view, const pc_attention_range *ranges, int64_t t, int64_t most,
                           bool *ended)
{
    pc_query_block block = {.first = (int32_t)t};
    int64_t longest = 0;
    for (; t < view->queries; t++) {
        const pc_attention_range *range = &ranges[t];
        const pc_query_block next = extend(block, range);
        const int64_t own = length(range->prefix_begin, range->prefix_end) + length(range->begin, range->end);
        longest = pc_most(longest, own);
        *ended = block.count > 0 && keys_of(&next) > longest + SLACK;
        if (*ended || block.count == most) {
            return block;
        }
        block = next;
    }
    *ended = true;
    return block;
}

int64_t pc_attention_cut(const pc_attention_view *view, const pc_attention_range *ranges, pc_query_block *blocks)
{
    const int64_t most = view->most_rows / view->chunk;
    const int64_t usual = view->block_rows / view->chunk;
    int64_t count = 0;
    for (int64_t t = 0; t < view->queries; t += blocks[count++].count) {
        bool ended;
        blocks[count] = grow(view, ranges, t, most, &ended);
        if (!ended) {
            blocks[count] = grow(view, ranges, t, usual, &ended);
        }
    }
    return count;
}

int64_t pc_attention_chunk_heads(const pc_attention_view *view, int64_t chunk)
{
    return pc_least(view->chunk, view->group - chunk * view->chunk);
}

int64_t pc_attention_row(const pc_attention_view *view, int64_t t0, int64_t key_head, int64_t chunk, int64_t r)
{
    const int64_t heads = pc_attention_chunk_heads(view, chunk);
    return (t0 + r / heads) * view->heads + key_head * view->group + chunk * view->chunk + r % heads;
}

pc_attention_bias pc_attention_bias_of(const pc_attention_view *view, const float *bias, const pc_attention_range *ranges,
                                       int64_t t0, int64_t key_head, int64_t chunk, int64_t r)
{
    const int64_t row = pc_attention_row(view, t0, key_head, chunk, r), t = row / view->heads;
    const int64_t at = row % view->heads * view->distances;
    return (pc_attention_bias){bias + at, view->by_row ? t : ranges[t].end - 1, view->distances / 2, at};
}

pc_key_piece pc_attention_seen(const pc_attention_range *range, int piece, pc_key_piece of)
{
    const int32_t begin = piece == 0 ? range->prefix_begin : range->begin;
    const int32_t end = piece == 0 ? range->prefix_end : range->end;
    return begin < end ? (pc_key_piece){begin - of.low, end - of.low} : (pc_key_piece){0, 0};
}

void pc_cpu_multiply(const pc_cpu_gemm *gemm, const pc_cpu_product *p)
{
    if (p->m == 0) {
        return;
    }
    const int64_t height = pc_ceil_div(p->m, pc_ceil_div(p->m, gemm->rows));
    pc_cpu_tile tile = {.lda = p->lda, .ldb = p->ldb, .ldc = p->ldc, .k = p->k, .load = p->load};
    for (int64_t n = 0; n < p->n; n += gemm->cols) {
        tile.b = p->b + n;
        tile.cols = (int)pc_least(gemm->cols, p->n - n);
        for (int64_t m = 0; m < p->m; m += height) {
            tile.a = p->a + m;
            tile.c = p->c + m * p->ldc + n;
            tile.rows = (int)pc_least(height, p->m - m);
            gemm->tile(&tile);
        }
    }
}
