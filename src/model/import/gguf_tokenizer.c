/* The keys tokenizer.ggml.* -> the tables of text/table.h. Source: ggml's docs/gguf.md. */
#include "model/import/gguf.h"

#include "base/memory.h"
#include "text/table.h"

#include <string.h>

#define PREFIX "tokenizer.ggml."

static pc_status read_texts(pc_table_text **out, size_t *count, const pc_gguf *gguf, const char *key)
{
    const pc_gguf_value *array;
    *out = NULL;
    *count = 0;
    PC_TRY(pc_gguf_array(&array, gguf, key, PC_GGUF_STRING));
    if (!array) {
        return PC_OK;
    }
    PC_TRY(PC_NEW_ARRAY(*out, (size_t)array->count, "tokens of a GGUF file"));
    const uint8_t *cursor = array->data;
    for (; *count < array->count; ++*count) {
        pc_gguf_next_text(&cursor, &(*out)[*count].text, &(*out)[*count].length);
    }
    return PC_OK;
}

static pc_status check_count(const pc_gguf *gguf, const char *key, const pc_gguf_value *array, size_t count)
{
    return array->count == count ? PC_OK
                                 : pc_fail(PC_ERR_DATA, "%s: offset %zu: key '%s' has %llu elements for %zu tokens",
                                           pc_gguf_file(gguf), array->offset, key, (unsigned long long)array->count, count);
}

static pc_status read_scores(float **out, const pc_gguf *gguf, size_t count)
{
    const pc_gguf_value *array;
    PC_TRY(pc_gguf_array(&array, gguf, PREFIX "scores", PC_GGUF_F32));
    if (!array) {
        return PC_OK;
    }
    PC_TRY(check_count(gguf, PREFIX "scores", array, count));
    PC_TRY(PC_NEW_ARRAY(*out, count, "scores of tokens"));
    for (size_t i = 0; i < count; i++) {
        (*out)[i] = (float)pc_gguf_number_at(array, i);
    }
    return PC_OK;
}

static pc_status read_types(int32_t **out, const pc_gguf *gguf, size_t count)
{
    const pc_gguf_value *array;
    PC_TRY(pc_gguf_array(&array, gguf, PREFIX "token_type", PC_GGUF_I32));
    if (!array) {
        return PC_OK;
    }
    PC_TRY(check_count(gguf, PREFIX "token_type", array, count));
    PC_TRY(PC_NEW_ARRAY(*out, count, "types of tokens"));
    for (size_t i = 0; i < count; i++) {
        (*out)[i] = (int32_t)pc_gguf_integer_at(array, i);
    }
    return PC_OK;
}

/* A short text as a C string; "" when the key is absent. */
static pc_status read_name(char out[64], const pc_gguf *gguf, const char *key)
{
    const char *text;
    size_t length;
    PC_TRY(pc_gguf_text(&text, &length, gguf, key));
    if (length >= 64) {
        return pc_fail(PC_ERR_DATA, "%s: key '%s': a name of %zu bytes", pc_gguf_file(gguf), key, length);
    }
    memcpy(out, text ? text : "", length);
    out[length] = '\0';
    return PC_OK;
}

/* Ids and flags; defaults are llama.cpp's for the model. */
static pc_status read_specials(pc_token_table *table, const pc_gguf *gguf)
{
    static const char *const keys[PC_TOKEN_ROLES] = {
        [PC_TOKEN_BOS] = PREFIX "bos_token_id", [PC_TOKEN_EOS] = PREFIX "eos_token_id",
        [PC_TOKEN_UNK] = PREFIX "unknown_token_id", [PC_TOKEN_PAD] = PREFIX "padding_token_id"};
    bool llama = strcmp(table->model, "llama") == 0, bert = strcmp(table->model, "bert") == 0;
    bool llama3 = table->pre && strcmp(table->pre, "llama-bpe") == 0;
    const int32_t usual[PC_TOKEN_ROLES] = {
        [PC_TOKEN_BOS] = llama ? 1 : -1, [PC_TOKEN_EOS] = llama ? 2 : -1, [PC_TOKEN_UNK] = llama ? 0 : -1,
        [PC_TOKEN_PAD] = -1};
    for (int role = 0; role < PC_TOKEN_ROLES; role++) {
        int64_t id;
        int32_t fallback = usual[role] < (int32_t)table->count ? usual[role] : -1;
        PC_TRY(pc_gguf_integer(&id, gguf, keys[role], fallback, -1, UINT32_MAX));
        table->roles[role] = id == UINT32_MAX ? -1 : (int32_t)id;
    }
    if (bert) { /* what begins and ends a text has keys of its own */
        int64_t id;
        PC_TRY(pc_gguf_integer(&id, gguf, PREFIX "cls_token_id", table->roles[PC_TOKEN_BOS], -1, INT32_MAX));
        table->roles[PC_TOKEN_BOS] = (int32_t)id;
        PC_TRY(pc_gguf_integer(&id, gguf, PREFIX "seperator_token_id", table->roles[PC_TOKEN_EOS], -1, INT32_MAX));
        table->roles[PC_TOKEN_EOS] = (int32_t)id;
    }
    PC_TRY(pc_gguf_bool(&table->add_bos, gguf, PREFIX "add_bos_token", llama || bert || llama3));
    PC_TRY(pc_gguf_bool(&table->add_eos, gguf, PREFIX "add_eos_token", bert));
    return pc_gguf_bool(&table->space_prefix, gguf, PREFIX "add_space_prefix", true);
}

pc_status pc_gguf_tokenizer(pc_tokenizer **out, const pc_gguf *gguf)
{
    char model[64], pre[64];
    pc_table_text *tokens = NULL, *merges = NULL;
    float *scores = NULL;
    int32_t *types = NULL;
    pc_token_table table = {.where = pc_gguf_file(gguf), .model = model};
    pc_status status;
    *out = NULL;
    PC_GO(read_name(model, gguf, PREFIX "model"));
    PC_GO(read_name(pre, gguf, PREFIX "pre"));
    if (!model[0] || strcmp(model, "no_vocab") == 0) {
        goto done;
    }
    table.pre = pre[0] ? pre : NULL;
    PC_GO(read_texts(&tokens, &table.count, gguf, PREFIX "tokens"));
    PC_GO(read_texts(&merges, &table.merge_count, gguf, PREFIX "merges"));
    PC_GO(read_scores(&scores, gguf, table.count));
    PC_GO(read_types(&types, gguf, table.count));
    PC_GO(read_specials(&table, gguf));
    table.tokens = tokens;
    table.merges = merges;
    table.scores = scores;
    table.types = types;
    PC_GO(pc_tokenizer_from_table(out, &table));
done:
    pc_free(tokens);
    pc_free(merges);
    pc_free(scores);
    pc_free(types);
    return status;
}
