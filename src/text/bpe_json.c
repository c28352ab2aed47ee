/* tokenizer.json <-> BPE tokenizer. */
#include "base/memory.h"
#include "text/bpe.h"

#include <string.h>

/* Ids may leave holes, but not so many that a small file asks for a large table. */
static size_t largest_id(size_t tokens)
{
    return 2 * tokens + 65536;
}

pc_status pc_bpe_read_vocab(pc_vocab *out, const pc_json *vocab, const char *where)
{
    size_t count = pc_json_length(vocab);
    if (!pc_json_is_object(vocab) || count == 0) {
        return pc_fail(PC_ERR_DATA, "%s: expected a vocabulary, an object from token to id", where);
    }
    PC_TRY(pc_vocab_reserve(out, count));
    for (void *it = pc_json_first(vocab); it; it = pc_json_next(vocab, it)) {
        const pc_json *value = pc_json_value(it);
        int64_t id = pc_json_integer(value, -1);
        const char *token = pc_json_key(it);
        if (!pc_json_is_integer(value) || id < 0 || (uint64_t)id > largest_id(count)) {
            return pc_fail(PC_ERR_DATA, "%s: token \"%.60s\" has no id in 0..%zu", where, token, largest_id(count));
        }
        pc_status status = pc_vocab_set(out, (size_t)id, token, strlen(token), 0);
        if (status != PC_OK) {
            return pc_fail_prefix(status, "%s: token \"%.60s\"", where, token);
        }
    }
    return PC_OK;
}

static pc_status read_merge(pc_bpe *bpe, size_t *capacity, const pc_vocab *vocab, const pc_json *merge, const char *where)
{
    if (pc_json_is_array(merge) && pc_json_length(merge) == 2 && pc_json_is_string(pc_json_at(merge, 0)) &&
        pc_json_is_string(pc_json_at(merge, 1))) {
        const pc_json *left = pc_json_at(merge, 0), *right = pc_json_at(merge, 1);
        return pc_bpe_add_merge(bpe, capacity, vocab, pc_json_text(left), pc_json_text_length(left), pc_json_text(right),
                                pc_json_text_length(right), where);
    }
    const char *text = pc_json_text(merge);
    size_t length = pc_json_text_length(merge);
    const char *space = text ? memchr(text, ' ', length) : NULL;
    if (!space || memchr(space + 1, ' ', length - (size_t)(space + 1 - text))) {
        return pc_fail(PC_ERR_DATA, "%s: merge %zu is neither \"a b\" nor [\"a\", \"b\"]", where, bpe->merge_count);
    }
    size_t left = (size_t)(space - text);
    return pc_bpe_add_merge(bpe, capacity, vocab, text, left, space + 1, length - left - 1, where);
}

static pc_status refuse_model_options(const pc_json *model, const char *where)
{
    const char *type = pc_json_get_text(model, "type", "BPE"); /* absent in old files, which were all BPE */
    if (strcmp(type, "BPE") != 0) {
        return pc_fail(PC_ERR_DATA, "%s: tokenizer model %.40s is not supported, only BPE", where, type);
    }
    if (pc_json_get_number(model, "dropout", 0) != 0) {
        return pc_fail(PC_ERR_DATA, "%s: BPE dropout is not supported", where);
    }
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (int i = 0; i < 2; i++) {
        if (pc_json_get_text(model, affixes[i], "")[0]) {
            return pc_fail(PC_ERR_DATA, "%s: BPE %s is not supported", where, affixes[i]);
        }
    }
    return PC_OK;
}

static pc_status read_model(pc_tokenizer *tokenizer, pc_bpe *bpe, const pc_json *model, const char *where)
{
    size_t capacity = 0;
    const pc_json *merges = pc_json_get(model, "merges");
    const char *unknown = pc_json_get_text(model, "unk_token", NULL);
    PC_TRY(refuse_model_options(model, where));
    PC_TRY(pc_bpe_read_vocab(&tokenizer->vocab, pc_json_get(model, "vocab"), where));
    if (!pc_json_is_array(merges)) {
        return pc_fail(PC_ERR_DATA, "%s: model.merges is not an array", where);
    }
    for (size_t i = 0; i < pc_json_length(merges); i++) {
        PC_TRY(read_merge(bpe, &capacity, &tokenizer->vocab, pc_json_at(merges, i), where));
    }
    bpe->byte_fallback = pc_json_get_bool(model, "byte_fallback", false);
    bpe->fuse_unknown = pc_json_get_bool(model, "fuse_unk", false);
    bpe->ignore_merges = pc_json_get_bool(model, "ignore_merges", false);
    if (unknown) {
        bpe->unknown = pc_tokenizer_id(tokenizer, unknown);
        if (bpe->unknown < 0) {
            return pc_fail(PC_ERR_DATA, "%s: unk_token \"%.60s\" is not in the vocabulary", where, unknown);
        }
        tokenizer->roles[PC_TOKEN_UNK] = bpe->unknown;
    }
    return PC_OK;
}

static pc_status read_added(pc_tokenizer *tokenizer, const pc_json *list, const char *where)
{
    size_t limit = largest_id(tokenizer->vocab.count + pc_json_length(list));
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

/* The ids that a template's special token stands for. */
static pc_status add_template_token(pc_tokenizer *tokenizer, const pc_json *tokens, const char *name, pc_ids *out,
                                    const char *where)
{
    const pc_json *ids = pc_json_get(pc_json_get(tokens, name), "ids");
    for (size_t i = 0; i < pc_json_length(ids); i++) {
        int64_t id = pc_json_integer(pc_json_at(ids, i), -1);
        if (id < 0 || (uint64_t)id >= tokenizer->vocab.count) {
            return pc_fail(PC_ERR_DATA, "%s: post-processor token \"%.60s\" has an id outside the vocabulary", where, name);
        }
        PC_TRY(pc_ids_push(out, (int32_t)id));
    }
    return pc_json_length(ids) > 0 ? PC_OK
                                   : pc_fail(PC_ERR_DATA, "%s: post-processor token \"%.60s\" has no ids", where, name);
}

/* {"single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}], "special_tokens": {"<s>": {"ids": [1]}}} */
static pc_status read_template(pc_tokenizer *tokenizer, const pc_json *json, pc_ids *before, pc_ids *after, const char *where)
{
    const pc_json *single = pc_json_get(json, "single");
    bool seen = false;
    for (size_t i = 0; i < pc_json_length(single); i++) {
        const pc_json *item = pc_json_at(single, i);
        const char *name = pc_json_get_text(pc_json_get(item, "SpecialToken"), "id", NULL);
        if (name) {
            PC_TRY(add_template_token(tokenizer, pc_json_get(json, "special_tokens"), name, seen ? after : before, where));
        } else if (pc_json_is_object(pc_json_get(item, "Sequence")) && !seen) {
            seen = true;
        } else {
            return pc_fail(PC_ERR_DATA, "%s: part %zu of the post-processor's template is neither a special token nor the "
                           "only sequence", where, i);
        }
    }
    return seen ? PC_OK : pc_fail(PC_ERR_DATA, "%s: the post-processor's template has no sequence", where);
}

/* ["</s>", 2] of BertProcessing and RobertaProcessing */
static pc_status read_named_id(pc_tokenizer *tokenizer, const pc_json *pair, pc_ids *out, const char *where)
{
    int64_t id = pc_json_integer(pc_json_at(pair, 1), -1);
    if (id < 0 || (uint64_t)id >= tokenizer->vocab.count) {
        return pc_fail(PC_ERR_DATA, "%s: post-processor: cls or sep has no id in the vocabulary", where);
    }
    return pc_ids_push(out, (int32_t)id);
}

/* What a step adds goes round what the steps before it added. */
static pc_status read_post(pc_tokenizer *tokenizer, const pc_json *json, const char *where, int depth)
{
    pc_ids before = {0}, after = {0};
    const char *type = pc_json_get_text(json, "type", "");
    pc_status status = PC_OK;
    if (strcmp(type, "Sequence") == 0 && depth < PC_TEXT_STEPS) {
        const pc_json *steps = pc_json_get(json, "processors");
        for (size_t i = 0; i < pc_json_length(steps); i++) {
            PC_GO(read_post(tokenizer, pc_json_at(steps, i), where, depth + 1));
        }
    } else if (strcmp(type, "TemplateProcessing") == 0) {
        PC_GO(read_template(tokenizer, json, &before, &after, where));
    } else if (strcmp(type, "BertProcessing") == 0 || strcmp(type, "RobertaProcessing") == 0) {
        PC_GO(read_named_id(tokenizer, pc_json_get(json, "cls"), &before, where));
        PC_GO(read_named_id(tokenizer, pc_json_get(json, "sep"), &after, where));
    } else if (strcmp(type, "ByteLevel") != 0) {
        status = pc_fail(PC_ERR_DATA, "%s: post-processor step \"%.60s\" is not supported", where, type);
        goto done;
    }
    PC_GO(pc_ids_add(&before, tokenizer->before.data, tokenizer->before.count));
    PC_GO(pc_ids_add(&tokenizer->after, after.data, after.count));
    pc_ids_clear(&tokenizer->before);
    tokenizer->before = before;
    before = (pc_ids){0};
done:
    pc_ids_clear(&before);
    pc_ids_clear(&after);
    return status;
}

pc_status pc_bpe_read_pipeline(pc_tokenizer *tokenizer, pc_bpe *bpe, const pc_json *root, const char *where)
{
    static const char *const parts[] = {"normalizer", "pre_tokenizer", "post_processor", "decoder"};
    const pc_json *post = pc_json_get(root, "post_processor");
    PC_TRY(pc_normalizer_read(&bpe->normalizer, pc_json_get(root, "normalizer"), where));
    PC_TRY(pc_cutter_read(&bpe->cutter, pc_json_get(root, "pre_tokenizer"), where));
    PC_TRY(pc_piece_decoder_read(&bpe->decoder, pc_json_get(root, "decoder"), where));
    if (!pc_json_is_null(post)) {
        PC_TRY(read_post(tokenizer, post, where, 0));
    }
    bpe->pipeline = pc_json_new_object();
    for (int i = 0; i < 4; i++) {
        const pc_json *part = pc_json_get(root, parts[i]);
        if (!bpe->pipeline || (!pc_json_is_null(part) && pc_json_set(bpe->pipeline, parts[i], pc_json_copy(part)) != PC_OK)) {
            return pc_fail_memory(sizeof(void *), "tokenizer pipeline");
        }
    }
    return PC_OK;
}

/* Added tokens that are matched in normalized text are normalized like it. */
static pc_status normalize_added(pc_tokenizer *tokenizer, const pc_bpe *bpe)
{
    pc_text_work work = {0};
    pc_status status = PC_OK;
    for (size_t i = 0; i < tokenizer->added.count && bpe->normalizer.count > 0; i++) {
        pc_added_token *token = &tokenizer->added.tokens[i];
        const char *text;
        size_t length;
        if (token->normalized) {
            PC_GO(pc_normalizer_run(&bpe->normalizer, token->text, token->length, &work, &text, &length));
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

pc_status pc_bpe_load_json(pc_tokenizer *tokenizer, pc_bpe *bpe, const pc_json *root, const pc_text_source *source)
{
    const char *where = source->path;
    PC_TRY(read_model(tokenizer, bpe, pc_json_get(root, "model"), where));
    PC_TRY(read_added(tokenizer, pc_json_get(root, "added_tokens"), where));
    PC_TRY(pc_bpe_read_pipeline(tokenizer, bpe, root, where));
    PC_TRY(normalize_added(tokenizer, bpe));
    return pc_bpe_ready(bpe, &tokenizer->vocab, where);
}

/* Tokens of the model: all but those that only the list of added tokens has. */
static pc_status vocab_to_json(const pc_tokenizer *tokenizer, pc_json *model)
{
    pc_json *vocab = pc_json_new_object();
    pc_status status = PC_OK;
    for (size_t id = 0; id < tokenizer->vocab.count && status == PC_OK; id++) {
        uint32_t flags = tokenizer->vocab.entries[id].flags;
        if (flags & PC_VOCAB_PRESENT && !(flags & PC_VOCAB_OUTSIDE)) {
            size_t length;
            status = pc_json_set(vocab, pc_vocab_text(&tokenizer->vocab, (int32_t)id, &length),
                                 pc_json_new_integer((int64_t)id));
        }
    }
    pc_status set = pc_json_set(model, "vocab", vocab); /* takes vocab also when it fails */
    return status != PC_OK ? status : set;
}

static pc_status merges_to_json(const pc_tokenizer *tokenizer, const pc_bpe *bpe, pc_json *model)
{
    pc_json *merges = pc_json_new_array();
    pc_status status = PC_OK;
    for (size_t i = 0; i < bpe->merge_count && status == PC_OK; i++) {
        size_t left, right;
        const char *left_text = pc_vocab_text(&tokenizer->vocab, bpe->merges[i].left, &left);
        const char *right_text = pc_vocab_text(&tokenizer->vocab, bpe->merges[i].right, &right);
        pc_json *pair = pc_json_new_array();
        pc_status first = pc_json_push(pair, pc_json_new_text_n(left_text, left));
        pc_status second = pc_json_push(pair, pc_json_new_text_n(right_text, right));
        status = pc_json_push(merges, pair);
        status = first != PC_OK ? first : second != PC_OK ? second : status;
    }
    pc_status set = pc_json_set(model, "merges", merges);
    return status != PC_OK ? status : set;
}

static pc_status model_to_json(const pc_tokenizer *tokenizer, const pc_bpe *bpe, pc_json *model)
{
    size_t length;
    PC_TRY(pc_json_set(model, "type", pc_json_new_text("BPE")));
    if (bpe->unknown >= 0) {
        PC_TRY(pc_json_set(model, "unk_token",
                           pc_json_new_text(pc_vocab_text(&tokenizer->vocab, bpe->unknown, &length))));
    }
    PC_TRY(pc_json_set(model, "fuse_unk", pc_json_new_bool(bpe->fuse_unknown)));
    PC_TRY(pc_json_set(model, "byte_fallback", pc_json_new_bool(bpe->byte_fallback)));
    PC_TRY(pc_json_set(model, "ignore_merges", pc_json_new_bool(bpe->ignore_merges)));
    PC_TRY(vocab_to_json(tokenizer, model));
    return merges_to_json(tokenizer, bpe, model);
}

pc_status pc_bpe_to_json(const pc_tokenizer *tokenizer, pc_json **out)
{
    static const char *const parts[] = {"normalizer", "pre_tokenizer", "post_processor", "decoder"};
    const pc_bpe *bpe = tokenizer->state;
    pc_json *root = pc_json_new_object(), *model = pc_json_new_object();
    pc_status status = model_to_json(tokenizer, bpe, model);
    for (int i = 0; i < 4 && status == PC_OK; i++) {
        const pc_json *part = pc_json_get(bpe->pipeline, parts[i]);
        if (part) {
            status = pc_json_set(root, parts[i], pc_json_copy(part));
        }
    }
    pc_status set = pc_json_set(root, "model", model);
    status = status != PC_OK ? status : set;
    if (status != PC_OK) {
        pc_json_free(root);
        return status;
    }
    *out = root;
    return PC_OK;
}
