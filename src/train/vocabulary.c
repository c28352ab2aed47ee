/* Carrying weights over to another vocabulary. */
#include "train/vocabulary.h"

#include "base/memory.h"

#include <string.h>

/* For each token of the new tokenizer the old tokens it is made of: ids[starts[t]] .. ids[starts[t + 1]]. */
typedef struct origin {
    pc_ids ids;
    size_t *starts; /* [tokens + 1] */
    size_t tokens;
    int64_t kept;
} origin;

/* Ids of the old tokenizer that lie in its model's vocabulary. */
static pc_status push_known(pc_ids *out, const pc_ids *pieces, int64_t vocabulary)
{
    for (size_t i = 0; i < pieces->count; i++) {
        if (pieces->data[i] < vocabulary) {
            PC_TRY(pc_ids_push(out, pieces->data[i]));
        }
    }
    return PC_OK;
}

static pc_status add_token(origin *o, const pc_model *model, const pc_model *donor, int32_t token)
{
    const char *spelled = pc_tokenizer_token(model->tokenizer, token, NULL);
    int64_t vocabulary = donor->llm.info.vocabulary;
    int32_t same = spelled ? pc_tokenizer_id(donor->tokenizer, spelled) : -1;
    if (same >= 0 && same < vocabulary) {
        o->kept++;
        return pc_ids_push(&o->ids, same);
    }
    pc_str text = {0};
    pc_ids pieces = {0};
    pc_status status = pc_tokenizer_decode(model->tokenizer, &token, 1, PC_DETOKENIZE_CONTINUE, &text);
    if (status == PC_OK && text.length > 0) {
        status = pc_tokenizer_encode(donor->tokenizer, text.data, text.length, PC_TOKENIZE_CONTINUE, &pieces);
    }
    status = status == PC_OK ? push_known(&o->ids, &pieces, vocabulary) : status;
    pc_ids_clear(&pieces);
    pc_str_clear(&text);
    return status;
}

static pc_status find_origins(origin *o, const pc_model *model, const pc_model *donor)
{
    size_t size = pc_tokenizer_size(model->tokenizer), rows = (size_t)model->llm.info.vocabulary;
    o->tokens = size < rows ? size : rows;
    PC_TRY(PC_NEW_ARRAY(o->starts, o->tokens + 1, "tokens"));
    for (size_t t = 0; t < o->tokens; t++) {
        PC_TRY(add_token(o, model, donor, (int32_t)t));
        o->starts[t + 1] = o->ids.count;
    }
    return PC_OK;
}

static bool is_table(const pc_param *param, const pc_param *source, int64_t rows, int64_t source_rows)
{
    pc_shape resized = source->shape;
    if (strcmp(param->part, "llm") != 0 || resized.ndim < 1 || resized.dim[0] != source_rows) {
        return false;
    }
    resized.dim[0] = rows;
    return pc_shape_equal(&resized, &param->shape);
}

/* Rows without an origin keep their initial values. */
static pc_status fill_table(pc_param *param, const pc_param *source, const origin *o)
{
    size_t width = (size_t)(pc_shape_count(&param->shape) / param->shape.dim[0]);
    size_t count = (size_t)pc_shape_count(&source->shape);
    float *rows = NULL, *table = param->data;
    PC_TRY(PC_NEW_ARRAY(rows, count, "a table of the vocabulary"));
    pc_convert_to_f32(rows, source->data, source->dtype, count);
    for (size_t t = 0; t < o->tokens; t++) {
        size_t pieces = o->starts[t + 1] - o->starts[t];
        for (size_t j = 0; j < width && pieces > 0; j++) {
            double sum = 0;
            for (size_t i = o->starts[t]; i < o->starts[t + 1]; i++) {
                sum += rows[(size_t)o->ids.data[i] * width + j];
            }
            table[t * width + j] = (float)(sum / (double)pieces);
        }
    }
    pc_free(rows);
    return PC_OK;
}

static pc_status carry_one(pc_model *model, pc_param *param, const pc_model *donor, const origin *o)
{
    const pc_param *source = pc_params_find(&donor->params, param->name);
    if (!source) {
        return pc_fail(PC_ERR_DATA, "%s: no tensor '%s'", donor->path, param->name);
    }
    if (is_table(param, source, model->llm.info.vocabulary, donor->llm.info.vocabulary)) {
        return fill_table(param, source, o);
    }
    if (!pc_shape_equal(&source->shape, &param->shape)) {
        return pc_fail(PC_ERR_DATA, "%s: the tensor '%s' has another shape than in the new model", donor->path, param->name);
    }
    pc_convert_to_f32(param->data, source->data, source->dtype, (size_t)pc_shape_count(&param->shape));
    return PC_OK;
}

pc_status pc_vocabulary_carry_over(pc_model *model, const pc_model *donor, int64_t *kept)
{
    origin o = {0};
    pc_status status = PC_OK;
    if (!model->tokenizer || !donor->tokenizer) {
        return pc_fail(PC_ERR_DATA, "%s has no tokenizer: resize_vocab needs both",
                       donor->tokenizer ? "the new model" : donor->path);
    }
    PC_GO(find_origins(&o, model, donor));
    for (size_t i = 0; i < model->params.count; i++) {
        PC_GO(carry_one(model, &model->params.items[i]->param, donor, &o));
    }
    if (kept) {
        *kept = o.kept;
    }
done:
    pc_ids_clear(&o.ids);
    pc_free(o.starts);
    return status;
}
