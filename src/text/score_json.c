/* A score model as the BPE of a tokenizer.json: the pieces become the vocabulary, and every way to put a piece together
 * from two pieces becomes a merge, in the order of the scores. (As transformers converts LLaMA's tokenizer.) */
#include "base/memory.h"
#include "text/score.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>

static const char mark[] = "\xe2\x96\x81";

typedef struct pair {
    uint32_t rank;
    int32_t left, right;
} pair;

static int by_rank(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    if (x->rank != y->rank) {
        return x->rank < y->rank ? -1 : 1;
    }
    return x->left != y->left ? (x->left < y->left ? -1 : 1) : (x->right > y->right) - (x->right < y->right);
}

static bool is_ranked(const pc_score_model *model, int32_t id)
{
    return id >= 0 && (size_t)id < model->count && model->ranks[id] != PC_NO_MERGE;
}

static pc_status find_pairs(const pc_score_model *model, pair **pairs, size_t *count)
{
    size_t capacity = 0;
    for (size_t id = 0; id < model->count; id++) {
        size_t length;
        if (!is_ranked(model, (int32_t)id)) {
            continue;
        }
        const char *text = pc_vocab_text(model->vocab, (int32_t)id, &length);
        for (size_t at = (size_t)pc_char_size(text, length, 0); at < length; at += (size_t)pc_char_size(text, length, at)) {
            int32_t left = pc_vocab_find(model->vocab, text, at);
            int32_t right = is_ranked(model, left) ? pc_vocab_find(model->vocab, text + at, length - at) : -1;
            if (is_ranked(model, right)) {
                PC_TRY(pc_grow(pairs, &capacity, *count + 1, sizeof **pairs, "merges"));
                (*pairs)[(*count)++] = (pair){model->ranks[id], left, right};
            }
        }
    }
    if (*count > 1) {
        qsort(*pairs, *count, sizeof **pairs, by_rank);
    }
    return PC_OK;
}

/* The piece with its spaces as U+2581. */
static pc_json *spelled(const pc_score_model *model, int32_t id, const char *space)
{
    size_t length;
    const char *text = pc_vocab_text(model->vocab, id, &length);
    pc_str out = {0};
    pc_status status = PC_OK;
    for (size_t i = 0; i < length && status == PC_OK; i++) {
        status = space[0] == ' ' && text[i] == ' ' ? pc_str_puts(&out, mark) : pc_str_putc(&out, text[i]);
    }
    pc_json *json = status == PC_OK ? pc_json_new_text_n(out.data ? out.data : "", out.length) : NULL;
    pc_str_clear(&out);
    return json;
}

static pc_status add_merges(const pc_score_model *model, const char *space, pc_json *merges)
{
    pair *pairs = NULL;
    size_t count = 0;
    pc_status status;
    PC_GO(find_pairs(model, &pairs, &count));
    for (size_t i = 0; i < count; i++) {
        pc_json *item = pc_json_new_array();
        pc_status left = pc_json_push(item, spelled(model, pairs[i].left, space));
        pc_status right = pc_json_push(item, spelled(model, pairs[i].right, space));
        PC_GO(pc_json_push(merges, item));
        PC_GO(left);
        PC_GO(right);
    }
done:
    pc_free(pairs);
    return status;
}

static pc_status add_vocab(const pc_tokenizer *tokenizer, const pc_score_model *model, const char *space, pc_json *vocab)
{
    for (size_t id = 0; id < model->count; id++) {
        pc_json *text = spelled(model, (int32_t)id, space);
        pc_status status = text ? PC_OK : pc_fail_memory(model->vocab->entries[id].length, "token");
        if (status == PC_OK && !(tokenizer->vocab.entries[id].flags & PC_VOCAB_OUTSIDE)) {
            status = pc_json_set(vocab, pc_json_text(text), pc_json_new_integer((int64_t)id));
        }
        pc_json_free(text);
        PC_TRY(status);
    }
    return PC_OK;
}

static pc_status make_model(const pc_tokenizer *tokenizer, const pc_score_model *model, const char *space, pc_json *out)
{
    pc_json *vocab = pc_json_new_object(), *merges = pc_json_new_array();
    pc_status status = add_vocab(tokenizer, model, space, vocab);
    status = status == PC_OK ? add_merges(model, space, merges) : status;
    pc_status first = pc_json_set(out, "type", pc_json_new_text("BPE"));
    pc_status second = pc_json_set(out, "vocab", vocab), third = pc_json_set(out, "merges", merges);
    PC_TRY(status);
    PC_TRY(first);
    PC_TRY(second);
    PC_TRY(third);
    if (tokenizer->roles[PC_TOKEN_UNK] >= 0) {
        PC_TRY(pc_json_set(out, "unk_token", spelled(model, tokenizer->roles[PC_TOKEN_UNK], space)));
    }
    PC_TRY(pc_json_set(out, "fuse_unk", pc_json_new_bool(true)));
    PC_TRY(pc_json_set(out, "byte_fallback", pc_json_new_bool(model->byte_fallback)));
    return pc_json_set(out, "ignore_merges", pc_json_new_bool(false));
}

/* Parse fixed text and put it under a key. */
static pc_status set_parsed(pc_json *root, const char *key, const char *text)
{
    pc_json *part = NULL;
    PC_TRY(pc_json_parse(&part, text, strlen(text), key));
    return pc_json_set(root, key, part);
}

static pc_status add_steps(const pc_score_json *how, pc_json *root)
{
    if (how->each_segment || !how->dummy_prefix) {
        PC_TRY(set_parsed(root, "normalizer", how->dummy_prefix
            ? "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\xe2\x96\x81\"},"
              "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xe2\x96\x81\"}]}"
            : "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xe2\x96\x81\"}"));
    } else {
        PC_TRY(set_parsed(root, "pre_tokenizer", "{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\","
                                                 "\"prepend_scheme\":\"first\",\"split\":false}"));
    }
    return set_parsed(root, "decoder", how->dummy_prefix
        ? "{\"type\":\"Sequence\",\"decoders\":["
          "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xe2\x96\x81\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},"
          "{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}"
        : "{\"type\":\"Sequence\",\"decoders\":["
          "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xe2\x96\x81\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},"
          "{\"type\":\"Fuse\"}]}");
}

/* An id of the template as {"SpecialToken": ...} and in the table of special tokens. */
static pc_status add_template_id(const pc_tokenizer *tokenizer, int32_t id, pc_json *single, pc_json *tokens)
{
    const char *text = pc_tokenizer_token(tokenizer, id, NULL);
    pc_json *item = pc_json_new_object(), *named = pc_json_new_object(), *entry = pc_json_new_object();
    pc_json *ids = pc_json_new_array(), *texts = pc_json_new_array();
    pc_status s[8];
    s[0] = pc_json_set(named, "id", pc_json_new_text(text));
    s[1] = pc_json_set(named, "type_id", pc_json_new_integer(0));
    s[2] = pc_json_set(item, "SpecialToken", named);
    s[3] = pc_json_push(ids, pc_json_new_integer(id));
    s[4] = pc_json_push(texts, pc_json_new_text(text));
    s[5] = pc_json_set(entry, "id", pc_json_new_text(text));
    s[6] = pc_json_set(entry, "ids", ids);
    s[7] = pc_json_set(entry, "tokens", texts);
    pc_status pushed = pc_json_push(single, item), set = pc_json_set(tokens, text, entry);
    for (int i = 0; i < 8; i++) {
        PC_TRY(s[i]);
    }
    PC_TRY(pushed);
    return set;
}

pc_status pc_template_to_json(const pc_tokenizer *tokenizer, pc_json *root)
{
    pc_json *post = NULL;
    static const char sequence[] = "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}";
    static const char frame[] = "{\"type\":\"TemplateProcessing\",\"single\":[],\"pair\":["
                                "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],"
                                "\"special_tokens\":{}}";
    pc_json *text = NULL;
    pc_status status;
    if (tokenizer->before.count + tokenizer->after.count == 0) {
        return PC_OK;
    }
    PC_GO(pc_json_parse(&post, frame, strlen(frame), "template"));
    PC_GO(pc_json_parse(&text, sequence, strlen(sequence), "template"));
    pc_json *single = pc_json_get(post, "single"), *tokens = pc_json_get(post, "special_tokens");
    for (size_t i = 0; i < tokenizer->before.count; i++) {
        PC_GO(add_template_id(tokenizer, tokenizer->before.data[i], single, tokens));
    }
    status = pc_json_push(single, text);
    text = NULL;
    PC_GO(status);
    for (size_t i = 0; i < tokenizer->after.count; i++) {
        PC_GO(add_template_id(tokenizer, tokenizer->after.data[i], single, tokens));
    }
    status = pc_json_set(root, "post_processor", post);
    post = NULL;
done:
    pc_json_free(post);
    pc_json_free(text);
    return status;
}

/* A tokenizer.json can't say some things: then *out stays NULL and the original file alone is saved. */
static bool can_be_said(const pc_tokenizer *tokenizer, const pc_score_model *model, const pc_score_json *how)
{
    if (how->collapse) {
        return false;
    }
    for (size_t id = 0; id < model->count; id++) {
        size_t length;
        const char *text = pc_vocab_text(&tokenizer->vocab, (int32_t)id, &length);
        uint32_t flags = tokenizer->vocab.entries[id].flags;
        if (flags & (PC_VOCAB_FIXED | PC_VOCAB_UNUSED) || pc_utf8_valid_prefix(text, length) != length ||
            memchr(text, '\0', length) || (how->space[0] == ' ' && memmem(text, length, mark, 3))) {
            return false;
        }
    }
    return true;
}

pc_status pc_score_to_json(const pc_tokenizer *tokenizer, const pc_score_model *model, const pc_score_json *how,
                           pc_json **out)
{
    *out = NULL;
    if (!can_be_said(tokenizer, model, how)) {
        return PC_OK;
    }
    pc_json *root = pc_json_new_object(), *json = pc_json_new_object();
    pc_status status = make_model(tokenizer, model, how->space, json);
    pc_status set = pc_json_set(root, "model", json);
    status = status == PC_OK ? set : status;
    status = status == PC_OK ? add_steps(how, root) : status;
    status = status == PC_OK ? pc_template_to_json(tokenizer, root) : status;
    if (status != PC_OK) {
        pc_json_free(root);
        return status;
    }
    *out = root;
    return PC_OK;
}
