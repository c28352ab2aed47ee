/* Rotary frequencies and the ways to stretch them over longer texts than a model was made for.
 *
 * Takes: the configuration of a language model. Gives: f32 [E/2], angle = position * frequency, and a factor by which
 * queries and keys count.
 *
 * Sources: RoPE, Su et al. 2021 (arXiv:2104.09864); YaRN, Peng et al. 2023 (arXiv:2309.00071), sections 3.1 to 3.4 (linear
 * and NTK by parts, too); LLaMA 3's by wavelength; the numbers are those of transformers, modeling_rope_utils.py.
 */
#ifndef PC_NN_ROTARY_H
#define PC_NN_ROTARY_H

#include "base/json.h"
#include "base/status.h"
#include "ops/rope.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum pc_rotary_kind {
    PC_ROTARY_DEFAULT,
    PC_ROTARY_LINEAR,  /* frequency / factor */
    PC_ROTARY_DYNAMIC, /* base grows with the length of the text beyond `context` */
    PC_ROTARY_LLAMA3,  /* long wavelengths / factor, short ones as they are, between them a mixture */
    PC_ROTARY_PROMPT,  /* Qwen: base grows in steps with the length of the prompt beyond `original`; not by pc_rotary_read */
    PC_ROTARY_YARN,    /* the same by number of turns, and sharper attention */
} pc_rotary_kind;

typedef struct pc_rotary {
    pc_rotary_kind kind;
    double theta;      /* base */
    double factor;     /* of the stretching */
    double low, high;  /* llama3: low_freq_factor, high_freq_factor; yarn: beta_slow, beta_fast */
    double attention;  /* what queries and keys are multiplied by; 1 but for yarn */
    double original;   /* tokens of the text that it was trained with */
    double context;    /* max_position_embeddings */
    double share;      /* partial_rotary_factor: of a head's features, those that turn; 0 = not said */
    bool truncate;     /* yarn: borders at whole pairs */
    int32_t sections[PC_ROPE_AXES]; /* M-RoPE: frequencies of time, row, column (ops/rope.h); 0 = one number a position */
} pc_rotary;

/* From rope_scaling, or rope_parameters (transformers 5), of a language model's config; theta and context as they are
 * found elsewhere in it. json may be NULL. PC_ERR_DATA for other kinds (longrope ...), missing or senseless numbers. */
pc_status pc_rotary_read(pc_rotary *out, const pc_json *json, double theta, int64_t context, const char *where);

/* out [size/2] for heads of `size` features and a text of `length` tokens, which only the dynamic kind looks at. */
void pc_rotary_frequencies(const pc_rotary *rotary, int64_t size, int64_t length, float *out);

#endif
