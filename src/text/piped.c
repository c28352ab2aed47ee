/* tokenizer.json of Hugging Face: a model with steps round it.
 *
 *   text -> [added tokens cut out] -> normalizer -> added tokens of normalized text cut out -> pre-tokenizer -> words
 *   word -> model -> ids -> post-processor's template round them
 *
 * Easy to get wrong: every piece between added tokens is normalized and cut by itself; a step that isn't known must be
 * refused, for passing over it changes ids without a word.
 */
#include "base/memory.h"
#include "text/bpe.h"
#include "text/model.h"

#include <string.h>

#define PC_WORD_MODEL(name) extern const pc_word_model pc_word_model_##name;
#include "text/models.h"
#undef PC_WORD_MODEL

#define PC_WORD_MODEL(name) &pc_word_model_##name,
static const pc_word_model *const models[] = {
#include "text/models.h"
};
#undef PC_WORD_MODEL

enum { MODELS = sizeof models / sizeof models[0] };

static bool recognise(const char *bytes, size_t size)
{
    size_t at = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < size && (bytes[at] == ' ' || bytes[at] == '\n' || bytes[at] == '\r' || bytes[at] == '\t')) {
        at++;
    }
    return at < size && bytes[at] == '{';
}

/* One encoding of one segment. */
typedef struct encoding {
    const pc_piped *piped;
    const pc_vocab *vocab;
    pc_text_work *work;
    pc_ids *out;
} encoding;

static pc_status encode_word(encoding *e, const char *word, size_t length)
{
    bool found;
    pc_cached_word *slot;
    PC_TRY(pc_word_cache_find(e->work, word, length, e->out, &found, &slot));
    if (found) {
        return PC_OK;
    }
    size_t first = e->out->count;
    PC_TRY(e->piped->model->encode(e->piped->state, e->vocab, word, length, e->work, e->out));
    pc_word_cache_keep(slot, word, length, first, e->out->count - first);
    return PC_OK;
}

static pc_status encode_words(void *context, const char *text, size_t length)
{
    encoding *e = context;
    const pc_word_model *model = e->piped->model;
    if (!model->cut) {
        return encode_word(e, text, length);
    }
    for (size_t at = 0, end; at < length; at = end) {
        end = model->cut(e->piped->state, text, length, at);
        PC_TRY(encode_word(e, text + at, end - at));
    }
    return PC_OK;
}

static pc_status encode_segment(encoding *e, const char *text, size_t length, bool start)
{
    pc_word_cache_begin(e->work, e->piped->cutter.stable ? length : 0);
    return pc_cutter_run(&e->piped->cutter, text, length, start, e->work, encode_words, e);
}

static pc_status encode(const pc_tokenizer *tokenizer, const char *text, size_t length, bool start, bool parse_all,
                        pc_text_work *work, pc_ids *out)
{
    encoding e = {tokenizer->state, &tokenizer->vocab, work, out};
    const pc_matcher *matcher = pc_added_matcher(&tokenizer->added, parse_all, true);
    size_t from = 0;
    pc_match match;
    PC_TRY(pc_normalizer_run(&e.piped->normalizer, text, length, work, &text, &length));
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
    const pc_piped *piped = tokenizer->state;
    size_t length, before_length = 0;
    const char *token = pc_vocab_text(&tokenizer->vocab, id, &length);
    const char *before = previous >= 0 ? pc_vocab_text(&tokenizer->vocab, previous, &before_length) : "";
    const pc_step_text last = {(char *)before, before_length};
    if (piped->decoder.bytes && tokenizer->vocab.entries[id].flags & PC_VOCAB_ADDED) {
        PC_TRY(pc_piece_decoder_run(&piped->decoder, "", 0, &last, begun, out));
        return pc_str_add(out, token, length); /* its characters don't stand for bytes */
    }
    return pc_piece_decoder_run(&piped->decoder, token, length, &last, begun, out);
}

static pc_status read_added(pc_tokenizer *tokenizer, const pc_json *list, const char *where)
{
    size_t limit = pc_largest_id(tokenizer->vocab.count + pc_json_length(list));
    if (!pc_json_is_null(list) && !pc_json_is_array(list)) {
        return pc_fail(PC_ERR_DATA, "%s: added_tokens is not an array", where);
    }
    for (size_t i = 0; i < pc_json_length(list); i++) {
        const pc_json *item = pc_json_at(list, i);
        const char *text;
        int64_t id;
        PC_TRY(pc_json_need_text(&text, item, "content", where));
        PC_TRY(pc_json_need_integer(&id, item, "id", 0, (int64_t)limit, where));
        pc_added_token token = {
            .text = (char *)text,
            .length = strlen(text),
            .id = (int32_t)id,
            .special = pc_json_get_bool(item, "special", false),
            .lstrip = pc_json_get_bool(item, "lstrip", false),
            .rstrip = pc_json_get_bool(item, "rstrip", false),
            .single_word = pc_json_get_bool(item, "single_word", false),
        };
        token.normalized = pc_json_get_bool(item, "normalized", !token.special);
        token.plain = pc_added_is_plain(token.text, token.length, token.special);
        pc_status status = pc_tokenizer_put_added(tokenizer, &token);
        if (status != PC_OK) {
            return pc_fail_prefix(status, "%s", where);
        }
    }
    return PC_OK;
}

/* The model that root.model is of. */
static pc_status find_model(const pc_word_model **out, const pc_json *model, const char *where)
{
    const char *type = pc_json_get_text(model, "type", NULL);
    for (int i = 0; i < MODELS; i++) {
        if (type ? strcmp(type, models[i]->type) == 0 : models[i]->recognise && models[i]->recognise(model)) {
            *out = models[i];
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_DATA, "%s: the tokenizer model %.40s is not supported", where, type ? type : "without a type");
}

/* Added tokens that are matched in normalized text are normalized like it. */
static pc_status normalize_added(pc_tokenizer *tokenizer, const pc_piped *piped)
{
    pc_text_work work = {0};
    pc_status status = PC_OK;
    for (size_t i = 0; i < tokenizer->added.count && piped->normalizer.count > 0; i++) {
        pc_added_token *token = &tokenizer->added.tokens[i];
        const char *text;
        size_t length;
        if (token->normalized) {
            PC_GO(pc_normalizer_run(&piped->normalizer, token->text, token->length, &work, &text, &length));
            char *copy = pc_strndup(text, length);
            if (!copy) {
                status = pc_fail_memory(length, "added token");
                goto done;
            }
            pc_free(token->text);
            token->text = copy;
            token->length = length;
        }
    }
done:
    pc_text_work_clear(&work);
    return status;
}

pc_status pc_piped_read(pc_tokenizer *tokenizer, const pc_json *root, const char *where)
{
    static const char *const parts[] = {"normalizer", "pre_tokenizer", "post_processor", "decoder"};
    pc_piped *piped = tokenizer->state;
    PC_TRY(pc_normalizer_read(&piped->normalizer, pc_json_get(root, "normalizer"), where));
    PC_TRY(pc_cutter_read(&piped->cutter, pc_json_get(root, "pre_tokenizer"), where));
    PC_TRY(pc_piece_decoder_read(&piped->decoder, pc_json_get(root, "decoder"), where));
    PC_TRY(pc_post_read(tokenizer, pc_json_get(root, "post_processor"), where));
    piped->pipeline = pc_json_new_object();
    for (int i = 0; i < 4; i++) {
        const pc_json *part = pc_json_get(root, parts[i]);
        if (!piped->pipeline ||
            (!pc_json_is_null(part) && pc_json_set(piped->pipeline, parts[i], pc_json_copy(part)) != PC_OK)) {
            return pc_fail_memory(sizeof(void *), "tokenizer pipeline");
        }
    }
    return PC_OK;
}

pc_status pc_piped_read_text(pc_tokenizer *tokenizer, const char *json)
{
    pc_json *root = NULL;
    pc_status status;
    PC_GO(pc_json_parse(&root, json, strlen(json), "pipeline"));
    PC_GO(pc_piped_read(tokenizer, root, "pipeline"));
done:
    pc_json_free(root);
    return status;
}

pc_status pc_piped_ready(pc_tokenizer *tokenizer, const char *where)
{
    pc_piped *piped = tokenizer->state;
    PC_TRY(normalize_added(tokenizer, piped));
    if (piped->decoder.bytes && piped->model == &pc_word_model_bpe) { /* as transformers reads CLIP's files */
        const pc_bpe *bpe = piped->state;
        PC_TRY(pc_step_text_set(&piped->decoder.word_end, bpe->suffix.length ? bpe->suffix.text : "", bpe->suffix.length));
    }
    return piped->model->ready ? piped->model->ready(piped->state, tokenizer, &piped->cutter, where) : PC_OK;
}

static pc_status load_json(pc_tokenizer *tokenizer, const pc_json *root, const char *where)
{
    pc_piped *piped = tokenizer->state;
    const pc_json *model = pc_json_get(root, "model");
    PC_TRY(find_model(&piped->model, model, where));
    PC_TRY(piped->model->load(tokenizer, &piped->state, model, where));
    PC_TRY(read_added(tokenizer, pc_json_get(root, "added_tokens"), where));
    PC_TRY(pc_piped_read(tokenizer, root, where));
    return pc_piped_ready(tokenizer, where);
}

static pc_status load(pc_tokenizer *tokenizer, const pc_text_source *source)
{
    pc_json *root = NULL;
    pc_piped *piped = NULL;
    pc_status status;
    PC_GO(PC_NEW(piped, "tokenizer"));
    tokenizer->state = piped;
    PC_GO(pc_json_parse(&root, source->bytes, source->size, source->path));
    if (pc_json_is_object(pc_json_get(root, "model"))) {
        status = load_json(tokenizer, root, source->path);
    } else {
        status = pc_bpe_load_pair(tokenizer, root, source);
    }
done:
    pc_json_free(root);
    return status;
}

pc_status pc_piped_make(pc_tokenizer *tokenizer, const pc_word_model *model)
{
    pc_piped *piped = NULL;
    PC_TRY(PC_NEW(piped, "tokenizer"));
    piped->model = model;
    tokenizer->kind = &pc_text_kind_piped;
    tokenizer->state = piped;
    return PC_OK;
}

pc_status pc_piped_new(pc_tokenizer **out, const pc_word_model *model)
{
    PC_TRY(pc_tokenizer_new(out, &pc_text_kind_piped));
    pc_status status = pc_piped_make(*out, model);
    if (status != PC_OK) {
        pc_tokenizer_free(*out);
        *out = NULL;
    }
    return status;
}

static pc_status fill_json(const pc_tokenizer *tokenizer, pc_json *root, pc_json *model)
{
    static const char *const parts[] = {"normalizer", "pre_tokenizer", "post_processor", "decoder"};
    const pc_piped *piped = tokenizer->state;
    PC_TRY(pc_json_set(model, "type", pc_json_new_text(piped->model->type)));
    PC_TRY(piped->model->to_json(tokenizer, piped->state, model));
    for (int i = 0; i < 4; i++) {
        const pc_json *part = pc_json_get(piped->pipeline, parts[i]);
        if (part) {
            PC_TRY(pc_json_set(root, parts[i], pc_json_copy(part)));
        }
    }
    return PC_OK;
}

static pc_status to_json(const pc_tokenizer *tokenizer, pc_json **out)
{
    pc_json *root = pc_json_new_object(), *model = pc_json_new_object();
    pc_status status = fill_json(tokenizer, root, model);
    pc_status set = pc_json_set(root, "model", model);
    status = status != PC_OK ? status : set;
    if (status != PC_OK) {
        pc_json_free(root);
        return status;
    }
    *out = root;
    return PC_OK;
}

static const char *name_of(const pc_tokenizer *tokenizer)
{
    const pc_piped *piped = tokenizer->state;
    return piped->model->name;
}

static void free_state(void *state)
{
    pc_piped *piped = state;
    if (piped) {
        pc_normalizer_clear(&piped->normalizer);
        pc_cutter_clear(&piped->cutter);
        pc_piece_decoder_clear(&piped->decoder);
        pc_json_free(piped->pipeline);
        if (piped->model) {
            piped->model->free_state(piped->state);
        }
        pc_free(piped);
    }
}

static pc_status to_table(const pc_tokenizer *tokenizer, pc_table_parts *out)
{
    const pc_piped *piped = tokenizer->state;
    const pc_bpe *bpe = piped->model == &pc_word_model_bpe ? piped->state : NULL;
    if (!bpe || bpe->prefix.length || bpe->suffix.length || !(bpe->bytes || bpe->byte_fallback)) {
        return pc_fail(PC_ERR_DATA, "GGUF has no table for %s; it has one for byte-level BPE and for BPE that falls back to bytes",
                       bpe ? "BPE of this kind" : piped->model->name);
    }
    *out = (pc_table_parts){.model = bpe->bytes ? "gpt2" : "llama", .bpe = bpe, .cutter = &piped->cutter};
    return PC_OK;
}

const pc_text_kind pc_text_kind_piped = {
    .name = "tokenizer.json",
    .name_of = name_of,
    .recognise = recognise,
    .load = load,
    .encode = encode,
    .decode = decode,
    .decodes_added = true,
    .to_json = to_json,
    .to_table = to_table,
    .free_state = free_state,
};
