/* Byte-pair encoding (Sennrich et al. 2016; on bytes, Radford et al. 2019; with byte fallback, Kudo & Richardson 2018)
 * in the shape of Hugging Face's tokenizer.json:
 *
 *   word -> symbols (bytes as characters, or characters; unknown ones -> <0xE4> tokens or <unk>) -> merges -> ids
 *
 * Easy to get wrong: a merge is found by the pair of ids, not by the string it gives; with ByteFallback the byte tokens
 * take part in merging; unknown characters fuse only when fuse_unk says so, and over byte tokens too.
 */
#include "text/bpe.h"

#include "base/memory.h"

#include <string.h>

static uint32_t rank_of(const void *model, const char *word, const pc_symbol *left, const pc_symbol *right, int32_t *id)
{
    (void)word;
    return pc_merge_table_find(model, left->id, right->id, id);
}

static void add_symbol(pc_symbol *symbols, size_t *count, size_t start, size_t length, int32_t id)
{
    symbols[(*count)++] = (pc_symbol){(uint32_t)start, (uint32_t)length, id};
}

/* A character without a token: its bytes when all have tokens. */
static bool add_byte_tokens(const pc_bpe *bpe, const char *word, size_t at, size_t size, pc_symbol *symbols, size_t *count)
{
    for (size_t i = 0; i < size; i++) {
        if (!bpe->byte_fallback || bpe->byte_tokens[(unsigned char)word[at + i]] < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < size; i++) {
        add_symbol(symbols, count, at + i, 1, bpe->byte_tokens[(unsigned char)word[at + i]]);
    }
    return true;
}

/* The token of a character at word[at], spelled as it is there; -1: none. */
static int32_t char_token(const pc_bpe *bpe, const pc_vocab *vocab, const char *word, size_t length, size_t at, size_t size)
{
    unsigned char byte = (unsigned char)word[at];
    const pc_step_text *prefix = at > 0 ? &bpe->prefix : NULL, *suffix = at + size == length ? &bpe->suffix : NULL;
    if (!(prefix && prefix->length) && !(suffix && suffix->length)) {
        return bpe->bytes || byte < 128 ? bpe->ids_of_bytes[byte] : pc_vocab_find_model(vocab, word + at, size);
    }
    char spelled[2 * PC_BPE_AFFIX + 4];
    size_t used = prefix ? prefix->length : 0;
    memcpy(spelled, prefix ? prefix->text : "", used);
    if (bpe->bytes) {
        used += (size_t)pc_utf8_encode(pc_byte_to_char(byte), spelled + used);
    } else {
        memcpy(spelled + used, word + at, size);
        used += size;
    }
    memcpy(spelled + used, suffix ? suffix->text : "", suffix ? suffix->length : 0);
    return pc_vocab_find_model(vocab, spelled, used + (suffix ? suffix->length : 0));
}

/* The symbols of a word; each has at least one byte, so that `symbols` with room for every byte is enough. */
static size_t split_chars(const pc_bpe *bpe, const pc_vocab *vocab, const char *word, size_t length, pc_symbol *symbols)
{
    size_t count = 0, pending = 0, pending_start = 0; /* bytes of unknown characters that wait to be fused */
    for (size_t at = 0, size; at < length; at += size) {
        size = bpe->bytes ? 1 : (size_t)pc_char_size(word, length, at);
        int32_t id = char_token(bpe, vocab, word, length, at, size);
        if (id < 0 && add_byte_tokens(bpe, word, at, size, symbols, &count)) {
            continue;
        }
        if (pending > 0 && (id >= 0 || !bpe->fuse_unknown)) {
            add_symbol(symbols, &count, pending_start, pending, bpe->unknown);
            pending = 0;
        }
        if (id >= 0) {
            add_symbol(symbols, &count, at, size, id);
        } else if (bpe->unknown >= 0) {
            pending_start = pending == 0 ? at : pending_start;
            pending += size;
        }
    }
    if (pending > 0) {
        add_symbol(symbols, &count, pending_start, pending, bpe->unknown);
    }
    return count;
}

/* The token that is the whole word, or -1. */
static int32_t whole_word(const pc_bpe *bpe, const pc_vocab *vocab, const char *word, size_t length)
{
    char spelled[256] = "";
    size_t used = 0;
    if (!bpe->bytes) {
        return pc_vocab_find_model(vocab, word, length);
    }
    if (length > sizeof spelled / 2) {
        return -1; /* longer than any word of a vocabulary: each byte becomes at most two */
    }
    for (size_t i = 0; i < length; i++) {
        used += (size_t)pc_utf8_encode(pc_byte_to_char((unsigned char)word[i]), spelled + used);
    }
    return pc_vocab_find_model(vocab, spelled, used);
}

static pc_status encode(const void *state, const pc_vocab *vocab, const char *word, size_t length, pc_text_work *work,
                        pc_ids *out)
{
    const pc_bpe *bpe = state;
    int32_t whole = bpe->ignore_merges ? whole_word(bpe, vocab, word, length) : -1;
    if (whole >= 0) {
        return pc_ids_push(out, whole);
    }
    if (length > UINT32_MAX / 4) {
        return pc_fail(PC_ERR_DATA, "a word of %zu bytes is too long to tokenize", length);
    }
    pc_symbol few[PC_MERGE_SHORT], *symbols = few;
    if (length > PC_MERGE_SHORT) {
        PC_TRY(pc_grow(&work->symbols, &work->symbol_capacity, length, sizeof *symbols, "symbols of a word"));
        symbols = work->symbols;
    }
    size_t count = split_chars(bpe, vocab, word, length, symbols);
    PC_TRY(pc_merge(rank_of, &bpe->table, word, symbols, &count, &work->merge));
    for (size_t i = 0; i < count; i++) {
        PC_TRY(pc_ids_push(out, symbols[i].id));
    }
    return PC_OK;
}

static const char mark[] = "\xe2\x96\x81"; /* U+2581, SentencePiece's space */

size_t pc_cut_before_marks(const char *text, size_t length, size_t at)
{
    size_t from = at;
    while (length - from >= 3 && memcmp(text + from, mark, 3) == 0) {
        from += 3;
    }
    const char *found = memmem(text + from, length - from, mark, 3);
    return found ? (size_t)(found - text) : length;
}

static size_t cut(const void *state, const char *word, size_t length, size_t at)
{
    const pc_bpe *bpe = state;
    return bpe->cut_at_marks ? pc_cut_before_marks(word, length, at) : length;
}

pc_status pc_bpe_new(pc_bpe **out)
{
    PC_TRY(PC_NEW(*out, "tokenizer model"));
    (*out)->unknown = -1;
    return PC_OK;
}

pc_status pc_bpe_add_merge(pc_bpe *bpe, size_t *capacity, const pc_vocab *vocab, const char *left, size_t left_length,
                           const char *right, size_t right_length, const char *where)
{
    pc_bpe_merge merge = {pc_vocab_find_model(vocab, left, left_length), pc_vocab_find_model(vocab, right, right_length)};
    if (merge.left < 0 || merge.right < 0) {
        return pc_fail(PC_ERR_DATA, "%s: merge %zu: \"%.60s\" is not in the vocabulary", where, bpe->merge_count,
                       merge.left < 0 ? left : right);
    }
    PC_TRY(pc_grow(&bpe->merges, capacity, bpe->merge_count + 1, sizeof *bpe->merges, "merges"));
    bpe->merges[bpe->merge_count++] = merge;
    return PC_OK;
}

static pc_status build_table(pc_bpe *bpe, const pc_vocab *vocab, const char *where)
{
    pc_str joined = {0};
    pc_status status;
    pc_merge_table_clear(&bpe->table);
    PC_GO(pc_merge_table_init(&bpe->table, bpe->merge_count));
    for (size_t rank = 0; rank < bpe->merge_count; rank++) {
        size_t left_length, right_length;
        const char *left = pc_vocab_text(vocab, bpe->merges[rank].left, &left_length);
        const char *right = pc_vocab_text(vocab, bpe->merges[rank].right, &right_length);
        pc_str_reset(&joined);
        if (right_length < bpe->prefix.length) {
            status = pc_fail(PC_ERR_DATA, "%s: merge %zu: \"%.60s\" has no prefix", where, rank, right);
            goto done;
        }
        PC_GO(pc_str_add(&joined, left, left_length));
        PC_GO(pc_str_add(&joined, right + bpe->prefix.length, right_length - bpe->prefix.length));
        int32_t id = pc_vocab_find_model(vocab, joined.data ? joined.data : "", joined.length);
        if (id < 0) {
            status = pc_fail(PC_ERR_DATA, "%s: merge %zu gives \"%.60s\", which is not in the vocabulary", where, rank,
                             joined.data ? joined.data : "");
            goto done;
        }
        pc_merge_table_set(&bpe->table, bpe->merges[rank].left, bpe->merges[rank].right, (uint32_t)rank, id);
    }
done:
    pc_str_clear(&joined);
    return status;
}

/* Does any token hold a mark behind another character? */
static bool marks_only_lead(const pc_vocab *vocab)
{
    for (size_t id = 0; id < vocab->count; id++) {
        size_t length;
        if (vocab->entries[id].flags & PC_VOCAB_PRESENT) {
            const char *text = pc_vocab_text(vocab, (int32_t)id, &length);
            if (length > 0 && pc_cut_before_marks(text, length, 0) != length) {
                return false;
            }
        }
    }
    return true;
}

static pc_status ready(void *state, const pc_tokenizer *tokenizer, const pc_cutter *cutter, const char *where)
{
    pc_bpe *bpe = state;
    const pc_vocab *vocab = &tokenizer->vocab;
    if (bpe->merge_count >= PC_NO_MERGE) {
        return pc_fail(PC_ERR_DATA, "%s: too many merges", where);
    }
    PC_TRY(build_table(bpe, vocab, where));
    bpe->bytes = cutter->bytes;
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        int size = pc_utf8_encode(bpe->bytes ? pc_byte_to_char((unsigned char)byte) : (unsigned)byte, text);
        bpe->ids_of_bytes[byte] = pc_vocab_find_model(vocab, text, (size_t)size);
    }
    pc_byte_token_ids(vocab, bpe->byte_tokens);
    /* With ByteLevel the fallback would spell a missing byte by the bytes of the character that stands for it. */
    bpe->byte_fallback = bpe->byte_fallback && !bpe->bytes;
    /* A mark that is a token also ends a run of unknown characters that would fuse. */
    bpe->cut_at_marks = !bpe->bytes && !bpe->ignore_merges && !bpe->prefix.length && !bpe->suffix.length &&
                        pc_vocab_find_model(vocab, mark, 3) >= 0 && marks_only_lead(vocab);
    return PC_OK;
}

static bool recognise(const pc_json *model)
{
    return pc_json_is_array(pc_json_get(model, "merges"));
}

static void free_state(void *state)
{
    pc_bpe *bpe = state;
    if (bpe) {
        pc_merge_table_clear(&bpe->table);
        pc_free(bpe->merges);
        pc_free(bpe->prefix.text);
        pc_free(bpe->suffix.text);
        pc_free(bpe);
    }
}

const pc_word_model pc_word_model_bpe = {
    .name = "bpe",
    .type = "BPE",
    .recognise = recognise,
    .load = pc_bpe_load,
    .ready = ready,
    .encode = encode,
    .cut = cut,
    .to_json = pc_bpe_to_json,
    .free_state = free_state,
};
