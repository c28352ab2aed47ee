/* A model writes answers to the prompts of a batch, with the decoder that serves it: one session, all answers side by side.
 *
 * Flow: batch of kind PROMPTS -> soft tokens of its pictures -> prompts read once -> rows shared by the answers to a prompt ->
 * token by token until all have ended. What is drawn depends on seed, stream and weights alone.
 */
#ifndef PC_TRAIN_GENERATE_H
#define PC_TRAIN_GENERATE_H

#include "data/batch.h"
#include "model/session.h"

typedef struct pc_generate_options {
    const pc_adapter *adapter; /* borrowed; or NULL */
    const pc_template *chat;   /* whose end tokens end an answer */
    pc_dtype compute;
    int64_t prompts;   /* most in a batch */
    int64_t each;      /* answers to a prompt */
    int64_t cutoff;    /* most tokens of a prompt */
    int64_t most;      /* most tokens of an answer */
    double temperature;
    uint64_t seed;
} pc_generate_options;

/* The answers; initialise with {0}, release with pc_answers_clear. */
typedef struct pc_answers {
    int32_t *ids;   /* answer after answer, the end token included */
    int64_t *ends;  /* [count]: behind each answer */
    uint8_t *ended; /* [count]: 1 = by an end token, 0 = by the limit */
    int64_t count, each;
    size_t id_capacity, end_capacity, ended_capacity;
} pc_answers;

/* Append an answer; ids are copied. */
pc_status pc_answers_add(pc_answers *answers, const int32_t *ids, int64_t count, bool ended);
pc_written pc_answers_view(const pc_answers *answers);
void pc_answers_clear(pc_answers *answers);

typedef struct pc_generate pc_generate;

/* model and backend are borrowed; the weights may change between calls. */
pc_status pc_generate_new(pc_generate **out, const pc_model *model, const pc_backend *backend,
                          const pc_generate_options *options);
void pc_generate_free(pc_generate *generate);

/* *out = `each` answers to every prompt; answer i draws from stream `stream` + i. */
pc_status pc_generate_run(pc_generate *generate, const pc_batch *prompts, uint64_t stream, pc_answers *out);
size_t pc_generate_bytes(const pc_generate *generate); /* cache and activations */

#endif
