/* Decoding methods: what is made of a model's logits before the samplers or the beam search see them.
 *
 * Flow: session (logits of the input, of a second view of it, of earlier layers) -> mix -> scores [V] -> samplers or beams.
 * A method is a constant descriptor: one file in this folder and one line in list.h. It says which second view of the input
 * and which layers it wants; the view is read in the same runs as the input itself, so that it costs less than twice.
 */
#ifndef PC_DECODE_METHOD_H
#define PC_DECODE_METHOD_H

#include "base/field.h"

enum { PC_METHOD_LAYERS = 64 };

/* A second view of the request: the same conversation, seen worse. {0} is the request as it is. */
typedef struct pc_view {
    bool without_media;      /* no pictures */
    int noise;               /* diffusion steps of noise on the prepared pixels, 1 .. 1000; 0 = none */
    uint64_t seed;           /* of the noise */
    const char *instruction; /* goes in front of the newest message, or NULL */
} pc_view;

typedef struct pc_method_step {
    const float *plain;  /* [V] logits of the input */
    const float *other;  /* [V] of the second view, or NULL */
    const float *layers; /* [N,V] of the layers asked for: their states through the model's head */
    int layer_count;     /* N */
    int64_t vocabulary;  /* V */
    int64_t written;     /* tokens of the answer so far */
} pc_method_step;

/* A search over beams that distrusts candidates by what attention makes of the answer so far (over_trust.h). */
typedef struct pc_over_trust {
    double scale_factor, penalty_weights;
    int64_t threshold, candidates, window;
} pc_over_trust;

typedef struct pc_method {
    const char *name, *help;
    pc_field_table fields;
    size_t config_size;
    /* Fills in *view, which is {0}; false = no second view after all. NULL = none. */
    bool (*view)(const void *config, pc_view *view);
    /* Layers of a model of `layers` layers (0 = the embeddings) into out [PC_METHOD_LAYERS]; their number. NULL = none. */
    int (*layers)(const void *config, int64_t layers, int *out);
    /* The settings within `config` of a search in place of the usual one over beams; NULL = the usual one. */
    const pc_over_trust *(*over_trust)(const void *config);
    int64_t beams; /* where nobody says how many; 0 = 1 */
    /* scores [V] for step; -INFINITY = never. NULL = the logits of the input. */
    void (*mix)(const void *config, const pc_method_step *step, float *scores);
} pc_method;

const pc_method *pc_method_at(size_t i); /* in the order of list.h, NULL past the last */

/* ln softmax(logits)[i] = logits[i] - this. */
double pc_log_sum(const float *logits, int64_t count);
float pc_largest(const float *logits, int64_t count);

#endif
