/* LoRA and its kin.
 *
 *   LoRA    y = W x + b + s B (A x)                    s = alpha / r, rank-stabilised: alpha / sqrt(r)
 *   DoRA    y = m / |W + s B A| * (W x + s B (A x)) + b      |.| the length of each row, a constant in the gradient
 *
 * Sources: LoRA, Hu et al. 2021 (arXiv:2106.09685), section 4.1; rsLoRA, Kalajdzievski 2023 (arXiv:2312.03732); DoRA, Liu et
 * al. 2024 (arXiv:2402.09353), equation 5; names and initial values as in PEFT.
 * Easy to get wrong: the bias of a layer stands outside DoRA's scaling; A starts uniform in +-1/sqrt(K) (Kaiming with
 * a = sqrt(5)), B at zero; a tied language head follows the copy of the embedding.
 */
#include "nn/adapter.h"

#include "base/str.h"
#include "ops/add.h"
#include "ops/dora.h"
#include "ops/matmul.h"
#include "ops/multiply.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void pc_adapter_free(pc_adapter *adapter)
{
    if (adapter) {
        pc_params_clear(&adapter->params);
        pc_free(adapter->loras);
        pc_free(adapter->wholes);
        pc_free(adapter->name);
        pc_free(adapter);
    }
}

const pc_lora *pc_adapter_find(const pc_adapter *adapter, const pc_param *weight)
{
    for (size_t i = 0; adapter && i < adapter->lora_count; i++) {
        if (adapter->loras[i].weight == weight) {
            return &adapter->loras[i];
        }
    }
    return NULL;
}

pc_param *pc_adapter_instead(const pc_adapter *adapter, pc_param *param)
{
    for (size_t i = 0; adapter && i < adapter->whole_count; i++) {
        if (adapter->wholes[i].instead == param) {
            return adapter->wholes[i].own;
        }
    }
    return param;
}

/* --- attaching --- */

static size_t stem_length(const char *name)
{
    return pc_ends_with(name, ".weight") ? strlen(name) - strlen(".weight") : strlen(name);
}

pc_status pc_adapter_add_lora(pc_adapter *adapter, const pc_param *weight, const pc_lora_config *config, pc_lora **out)
{
    int64_t rows = weight->shape.dim[0], width = weight->shape.dim[1], rank = config->rank;
    int stem = (int)stem_length(weight->name);
    pc_scope scope = {.params = &adapter->params, .part = weight->part, .prefix = ""};
    const pc_init uniform = {PC_INIT_UNIFORM, 1 / sqrt((double)width)};
    if (rank < 1 || rank > rows + width) {
        return pc_fail(PC_ERR_DATA, "%s: a rank of %lld, expected 1 to %lld", weight->name, (long long)rank,
                       (long long)(rows + width));
    }
    PC_TRY(pc_grow(&adapter->loras, &adapter->lora_capacity, adapter->lora_count + 1, sizeof *adapter->loras, "an adapter"));
    pc_lora *lora = &adapter->loras[adapter->lora_count];
    *lora = (pc_lora){
        .weight = weight,
        .a = pc_declare(&scope, uniform, pc_dims(2, rank, width), "%.*s.lora_A.weight", stem, weight->name),
        .b = pc_declare(&scope, PC_ZEROS, pc_dims(2, rows, rank), "%.*s.lora_B.weight", stem, weight->name),
        .scale = config->alpha / (config->rank_stabilised ? sqrt((double)rank) : (double)rank),
    };
    if (config->decomposed) {
        lora->magnitude = pc_declare(&scope, PC_ONES, pc_dims(1, rows), "%.*s.lora_magnitude_vector", stem, weight->name);
    }
    PC_TRY(scope.status);
    adapter->lora_count++;
    if (out) {
        *out = lora;
    }
    return PC_OK;
}

pc_status pc_adapter_add_whole(pc_adapter *adapter, pc_param *param, pc_param **out)
{
    pc_scope scope = {.params = &adapter->params, .part = param->part, .prefix = ""};
    PC_TRY(pc_grow(&adapter->wholes, &adapter->whole_capacity, adapter->whole_count + 1, sizeof *adapter->wholes,
                   "an adapter"));
    pc_param *own = pc_declare(&scope, PC_ZEROS, param->shape, "%s", param->name);
    PC_TRY(scope.status);
    own->decays = param->decays;
    own->any_type = param->any_type;
    adapter->wholes[adapter->whole_count++] = (pc_whole){param, own};
    if (out) {
        *out = own;
    }
    return PC_OK;
}

/* --- choosing by pattern --- */

/* The next word of a list with commas; false at its end. */
static bool next_word(const char **at, char word[256])
{
    *at += strspn(*at, ", ");
    size_t length = strcspn(*at, ", ");
    snprintf(word, 256, "%.*s", (int)length, *at);
    *at += length;
    return length > 0;
}

/* `word` is the whole of `name`, or its last words behind a dot. */
static bool ends_with_words(const char *name, size_t length, const char *word)
{
    size_t most = strlen(word);
    return most <= length && memcmp(name + length - most, word, most) == 0 &&
           (most == length || name[length - most - 1] == '.');
}

static bool fits(const pc_param_entry *entry, const char *word)
{
    char stem[512];
    const char *name = entry->param.name;
    if (entry->role == PC_PARAM_OTHER) {
        return false;
    }
    if (strcmp(word, "all") == 0 || strcmp(word, "all-linear") == 0) {
        return entry->role == PC_PARAM_LINEAR && strcmp(entry->param.part, "connector") != 0;
    }
    snprintf(stem, sizeof stem, "%.*s", (int)stem_length(name), name);
    return strchr(word, '*') ? fnmatch(word, stem, 0) == 0 : ends_with_words(stem, strlen(stem), word);
}

/* `word` stands in the name between dots: a module, or a parameter by its own name. */
static bool within(const char *name, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = strstr(name, word); at; at = strstr(at + 1, word)) {
        if ((at == name || at[-1] == '.') && (at[length] == '.' || at[length] == 0)) {
            return true;
        }
    }
    return false;
}

static pc_status add_wholes(pc_adapter *adapter, const pc_params *params, const char *word)
{
    size_t before = adapter->whole_count;
    for (size_t i = 0; i < params->count; i++) {
        pc_param *param = &params->items[i]->param;
        if (within(param->name, word) && pc_adapter_instead(adapter, param) == param) {
            PC_TRY(pc_adapter_add_whole(adapter, param, NULL));
        }
    }
    return adapter->whole_count > before ? PC_OK
                                         : pc_fail(PC_ERR_USAGE, "additional_target: no module is named '%s'", word);
}

static pc_status add_loras(pc_adapter *adapter, const pc_params *params, const pc_adapter_choice *choice, const char *word)
{
    bool named = false, free_part = false;
    for (size_t i = 0; i < params->count; i++) {
        pc_param_entry *entry = params->items[i];
        bool frozen = choice->frozen && choice->frozen(choice->user, entry->param.part);
        if (!fits(entry, word)) {
            continue;
        }
        named = true;
        free_part = free_part || !frozen;
        if (!frozen && !pc_adapter_find(adapter, &entry->param) &&
            pc_adapter_instead(adapter, &entry->param) == &entry->param) {
            PC_TRY(pc_adapter_add_lora(adapter, &entry->param, &adapter->config, NULL));
        }
    }
    return free_part ? PC_OK
           : named   ? pc_fail(PC_ERR_USAGE, "lora_target: every layer named '%s' is in a frozen part", word)
                     : pc_fail(PC_ERR_USAGE, "lora_target: no linear layer is named '%s' (try all, q_proj, *.mlp.*)", word);
}

pc_status pc_adapter_choose(pc_adapter *adapter, const pc_params *params, const pc_adapter_choice *choice)
{
    char word[256];
    for (const char *at = choice->wholes ? choice->wholes : ""; next_word(&at, word);) {
        PC_TRY(add_wholes(adapter, params, word));
    }
    for (const char *at = choice->targets ? choice->targets : ""; next_word(&at, word);) {
        PC_TRY(add_loras(adapter, params, choice, word));
    }
    return PC_OK;
}

/* --- values --- */

/* row [K] = W_n + scale sum_r B_nr A_r */
static void changed_row(const pc_lora *lora, int64_t n, float *row)
{
    const pc_param *weight = lora->weight;
    int64_t width = weight->shape.dim[1], rank = lora->a->shape.dim[0];
    const float *a = lora->a->data, *b = (const float *)lora->b->data + n * rank;
    size_t bytes = (size_t)width / pc_dtype_unit(weight->dtype) * pc_dtype_size(weight->dtype); /* of a row */
    const char *base = (const char *)weight->data + (size_t)n * bytes;
    pc_convert_to_f32(row, base, weight->dtype, (size_t)width);
    for (int64_t r = 0; r < rank; r++) {
        for (int64_t k = 0; k < width; k++) {
            row[k] += (float)(lora->scale * (double)b[r] * (double)a[r * width + k]);
        }
    }
}

static double length_of(const float *row, int64_t width)
{
    double sum = 0;
    for (int64_t k = 0; k < width; k++) {
        sum += (double)row[k] * (double)row[k];
    }
    return sqrt(sum);
}

static pc_status start_magnitudes(const pc_lora *lora)
{
    int64_t rows = lora->weight->shape.dim[0], width = lora->weight->shape.dim[1];
    float *row = NULL, *out = lora->magnitude->data;
    PC_TRY(PC_NEW_ARRAY(row, (size_t)width + 1, "an adapter"));
    for (int64_t n = 0; n < rows; n++) {
        changed_row(lora, n, row);
        out[n] = (float)length_of(row, width);
    }
    pc_free(row);
    return PC_OK;
}

pc_status pc_adapter_initialise(pc_adapter *adapter, uint64_t seed)
{
    PC_TRY(pc_params_initialise(&adapter->params, seed));
    for (size_t i = 0; i < adapter->whole_count; i++) {
        const pc_param *from = adapter->wholes[i].instead;
        pc_convert_to_f32(adapter->wholes[i].own->data, from->data, from->dtype, (size_t)pc_shape_count(&from->shape));
    }
    for (size_t i = 0; i < adapter->lora_count; i++) {
        PC_TRY(adapter->loras[i].magnitude ? start_magnitudes(&adapter->loras[i]) : PC_OK);
    }
    return PC_OK;
}

static pc_status merge_one(const pc_lora *lora)
{
    int64_t rows = lora->weight->shape.dim[0], width = lora->weight->shape.dim[1];
    float *row = NULL, *out = lora->weight->data;
    PC_TRY(PC_NEW_ARRAY(row, (size_t)width + 1, "an adapter"));
    for (int64_t n = 0; n < rows; n++) {
        changed_row(lora, n, row);
        double length = lora->magnitude ? length_of(row, width) : 1;
        double factor = lora->magnitude ? (double)((const float *)lora->magnitude->data)[n] / (length > 0 ? length : 1) : 1;
        for (int64_t k = 0; k < width; k++) {
            out[n * width + k] = (float)(factor * (double)row[k]);
        }
    }
    pc_free(row);
    return PC_OK;
}

pc_status pc_adapter_merge(const pc_adapter *adapter)
{
    for (size_t i = 0; i < adapter->lora_count; i++) {
        if (adapter->loras[i].weight->dtype != PC_F32) {
            return pc_fail(PC_ERR_USAGE, "%s: only f32 weights can take in an adapter", adapter->loras[i].weight->name);
        }
        PC_TRY(merge_one(&adapter->loras[i]));
    }
    for (size_t i = 0; i < adapter->whole_count; i++) {
        const pc_whole *whole = &adapter->wholes[i];
        pc_convert_to_f32(whole->instead->data, whole->own->data, whole->own->dtype,
                          (size_t)pc_shape_count(&whole->own->shape));
    }
    return PC_OK;
}

/* --- forward --- */

/* m / |W + scale BA|, [N] */
static pc_tensor *row_factors(const pc_build *build, const pc_lora *lora, pc_tensor *weight)
{
    pc_graph *graph = build->graph;
    const pc_matmul_params plain = {.compute = build->compute};
    pc_tensor *delta = pc_matmul(graph, pc_use(build, lora->b), pc_use(build, lora->a), plain); /* [N,K] */
    return pc_multiply(graph, pc_use(build, lora->magnitude), pc_inverse_lengths(graph, weight, delta, lora->scale));
}

pc_tensor *pc_lora_forward(const pc_build *build, const pc_lora *lora, const pc_linear_weights *weights, pc_tensor *x,
                           pc_tensor *residual)
{
    pc_graph *graph = build->graph;
    pc_tensor *weight = pc_use(build, weights->weight), *bias = pc_use(build, weights->bias);
    pc_tensor *read = build->dropping ? pc_drop(build, x, build->dropping->adapter) : x;
    pc_tensor *low = pc_linear(graph, read, pc_use(build, lora->a), NULL, NULL, build->compute); /* [..,r] */
    low = pc_scale(graph, low, lora->scale);
    pc_tensor *y = lora->magnitude ? pc_linear(graph, x, weight, NULL, NULL, build->compute)
                                   : pc_linear(graph, x, weight, bias, residual, build->compute); /* [..,N] */
    y = pc_linear(graph, low, pc_use(build, lora->b), NULL, y, build->compute);
    if (lora->magnitude) {
        y = pc_multiply(graph, y, row_factors(build, lora, weight));
        y = bias ? pc_add(graph, y, bias) : y;
        y = residual ? pc_add(graph, y, residual) : y;
    }
    return y;
}
