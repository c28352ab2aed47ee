/* SentencePiece .model files (Kudo & Richardson 2018): a protocol buffer with pieces, scores and how text is normalised.
 * LLaMA, Vicuna and Mistral have BPE models, T5, XLM-R and SigLIP unigram models.
 *
 *   text -> charsmap, the longest match at each place -> [runs of spaces collapsed] -> space in front -> spaces become
 *   U+2581 -> merges by score (BPE) or the best way (unigram) -> ids
 *
 * Easy to get wrong: pieces of type control, unknown and byte are never found in text; user-defined pieces are not
 * normalised, and win over others in a unigram model too; what the charsmap gives may itself have spaces at its ends;
 * whether a later segment gets a space in front is
 * not in the file but in HF's tokenizer_config.json ("legacy").
 */
#include "base/memory.h"
#include "text/pipeline.h"
#include "text/proto.h"
#include "text/score.h"
#include "text/unigram.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Field numbers of sentencepiece_model.proto. */
enum {
    MODEL_PIECES = 1, MODEL_TRAINER = 2, MODEL_NORMALIZER = 3,
    PIECE_TEXT = 1, PIECE_SCORE = 2, PIECE_TYPE = 3,
    TRAINER_TYPE = 3, TRAINER_SUFFIX = 24, TRAINER_BYTE_FALLBACK = 35, TRAINER_UNK_ID = 40, TRAINER_BOS_ID = 41,
    TRAINER_EOS_ID = 42, TRAINER_PAD_ID = 43,
    NORMALIZER_NAME = 1, NORMALIZER_CHARSMAP = 2, NORMALIZER_DUMMY_PREFIX = 3, NORMALIZER_REMOVE_EXTRA = 4,
    NORMALIZER_ESCAPE = 5,
    TYPE_NORMAL = 1, TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_USER_DEFINED = 4, TYPE_UNUSED = 5, TYPE_BYTE = 6,
    MODEL_TYPE_UNIGRAM = 1, MODEL_TYPE_BPE = 2,
};

static const char mark[] = "\xe2\x96\x81";

typedef struct sentencepiece {
    pc_score_model model; /* of BPE; of both: user-defined pieces, unknown, bytes */
    pc_unigram unigram;
    bool is_unigram;
    pc_charsmap charsmap;
    bool dummy_prefix, remove_extra, escape;
    bool legacy; /* each segment gets the dummy prefix */
    float *scores;
    size_t score_count, score_capacity;
} sentencepiece;

/* A model begins with a piece: field 1, a length, and in it again field 1. */
static bool recognise(const char *bytes, size_t size)
{
    size_t at = 1;
    while (at < size && at < 6 && (unsigned char)bytes[at] & 0x80) {
        at++;
    }
    return size > at + 1 && bytes[0] == 0x0a && bytes[at + 1] == 0x0a;
}

static uint32_t flags_of_type(uint64_t type)
{
    switch (type) {
    case TYPE_UNKNOWN:
    case TYPE_CONTROL: return PC_VOCAB_SPECIAL;
    case TYPE_USER_DEFINED: return PC_VOCAB_FIXED;
    case TYPE_UNUSED: return PC_VOCAB_UNUSED;
    case TYPE_BYTE: return PC_VOCAB_BYTE;
    default: return 0;
    }
}

static pc_status read_piece(pc_tokenizer *tokenizer, sentencepiece *sp, pc_proto *message)
{
    pc_proto piece = pc_proto_of(message->bytes, message->length);
    const char *text = "";
    size_t length = 0, id = tokenizer->vocab.count;
    float score = 0;
    uint64_t type = TYPE_NORMAL;
    bool more;
    for (;;) {
        PC_TRY(pc_proto_next(&piece, &more));
        if (!more) {
            break;
        }
        if (piece.field == PIECE_TEXT && piece.wire == PC_WIRE_BYTES) {
            text = (const char *)piece.bytes;
            length = piece.length;
        } else if (piece.field == PIECE_SCORE && piece.wire == PC_WIRE_FIXED32) {
            score = pc_proto_float(&piece);
        } else if (piece.field == PIECE_TYPE && piece.wire == PC_WIRE_VARINT) {
            type = piece.number;
        }
    }
    if (length == 0 || !isfinite(score) || type < TYPE_NORMAL || type > TYPE_BYTE ||
        pc_vocab_find(&tokenizer->vocab, text, length) >= 0) {
        return pc_fail(PC_ERR_DATA, "piece %zu is empty, there twice, of an unknown type, or its score is not a number", id);
    }
    PC_TRY(pc_vocab_set(&tokenizer->vocab, id, text, length, flags_of_type(type)));
    if (type == TYPE_BYTE) {
        int byte = pc_byte_token(text, length);
        if (byte < 0) {
            return pc_fail(PC_ERR_DATA, "piece %zu is a byte, but not spelled like <0xE4>", id);
        }
        sp->model.bytes[byte] = (int32_t)id;
    }
    if (type == TYPE_UNKNOWN) {
        sp->model.unknown = (int32_t)id;
    }
    PC_TRY(pc_grow(&sp->scores, &sp->score_capacity, id + 1, sizeof *sp->scores, "piece scores"));
    sp->scores[id] = score;
    sp->score_count = id + 1;
    return PC_OK;
}

static pc_status read_trainer(pc_tokenizer *tokenizer, sentencepiece *sp, pc_proto *message)
{
    pc_proto spec = pc_proto_of(message->bytes, message->length);
    uint64_t type = MODEL_TYPE_UNIGRAM; /* the format's default */
    int64_t ids[PC_TOKEN_ROLES] = {[PC_TOKEN_UNK] = 0, [PC_TOKEN_BOS] = 1, [PC_TOKEN_EOS] = 2, [PC_TOKEN_PAD] = -1};
    bool more;
    for (;;) {
        PC_TRY(pc_proto_next(&spec, &more));
        if (!more) {
            break;
        }
        if (spec.wire != PC_WIRE_VARINT) {
            continue;
        }
        switch (spec.field) {
        case TRAINER_TYPE: type = spec.number; break;
        case TRAINER_BYTE_FALLBACK: sp->model.byte_fallback = spec.number != 0; break;
        case TRAINER_UNK_ID: ids[PC_TOKEN_UNK] = (int64_t)spec.number; break;
        case TRAINER_BOS_ID: ids[PC_TOKEN_BOS] = (int64_t)spec.number; break;
        case TRAINER_EOS_ID: ids[PC_TOKEN_EOS] = (int64_t)spec.number; break;
        case TRAINER_PAD_ID: ids[PC_TOKEN_PAD] = (int64_t)spec.number; break;
        case TRAINER_SUFFIX:
            if (spec.number != 0) {
                return pc_fail(PC_ERR_DATA, "treat_whitespace_as_suffix is not supported");
            }
            break;
        default: break;
        }
    }
    for (int role = 0; role < PC_TOKEN_ROLES; role++) {
        tokenizer->roles[role] = ids[role] >= 0 && ids[role] < INT32_MAX ? (int32_t)ids[role] : -1;
    }
    static const char *const names[] = {"of no known type", "unigram", "BPE", "word", "char"};
    sp->is_unigram = type == MODEL_TYPE_UNIGRAM;
    return sp->is_unigram || type == MODEL_TYPE_BPE
               ? PC_OK
               : pc_fail(PC_ERR_DATA, "the SentencePiece model is %s; only BPE and unigram are supported",
                         names[type < 5 ? type : 0]);
}

static pc_status read_normalizer(sentencepiece *sp, pc_proto *message)
{
    pc_proto spec = pc_proto_of(message->bytes, message->length);
    bool more;
    for (;;) {
        PC_TRY(pc_proto_next(&spec, &more));
        if (!more) {
            return PC_OK;
        }
        if (spec.wire == PC_WIRE_BYTES && spec.field == NORMALIZER_CHARSMAP && spec.length > 0) {
            PC_TRY(pc_charsmap_read(&sp->charsmap, spec.bytes, spec.length, "normalizer_spec"));
        }
        if (spec.wire == PC_WIRE_VARINT) {
            sp->dummy_prefix = spec.field == NORMALIZER_DUMMY_PREFIX ? spec.number != 0 : sp->dummy_prefix;
            sp->remove_extra = spec.field == NORMALIZER_REMOVE_EXTRA ? spec.number != 0 : sp->remove_extra;
            sp->escape = spec.field == NORMALIZER_ESCAPE ? spec.number != 0 : sp->escape;
        }
    }
}

static pc_status read_model(pc_tokenizer *tokenizer, sentencepiece *sp, const pc_text_source *source)
{
    pc_proto message = pc_proto_of(source->bytes, source->size);
    bool more, trained = false;
    for (;;) {
        PC_TRY(pc_proto_next(&message, &more));
        if (!more) {
            break;
        }
        if (message.wire != PC_WIRE_BYTES) {
            continue;
        }
        if (message.field == MODEL_PIECES) {
            PC_TRY(read_piece(tokenizer, sp, &message));
        } else if (message.field == MODEL_TRAINER) {
            PC_TRY(read_trainer(tokenizer, sp, &message));
            trained = true;
        } else if (message.field == MODEL_NORMALIZER) {
            PC_TRY(read_normalizer(sp, &message));
        }
    }
    return trained ? PC_OK : pc_fail(PC_ERR_DATA, "the SentencePiece model has no trainer_spec (is the file cut?)");
}

/* Control pieces, and user-defined ones in the shape of control tokens, are matched as added tokens, on request. */
static pc_status add_controls(pc_tokenizer *tokenizer)
{
    const pc_vocab *vocab = &tokenizer->vocab;
    for (size_t id = 0; id < vocab->count; id++) {
        size_t length;
        const char *text = pc_vocab_text(vocab, (int32_t)id, &length);
        bool special = vocab->entries[id].flags & PC_VOCAB_SPECIAL;
        if (special || (vocab->entries[id].flags & PC_VOCAB_FIXED && !pc_added_is_plain(text, length, false))) {
            pc_added_token token = {.text = (char *)text, .length = length, .id = (int32_t)id, .special = special};
            PC_TRY(pc_tokenizer_put_added(tokenizer, &token));
        }
    }
    return PC_OK;
}

static pc_status check(pc_tokenizer *tokenizer, const sentencepiece *sp)
{
    for (int role = 0; role < PC_TOKEN_ROLES; role++) {
        int32_t id = tokenizer->roles[role];
        if (id >= 0 && !(pc_vocab_flags(&tokenizer->vocab, id) & PC_VOCAB_SPECIAL)) {
            tokenizer->roles[role] = -1; /* a model may have been trained with ids that it doesn't use */
        }
    }
    for (int byte = 0; byte < 256 && sp->model.byte_fallback; byte++) {
        if (sp->model.bytes[byte] < 0) {
            return pc_fail(PC_ERR_DATA, "byte_fallback, but there is no piece <0x%02X>", (unsigned)byte);
        }
    }
    return PC_OK;
}

/* HF's rule for BOS and EOS, with its defaults. */
static pc_status read_rule(pc_tokenizer *tokenizer, const pc_json *config)
{
    int32_t bos = tokenizer->roles[PC_TOKEN_BOS], eos = tokenizer->roles[PC_TOKEN_EOS];
    if (bos >= 0 && pc_json_get_bool(config, "add_bos_token", true)) {
        PC_TRY(pc_ids_push(&tokenizer->before, bos));
    }
    if (eos >= 0 && pc_json_get_bool(config, "add_eos_token", false)) {
        PC_TRY(pc_ids_push(&tokenizer->after, eos));
    }
    return PC_OK;
}

/* Scores as SentencePiece's unigram model sees them: the range is that of normal pieces, and a user-defined piece gets
 * about nothing, which beats any sum of others. */
static pc_status init_unigram(pc_tokenizer *tokenizer, sentencepiece *sp)
{
    const pc_vocab *vocab = &tokenizer->vocab;
    const uint32_t others = PC_VOCAB_SPECIAL | PC_VOCAB_BYTE | PC_VOCAB_UNUSED;
    float smallest = FLT_MAX, largest = FLT_MIN;
    PC_TRY(PC_NEW_ARRAY(sp->unigram.scores, sp->score_count, "piece scores"));
    sp->unigram.count = sp->score_count;
    for (size_t id = 0; id < sp->score_count; id++) {
        if (!(vocab->entries[id].flags & (others | PC_VOCAB_FIXED))) {
            smallest = sp->scores[id] < smallest ? sp->scores[id] : smallest;
            largest = sp->scores[id] > largest ? sp->scores[id] : largest;
        }
    }
    for (size_t id = 0; id < sp->score_count; id++) {
        bool fixed = vocab->entries[id].flags & PC_VOCAB_FIXED;
        sp->unigram.scores[id] = fixed ? (double)((float)vocab->entries[id].length * largest) - 0.1 : (double)sp->scores[id];
    }
    sp->unigram.unknown = sp->model.unknown;
    sp->unigram.unknown_score = (double)(smallest - 10.0f); /* kUnkPenalty */
    sp->unigram.byte_fallback = sp->model.byte_fallback;
    sp->unigram.single = true;
    memcpy(sp->unigram.bytes, sp->model.bytes, sizeof sp->unigram.bytes);
    return pc_unigram_index(&sp->unigram, vocab, others);
}

static pc_status load(pc_tokenizer *tokenizer, const pc_text_source *source)
{
    sentencepiece *sp = NULL;
    PC_TRY(PC_NEW(sp, "tokenizer"));
    tokenizer->state = sp;
    sp->dummy_prefix = sp->remove_extra = sp->escape = true; /* the format's defaults */
    sp->legacy = pc_json_get_bool(source->config, "legacy", true);
    sp->model.unknown = -1;
    memset(sp->model.bytes, -1, sizeof sp->model.bytes);
    pc_status status = read_model(tokenizer, sp, source);
    status = status == PC_OK ? check(tokenizer, sp) : status;
    status = status == PC_OK ? add_controls(tokenizer) : status;
    if (status != PC_OK) {
        return pc_fail_prefix(status, "%s", source->path);
    }
    PC_TRY(pc_score_model_init(&sp->model, &tokenizer->vocab, sp->scores));
    PC_TRY(sp->is_unigram ? init_unigram(tokenizer, sp) : PC_OK);
    return read_rule(tokenizer, source->config);
}

/* What the text at `at` becomes: *result, as it is or by the charsmap. Gives the bytes that are used up. Malformed bytes
 * stay: their tokens say what they are. */
static size_t next_rule(const sentencepiece *sp, const char *text, size_t length, size_t at, const char **result,
                        size_t *result_length)
{
    size_t used = 0;
    pc_match match;
    *result = text + at;
    if (sp->model.fixed.count > 0 && pc_matcher_begins(&sp->model.fixed, text + at, length - at, &match)) {
        *result_length = match.end;
        return match.end;
    }
    used = pc_charsmap_find(&sp->charsmap, text + at, length - at, false, result, result_length);
    if (used == 0) {
        used = *result_length = (size_t)pc_char_size(text, length, at);
    }
    return used;
}

/* Append with spaces as marks. */
static pc_status add_spaced(const char *text, size_t length, const char *space, pc_str *out)
{
    const pc_step_text from = {(char *)" ", 1}, to = {(char *)space, strlen(space)};
    return pc_replace_all(out, text, length, &from, &to);
}

static pc_status add_rules(const sentencepiece *sp, const char *text, size_t length, const char *space, pc_str *out)
{
    bool after_space = sp->remove_extra; /* spaces are dropped here */
    for (size_t at = 0; at < length;) {
        const char *result;
        size_t result_length;
        at += next_rule(sp, text, length, at, &result, &result_length);
        while (after_space && result_length > 0 && result[0] == ' ') {
            result++;
            result_length--;
        }
        if (result_length > 0) {
            PC_TRY(add_spaced(result, result_length, space, out));
            after_space = sp->remove_extra && result[result_length - 1] == ' ';
        }
    }
    return PC_OK;
}

/* The same for a text that only spaces change in. */
static pc_status add_plain(const sentencepiece *sp, const char *text, size_t length, const char *space, pc_str *out)
{
    bool after_space = sp->remove_extra;
    for (size_t at = 0; at < length;) {
        const char *found = memchr(text + at, ' ', length - at);
        size_t end = found ? (size_t)(found - text) : length;
        PC_TRY(pc_str_add(out, text + at, end - at));
        after_space = end > at ? false : after_space;
        if (found && !after_space) {
            PC_TRY(pc_str_puts(out, space));
            after_space = sp->remove_extra;
        }
        at = end + 1;
    }
    return PC_OK;
}

/* SentencePiece's Normalizer::Normalize. */
static pc_status normalise(const sentencepiece *sp, const char *text, size_t length, bool prefix, pc_str *out)
{
    const char *space = sp->escape ? mark : " ";
    size_t space_length = strlen(space);
    bool rules = sp->charsmap.unit_count > 0 || sp->model.fixed.count > 0;
    for (size_t used = 1; sp->remove_extra && length > 0 && used > 0;) { /* spaces, and what becomes one, at the start */
        const char *result;
        size_t result_length;
        used = next_rule(sp, text, length, 0, &result, &result_length);
        used = result_length == 1 && result[0] == ' ' ? used : 0;
        text += used;
        length -= used;
    }
    if (length == 0) {
        return PC_OK;
    }
    if (prefix && sp->dummy_prefix) {
        PC_TRY(pc_str_add(out, space, space_length));
    }
    PC_TRY(rules ? add_rules(sp, text, length, space, out) : add_plain(sp, text, length, space, out));
    /* At the end a mark that stood in the text goes too. */
    while (sp->remove_extra && out->length >= space_length &&
           memcmp(out->data + out->length - space_length, space, space_length) == 0) {
        out->length -= space_length;
    }
    return PC_OK;
}

static pc_status encode(const pc_tokenizer *tokenizer, const char *text, size_t length, bool start, bool parse_all,
                        pc_text_work *work, pc_ids *out)
{
    const sentencepiece *sp = tokenizer->state;
    pc_str *normal = &work->normal[0];
    (void)parse_all;
    pc_str_reset(normal);
    PC_TRY(normalise(sp, text, length, start || sp->legacy, normal));
    if (normal->length == 0) {
        return PC_OK;
    }
    return sp->is_unigram ? pc_unigram_encode(&sp->unigram, normal->data, normal->length, work, out)
                          : pc_score_model_encode(&sp->model, normal->data, normal->length, work, out);
}

static pc_status decode(const pc_tokenizer *tokenizer, int32_t id, int32_t previous, bool begun, pc_str *out)
{
    const sentencepiece *sp = tokenizer->state;
    const pc_step_text from = {(char *)mark, 3}, to = {(char *)" ", 1};
    size_t length;
    const char *text = pc_vocab_text(&tokenizer->vocab, id, &length);
    uint32_t flags = tokenizer->vocab.entries[id].flags;
    (void)previous;
    if (flags & PC_VOCAB_BYTE) {
        return pc_str_putc(out, (char)pc_byte_token(text, length));
    }
    bool strip = !begun && (sp->dummy_prefix || sp->remove_extra) && length >= 3 && memcmp(text, mark, 3) == 0;
    return pc_replace_all(out, text + (strip ? 3 : 0), length - (strip ? 3 : 0), &from, &to);
}

static pc_status to_json(const pc_tokenizer *tokenizer, pc_json **out)
{
    const sentencepiece *sp = tokenizer->state;
    if (sp->is_unigram || sp->charsmap.unit_count > 0) {
        *out = NULL; /* a tokenizer.json applies a charsmap otherwise, and has sums of another precision */
        return PC_OK;
    }
    pc_score_json how = {.space = sp->escape ? mark : " ", .dummy_prefix = sp->dummy_prefix,
                         .each_segment = sp->legacy, .collapse = sp->remove_extra};
    return pc_score_to_json(tokenizer, &sp->model, &how, out);
}

static pc_status add_config(const pc_tokenizer *tokenizer, pc_json *config)
{
    const sentencepiece *sp = tokenizer->state;
    PC_TRY(pc_json_set(config, "add_bos_token", pc_json_new_bool(tokenizer->before.count > 0)));
    PC_TRY(pc_json_set(config, "add_eos_token", pc_json_new_bool(tokenizer->after.count > 0)));
    return pc_json_set(config, "legacy", pc_json_new_bool(sp->legacy));
}

static pc_status to_table(const pc_tokenizer *tokenizer, pc_table_parts *out)
{
    const sentencepiece *sp = tokenizer->state;
    if (sp->is_unigram || sp->charsmap.unit_count > 0 || sp->remove_extra || !sp->escape) {
        return pc_fail(PC_ERR_DATA, "GGUF has no table for a SentencePiece model that %s", sp->is_unigram ? "is unigram"
                       : sp->charsmap.unit_count > 0 ? "normalises text" : "drops or keeps spaces otherwise than LLaMA's");
    }
    *out = (pc_table_parts){.model = "llama", .scores = sp->scores, .score_count = sp->score_count};
    return PC_OK;
}

static void free_state(void *state)
{
    sentencepiece *sp = state;
    if (sp) {
        pc_score_model_clear(&sp->model);
        pc_unigram_clear(&sp->unigram);
        pc_charsmap_clear(&sp->charsmap);
        pc_free(sp->scores);
        pc_free(sp);
    }
}

const pc_text_kind pc_text_kind_sentencepiece = {
    .name = "sentencepiece",
    .recognise = recognise,
    .load = load,
    .encode = encode,
    .decode = decode,
    .to_json = to_json,
    .add_config = add_config,
    .to_table = to_table,
    .original = "tokenizer.model",
    .free_state = free_state,
};
