/* SentencePiece .model files of type BPE (Kudo & Richardson 2018): a protocol buffer with pieces, scores and how text is
 * normalised. LLaMA, Vicuna and Mistral have such files.
 *
 *   text -> [runs of spaces collapsed] -> space in front -> spaces become U+2581 -> merges by score -> ids
 *
 * Easy to get wrong: pieces of type control, unknown and byte are never found in text; the "nmt_nfkc" normalizer is a
 * table (charsmap) in the file, and only a file without one is identity; whether a later segment gets a space in front is
 * not in the file but in HF's tokenizer_config.json ("legacy").
 */
#include "base/memory.h"
#include "text/pipeline.h"
#include "text/proto.h"
#include "text/score.h"

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
    pc_score_model model;
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
    return type == MODEL_TYPE_BPE ? PC_OK
                                  : pc_fail(PC_ERR_DATA, "the SentencePiece model is %s; only BPE is supported",
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
            return pc_fail(PC_ERR_DATA, "the SentencePiece model normalises by a charsmap (nmt_nfkc), which is not supported");
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
    return read_rule(tokenizer, source->config);
}

/* SentencePiece's Normalizer::Normalize without a charsmap. Malformed bytes stay: their tokens say what they are. */
static pc_status normalise(const sentencepiece *sp, const char *text, size_t length, bool prefix, pc_str *out)
{
    const char *space = sp->escape ? mark : " ";
    size_t space_length = strlen(space);
    bool after_space = sp->remove_extra; /* spaces are dropped here */
    while (sp->remove_extra && length > 0 && text[0] == ' ') {
        text++;
        length--;
    }
    if (length == 0) {
        return PC_OK;
    }
    if (prefix && sp->dummy_prefix) {
        PC_TRY(pc_str_add(out, space, space_length));
    }
    for (size_t at = 0; at < length;) {
        const char *found = memchr(text + at, ' ', length - at);
        size_t end = found ? (size_t)(found - text) : length;
        PC_TRY(pc_str_add(out, text + at, end - at));
        after_space = end > at ? false : after_space;
        if (found && !after_space) {
            PC_TRY(pc_str_add(out, space, space_length));
            after_space = sp->remove_extra;
        }
        at = end + 1;
    }
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
    return normal->length > 0 ? pc_score_model_encode(&sp->model, normal->data, normal->length, work, out) : PC_OK;
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

static void free_state(void *state)
{
    sentencepiece *sp = state;
    if (sp) {
        pc_score_model_clear(&sp->model);
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
    .original = "tokenizer.model",
    .free_state = free_state,
};
