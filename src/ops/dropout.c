/* y_i = m_i x_i / (1 - p), m_i = 1 with probability 1 - p.
 *
 * Source: Srivastava et al. 2014, section 4, scaled while training as everybody does it. Random words: word i mod 4 of Philox
 * counter i / 4 in the stream of (micro-batch, place). Dropped when the word is below p 2^32.
 */
#include "ops/dropout.h"

#include "base/rng.h"
#include "ops/common.h"

enum { PLACE_BITS = 24, WORDS = 4 };

typedef struct mask {
    uint64_t seed, stream;
    uint32_t limit;
    bool off;
} mask;

static mask mask_of(const pc_dropout_params *params)
{
    const pc_dropout_draw *draw = params->draw;
    return (mask){
        .seed = draw->seed,
        .stream = draw->number << PLACE_BITS | params->place,
        .limit = (uint32_t)(params->rate * 4294967296.0),
        .off = draw->off || params->rate == 0,
    };
}

static pc_status shape(pc_node *node)
{
    const pc_dropout_params *params = node->params;
    if (!(params->rate >= 0 && params->rate < 1)) {
        return pc_fail(PC_ERR_USAGE, "dropout: a rate of %g, expected 0 <= rate < 1", params->rate);
    }
    return pc_shape_same(node);
}

static void reference(const pc_call *call)
{
    const pc_node *node = call->node;
    const pc_dropout_params *params = node->params;
    mask m = mask_of(params);
    uint32_t words[WORDS] = {0};
    int64_t count = pc_count(node->out[0]);
    for (int64_t i = 0; i < count; i++) {
        if (i % WORDS == 0) {
            pc_philox(m.seed, m.stream, (uint64_t)i / WORDS, words);
        }
        double x = pc_tensor_get(node->in[0], i);
        bool dropped = !m.off && words[i % WORDS] < m.limit;
        pc_tensor_set(node->out[0], i, dropped ? 0 : m.off ? x : x / (1 - params->rate));
    }
}

void pc_dropout_piece(const pc_dropout_params *params, float *y, const float *x, int64_t first, int64_t n)
{
    mask m = mask_of(params);
    float scale = m.off ? 1.0f : (float)(1 / (1 - params->rate));
    for (int64_t i = 0; i < n; i += WORDS) {
        uint32_t words[WORDS];
        int64_t most = n - i < WORDS ? n - i : WORDS;
        pc_philox(m.seed, m.stream, (uint64_t)(first + i) / WORDS, words);
        for (int64_t k = 0; k < most; k++) {
            y[i + k] = !m.off && words[k] < m.limit ? 0.0f : x[i + k] * scale;
        }
    }
}

static void grad(pc_graph *graph, pc_node *node, pc_tensor *const *dout, pc_tensor **din)
{
    din[0] = pc_graph_add(graph, &pc_op_dropout, &dout[0], 1, 1, node->params); /* a diagonal matrix is its own transpose */
}

static pc_cost cost(const pc_node *node)
{
    return pc_cost_elementwise(node, 1);
}

const pc_op pc_op_dropout = {
    .name = "dropout",
    .params_size = sizeof(pc_dropout_params),
    .in_place = true,
    .shape = shape,
    .grad = grad,
    .cost = cost,
    .reference = reference,
};

pc_tensor *pc_dropout(pc_graph *graph, pc_tensor *x, pc_dropout_params params)
{
    return pc_graph_add(graph, &pc_op_dropout, &x, 1, 1, &params);
}
