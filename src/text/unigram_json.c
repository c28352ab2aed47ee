/* The model Unigram of a tokenizer.json: {"vocab": [["▁the", -3.2], ...], "unk_id": 2, "byte_fallback": false}. */
#include "base/memory.h"
#include "text/model.h"
#include "text/unigram.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The double that the reference makes of a number's text: its digits as an integer, times or over a power of ten. Often that
 * is not the nearest double, and where two ways to cut a word are equally good but for it, it decides. The digits are
 * those of the shortest text that means `value`, which is what a tokenizer.json holds. */
static double as_reference_reads(double value)
{
    char text[40];
    int digits = 1, exponent = 0;
    while (snprintf(text, sizeof text, "%.*e", digits - 1, value), strtod(text, NULL) != value && digits < 17) {
        digits++;
    }
    uint64_t significand = 0;
    for (const char *at = text; *at; at++) {
        if (*at == 'e') {
            exponent = atoi(at + 1) - (digits - 1);
            break;
        }
        if (*at >= '0' && *at <= '9') {
            significand = significand * 10 + (uint64_t)(*at - '0');
        }
    }
    if (abs(exponent) > 308) {
        return value;
    }
    double power = strtod((snprintf(text, sizeof text, "1e%d", abs(exponent)), text), NULL);
    double size = exponent < 0 ? (double)significand / power : (double)significand * power;
    return value < 0 ? -size : size;
}

static pc_status read_piece(pc_tokenizer *tokenizer, pc_unigram *unigram, const pc_json *pair, size_t id, const char *where)
{
    const pc_json *text = pc_json_at(pair, 0), *score = pc_json_at(pair, 1);
    if (!pc_json_is_string(text) || !pc_json_is_number(score) || !isfinite(pc_json_number(score, NAN))) {
        return pc_fail(PC_ERR_DATA, "%s: entry %zu of the vocabulary is not [\"piece\", score]", where, id);
    }
    unigram->scores[id] = as_reference_reads(pc_json_number(score, 0));
    pc_status status = pc_vocab_set(&tokenizer->vocab, id, pc_json_text(text), pc_json_text_length(text), 0);
    return status == PC_OK ? status : pc_fail_prefix(status, "%s", where);
}

static pc_status load(pc_tokenizer *tokenizer, void **state, const pc_json *model, const char *where)
{
    pc_unigram *unigram = NULL;
    const pc_json *vocab = pc_json_get(model, "vocab");
    size_t count = pc_json_length(vocab);
    if (!pc_json_is_array(vocab) || count == 0) {
        return pc_fail(PC_ERR_DATA, "%s: expected a vocabulary, an array of pieces and scores", where);
    }
    PC_TRY(PC_NEW(unigram, "tokenizer model"));
    *state = unigram;
    PC_TRY(pc_vocab_reserve(&tokenizer->vocab, count));
    PC_TRY(PC_NEW_ARRAY(unigram->scores, count, "piece scores"));
    unigram->count = count;
    double smallest = INFINITY;
    for (size_t id = 0; id < count; id++) {
        PC_TRY(read_piece(tokenizer, unigram, pc_json_at(vocab, id), id, where));
        smallest = unigram->scores[id] < smallest ? unigram->scores[id] : smallest;
    }
    const pc_json *unknown = pc_json_get(model, "unk_id");
    int64_t unknown_id = -1;
    if (!pc_json_is_null(unknown)) {
        PC_TRY(pc_json_need_integer(&unknown_id, model, "unk_id", 0, (int64_t)count - 1, where));
    }
    unigram->unknown = (int32_t)unknown_id;
    unigram->unknown_score = smallest - 10.0; /* kUnkPenalty of SentencePiece */
    unigram->byte_fallback = pc_json_get_bool(model, "byte_fallback", false);
    tokenizer->roles[PC_TOKEN_UNK] = unigram->unknown;
    return PC_OK;
}

static pc_status ready(void *state, const pc_tokenizer *tokenizer, const pc_cutter *cutter, const char *where)
{
    pc_unigram *unigram = state;
    if (cutter->bytes) {
        return pc_fail(PC_ERR_DATA, "%s: a Unigram model behind a ByteLevel pre-tokenizer is not supported", where);
    }
    pc_byte_token_ids(&tokenizer->vocab, unigram->bytes);
    return pc_unigram_index(unigram, &tokenizer->vocab, PC_VOCAB_OUTSIDE);
}

static pc_status encode(const void *state, const pc_vocab *vocab, const char *word, size_t length, pc_text_work *work,
                        pc_ids *out)
{
    (void)vocab;
    return pc_unigram_encode(state, word, length, work, out);
}

static pc_status to_json(const pc_tokenizer *tokenizer, const void *state, pc_json *model)
{
    const pc_unigram *unigram = state;
    pc_json *vocab = pc_json_new_array();
    pc_status status = PC_OK;
    for (size_t id = 0; id < unigram->count && status == PC_OK; id++) {
        size_t length;
        const char *text = pc_vocab_text(&tokenizer->vocab, (int32_t)id, &length);
        pc_json *pair = pc_json_new_array();
        pc_status first = pc_json_push(pair, pc_json_new_text_n(text, length));
        pc_status second = pc_json_push(pair, pc_json_new_number(unigram->scores[id]));
        status = pc_json_push(vocab, pair);
        status = first != PC_OK ? first : second != PC_OK ? second : status;
    }
    pc_status set = pc_json_set(model, "vocab", vocab);
    PC_TRY(status);
    PC_TRY(set);
    if (unigram->unknown >= 0) {
        PC_TRY(pc_json_set(model, "unk_id", pc_json_new_integer(unigram->unknown)));
    }
    return pc_json_set(model, "byte_fallback", pc_json_new_bool(unigram->byte_fallback));
}

static bool recognise(const pc_json *model)
{
    return pc_json_is_array(pc_json_get(model, "vocab"));
}

static void free_state(void *state)
{
    if (state) {
        pc_unigram_clear(state);
        pc_free(state);
    }
}

const pc_word_model pc_word_model_unigram = {
    .name = "unigram",
    .type = "Unigram",
    .recognise = recognise,
    .load = load,
    .ready = ready,
    .encode = encode,
    .to_json = to_json,
    .free_state = free_state,
};
