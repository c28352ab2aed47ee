/* A head: one linear layer from a hidden state to one number - reward of an answer, value of a state.
 *
 * Flow: model -> pc_head_new -> a training stage, or pc_instance.head; value_head.safetensors beside the weights, with the
 * names that trl and LLaMA-Factory give it (v_head.summary).
 */
#ifndef PC_MODEL_HEAD_H
#define PC_MODEL_HEAD_H

#include "model/model.h"

typedef struct pc_head {
    pc_params params;          /* of part "head" */
    pc_linear_weights weights; /* [1,D'], [1] */
} pc_head;

/* A fresh head of the model's width: weight N(0, 1/D'), bias 0, a pure function of the seed. Free with pc_head_free. */
pc_status pc_head_new(pc_head **out, const pc_model *model, uint64_t seed);
void pc_head_free(pc_head *head); /* NULL is fine */

/* folder/value_head.safetensors in f32; it is the folder's only file with a head. */
pc_status pc_head_save(const pc_head *head, const char *folder);
/* The values of such a file; PC_ERR_IO when there is none, PC_ERR_DATA when it is another model's. */
pc_status pc_head_load_values(pc_head *head, const char *folder);

extern const char *const PC_HEAD_FILE; /* "value_head.safetensors" */

#endif
