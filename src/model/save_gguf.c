/* Saving as GGUF: a model's parameters under the names of GGUF files, each in its type, the language model in one file and
 * the vision side in another. The keys: import/gguf_keys.c.
 *
 *   parameter -> name, type, order of rows -> declared -> rows -> f32 -> type -> file
 *
 * Easy to get wrong: rows of q and k of architecture `llama` are stored for interleaved rotary pairs; a tower's last norm is
 * left out, for readers apply it where they find it.
 */
#include "base/memory.h"
#include "base/str.h"
#include "llm/decoder.h"
#include "model/import/gguf.h"
#include "store/gguf_quantise.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 18 /* numbers converted at once */ };

/* One tensor of a file. */
typedef struct entry {
    const pc_param *param;
    char name[128];
    pc_dtype dtype;
    int64_t turned; /* head size when rows are stored for interleaved pairs; 0 = as they are */
} entry;

typedef struct plan {
    entry *entries[2]; /* language model, vision side */
    size_t count[2];
    int64_t blocks;    /* layers of the tower that are written */
} plan;

/* --- names and types --- */

/* Layers behind the last that is written, and the last norm, stay out. */
static bool is_left_out(const char *name, int64_t blocks)
{
    static const char layers[] = "v.blk.";
    return pc_starts_with(name, "v.post_ln.") ||
           (pc_starts_with(name, layers) && strtol(name + strlen(layers), NULL, 10) >= blocks);
}

/* Kernels of convolutions are F16 or F32 in all readers. */
static pc_dtype vision_type(const pc_param *param, pc_dtype wanted)
{
    return param->shape.ndim < 2                      ? PC_F32
           : param->shape.ndim > 2 && wanted == PC_BF16 ? PC_F32
                                                        : wanted;
}

static pc_status plan_param(plan *p, const pc_model *model, const pc_gguf_options *options, const pc_param *param)
{
    bool vision;
    entry e = {.param = param};
    const pc_shape *shape = &param->shape;
    if (!pc_gguf_name(model, param->name, true, &vision, e.name, sizeof e.name)) {
        return pc_fail(PC_ERR_DATA, "GGUF has no name for '%s'", param->name);
    }
    if (vision && (!options->vision || is_left_out(e.name, p->blocks))) {
        return PC_OK;
    }
    bool head = strcmp(e.name, model->llm.info.tied ? "token_embd.weight" : "output.weight") == 0;
    int64_t row = shape->ndim ? shape->dim[shape->ndim - 1] : 1;
    e.dtype = vision ? vision_type(param, options->vision_type) : pc_gguf_type_for(options->type, shape->ndim, row, head);
    bool pairs = !vision && strcmp(model->llm.type->gguf, "llama") == 0;
    e.turned = pairs && (strstr(e.name, ".attn_q.") || strstr(e.name, ".attn_k.")) ? model->llm.info.head_size : 0;
    p->entries[vision][p->count[vision]++] = e;
    return PC_OK;
}

static pc_status make_plan(plan *p, const pc_model *model, const pc_gguf_options *options)
{
    const pc_encoder_part *encoder = &model->encoder;
    int64_t wanted = encoder->select.layer[0] + 1; /* readers before feature_layer take the last but one */
    p->blocks = wanted < encoder->info.layers ? wanted : encoder->info.layers;
    for (int part = 0; part < 2; part++) {
        PC_TRY(PC_NEW_ARRAY(p->entries[part], model->params.count, "tensors of a GGUF file"));
    }
    for (size_t i = 0; i < model->params.count; i++) {
        PC_TRY(plan_param(p, model, options, &model->params.items[i]->param));
    }
    return PC_OK;
}

/* --- values --- */

static pc_status check_values(const entry *e, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (values[i] - values[i] != 0 || (e->dtype == PC_F16 && fabsf(values[i]) >= 65520)) {
            return pc_fail(PC_ERR_DATA, "the tensor '%s' has the number %g, which %s can't hold", e->param->name,
                           (double)values[i], pc_dtype_name(e->dtype));
        }
    }
    return PC_OK;
}

/* The row of the parameter that stands at `row` of the file. */
static int64_t source_row(const entry *e, int64_t row)
{
    int64_t i = e->turned ? row % e->turned : 0;
    return e->turned ? row - i + i / 2 + i % 2 * (e->turned / 2) : row;
}

static pc_status put_rows(pc_gguf_writer *writer, const entry *e, float *values, void *out, int64_t rows, int64_t width,
                          int64_t at_once)
{
    size_t stride = 0, bytes = 0;
    pc_dtype_bytes(e->param->dtype, (size_t)width, &stride);
    for (int64_t first = 0; first < rows; first += at_once) {
        int64_t count = rows - first < at_once ? rows - first : at_once;
        for (int64_t row = 0; row < count; row++) {
            const char *from = (const char *)e->param->data + (size_t)source_row(e, first + row) * stride;
            pc_convert_to_f32(values + row * width, from, e->param->dtype, (size_t)width);
        }
        PC_TRY(check_values(e, values, (size_t)(count * width)));
        pc_convert_from_f32(out, e->dtype, values, (size_t)(count * width));
        pc_dtype_bytes(e->dtype, (size_t)(count * width), &bytes);
        PC_TRY(pc_gguf_writer_part(writer, out, bytes));
    }
    return PC_OK;
}

static pc_status put_tensor(pc_gguf_writer *writer, const entry *e)
{
    const pc_shape *shape = &e->param->shape;
    int64_t width = shape->ndim > 1 ? shape->dim[shape->ndim - 1] : 1, rows = pc_shape_count(shape) / width;
    int64_t at_once = PIECE / width > 1 ? PIECE / width : 1;
    float *values = NULL, *out = NULL;
    pc_status status;
    PC_GO(PC_NEW_ARRAY(values, (size_t)(at_once * width), e->name));
    PC_GO(PC_NEW_ARRAY(out, (size_t)(at_once * width), e->name));
    PC_GO(put_rows(writer, e, values, out, rows, width, at_once));
done:
    pc_free(values);
    pc_free(out);
    return status;
}

/* LLaMA 3.1's factors, one for each pair: plain frequency / stretched one. */
static pc_status llama3_factors(const pc_model *model, float **out, int64_t *count)
{
    const pc_decoder_config *config = model->llm.config;
    int64_t size = model->llm.info.head_size;
    pc_rotary plain = config->rotary;
    float *stretched = NULL;
    pc_status status;
    *out = NULL;
    *count = 0;
    if (config->rotary.kind != PC_ROTARY_LLAMA3) {
        return PC_OK;
    }
    plain.kind = PC_ROTARY_DEFAULT;
    PC_GO(PC_NEW_ARRAY(*out, (size_t)size / 2, "rotary factors"));
    PC_GO(PC_NEW_ARRAY(stretched, (size_t)size / 2, "rotary factors"));
    pc_rotary_frequencies(&plain, size, 0, *out);
    pc_rotary_frequencies(&config->rotary, size, 0, stretched);
    for (int64_t i = 0; i < size / 2; i++) {
        (*out)[i] /= stretched[i];
    }
    *count = size / 2;
done:
    pc_free(stretched);
    return status;
}

/* --- files --- */

static pc_status write_file(const plan *p, int part, pc_gguf_writer *writer, pc_dtype type, const float *factors, int64_t count)
{
    PC_TRY(pc_gguf_writer_integer(writer, "general.file_type", pc_gguf_file_type(type)));
    PC_TRY(pc_gguf_writer_integer(writer, "general.quantization_version", 2));
    if (count) {
        PC_TRY(pc_gguf_writer_declare(writer, "rope_freqs.weight", PC_F32, 1, &count));
    }
    for (size_t i = 0; i < p->count[part]; i++) {
        const entry *e = &p->entries[part][i];
        PC_TRY(pc_gguf_writer_declare(writer, e->name, e->dtype, e->param->shape.ndim, e->param->shape.dim));
    }
    if (count) {
        PC_TRY(pc_gguf_writer_put(writer, factors, (size_t)count * sizeof *factors));
    }
    for (size_t i = 0; i < p->count[part]; i++) {
        PC_TRY(put_tensor(writer, &p->entries[part][i]));
    }
    return pc_gguf_writer_finish(writer);
}

static pc_status write_llm(const plan *p, const pc_model *model, const char *path, pc_dtype type)
{
    pc_gguf_writer *writer = NULL;
    float *factors = NULL;
    int64_t count;
    pc_status status;
    PC_GO(pc_gguf_writer_new(&writer, path));
    PC_GO(pc_gguf_put_llm_keys(writer, model, path));
    PC_GO(llama3_factors(model, &factors, &count));
    PC_GO(write_file(p, 0, writer, type, factors, count));
done:
    pc_free(factors);
    pc_gguf_writer_free(writer);
    return status;
}

static pc_status write_vision(const plan *p, const pc_model *model, const pc_gguf_options *options)
{
    pc_gguf_writer *writer = NULL;
    pc_status status;
    PC_GO(pc_gguf_writer_new(&writer, options->vision));
    PC_GO(pc_gguf_put_vision_keys(writer, model, p->blocks));
    PC_GO(write_file(p, 1, writer, options->vision_type, NULL, 0));
done:
    pc_gguf_writer_free(writer);
    return status;
}

static pc_status check(const pc_model *model, const pc_gguf_options *options)
{
    pc_dtype vision = options->vision_type;
    PC_TRY(pc_gguf_check_type(options->type));
    if (options->vision && vision != PC_F32 && vision != PC_F16 && vision != PC_BF16) {
        return pc_fail(PC_ERR_USAGE, "%s: the vision side is written as f32, f16 or bf16", pc_dtype_name(vision));
    }
    if (options->vision && !model->connector.type) {
        return pc_fail(PC_ERR_DATA, "%s: this model has no vision side that could be written", model->path);
    }
    if (!model->llm.type || !model->llm.type->gguf) {
        return pc_fail(PC_ERR_DATA, "%s: GGUF is written for LLaMA, Mistral and Qwen2; the language model here is %s", model->path,
                       model->llm.type ? model->llm.type->model_type : "missing");
    }
    return PC_OK;
}

pc_status pc_model_save_gguf(const pc_model *model, const char *path, const pc_gguf_options *options)
{
    plan p = {0};
    pc_status status;
    PC_TRY(check(model, options));
    PC_GO(make_plan(&p, model, options));
    if (options->vision) { /* first, so that a language model doesn't stand there blind */
        PC_GO(write_vision(&p, model, options));
    }
    PC_GO(write_llm(&p, model, path, options->type));
done:
    pc_free(p.entries[0]);
    pc_free(p.entries[1]);
    return status;
}
