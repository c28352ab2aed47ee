/* The part of a tokenizer that all kinds share:
 *
 *   encode  text -> cut at added tokens -> [kind: text between -> ids] -> template round it
 *   decode  ids -> special tokens dropped or as they are spelled -> [kind: token -> bytes]
 */
#include "text/tokenizer.h"

#include "base/memory.h"
#include "text/kind.h"

#include <string.h>

pc_status pc_tokenizer_new(pc_tokenizer **out, const pc_text_kind *kind)
{
    *out = NULL;
    pc_tokenizer *tokenizer = NULL;
    PC_TRY(PC_NEW(tokenizer, "tokenizer"));
    tokenizer->kind = kind;
    for (int role = 0; role < PC_TOKEN_ROLES; role++) {
        tokenizer->roles[role] = -1;
    }
    *out = tokenizer;
    return PC_OK;
}

void pc_tokenizer_free(pc_tokenizer *tokenizer)
{
    if (!tokenizer) {
        return;
    }
    if (tokenizer->kind && tokenizer->state) {
        tokenizer->kind->free_state(tokenizer->state);
    }
    pc_vocab_clear(&tokenizer->vocab);
    pc_added_clear(&tokenizer->added);
    pc_ids_clear(&tokenizer->before);
    pc_ids_clear(&tokenizer->after);
    pc_free(tokenizer->original);
    pc_free(tokenizer);
}

static pc_status encode_text(const pc_tokenizer *tokenizer, const char *text, size_t length, unsigned flags,
                             pc_text_work *work, pc_ids *out)
{
    bool all = flags & PC_TOKENIZE_PARSE_SPECIAL;
    const pc_matcher *matcher = pc_added_matcher(&tokenizer->added, all, false);
    bool start = !(flags & PC_TOKENIZE_CONTINUE);
    size_t from = 0;
    pc_match match;
    while (pc_matcher_find(matcher, text, length, from, &match)) {
        if (match.start > from) {
            PC_TRY(tokenizer->kind->encode(tokenizer, text + from, match.start - from, start && from == 0, all, work, out));
        }
        PC_TRY(pc_ids_push(out, match.token->id));
        from = match.end;
    }
    if (from < length) {
        PC_TRY(tokenizer->kind->encode(tokenizer, text + from, length - from, start && from == 0, all, work, out));
    }
    return PC_OK;
}

pc_status pc_tokenizer_encode(const pc_tokenizer *tokenizer, const char *text, size_t length, unsigned flags, pc_ids *out)
{
    pc_text_work work = {0};
    size_t count = out->count;
    pc_status status;
    bool template = flags & PC_TOKENIZE_ADD_SPECIAL;
    if (template) {
        PC_GO(pc_ids_add(out, tokenizer->before.data, tokenizer->before.count));
    }
    PC_GO(encode_text(tokenizer, text, length, flags, &work, out));
    if (template) {
        PC_GO(pc_ids_add(out, tokenizer->after.data, tokenizer->after.count));
    }
done:
    pc_text_work_clear(&work);
    if (status != PC_OK) {
        out->count = count;
    }
    return status;
}

/* Append the bytes of one id and keep the account of what stands before. */
static pc_status decode_one(const pc_tokenizer *tokenizer, int32_t id, unsigned flags, int32_t *previous, bool *begun,
                            pc_str *out)
{
    uint32_t token = pc_vocab_flags(&tokenizer->vocab, id);
    bool out_of_text = flags & PC_DETOKENIZE_SKIP_SPECIAL && token & PC_VOCAB_SPECIAL;
    if (token & PC_VOCAB_PRESENT && !out_of_text) {
        size_t length = out->length;
        if (token & PC_VOCAB_ADDED && !tokenizer->kind->decodes_added) {
            size_t size;
            const char *text = pc_vocab_text(&tokenizer->vocab, id, &size);
            PC_TRY(pc_str_add(out, text, size));
            *begun = true;
        } else {
            PC_TRY(tokenizer->kind->decode(tokenizer, id, *previous, *begun, out));
            *begun = *begun || out->length > length || tokenizer->vocab.entries[id].length > 0;
        }
    }
    if (token & PC_VOCAB_PRESENT && (!out_of_text || tokenizer->kind->counts_skipped)) {
        *previous = id;
    }
    return PC_OK;
}

pc_status pc_tokenizer_decode(const pc_tokenizer *tokenizer, const int32_t *ids, size_t count, unsigned flags, pc_str *out)
{
    size_t length = out->length;
    int32_t previous = -1;
    bool begun = flags & PC_DETOKENIZE_CONTINUE;
    for (size_t i = 0; i < count; i++) {
        pc_status status = PC_OK;
        if (ids[i] < 0 || (size_t)ids[i] >= tokenizer->vocab.count) {
            status = pc_fail(PC_ERR_DATA, "token id %d is outside the vocabulary of %zu", (int)ids[i],
                             tokenizer->vocab.count);
        } else {
            status = decode_one(tokenizer, ids[i], flags, &previous, &begun, out);
        }
        if (status != PC_OK) {
            out->length = length;
            if (out->data) {
                out->data[length] = '\0';
            }
            return status;
        }
    }
    return PC_OK;
}

/* Bytes of the maximal malformed piece at text[0], which is not well formed (Unicode 3.9, table 3-7); *open: it ends
 * with the text and more bytes could make it well formed. */
static size_t malformed_piece(const char *text, size_t length, bool *open)
{
    unsigned char lead = (unsigned char)text[0];
    size_t need = lead >= 0xc2 && lead <= 0xdf ? 2 : (lead & 0xf0) == 0xe0 ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 1;
    unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    size_t size = 1;
    while (size < need && size < length && (unsigned char)text[size] >= low && (unsigned char)text[size] <= high) {
        size++;
        low = 0x80;
        high = 0xbf;
    }
    *open = size == length && size < need;
    return size;
}

/* Append with malformed pieces replaced; a piece that is open at the end is left, *held = its bytes, when held != NULL. */
static pc_status repair(pc_str *out, const char *text, size_t length, size_t *held)
{
    for (size_t at = 0; at < length;) {
        size_t valid = pc_utf8_valid_prefix(text + at, length - at);
        bool open;
        PC_TRY(pc_str_add(out, text + at, valid));
        at += valid;
        if (at < length) {
            size_t size = malformed_piece(text + at, length - at, &open);
            if (open && held) {
                *held = size;
                return PC_OK;
            }
            PC_TRY(pc_str_puts(out, "\xef\xbf\xbd"));
            at += size;
        }
    }
    return PC_OK;
}

pc_status pc_text_repair(pc_str *out, const char *text, size_t length)
{
    return repair(out, text, length, NULL);
}

void pc_token_stream_init(pc_token_stream *stream, const pc_tokenizer *tokenizer, unsigned flags)
{
    *stream = (pc_token_stream){
        .tokenizer = tokenizer, .flags = flags, .begun = flags & PC_DETOKENIZE_CONTINUE, .previous = -1};
}

/* out[mark..) is new text: keep back an open end, replace what is malformed. */
static pc_status settle(pc_token_stream *stream, pc_str *out, size_t mark)
{
    size_t length = out->length - mark, held = 0;
    size_t valid = pc_utf8_valid_prefix(out->data + mark, length);
    if (valid == length) {
        return PC_OK;
    }
    bool open;
    size_t size = malformed_piece(out->data + mark + valid, length - valid, &open);
    if (open) {
        held = size; /* the usual case: nothing is rewritten */
    } else {
        pc_str fixed = {0};
        pc_status status = repair(&fixed, out->data + mark, length, &held);
        memcpy(stream->bytes, out->data + out->length - held, held);
        out->length = mark;
        status = status == PC_OK ? pc_str_add(out, fixed.data ? fixed.data : "", fixed.length) : status;
        pc_str_clear(&fixed);
        stream->held = (unsigned char)held;
        return status;
    }
    memcpy(stream->bytes, out->data + out->length - held, held);
    stream->held = (unsigned char)held;
    out->length -= held;
    out->data[out->length] = '\0';
    return PC_OK;
}

pc_status pc_token_stream_push(pc_token_stream *stream, int32_t id, pc_str *out)
{
    size_t mark = out->length;
    PC_TRY(pc_str_add(out, stream->bytes, stream->held));
    stream->held = 0;
    PC_TRY(decode_one(stream->tokenizer, id, stream->flags, &stream->previous, &stream->begun, out));
    return out->length > mark ? settle(stream, out, mark) : PC_OK;
}

pc_status pc_token_stream_finish(pc_token_stream *stream, pc_str *out)
{
    size_t held = stream->held;
    stream->held = 0;
    return pc_text_repair(out, stream->bytes, held);
}

size_t pc_tokenizer_size(const pc_tokenizer *tokenizer)
{
    return tokenizer->vocab.count;
}

int32_t pc_tokenizer_special(const pc_tokenizer *tokenizer, pc_token_role role)
{
    return role >= 0 && role < PC_TOKEN_ROLES ? tokenizer->roles[role] : -1;
}

int32_t pc_tokenizer_id(const pc_tokenizer *tokenizer, const char *token)
{
    return pc_vocab_find(&tokenizer->vocab, token, strlen(token));
}

const char *pc_tokenizer_token(const pc_tokenizer *tokenizer, int32_t id, size_t *length)
{
    size_t size;
    if (!(pc_vocab_flags(&tokenizer->vocab, id) & PC_VOCAB_PRESENT)) {
        return NULL;
    }
    const char *text = pc_vocab_text(&tokenizer->vocab, id, &size);
    if (length) {
        *length = size;
    }
    return text;
}

bool pc_tokenizer_is_special(const pc_tokenizer *tokenizer, int32_t id)
{
    return pc_vocab_flags(&tokenizer->vocab, id) & PC_VOCAB_SPECIAL;
}

const char *pc_tokenizer_kind(const pc_tokenizer *tokenizer)
{
    return tokenizer->kind->name_of ? tokenizer->kind->name_of(tokenizer) : tokenizer->kind->name;
}

pc_status pc_tokenizer_put_added(pc_tokenizer *tokenizer, const pc_added_token *token)
{
    pc_vocab *vocab = &tokenizer->vocab;
    uint32_t flags = PC_VOCAB_ADDED | (token->special ? PC_VOCAB_SPECIAL : 0);
    int32_t present = pc_vocab_find(vocab, token->text, token->length);
    if (present >= 0 && present != token->id) {
        return pc_fail(PC_ERR_DATA, "added token \"%.100s\" has the id %d, but the vocabulary has it as %d", token->text,
                       (int)token->id, (int)present);
    }
    if (present < 0) {
        PC_TRY(pc_vocab_set(vocab, (size_t)token->id, token->text, token->length, flags | PC_VOCAB_OUTSIDE));
    } else {
        vocab->entries[present].flags = (vocab->entries[present].flags & ~(uint32_t)PC_VOCAB_SPECIAL) | flags;
    }
    for (size_t i = 0; i < tokenizer->added.count; i++) {
        pc_added_token *old = &tokenizer->added.tokens[i];
        if (old->id == token->id) {
            char *text = old->text;
            size_t length = old->length;
            *old = *token;
            old->text = text;
            old->length = length;
            return PC_OK;
        }
    }
    return pc_added_push(&tokenizer->added, token);
}

pc_status pc_tokenizer_ready(pc_tokenizer *tokenizer)
{
    return pc_added_index(&tokenizer->added);
}

pc_status pc_tokenizer_add_token(pc_tokenizer *tokenizer, const char *token, bool special, int32_t *id)
{
    size_t length = strlen(token);
    if (length == 0) {
        return pc_fail(PC_ERR_USAGE, "an added token may not be empty");
    }
    int32_t present = pc_vocab_find(&tokenizer->vocab, token, length);
    if (present < 0 && tokenizer->vocab.count >= INT32_MAX) {
        return pc_fail(PC_ERR_DATA, "the vocabulary is full");
    }
    pc_added_token added = {
        .text = (char *)token,
        .length = length,
        .id = present >= 0 ? present : (int32_t)tokenizer->vocab.count,
        .special = special,
        .plain = pc_added_is_plain(token, length, special),
    };
    pc_status status = pc_tokenizer_put_added(tokenizer, &added);
    pc_status indexed = pc_added_index(&tokenizer->added); /* also after a failure, so that the others still match */
    PC_TRY(status);
    PC_TRY(indexed);
    *id = added.id;
    return PC_OK;
}

pc_status pc_tokenizer_set_special(pc_tokenizer *tokenizer, pc_token_role role, int32_t id)
{
    if (role < 0 || role >= PC_TOKEN_ROLES ||
        (id != -1 && !(pc_vocab_flags(&tokenizer->vocab, id) & PC_VOCAB_PRESENT))) {
        return pc_fail(PC_ERR_USAGE, "token id %d can't get a role: the vocabulary doesn't have it", (int)id);
    }
    tokenizer->roles[role] = id;
    return PC_OK;
}
