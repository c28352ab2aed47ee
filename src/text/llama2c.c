/* tokenizer.bin of llama2.c (Karpathy 2023), an excerpt of a SentencePiece BPE model:
 *
 *   int32 max_token_length, then for each token: float32 score, int32 length, bytes (spaces as spaces); little-endian
 *
 * Ids 0, 1, 2 are <unk>, BOS, EOS; 3..258 the bytes. Text gets a space in front; a character that is no token becomes its
 * bytes; then neighbours merge by score. Decoding drops one space at the start of a text and after BOS.
 */
#include "base/memory.h"
#include "text/pipeline.h"
#include "text/score.h"

#include <math.h>
#include <string.h>

enum { BOS = 1, EOS = 2, FIRST_BYTE = 3, FIRST_PIECE = 259, LONGEST_TOKEN = 4096 };

typedef struct llama2c {
    pc_score_model model;
    float *scores;
    size_t score_capacity;
} llama2c;

static uint32_t read_u32(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* A sensible longest token, and a first token within it that is printable: a llama2.c checkpoint begins with small
 * numbers too, but not with text. */
static bool recognise(const char *bytes, size_t size)
{
    if (size < 13) {
        return false;
    }
    uint32_t longest = read_u32(bytes), length = read_u32(bytes + 8);
    if (longest == 0 || longest > LONGEST_TOKEN || length == 0 || length > longest) {
        return false;
    }
    for (size_t i = 12; i < size && i < 12 + (size_t)length; i++) {
        if ((unsigned char)bytes[i] < 0x20 || bytes[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static pc_status read_token(pc_tokenizer *tokenizer, llama2c *state, const pc_text_source *source, size_t *at,
                            uint32_t longest)
{
    size_t id = tokenizer->vocab.count, left = source->size - *at;
    uint32_t length = left >= 8 ? read_u32(source->bytes + *at + 4) : 0;
    if (left < 8 || length > left - 8 || length > longest) {
        return pc_fail(PC_ERR_DATA, "%s: token %zu at byte %zu is cut, or longer than the longest of %u bytes", source->path,
                       id, *at, (unsigned)longest);
    }
    const char *text = source->bytes + *at + 8;
    uint32_t bits = read_u32(source->bytes + *at), flags = 0;
    float score;
    memcpy(&score, &bits, sizeof score);
    *at += 8 + (size_t)length;
    if (isnan(score)) {
        return pc_fail(PC_ERR_DATA, "%s: the score of token %zu is not a number", source->path, id);
    }
    if (id < FIRST_BYTE) {
        flags = PC_VOCAB_SPECIAL;
        if (length > 2 && text[0] == '\n' && text[length - 1] == '\n') {
            text++; /* "\n<s>\n", so written to look well in llama2.c's output */
            length -= 2;
        }
    } else if (id < FIRST_PIECE) {
        flags = PC_VOCAB_BYTE;
        if (pc_byte_token(text, length) != (int)(id - FIRST_BYTE)) {
            return pc_fail(PC_ERR_DATA, "%s: token %zu is not the byte <0x%02X>", source->path, id,
                           (unsigned)(id - FIRST_BYTE));
        }
    }
    PC_TRY(pc_vocab_set(&tokenizer->vocab, id, text, length, flags));
    PC_TRY(pc_grow(&state->scores, &state->score_capacity, id + 1, sizeof *state->scores, "token scores"));
    state->scores[id] = score;
    return PC_OK;
}

static pc_status load(pc_tokenizer *tokenizer, const pc_text_source *source)
{
    llama2c *state = NULL;
    uint32_t longest = read_u32(source->bytes);
    PC_TRY(PC_NEW(state, "tokenizer"));
    tokenizer->state = state;
    for (size_t at = 4; at < source->size;) {
        PC_TRY(read_token(tokenizer, state, source, &at, longest));
    }
    if (tokenizer->vocab.count < FIRST_PIECE) {
        return pc_fail(PC_ERR_DATA, "%s: %zu tokens, expected at least the %d of control and bytes (is the file cut?)",
                       source->path, tokenizer->vocab.count, FIRST_PIECE);
    }
    state->model.byte_fallback = true;
    for (int byte = 0; byte < 256; byte++) {
        state->model.bytes[byte] = FIRST_BYTE + byte;
    }
    for (int32_t id = 0; id < FIRST_BYTE; id++) {
        size_t length;
        const char *text = pc_vocab_text(&tokenizer->vocab, id, &length);
        pc_added_token token = {.text = (char *)text, .length = length, .id = id, .special = true};
        PC_TRY(pc_tokenizer_put_added(tokenizer, &token));
    }
    tokenizer->roles[PC_TOKEN_UNK] = 0;
    tokenizer->roles[PC_TOKEN_BOS] = BOS;
    tokenizer->roles[PC_TOKEN_EOS] = EOS;
    PC_TRY(pc_score_model_init(&state->model, &tokenizer->vocab, state->scores));
    return pc_ids_push(&tokenizer->before, BOS);
}

static pc_status encode(const pc_tokenizer *tokenizer, const char *text, size_t length, bool start, bool parse_all,
                        pc_text_work *work, pc_ids *out)
{
    const llama2c *state = tokenizer->state;
    pc_str *normal = &work->normal[0];
    (void)parse_all;
    pc_str_reset(normal);
    if (start) {
        PC_TRY(pc_str_putc(normal, ' '));
    }
    PC_TRY(pc_str_add(normal, text, length));
    return pc_score_model_encode(&state->model, normal->data, normal->length, work, out);
}

static pc_status decode(const pc_tokenizer *tokenizer, int32_t id, int32_t previous, bool begun, pc_str *out)
{
    size_t length;
    const char *text = pc_vocab_text(&tokenizer->vocab, id, &length);
    if (tokenizer->vocab.entries[id].flags & PC_VOCAB_BYTE) {
        return pc_str_putc(out, (char)pc_byte_token(text, length));
    }
    bool strip = (!begun || previous == BOS) && length > 0 && text[0] == ' ';
    return pc_str_add(out, text + strip, length - strip);
}

static pc_status to_json(const pc_tokenizer *tokenizer, pc_json **out)
{
    const llama2c *state = tokenizer->state;
    pc_score_json how = {.space = " ", .dummy_prefix = true};
    return pc_score_to_json(tokenizer, &state->model, &how, out);
}

static pc_status to_table(const pc_tokenizer *tokenizer, pc_table_parts *out)
{
    const llama2c *state = tokenizer->state;
    *out = (pc_table_parts){.model = "llama", .scores = state->scores, .score_count = state->model.count, .space = " "};
    return PC_OK;
}

static void free_state(void *pointer)
{
    llama2c *state = pointer;
    if (state) {
        pc_score_model_clear(&state->model);
        pc_free(state->scores);
        pc_free(state);
    }
}

const pc_text_kind pc_text_kind_llama2c = {
    .name = "llama2c",
    .recognise = recognise,
    .load = load,
    .encode = encode,
    .decode = decode,
    .counts_skipped = true,
    .to_json = to_json,
    .to_table = to_table,
    .original = "tokenizer.bin",
    .free_state = free_state,
};
