/* Post-processors of tokenizer.json, as far as one text goes: what stands before and behind its ids. */
#include "text/model.h"

#include <string.h>

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
static pc_status read_step(pc_tokenizer *tokenizer, const pc_json *json, const char *where, int depth)
{
    pc_ids before = {0}, after = {0};
    const char *type = pc_json_get_text(json, "type", "");
    pc_status status = PC_OK;
    if (strcmp(type, "Sequence") == 0 && depth < PC_TEXT_STEPS) {
        const pc_json *steps = pc_json_get(json, "processors");
        for (size_t i = 0; i < pc_json_length(steps); i++) {
            PC_GO(read_step(tokenizer, pc_json_at(steps, i), where, depth + 1));
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

pc_status pc_post_read(pc_tokenizer *tokenizer, const pc_json *json, const char *where)
{
    return pc_json_is_null(json) ? PC_OK : read_step(tokenizer, json, where, 0);
}
