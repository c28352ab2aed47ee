/* WordPiece (Schuster & Nakajima 2012; as BERT uses it, Devlin et al. 2019): from the left the longest piece that fits;
 * pieces inside a word are spelled with a prefix ("##"). A word with a part that fits nothing is unknown as a whole.
 *
 * Easy to get wrong: a word of too many characters (not bytes) is unknown without looking at it.
 */
#include "base/memory.h"
#include "text/model.h"
#include "text/trie.h"

#include <string.h>

typedef struct wordpiece {
    pc_trie first, inside; /* pieces that begin a word, pieces within one, without their prefix */
    int32_t unknown;       /* -1: none */
    char *prefix;          /* "##" */
    int64_t longest_word;  /* characters */
} wordpiece;

/* A tree of the tokens that have the prefix, without it. */
static pc_status index_tokens(pc_trie *trie, const pc_vocab *vocab, const char *prefix)
{
    pc_trie_key *keys = NULL;
    size_t count = 0, skip = strlen(prefix);
    pc_status status;
    PC_GO(PC_NEW_ARRAY(keys, vocab->count, "vocabulary tree"));
    for (size_t id = 0; id < vocab->count; id++) {
        size_t length = vocab->entries[id].length;
        const char *text = vocab->bytes + vocab->entries[id].offset;
        uint32_t flags = vocab->entries[id].flags;
        if (flags & PC_VOCAB_PRESENT && !(flags & PC_VOCAB_OUTSIDE) && length > skip && memcmp(text, prefix, skip) == 0) {
            keys[count++] = (pc_trie_key){text + skip, (uint32_t)(length - skip), (int32_t)id};
        }
    }
    PC_GO(pc_trie_build(trie, keys, count));
done:
    pc_free(keys);
    return status;
}

static pc_status new_model(wordpiece **out, void **state, const char *prefix, int64_t longest_word)
{
    PC_TRY(PC_NEW(*out, "tokenizer model"));
    *state = *out;
    (*out)->longest_word = longest_word;
    (*out)->prefix = pc_strdup(prefix);
    return (*out)->prefix ? PC_OK : pc_fail_memory(strlen(prefix), "tokenizer model");
}

pc_status pc_wordpiece_new(void **state, int32_t unknown)
{
    wordpiece *pieces = NULL;
    PC_TRY(new_model(&pieces, state, "##", 100));
    pieces->unknown = unknown;
    return PC_OK;
}

static pc_status load(pc_tokenizer *tokenizer, void **state, const pc_json *model, const char *where)
{
    wordpiece *pieces = NULL;
    PC_TRY(new_model(&pieces, state, pc_json_get_text(model, "continuing_subword_prefix", "##"),
                     pc_json_get_integer(model, "max_input_chars_per_word", 100)));
    PC_TRY(pc_vocab_from_json(&tokenizer->vocab, pc_json_get(model, "vocab"), where));
    pc_vocab_unknown(tokenizer, model, &pieces->unknown);
    return PC_OK;
}

static pc_status ready(void *state, const pc_tokenizer *tokenizer, const pc_cutter *cutter, const char *where)
{
    wordpiece *pieces = state;
    (void)where;
    if (cutter->bytes) {
        return pc_fail(PC_ERR_DATA, "%s: a WordPiece model behind a ByteLevel pre-tokenizer is not supported", where);
    }
    pc_trie_clear(&pieces->first);
    pc_trie_clear(&pieces->inside);
    PC_TRY(index_tokens(&pieces->first, &tokenizer->vocab, ""));
    return index_tokens(&pieces->inside, &tokenizer->vocab, pieces->prefix);
}

/* The longest piece at text[0]: its id, *size its bytes; -1: none. */
static int32_t longest_piece(const pc_trie *trie, const char *text, size_t length, size_t *size)
{
    int32_t id = -1;
    uint32_t node = 0;
    for (size_t i = 0; i < length; i++) {
        node = pc_trie_step(trie, node, (uint8_t)text[i]);
        if (node == 0) {
            break;
        }
        if (trie->nodes[node].value >= 0) {
            id = trie->nodes[node].value;
            *size = i + 1;
        }
    }
    return id;
}

static bool too_long(const wordpiece *pieces, const char *word, size_t length)
{
    int64_t count = 0;
    for (size_t at = 0; at < length && count <= pieces->longest_word; count++) {
        at += (size_t)pc_char_size(word, length, at);
    }
    return count > pieces->longest_word;
}

static pc_status encode(const void *state, const pc_vocab *vocab, const char *word, size_t length, pc_text_work *work,
                        pc_ids *out)
{
    const wordpiece *pieces = state;
    size_t count = out->count, at = too_long(pieces, word, length) ? length + 1 : 0;
    (void)vocab;
    (void)work;
    while (at < length) {
        size_t size;
        int32_t id = longest_piece(at == 0 ? &pieces->first : &pieces->inside, word + at, length - at, &size);
        if (id < 0) {
            break;
        }
        PC_TRY(pc_ids_push(out, id));
        at += size;
    }
    if (at == length) {
        return PC_OK;
    }
    out->count = count;
    return pieces->unknown >= 0 ? pc_ids_push(out, pieces->unknown)
                                : pc_fail(PC_ERR_DATA, "the word \"%.*s\" is unknown, and the vocabulary has no token for "
                                          "unknown words", (int)(length < 60 ? length : 60), word);
}

static pc_status to_json(const pc_tokenizer *tokenizer, const void *state, pc_json *model)
{
    const wordpiece *pieces = state;
    size_t length;
    const char *unknown = pieces->unknown >= 0 ? pc_vocab_text(&tokenizer->vocab, pieces->unknown, &length) : "[UNK]";
    PC_TRY(pc_json_set(model, "unk_token", pc_json_new_text(unknown)));
    PC_TRY(pc_json_set(model, "continuing_subword_prefix", pc_json_new_text(pieces->prefix)));
    PC_TRY(pc_json_set(model, "max_input_chars_per_word", pc_json_new_integer(pieces->longest_word)));
    return pc_vocab_to_json(tokenizer, model);
}

static void free_state(void *state)
{
    wordpiece *pieces = state;
    if (pieces) {
        pc_trie_clear(&pieces->first);
        pc_trie_clear(&pieces->inside);
        pc_free(pieces->prefix);
        pc_free(pieces);
    }
}

const pc_word_model pc_word_model_wordpiece = {
    .name = "wordpiece",
    .type = "WordPiece",
    .load = load,
    .ready = ready,
    .encode = encode,
    .to_json = to_json,
    .free_state = free_state,
};
