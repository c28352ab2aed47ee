/* The model WordLevel of a tokenizer.json: a word is a token, or unknown. */
#include "base/memory.h"
#include "text/model.h"

typedef struct wordlevel {
    int32_t unknown; /* -1: none */
} wordlevel;

static pc_status load(pc_tokenizer *tokenizer, void **state, const pc_json *model, const char *where)
{
    wordlevel *words = NULL;
    PC_TRY(PC_NEW(words, "tokenizer model"));
    *state = words;
    PC_TRY(pc_vocab_from_json(&tokenizer->vocab, pc_json_get(model, "vocab"), where));
    pc_vocab_unknown(tokenizer, model, &words->unknown);
    return PC_OK;
}

static pc_status encode(const void *state, const pc_vocab *vocab, const char *word, size_t length, pc_text_work *work,
                        pc_ids *out)
{
    const wordlevel *words = state;
    int32_t id = pc_vocab_find_model(vocab, word, length);
    (void)work;
    if (id < 0 && words->unknown < 0) {
        return pc_fail(PC_ERR_DATA, "the word \"%.*s\" is not in the vocabulary, which has no token for unknown words",
                       (int)(length < 60 ? length : 60), word);
    }
    return pc_ids_push(out, id >= 0 ? id : words->unknown);
}

static pc_status to_json(const pc_tokenizer *tokenizer, const void *state, pc_json *model)
{
    const wordlevel *words = state;
    size_t length;
    const char *unknown = words->unknown >= 0 ? pc_vocab_text(&tokenizer->vocab, words->unknown, &length) : "<unk>";
    PC_TRY(pc_json_set(model, "unk_token", pc_json_new_text(unknown)));
    return pc_vocab_to_json(tokenizer, model);
}

const pc_word_model pc_word_model_wordlevel = {
    .name = "wordlevel",
    .type = "WordLevel",
    .load = load,
    .encode = encode,
    .to_json = to_json,
    .free_state = pc_free,
};
