/* I = unit(image tower), T = unit(text tower), cosine = I T (Radford et al. 2021, figure 3; the temperature and SigLIP's bias are left
 * out). One graph for up to PC_SIMILARITY_BATCH pairs, texts packed behind each other.
 *
 * Easy to get wrong: CLIP's text ends with its end token, the first one counts (with eos_token_id 2 in old configurations the largest id,
 * as transformers takes it); SigLIP's is padded to the full length, every token sees all, and the last row stands for it.
 */
#include "clean/similarity.h"

#include "base/memory.h"
#include "model/forward.h"
#include "ops/attention.h"
#include "tensor/exec.h"

#include <string.h>

struct pc_similarity {
    pc_model *model, *own; /* own: to be freed, or NULL */
    pc_graph *graph;
    pc_exec *exec;
    pc_tensor *pixels, *ids, *positions, *ranges, *ends, *images, *texts;
    int64_t side, context; /* pixels; ids of a text at most */
    int32_t end;           /* id that ends a text */
    bool largest;          /* the largest id of a text stands for it */
    float *pixel_values;
    int32_t *id_values, *position_values, *end_values;
    pc_attention_range *range_values;
};

void pc_similarity_item_clear(pc_similarity_item *item)
{
    pc_free(item->pixels);
    pc_ids_clear(&item->ids);
    *item = (pc_similarity_item){0};
}

/* --- opening --- */

static pc_status build(pc_similarity *self, const pc_backend *backend)
{
    const pc_model *model = self->model;
    int64_t batch = PC_SIMILARITY_BATCH, tokens = batch * self->context;
    PC_TRY(pc_graph_new(&self->graph));
    pc_build build = {.graph = self->graph, .compute = PC_F32};
    self->pixels = pc_graph_input(self->graph, "pixel_values", PC_F32, pc_dims(4, batch, 3, self->side, self->side));
    self->ids = pc_graph_input(self->graph, "ids", PC_I32, pc_dims(1, tokens));
    self->positions = pc_graph_input(self->graph, "positions", PC_I32, pc_dims(1, tokens));
    self->ranges = pc_graph_input(self->graph, "ranges", PC_I32, pc_dims(2, tokens, 4));
    self->ends = pc_graph_input(self->graph, "text_ends", PC_I32, pc_dims(1, batch));
    pc_clip_text_io io = {self->ids, self->positions, self->ranges, self->ends};
    self->images = pc_keep(self->graph, pc_model_embed_images(&build, model, self->pixels)); /* [N,W] */
    self->texts = pc_keep(self->graph, pc_model_embed_texts(&build, model, &io));            /* [N,W] */
    PC_TRY(pc_graph_finish(self->graph));
    return pc_exec_new(&self->exec, self->graph, backend);
}

static pc_status make_room(pc_similarity *self)
{
    size_t batch = PC_SIMILARITY_BATCH, tokens = batch * (size_t)self->context;
    PC_TRY(PC_NEW_ARRAY(self->pixel_values, batch * 3 * (size_t)(self->side * self->side), "pictures"));
    PC_TRY(PC_NEW_ARRAY(self->id_values, tokens, "texts"));
    PC_TRY(PC_NEW_ARRAY(self->position_values, tokens, "texts"));
    PC_TRY(PC_NEW_ARRAY(self->range_values, tokens, "texts"));
    return PC_NEW_ARRAY(self->end_values, batch, "texts");
}

/* Configurations of OpenAI's models say 2 where the tokenizer has another id; a tokenizer whose end is 2 is taken at its word. */
static void find_end(pc_similarity *self)
{
    enum { OLD_END = 2 };
    const pc_model *model = self->model;
    int32_t said = (int32_t)model->contrast.config.eos_token_id;
    int32_t spoken = model->tokenizer ? pc_tokenizer_special(model->tokenizer, PC_TOKEN_EOS) : -1;
    self->end = spoken >= 0 ? spoken : said;
    self->largest = said == OLD_END && spoken != OLD_END;
}

pc_status pc_similarity_new(pc_similarity **out, pc_model *model, const pc_backend *backend)
{
    pc_similarity *self = NULL;
    *out = NULL;
    if (!model->contrast.present) {
        return pc_fail(PC_ERR_USAGE, "%s: a model with two towers is needed (CLIP, SigLIP)", model->path ? model->path : "model");
    }
    PC_TRY(PC_NEW(self, "a model of similarity"));
    self->model = model;
    self->side = model->encoder.info.image_size;
    self->context = model->contrast.config.max_position_embeddings;
    find_end(self);
    pc_status status = make_room(self);
    status = status == PC_OK ? pc_model_pack(model, backend, PC_F32) : status;
    status = status == PC_OK ? build(self, backend) : status;
    if (status != PC_OK) {
        pc_similarity_free(self);
        return status;
    }
    *out = self;
    return PC_OK;
}

pc_status pc_similarity_open(pc_similarity **out, const char *path, const pc_backend *backend)
{
    pc_model *model = NULL;
    *out = NULL;
    pc_status status = pc_model_load(&model, path);
    if (status == PC_OK && !model->tokenizer) {
        status = pc_fail(PC_ERR_USAGE, "%s: the model has no tokenizer", path);
    }
    status = status == PC_OK ? pc_similarity_new(out, model, backend) : status;
    if (status != PC_OK) {
        pc_model_free(model);
        return status;
    }
    (*out)->own = model;
    return PC_OK;
}

void pc_similarity_free(pc_similarity *self)
{
    if (!self) {
        return;
    }
    pc_exec_free(self->exec);
    pc_graph_free(self->graph);
    pc_free(self->pixel_values);
    pc_free(self->id_values);
    pc_free(self->position_values);
    pc_free(self->range_values);
    pc_free(self->end_values);
    pc_model_free(self->own);
    pc_free(self);
}

/* --- one pair --- */

/* SigLIP's texts have the full length. */
static pc_status pad(const pc_similarity *self, pc_ids *ids)
{
    const pc_tokenizer *tokenizer = self->model->tokenizer;
    int32_t fill = pc_tokenizer_special(tokenizer, PC_TOKEN_PAD);
    fill = fill >= 0 ? fill : pc_tokenizer_special(tokenizer, PC_TOKEN_EOS);
    while (ids->count < (size_t)self->context) {
        PC_TRY(pc_ids_push(ids, fill));
    }
    return PC_OK;
}

static pc_status tokenise(const pc_similarity *self, const char *text, size_t length, pc_ids *ids)
{
    int32_t end = self->end;
    PC_TRY(pc_tokenizer_encode(self->model->tokenizer, text, length, PC_TOKENIZE_ADD_SPECIAL, ids));
    if (ids->count > (size_t)self->context) {
        ids->count = (size_t)self->context;
        ids->data[ids->count - 1] = end;
    }
    if (self->model->contrast.bidirectional) {
        return pad(self, ids);
    }
    bool ended = ids->count > 0 && ids->data[ids->count - 1] == end;
    return ended || ids->count == (size_t)self->context ? PC_OK : pc_ids_push(ids, end);
}

pc_status pc_similarity_prepare(const pc_similarity *self, const pc_image *image, const char *text, size_t length,
                                pc_similarity_item *out)
{
    PC_TRY(tokenise(self, text, length, &out->ids));
    return pc_model_prepare(self->model, image, &out->pixels, NULL);
}

/* --- many --- */

static size_t end_of(const pc_similarity *self, const pc_ids *ids)
{
    size_t best = 0;
    if (self->model->contrast.bidirectional) {
        return ids->count - 1;
    }
    for (size_t i = 0; i < ids->count; i++) {
        if (!self->largest && ids->data[i] == self->end) {
            return i;
        }
        best = self->largest && ids->data[i] > ids->data[best] ? i : best;
    }
    return self->largest ? best : ids->count - 1;
}

/* Item `at` of the batch, its text from row `first` on. */
static pc_status put(pc_similarity *self, const pc_similarity_item *item, size_t at, size_t first)
{
    size_t size = 3 * (size_t)(self->side * self->side), count = item->ids.count;
    if (count == 0 || count > (size_t)self->context) {
        return pc_fail(PC_ERR_DATA, "a text of %zu ids; the model reads 1 to %lld", count, (long long)self->context);
    }
    memcpy(self->pixel_values + at * size, item->pixels, size * sizeof *self->pixel_values);
    for (size_t i = 0; i < count; i++) {
        int32_t id = item->ids.data[i], last = (int32_t)(first + (self->model->contrast.bidirectional ? count : i + 1));
        if (id < 0 || id >= self->model->contrast.config.vocab_size) {
            return pc_fail(PC_ERR_DATA, "id %d of a text is outside the vocabulary of %lld", id,
                           (long long)self->model->contrast.config.vocab_size);
        }
        self->id_values[first + i] = id;
        self->position_values[first + i] = (int32_t)i;
        self->range_values[first + i] = (pc_attention_range){(int32_t)first, (int32_t)first, (int32_t)first, last};
    }
    self->end_values[at] = (int32_t)(first + end_of(self, &item->ids));
    return PC_OK;
}

static pc_status run(pc_similarity *self, int64_t count, int64_t tokens)
{
    PC_TRY(pc_exec_bind(self->exec, self->pixels, self->pixel_values, pc_dims(4, count, 3, self->side, self->side)));
    PC_TRY(pc_exec_bind(self->exec, self->ids, self->id_values, pc_dims(1, tokens)));
    PC_TRY(pc_exec_bind(self->exec, self->positions, self->position_values, pc_dims(1, tokens)));
    PC_TRY(pc_exec_bind(self->exec, self->ranges, self->range_values, pc_dims(2, tokens, 4)));
    PC_TRY(pc_exec_bind(self->exec, self->ends, self->end_values, pc_dims(1, count)));
    return pc_exec_run(self->exec);
}

static pc_status score_batch(pc_similarity *self, const pc_similarity_item *const *items, size_t count, float *out)
{
    size_t tokens = 0;
    for (size_t i = 0; i < count; i++) {
        PC_TRY(put(self, items[i], i, tokens));
        tokens += items[i]->ids.count;
    }
    PC_TRY(run(self, (int64_t)count, (int64_t)tokens));
    const float *images = self->images->data, *texts = self->texts->data;
    size_t width = (size_t)self->model->contrast.width;
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        for (size_t k = 0; k < width; k++) {
            sum += (double)images[i * width + k] * texts[i * width + k];
        }
        out[i] = (float)sum;
    }
    return PC_OK;
}

pc_status pc_similarity_score(pc_similarity *self, const pc_similarity_item *const *items, size_t count, float *out)
{
    for (size_t i = 0; i < count; i += PC_SIMILARITY_BATCH) {
        size_t part = count - i < PC_SIMILARITY_BATCH ? count - i : PC_SIMILARITY_BATCH;
        PC_TRY(score_batch(self, items + i, part, out + i));
    }
    return PC_OK;
}
