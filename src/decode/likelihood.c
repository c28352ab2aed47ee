/* Log-probabilities of given tokens.
 *
 *   perplexity       = exp(-sum ln p(token | tokens before it) / tokens)
 *   word_perplexity  = exp(-sum / words), byte_perplexity = exp(-sum / bytes), bits_per_byte = -sum / bytes / ln 2
 *
 * Easy to get wrong: a window's first token is judged by the token before the window, so a window of W
 * judged tokens reads W tokens, of which the last is never read; the sum is taken in doubles, since
 * floats lose the tenth digit on long texts.
 */
#include "decode/likelihood.h"

#include "base/signal.h"

#include <math.h>

double pc_log_probability(const float *logits, size_t count, int32_t id, bool *greedy)
{
    double sum = 0;
    size_t best = 0;
    for (size_t i = 1; i < count; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    for (size_t i = 0; i < count; i++) {
        sum += exp((double)logits[i] - (double)logits[best]);
    }
    if (greedy) {
        *greedy = best == (size_t)id;
    }
    return (double)logits[id] - (double)logits[best] - log(sum);
}

/* Read ids[0], judge ids[1] and so on: ids [count] holds the token before the window and the window. */
static pc_status judge_window(pc_perplexity *out, pc_session *session, const int32_t *ids,
                              int64_t count, size_t vocabulary)
{
    pc_session_rewind(session, 0);
    pc_session_expect(session, count);
    for (int64_t i = 0; i + 1 < count; i++) {
        if (pc_signal_pending()) {
            return pc_fail(PC_ERR_INTERRUPTED, "stopped after %lld tokens", (long long)out->tokens);
        }
        PC_TRY(pc_session_read(session, ids + i, NULL, 1));
        double got = pc_log_probability(pc_session_logits(session), vocabulary, ids[i + 1], NULL);
        if (!isfinite(got)) {
            return pc_fail(PC_ERR_DATA, "token %lld has no finite probability",
                           (long long)out->tokens);
        }
        out->log_likelihood += got;
        out->tokens++;
    }
    return PC_OK;
}

static pc_status judge_ids(pc_perplexity *out, const pc_model *model, const pc_backend *backend,
                           const pc_session_options *how, int64_t window, const pc_ids *ids)
{
    pc_session *session;
    PC_TRY(pc_session_new(&session, model, backend, how));
    int64_t context = pc_session_context(session), count = (int64_t)ids->count;
    int64_t step = window > 0 && window < context ? window : context;
    pc_status status = PC_OK;
    for (int64_t at = 1; at < count && status == PC_OK; at += step) {
        int64_t judged = count - at < step ? count - at : step;
        status = judge_window(out, session, ids->data + at - 1, judged + 1,
                              (size_t)model->llm.info.vocabulary);
    }
    pc_session_free(session);
    return status;
}

static int64_t count_words(const char *text, size_t length)
{
    int64_t words = 0;
    bool inside = false;
    for (size_t i = 0; i < length; i++) {
        bool space = text[i] == ' ' || (text[i] >= '\t' && text[i] <= '\r');
        words += !space && !inside;
        inside = !space;
    }
    return words;
}

/* Words and bytes of what was judged; part of a text is measured by decoding its tokens. */
static pc_status measure_text(pc_perplexity *out, const pc_tokenizer *tokenizer, const pc_ids *ids,
                              size_t cut_at, const char *text, size_t length)
{
    pc_str judged = {0};
    if (ids->count == cut_at) {
        out->words = count_words(text, length);
        out->bytes = (int64_t)length;
        return PC_OK;
    }
    pc_status status = pc_tokenizer_decode(tokenizer, ids->data, ids->count,
                                           PC_DETOKENIZE_SKIP_SPECIAL, &judged);
    out->words = count_words(judged.data ? judged.data : "", judged.length);
    out->bytes = (int64_t)judged.length;
    pc_str_clear(&judged);
    return status;
}

pc_status pc_perplexity_of(pc_perplexity *out, const pc_model *model, const pc_backend *backend,
                           const pc_session_options *session, const pc_perplexity_options *options,
                           const char *text, size_t length)
{
    pc_ids ids = {0};
    pc_status status;
    *out = (pc_perplexity){0};
    if (!model->tokenizer) {
        return pc_fail(PC_ERR_DATA, "%s: there is no tokenizer beside the weights", model->path);
    }
    int32_t bos = pc_tokenizer_special(model->tokenizer, PC_TOKEN_BOS);
    if (bos >= 0) {
        PC_GO(pc_ids_push(&ids, bos));
    }
    PC_GO(pc_tokenizer_encode(model->tokenizer, text, length, 0, &ids));
    size_t all = ids.count;
    if (options->limit > 0 && (int64_t)ids.count > options->limit + 1) {
        ids.count = (size_t)options->limit + 1;
    }
    if (ids.count < 2) {
        status = pc_fail(PC_ERR_DATA, "the text has no token to judge");
        goto done;
    }
    PC_GO(judge_ids(out, model, backend, session, options->window, &ids));
    PC_GO(measure_text(out, model->tokenizer, &ids, all, text, length));
done:
    pc_ids_clear(&ids);
    return status;
}
