/* Perplexity by chunks, so that figures can be compared with llama.cpp's.
 *
 *   tokens -> chunks of C -> each read by itself -> ln p of tokens C/2 + 1 .. C - 1 -> mean
 *
 * Source: llama.cpp examples/perplexity/perplexity.cpp. Easy to get wrong: BOS takes the place of a chunk's first token, it is
 * not put before it; the token in the middle is read, not judged; control tokens in the text are read as text.
 */
#include "decode/likelihood.h"

#include "base/signal.h"

#include <math.h>

enum { USUAL_CHUNK = 512, STEP = 32 /* tokens whose logits are kept at once */ };

typedef struct judge {
    pc_session *session;
    size_t vocabulary;
    double sum, squares; /* of ln p */
    int64_t count;
} judge;

static pc_status read_piece(judge *j, const int32_t *ids, int64_t count)
{
    const pc_session_piece piece = {.ids = ids, .count = count, .tail = count < STEP ? count : STEP};
    return pc_session_read_rows(j->session, &piece, 1);
}

/* ids [chunk]: the first half is read, then the second in steps. */
static pc_status judge_chunk(judge *j, const int32_t *ids, int64_t chunk)
{
    int64_t first = chunk / 2;
    pc_session_rewind(j->session, 0);
    pc_session_expect(j->session, chunk);
    PC_TRY(first > 0 ? read_piece(j, ids, first) : PC_OK);
    for (int64_t at = first; at + 1 < chunk; at += STEP) {
        int64_t count = chunk - 1 - at < STEP ? chunk - 1 - at : STEP;
        if (pc_signal_pending()) {
            return pc_fail(PC_ERR_INTERRUPTED, "stopped after %lld tokens", (long long)j->count);
        }
        PC_TRY(read_piece(j, ids + at, count));
        for (int64_t i = 0; i < count; i++) {
            double got = pc_log_probability(pc_session_tail_logits(j->session, 0, i), j->vocabulary, ids[at + i + 1], NULL);
            if (!isfinite(got)) {
                return pc_fail(PC_ERR_DATA, "token %lld has no finite probability", (long long)j->count);
            }
            j->sum += got;
            j->squares += got * got;
            j->count++;
        }
    }
    return PC_OK;
}

static pc_status judge_all(judge *j, const pc_ids *ids, int64_t chunk, int64_t limit, int32_t bos)
{
    int64_t chunks = (int64_t)ids->count / chunk;
    for (int64_t i = 0; i < chunks && (limit == 0 || i < limit); i++) {
        if (bos >= 0) {
            ids->data[i * chunk] = bos;
        }
        PC_TRY(judge_chunk(j, ids->data + i * chunk, chunk));
    }
    return PC_OK;
}

/* The id that stands in front of a text, when the tokenizer puts one there. */
static pc_status find_bos(int32_t *out, const pc_tokenizer *tokenizer)
{
    pc_ids ids = {0};
    int32_t bos = pc_tokenizer_special(tokenizer, PC_TOKEN_BOS);
    pc_status status = pc_tokenizer_encode(tokenizer, "", 0, PC_TOKENIZE_ADD_SPECIAL, &ids);
    *out = ids.count > 0 && ids.data[0] == bos ? bos : -1;
    pc_ids_clear(&ids);
    return status;
}

pc_status pc_perplexity_chunked(pc_perplexity *out, double *deviation, const pc_model *model, const pc_backend *backend,
                                const pc_session_options *session, const pc_chunked_options *options, const char *text,
                                size_t length)
{
    int64_t chunk = options->chunk ? options->chunk : USUAL_CHUNK;
    pc_session_options how = *session;
    pc_ids ids = {0};
    int32_t bos;
    judge j = {.vocabulary = (size_t)model->llm.info.vocabulary};
    pc_status status;
    *out = (pc_perplexity){0};
    if (!model->tokenizer || chunk < 4) {
        return model->tokenizer ? pc_fail(PC_ERR_USAGE, "a chunk of %lld tokens is too small", (long long)chunk)
                                : pc_fail(PC_ERR_DATA, "%s: there is no tokenizer beside the weights", model->path);
    }
    how.context = chunk;
    how.tail = STEP;
    PC_GO(find_bos(&bos, model->tokenizer));
    PC_GO(pc_tokenizer_encode(model->tokenizer, text, length, PC_TOKENIZE_ADD_SPECIAL, &ids));
    if ((int64_t)ids.count < 2 * chunk) {
        status = pc_fail(PC_ERR_DATA, "the text has %zu tokens; two chunks of %lld are the least", ids.count, (long long)chunk);
        goto done;
    }
    PC_GO(pc_session_new(&j.session, model, backend, &how));
    PC_GO(judge_all(&j, &ids, chunk, options->limit, bos));
    *out = (pc_perplexity){.log_likelihood = j.sum, .tokens = j.count};
    if (deviation) {
        double mean = j.sum / (double)j.count, variance = j.squares / (double)j.count - mean * mean;
        *deviation = variance > 0 && j.count > 1 ? sqrt(variance / (double)(j.count - 1)) : 0;
    }
done:
    pc_session_free(j.session);
    pc_ids_clear(&ids);
    return status;
}
