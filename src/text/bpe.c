/* Byte-pair encoding (Sennrich et al. 2016; on bytes, Radford et al. 2019; with byte fallback, Kudo & Richardson 2018)
 * in the shape of Hugging Face's tokenizer.json:
 *
 *   text -> normalizer -> added tokens of normalized text cut out -> pre-tokenizer -> words
 *   word -> symbols (bytes as characters, or characters; unknown ones -> <0xE4> tokens or <unk>) -> merges -> ids
 *
 * Easy to get wrong: a merge is found by the pair of ids, not by the string it gives; with ByteFallback the byte tokens
 * take part in merging; unknown characters fuse only when fuse_unk says so, and over byte tokens too.
 */
#include "text/bpe.h"

#include "base/memory.h"

#include <string.h>

static bool recognise(const char *bytes, size_t size)
{
    size_t at = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < size && (bytes[at] == ' ' || bytes[at] == '\n' || bytes[at] == '\r' || bytes[at] == '\t')) {
        at++;
    }
    return at < size && bytes[at] == '{';
}

static uint32_t rank_of(const void *model, const char *word, const pc_symbol *left, const pc_symbol *right, int32_t *id)
{
    (void)word;
    return pc_merge_table_find(model, left->id, right->id, id);
}

/* One encoding of one segment. */
typedef struct encoding {
    const pc_bpe *bpe;
    const pc_vocab *vocab;
    pc_text_work *work;
    pc_ids *out;
} encoding;

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

/* The symbols of a word; each has at least one byte, so that `symbols` with room for every byte is enough. */
static size_t split_chars(const encoding *e, const char *word, size_t length, pc_symbol *symbols)
{
    const pc_bpe *bpe = e->bpe;
    size_t count = 0, pending = 0, pending_start = 0; /* bytes of unknown characters that wait to be fused */
    for (size_t at = 0, size; at < length; at += size) {
        unsigned char byte = (unsigned char)word[at];
        size = bpe->cutter.bytes ? 1 : (size_t)pc_char_size(word, length, at);
        int32_t id = bpe->cutter.bytes || byte < 128 ? bpe->ids_of_bytes[byte] : pc_vocab_find_model(e->vocab, word + at, size);
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
static int32_t whole_word(const encoding *e, const char *word, size_t length)
{
    char spelled[256] = "";
    size_t used = 0;
    if (!e->bpe->cutter.bytes) {
        return pc_vocab_find_model(e->vocab, word, length);
    }
    if (length > sizeof spelled / 2) {
        return -1; /* longer than any word of a vocabulary: each byte becomes at most two */
    }
    for (size_t i = 0; i < length; i++) {
        used += (size_t)pc_utf8_encode(pc_byte_to_char((unsigned char)word[i]), spelled + used);
    }
    return pc_vocab_find_model(e->vocab, spelled, used);
}

static pc_status encode_new_word(encoding *e, const char *word, size_t length)
{
    int32_t whole = e->bpe->ignore_merges ? whole_word(e, word, length) : -1;
    if (whole >= 0) {
        return pc_ids_push(e->out, whole);
    }
    if (length > UINT32_MAX / 4) {
        return pc_fail(PC_ERR_DATA, "a word of %zu bytes is too long to tokenize", length);
    }
    pc_symbol few[PC_MERGE_SHORT], *symbols = few;
    if (length > PC_MERGE_SHORT) {
        PC_TRY(pc_grow(&e->work->symbols, &e->work->symbol_capacity, length, sizeof *symbols, "symbols of a word"));
        symbols = e->work->symbols;
    }
    size_t count = split_chars(e, word, length, symbols);
    PC_TRY(pc_merge(rank_of, &e->bpe->table, word, symbols, &count, &e->work->merge));
    for (size_t i = 0; i < count; i++) {
        PC_TRY(pc_ids_push(e->out, symbols[i].id));
    }
    return PC_OK;
}

static pc_status encode_word(void *context, const char *word, size_t length)
{
    encoding *e = context;
    bool found;
    pc_cached_word *slot;
    PC_TRY(pc_word_cache_find(e->work, word, length, e->out, &found, &slot));
    if (found) {
        return PC_OK;
    }
    size_t first = e->out->count;
    PC_TRY(encode_new_word(e, word, length));
    pc_word_cache_keep(slot, word, length, first, e->out->count - first);
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

static pc_status encode_words(void *context, const char *text, size_t length)
{
    encoding *e = context;
    if (!e->bpe->cut_at_marks || e->bpe->ignore_merges) {
        return encode_word(context, text, length);
    }
    for (size_t at = 0, end; at < length; at = end) {
        end = pc_cut_before_marks(text, length, at);
        PC_TRY(encode_word(context, text + at, end - at));
    }
    return PC_OK;
}

static pc_status encode_segment(encoding *e, const char *text, size_t length, bool start)
{
    pc_word_cache_begin(e->work, e->bpe->cutter.stable ? length : 0);
    return pc_cutter_run(&e->bpe->cutter, text, length, start, e->work, encode_words, e);
}

static pc_status encode(const pc_tokenizer *tokenizer, const char *text, size_t length, bool start, bool parse_all,
                        pc_text_work *work, pc_ids *out)
{
    encoding e = {tokenizer->state, &tokenizer->vocab, work, out};
    const pc_matcher *matcher = pc_added_matcher(&tokenizer->added, parse_all, true);
    size_t from = 0;
    pc_match match;
    PC_TRY(pc_normalizer_run(&e.bpe->normalizer, text, length, work, &text, &length));
    while (pc_matcher_find(matcher, text, length, from, &match)) {
        if (match.start > from) {
            PC_TRY(encode_segment(&e, text + from, match.start - from, start && from == 0));
        }
        PC_TRY(pc_ids_push(out, match.token->id));
        from = match.end;
    }
    return from < length ? encode_segment(&e, text + from, length - from, start && from == 0) : PC_OK;
}

static pc_status decode(const pc_tokenizer *tokenizer, int32_t id, int32_t previous, bool begun, pc_str *out)
{
    const pc_bpe *bpe = tokenizer->state;
    size_t length;
    const char *token = pc_vocab_text(&tokenizer->vocab, id, &length);
    (void)previous;
    return pc_piece_decoder_run(&bpe->decoder, token, length, begun, out);
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
        PC_GO(pc_str_add(&joined, left, left_length));
        PC_GO(pc_str_add(&joined, right, right_length));
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

pc_status pc_bpe_ready(pc_bpe *bpe, const pc_vocab *vocab, const char *where)
{
    if (bpe->merge_count >= PC_NO_MERGE) {
        return pc_fail(PC_ERR_DATA, "%s: too many merges", where);
    }
    PC_TRY(build_table(bpe, vocab, where));
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        int size = pc_utf8_encode(bpe->cutter.bytes ? pc_byte_to_char((unsigned char)byte) : (unsigned)byte, text);
        bpe->ids_of_bytes[byte] = pc_vocab_find_model(vocab, text, (size_t)size);
        static const char digits[] = "0123456789ABCDEF";
        char name[] = {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
        bpe->byte_tokens[byte] = pc_vocab_find_model(vocab, name, sizeof name);
    }
    /* With ByteLevel the fallback would spell a missing byte by the bytes of the character that stands for it. */
    bpe->byte_fallback = bpe->byte_fallback && !bpe->cutter.bytes;
    /* A mark that is a token also ends a run of unknown characters that would fuse. */
    bpe->cut_at_marks = !bpe->cutter.bytes && pc_vocab_find_model(vocab, mark, 3) >= 0 && marks_only_lead(vocab);
    return PC_OK;
}

static void free_state(void *state)
{
    pc_bpe *bpe = state;
    if (bpe) {
        pc_normalizer_clear(&bpe->normalizer);
        pc_cutter_clear(&bpe->cutter);
        pc_piece_decoder_clear(&bpe->decoder);
        pc_merge_table_clear(&bpe->table);
        pc_free(bpe->merges);
        pc_json_free(bpe->pipeline);
        pc_free(bpe);
    }
}

static pc_status load(pc_tokenizer *tokenizer, const pc_text_source *source)
{
    pc_json *root = NULL;
    pc_status status;
    pc_bpe *bpe = NULL;
    PC_GO(PC_NEW(bpe, "tokenizer"));
    tokenizer->state = bpe;
    bpe->unknown = -1;
    PC_GO(pc_json_parse(&root, source->bytes, source->size, source->path));
    if (pc_json_is_object(pc_json_get(root, "model"))) {
        status = pc_bpe_load_json(tokenizer, bpe, root, source);
    } else {
        status = pc_bpe_load_pair(tokenizer, bpe, root, source);
    }
done:
    pc_json_free(root);
    return status;
}

const pc_text_kind pc_text_kind_bpe = {
    .name = "bpe",
    .recognise = recognise,
    .load = load,
    .encode = encode,
    .decode = decode,
    .to_json = pc_bpe_to_json,
    .free_state = free_state,
};
