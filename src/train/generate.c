/* Answers to a batch of prompts.
 *
 *   row p each      reads prompt p once        rows p each + 1 ..   share its pages, then every row goes its own way
 *
 * Easy to get wrong: rows that share a prompt have no logits of their own before their first token.
 */
#include "train/generate.h"

#include "decode/end.h"
#include "decode/sampler.h"

#include <string.h>

struct pc_generate {
    const pc_model *model;
    pc_generate_options options;
    pc_session *session;
    pc_sampling sampling;
    pc_ids end_ids;
    float **soft;             /* [images in use]: soft tokens of each picture */
    size_t soft_count, soft_capacity;
    const float **at;         /* [prompts*cutoff]: what stands in place of each token of the batch, or NULL */
    float *logits;            /* [V] */
    int32_t *ids;             /* [rows,most] */
    int64_t *lengths;         /* [rows] */
    uint8_t *ended;           /* [rows] */
    pc_session_piece *pieces; /* [rows] */
    size_t cache;             /* bytes */
};

/* --- answers --- */

pc_status pc_answers_add(pc_answers *answers, const int32_t *ids, int64_t count, bool ended)
{
    size_t at = (size_t)answers->count;
    int64_t first = at > 0 ? answers->ends[at - 1] : 0;
    PC_TRY(pc_grow(&answers->ids, &answers->id_capacity, (size_t)(first + count), sizeof *answers->ids, "answers"));
    PC_TRY(pc_grow(&answers->ends, &answers->end_capacity, at + 1, sizeof *answers->ends, "answers"));
    PC_TRY(pc_grow(&answers->ended, &answers->ended_capacity, at + 1, sizeof *answers->ended, "answers"));
    memcpy(answers->ids + first, ids, (size_t)count * sizeof *ids);
    answers->ends[at] = first + count;
    answers->ended[at] = ended;
    answers->count++;
    return PC_OK;
}

pc_written pc_answers_view(const pc_answers *answers)
{
    return (pc_written){answers->ids, answers->ends, answers->each};
}

void pc_answers_clear(pc_answers *answers)
{
    pc_free(answers->ids);
    pc_free(answers->ends);
    pc_free(answers->ended);
    *answers = (pc_answers){0};
}

/* --- making --- */

static pc_status allocate(pc_generate *g)
{
    const pc_generate_options *o = &g->options;
    size_t rows = (size_t)(o->prompts * o->each);
    PC_TRY(PC_NEW_ARRAY(g->at, (size_t)(o->prompts * o->cutoff), "answers"));
    PC_TRY(PC_NEW_ARRAY(g->logits, (size_t)g->model->llm.info.vocabulary, "answers"));
    PC_TRY(PC_NEW_ARRAY(g->ids, rows * (size_t)o->most, "answers"));
    PC_TRY(PC_NEW_ARRAY(g->lengths, rows, "answers"));
    PC_TRY(PC_NEW_ARRAY(g->ended, rows, "answers"));
    PC_TRY(PC_NEW_ARRAY(g->pieces, rows, "answers"));
    PC_TRY(pc_sampling_init(&g->sampling, (size_t)g->model->llm.info.vocabulary));
    PC_TRY(pc_sampling_set(&g->sampling, "temperature", o->temperature));
    g->sampling.seed = o->seed;
    return pc_end_ids(&g->end_ids, g->model, o->chat);
}

/* A prompt's pages are there once; each answer writes a page of its own for the prompt's last tokens, and those behind. */
static int64_t cache_tokens(const pc_generate_options *o)
{
    enum { PAGE = PC_CACHE_PAGE };
    int64_t pages = (o->cutoff + PAGE - 1) / PAGE + o->each * (1 + (o->most + PAGE - 1) / PAGE);
    return o->each > 1 ? o->prompts * pages * PAGE : 0;
}

static pc_status open_session(pc_generate *g, const pc_backend *backend)
{
    const pc_generate_options *o = &g->options;
    pc_session_options options = {.context = o->cutoff + o->most, .compute = o->compute, .rows = o->prompts * o->each,
                                  .tokens = cache_tokens(o), .adapter = o->adapter};
    PC_TRY(pc_session_bytes(g->model, &options, &g->cache));
    return pc_session_new(&g->session, g->model, backend, &options);
}

pc_status pc_generate_new(pc_generate **out, const pc_model *model, const pc_backend *backend,
                          const pc_generate_options *options)
{
    pc_generate *g = NULL;
    pc_status status;
    *out = NULL;
    PC_TRY(PC_NEW(g, "a generator of answers"));
    g->model = model;
    g->options = *options;
    PC_GO(allocate(g));
    PC_GO(open_session(g, backend));
    *out = g;
done:
    if (status != PC_OK) {
        pc_generate_free(g);
    }
    return status;
}

static void forget_pictures(pc_generate *g)
{
    while (g->soft_count > 0) {
        pc_free(g->soft[--g->soft_count]);
    }
}

void pc_generate_free(pc_generate *g)
{
    if (!g) {
        return;
    }
    forget_pictures(g);
    pc_session_free(g->session);
    pc_sampling_clear(&g->sampling);
    pc_ids_clear(&g->end_ids);
    pc_free(g->soft);
    pc_free(g->at);
    pc_free(g->logits);
    pc_free(g->ids);
    pc_free(g->lengths);
    pc_free(g->ended);
    pc_free(g->pieces);
    pc_free(g);
}

size_t pc_generate_bytes(const pc_generate *g)
{
    return g->cache + pc_session_activation_bytes(g->session);
}

/* --- prompts --- */

/* What the connector reads beside a picture, borrowed. */
static pc_ids question_of(const pc_batch *prompts, int64_t image)
{
    int64_t limit = prompts->question;
    return limit ? (pc_ids){.data = prompts->questions + image * limit, .count = (size_t)prompts->question_lengths[image]}
                 : (pc_ids){0};
}

/* The soft tokens of every picture, and where they stand in the batch. */
static pc_status see_pictures(pc_generate *g, const pc_batch *prompts)
{
    int64_t side = g->model->encoder.type ? g->model->encoder.info.image_size : 0, size = 3 * side * side;
    int64_t width = g->model->llm.info.width, each = prompts->images > 0 ? prompts->soft / prompts->images : 0;
    PC_TRY(pc_grow(&g->soft, &g->soft_capacity, (size_t)prompts->images + 1, sizeof *g->soft, "soft tokens"));
    memset(g->at, 0, (size_t)prompts->tokens * sizeof *g->at);
    for (int64_t i = 0; i < prompts->images; i++) {
        int64_t count;
        const pc_ids question = question_of(prompts, i);
        PC_TRY(pc_session_see_asked(g->session, prompts->pixels + i * size, NULL, &question, &g->soft[i], &count));
        g->soft_count++;
        for (int64_t k = 0; k < each && k < count; k++) {
            g->at[prompts->soft_rows[i * each + k]] = g->soft[i] + k * width;
        }
    }
    return PC_OK;
}

static pc_status read_prompts(pc_generate *g, const pc_batch *prompts)
{
    int64_t first = 0, each = g->options.each;
    for (int64_t row = 0; row < g->options.prompts * each; row++) {
        pc_session_row_rewind(g->session, row, 0);
    }
    for (int64_t p = 0; p < prompts->samples; p++) {
        int64_t count = prompts->text_ends[p] + 1 - first;
        g->pieces[p] = (pc_session_piece){.row = p * each, .ids = prompts->ids + first, .soft = g->at + first, .count = count};
        first += count;
    }
    PC_TRY(pc_session_read_rows(g->session, g->pieces, prompts->samples));
    for (int64_t p = 0; p < prompts->samples; p++) {
        for (int64_t k = 1; k < each; k++) {
            pc_session_row_share(g->session, p * each + k, p * each, g->pieces[p].count);
        }
    }
    return PC_OK;
}

/* --- answers --- */

/* The next token of a row, from the logits of row `from`. */
static pc_status draw(pc_generate *g, int64_t row, int64_t from, uint64_t stream)
{
    int64_t most = g->options.most;
    int32_t *id = &g->ids[row * most + g->lengths[row]];
    memcpy(g->logits, pc_session_row_logits(g->session, from), g->sampling.vocabulary * sizeof *g->logits);
    g->sampling.stream = stream + (uint64_t)row;
    g->sampling.position = (uint64_t)g->lengths[row];
    PC_TRY(pc_sampling_next(&g->sampling, g->logits, NULL, 0, id));
    g->lengths[row]++;
    g->ended[row] = pc_is_end(&g->end_ids, *id);
    return PC_OK;
}

/* One more token for every row that goes on; *open = how many have read it and want another. */
static pc_status advance(pc_generate *g, int64_t rows, uint64_t stream, int64_t *open)
{
    int64_t most = g->options.most;
    *open = 0;
    for (int64_t row = 0; row < rows; row++) {
        int64_t length = g->lengths[row];
        if (!g->ended[row] && length < most) {
            g->pieces[(*open)++] = (pc_session_piece){.row = row, .ids = &g->ids[row * most + length - 1], .count = 1};
        }
    }
    PC_TRY(*open ? pc_session_read_rows(g->session, g->pieces, *open) : PC_OK);
    for (int64_t i = 0; i < *open; i++) {
        PC_TRY(draw(g, g->pieces[i].row, g->pieces[i].row, stream));
    }
    return PC_OK;
}

static pc_status write_answers(pc_generate *g, int64_t rows, uint64_t stream)
{
    int64_t open = 1, each = g->options.each;
    memset(g->lengths, 0, (size_t)rows * sizeof *g->lengths);
    for (int64_t row = 0; row < rows; row++) {
        PC_TRY(draw(g, row, row / each * each, stream));
    }
    while (open > 0) {
        PC_TRY(advance(g, rows, stream, &open));
    }
    return PC_OK;
}

static pc_status run(pc_generate *g, const pc_batch *prompts, uint64_t stream, pc_answers *out)
{
    int64_t rows = prompts->samples * g->options.each;
    PC_TRY(see_pictures(g, prompts));
    PC_TRY(read_prompts(g, prompts));
    PC_TRY(write_answers(g, rows, stream));
    for (int64_t row = 0; row < rows; row++) {
        PC_TRY(pc_answers_add(out, &g->ids[row * g->options.most], g->lengths[row], g->ended[row]));
    }
    return PC_OK;
}

pc_status pc_generate_run(pc_generate *g, const pc_batch *prompts, uint64_t stream, pc_answers *out)
{
    out->count = 0;
    out->each = g->options.each;
    if (prompts->samples > g->options.prompts || prompts->tokens > g->options.prompts * g->options.cutoff) {
        return pc_fail(PC_ERR_USAGE, "%lld prompts of %lld tokens are more than were planned", (long long)prompts->samples,
                       (long long)prompts->tokens);
    }
    pc_status status = run(g, prompts, stream, out);
    forget_pictures(g);
    return status;
}
