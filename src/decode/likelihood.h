/* How likely a model finds a text: log-probabilities of given tokens, perplexity.
 *
 * Flow: text -> tokenizer -> windows of the context -> session (logits) -> log-softmax in doubles -> sums.
 * Values are natural logarithms. They don't depend on threads.
 */
#ifndef PC_DECODE_LIKELIHOOD_H
#define PC_DECODE_LIKELIHOOD_H

#include "model/session.h"

/* ln softmax(logits)[id]; id lies in [0, count). *greedy (or NULL): id has the largest logit, the
 * lowest id among equals. */
double pc_log_probability(const float *logits, size_t count, int32_t id, bool *greedy);

typedef struct pc_perplexity_options {
    int64_t window; /* tokens that are read before the cache is emptied; 0 = the session's context */
    int64_t limit;  /* tokens to judge; 0 = all */
} pc_perplexity_options;

/* Plain sums, from which the usual figures follow. */
typedef struct pc_perplexity {
    double log_likelihood; /* of every judged token, summed */
    int64_t tokens, words, bytes; /* judged; words as white space cuts them */
} pc_perplexity;

/* Judge text[0..length): every token once. As the language model harness rolls its window: the text is
 * cut into windows of equal size, the first begins behind BOS (without one: its first token is read,
 * not judged), each later one behind the last token of the window before it.
 *
 * The model needs a tokenizer; its session is made and freed here. PC_ERR_DATA for a text without a
 * token to judge, PC_ERR_INTERRUPTED when a signal came. */
pc_status pc_perplexity_of(pc_perplexity *out, const pc_model *model, const pc_backend *backend,
                           const pc_session_options *session, const pc_perplexity_options *options,
                           const char *text, size_t length);

typedef struct pc_chunked_options {
    int64_t chunk; /* tokens of a chunk; 0 = 512 */
    int64_t limit; /* chunks to judge; 0 = all */
} pc_chunked_options;

/* Judge text[0..length) as llama.cpp's perplexity program does: its tokens (with BOS where the tokenizer adds one) are cut
 * into chunks, what is left over is not read; each chunk is read by itself, BOS in place of its first token, and the tokens of
 * its second half but the first are judged. *deviation (or NULL) = standard deviation of the mean log-likelihood. words and
 * bytes stay 0. PC_ERR_DATA for a text of less than two chunks. */
pc_status pc_perplexity_chunked(pc_perplexity *out, double *deviation, const pc_model *model, const pc_backend *backend,
                                const pc_session_options *session, const pc_chunked_options *options, const char *text,
                                size_t length);

#endif
