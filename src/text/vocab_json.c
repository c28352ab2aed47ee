/* The vocabulary of a tokenizer.json as an object from token to id. */
#include "text/model.h"

#include <string.h>

pc_status pc_vocab_from_json(pc_vocab *out, const pc_json *vocab, const char *where)
{
    size_t count = pc_json_length(vocab);
    if (!pc_json_is_object(vocab) || count == 0) {
        return pc_fail(PC_ERR_DATA, "%s: expected a vocabulary, an object from token to id", where);
    }
    PC_TRY(pc_vocab_reserve(out, count));
    for (void *it = pc_json_first(vocab); it; it = pc_json_next(vocab, it)) {
        const pc_json *value = pc_json_value(it);
        int64_t id = pc_json_integer(value, -1);
        const char *token = pc_json_key(it);
        if (!pc_json_is_integer(value) || id < 0 || (uint64_t)id > pc_largest_id(count)) {
            return pc_fail(PC_ERR_DATA, "%s: token \"%.60s\" has no id in 0..%zu", where, token, pc_largest_id(count));
        }
        pc_status status = pc_vocab_set(out, (size_t)id, token, strlen(token), 0);
        if (status != PC_OK) {
            return pc_fail_prefix(status, "%s: token \"%.60s\"", where, token);
        }
    }
    return PC_OK;
}

pc_status pc_vocab_to_json(const pc_tokenizer *tokenizer, pc_json *model)
{
    pc_json *vocab = pc_json_new_object();
    pc_status status = PC_OK;
    for (size_t id = 0; id < tokenizer->vocab.count && status == PC_OK; id++) {
        uint32_t flags = tokenizer->vocab.entries[id].flags;
        if (flags & PC_VOCAB_PRESENT && !(flags & PC_VOCAB_OUTSIDE)) {
            size_t length;
            status = pc_json_set(vocab, pc_vocab_text(&tokenizer->vocab, (int32_t)id, &length),
                                 pc_json_new_integer((int64_t)id));
        }
    }
    pc_status set = pc_json_set(model, "vocab", vocab); /* takes vocab also when it fails */
    return status != PC_OK ? status : set;
}

void pc_vocab_unknown(pc_tokenizer *tokenizer, const pc_json *model, int32_t *id)
{
    const char *unknown = pc_json_get_text(model, "unk_token", NULL);
    *id = unknown ? pc_vocab_find_model(&tokenizer->vocab, unknown, strlen(unknown)) : -1;
    tokenizer->roles[PC_TOKEN_UNK] = *id;
}
