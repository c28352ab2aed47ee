/* The model BPE of a tokenizer.json. */
#include "base/memory.h"
#include "text/bpe.h"

#include <string.h>

const char *const pc_bpe_affix_keys[2] = {"continuing_subword_prefix", "end_of_word_suffix"};

static pc_status read_merge(pc_bpe *bpe, size_t *capacity, const pc_vocab *vocab, const pc_json *merge, const char *where)
{
    if (pc_json_is_array(merge) && pc_json_length(merge) == 2 && pc_json_is_string(pc_json_at(merge, 0)) &&
        pc_json_is_string(pc_json_at(merge, 1))) {
        const pc_json *left = pc_json_at(merge, 0), *right = pc_json_at(merge, 1);
        return pc_bpe_add_merge(bpe, capacity, vocab, pc_json_text(left), pc_json_text_length(left), pc_json_text(right),
                                pc_json_text_length(right), where);
    }
    const char *text = pc_json_text(merge);
    size_t length = pc_json_text_length(merge);
    const char *space = text ? memchr(text, ' ', length) : NULL;
    if (!space || memchr(space + 1, ' ', length - (size_t)(space + 1 - text))) {
        return pc_fail(PC_ERR_DATA, "%s: merge %zu is neither \"a b\" nor [\"a\", \"b\"]", where, bpe->merge_count);
    }
    size_t left = (size_t)(space - text);
    return pc_bpe_add_merge(bpe, capacity, vocab, text, left, space + 1, length - left - 1, where);
}

static pc_status refuse_model_options(const pc_json *model, const char *where)
{
    if (pc_json_get_number(model, "dropout", 0) != 0) {
        return pc_fail(PC_ERR_DATA, "%s: BPE dropout is not supported", where);
    }
    for (int i = 0; i < 2; i++) {
        const char *affix = pc_json_get_text(model, pc_bpe_affix_keys[i], "");
        bool fallback = pc_json_get_bool(model, "byte_fallback", false);
        if (strlen(affix) > PC_BPE_AFFIX || (affix[0] && fallback)) {
            return pc_fail(PC_ERR_DATA, "%s: BPE %s \"%.60s\" is supported up to %d bytes, and without byte_fallback", where,
                           pc_bpe_affix_keys[i], affix, PC_BPE_AFFIX);
        }
    }
    return PC_OK;
}

static pc_status read_affixes(pc_bpe *bpe, const pc_json *model)
{
    for (int i = 0; i < 2; i++) {
        const char *affix = pc_json_get_text(model, pc_bpe_affix_keys[i], "");
        PC_TRY(pc_step_text_set(i == 0 ? &bpe->prefix : &bpe->suffix, affix, strlen(affix)));
    }
    return PC_OK;
}

pc_status pc_bpe_load(pc_tokenizer *tokenizer, void **state, const pc_json *model, const char *where)
{
    size_t capacity = 0;
    pc_bpe *bpe = NULL;
    const pc_json *merges = pc_json_get(model, "merges");
    const char *unknown = pc_json_get_text(model, "unk_token", NULL);
    PC_TRY(pc_bpe_new(&bpe));
    *state = bpe;
    PC_TRY(refuse_model_options(model, where));
    PC_TRY(read_affixes(bpe, model));
    PC_TRY(pc_vocab_from_json(&tokenizer->vocab, pc_json_get(model, "vocab"), where));
    if (!pc_json_is_array(merges)) {
        return pc_fail(PC_ERR_DATA, "%s: model.merges is not an array", where);
    }
    for (size_t i = 0; i < pc_json_length(merges); i++) {
        PC_TRY(read_merge(bpe, &capacity, &tokenizer->vocab, pc_json_at(merges, i), where));
    }
    bpe->byte_fallback = pc_json_get_bool(model, "byte_fallback", false);
    bpe->fuse_unknown = pc_json_get_bool(model, "fuse_unk", false);
    bpe->ignore_merges = pc_json_get_bool(model, "ignore_merges", false);
    pc_vocab_unknown(tokenizer, model, &bpe->unknown);
    return !unknown || bpe->unknown >= 0
               ? PC_OK
               : pc_fail(PC_ERR_DATA, "%s: unk_token \"%.60s\" is not in the vocabulary", where, unknown);
}

static pc_status merges_to_json(const pc_tokenizer *tokenizer, const pc_bpe *bpe, pc_json *model)
{
    pc_json *merges = pc_json_new_array();
    pc_status status = PC_OK;
    for (size_t i = 0; i < bpe->merge_count && status == PC_OK; i++) {
        size_t left, right;
        const char *left_text = pc_vocab_text(&tokenizer->vocab, bpe->merges[i].left, &left);
        const char *right_text = pc_vocab_text(&tokenizer->vocab, bpe->merges[i].right, &right);
        pc_json *pair = pc_json_new_array();
        pc_status first = pc_json_push(pair, pc_json_new_text_n(left_text, left));
        pc_status second = pc_json_push(pair, pc_json_new_text_n(right_text, right));
        status = pc_json_push(merges, pair);
        status = first != PC_OK ? first : second != PC_OK ? second : status;
    }
    pc_status set = pc_json_set(model, "merges", merges);
    return status != PC_OK ? status : set;
}

pc_status pc_bpe_to_json(const pc_tokenizer *tokenizer, const void *state, pc_json *model)
{
    const pc_bpe *bpe = state;
    size_t length;
    if (bpe->unknown >= 0) {
        PC_TRY(pc_json_set(model, "unk_token",
                           pc_json_new_text(pc_vocab_text(&tokenizer->vocab, bpe->unknown, &length))));
    }
    for (int i = 0; i < 2; i++) {
        const pc_step_text *affix = i == 0 ? &bpe->prefix : &bpe->suffix;
        if (affix->length > 0) {
            PC_TRY(pc_json_set(model, pc_bpe_affix_keys[i], pc_json_new_text(affix->text)));
        }
    }
    PC_TRY(pc_json_set(model, "fuse_unk", pc_json_new_bool(bpe->fuse_unknown)));
    PC_TRY(pc_json_set(model, "byte_fallback", pc_json_new_bool(bpe->byte_fallback)));
    PC_TRY(pc_json_set(model, "ignore_merges", pc_json_new_bool(bpe->ignore_merges)));
    PC_TRY(pc_vocab_to_json(tokenizer, model));
    return merges_to_json(tokenizer, bpe, model);
}
