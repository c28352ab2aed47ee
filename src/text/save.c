/* Writing the files that transformers' AutoTokenizer reads. */
#include "base/file.h"
#include "base/memory.h"
#include "text/kind.h"

#include <stdio.h>
#include <string.h>

static pc_json *token_text(const pc_tokenizer *tokenizer, int32_t id)
{
    size_t length;
    const char *text = pc_vocab_text(&tokenizer->vocab, id, &length);
    return pc_json_new_text_n(text, length);
}

/* Properties of an added token, but for its id. */
static pc_status set_properties(pc_json *item, const pc_tokenizer *tokenizer, const pc_added_token *token)
{
    PC_TRY(pc_json_set(item, "content", token_text(tokenizer, token->id)));
    PC_TRY(pc_json_set(item, "single_word", pc_json_new_bool(token->single_word)));
    PC_TRY(pc_json_set(item, "lstrip", pc_json_new_bool(token->lstrip)));
    PC_TRY(pc_json_set(item, "rstrip", pc_json_new_bool(token->rstrip)));
    PC_TRY(pc_json_set(item, "normalized", pc_json_new_bool(token->normalized)));
    return pc_json_set(item, "special", pc_json_new_bool(token->special));
}

/* HF gives added tokens ids in the order of this list, so it must be by id. */
static const pc_added_token *next_added(const pc_added *added, int64_t after)
{
    const pc_added_token *next = NULL;
    for (size_t i = 0; i < added->count; i++) {
        const pc_added_token *token = &added->tokens[i];
        if (token->id > after && (!next || token->id < next->id)) {
            next = token;
        }
    }
    return next;
}

static pc_status added_to_json(const pc_tokenizer *tokenizer, pc_json *list, pc_json *by_id)
{
    for (const pc_added_token *token = next_added(&tokenizer->added, -1); token;
         token = next_added(&tokenizer->added, token->id)) {
        char key[16];
        pc_json *item = pc_json_new_object(), *entry = pc_json_new_object();
        pc_status status = pc_json_set(item, "id", pc_json_new_integer(token->id));
        status = status == PC_OK ? set_properties(item, tokenizer, token) : status;
        status = status == PC_OK ? set_properties(entry, tokenizer, token) : status;
        snprintf(key, sizeof key, "%d", (int)token->id);
        pc_status pushed = pc_json_push(list, item), set = pc_json_set(by_id, key, entry);
        PC_TRY(status);
        PC_TRY(pushed);
        PC_TRY(set);
    }
    return PC_OK;
}

/* transformers before 5 would make token_type_ids for a class it doesn't know, which models refuse. */
static pc_status set_inputs(pc_json *config)
{
    pc_json *names = pc_json_new_array();
    pc_status status = pc_json_push(names, pc_json_new_text("input_ids"));
    if (status == PC_OK) {
        status = pc_json_push(names, pc_json_new_text("attention_mask"));
    }
    if (status != PC_OK) {
        pc_json_free(names);
        return status;
    }
    PC_TRY(pc_json_set(config, "model_input_names", names));
    return pc_json_set(config, "padding_side", pc_json_new_text("left")); /* answers continue at the right */
}

static pc_status set_roles(pc_json *object, const pc_tokenizer *tokenizer)
{
    static const char *const keys[PC_TOKEN_ROLES] = {
        [PC_TOKEN_BOS] = "bos_token", [PC_TOKEN_EOS] = "eos_token", [PC_TOKEN_UNK] = "unk_token",
        [PC_TOKEN_PAD] = "pad_token"};
    for (int role = 0; role < PC_TOKEN_ROLES; role++) {
        if (tokenizer->roles[role] >= 0) {
            PC_TRY(pc_json_set(object, keys[role], token_text(tokenizer, tokenizer->roles[role])));
        }
    }
    return PC_OK;
}

static pc_status write_json(const char *folder, const char *name, const pc_json *json)
{
    char *path = pc_path_join(folder, name);
    if (!path) {
        return pc_fail_memory(strlen(folder), "path");
    }
    pc_status status = pc_json_write_file(path, json, 2);
    pc_free(path);
    return status;
}

static pc_status write_original(const pc_tokenizer *tokenizer, const char *folder)
{
    if (!tokenizer->original) {
        return PC_OK;
    }
    char *path = pc_path_join(folder, tokenizer->kind->original);
    if (!path) {
        return pc_fail_memory(strlen(folder), "path");
    }
    pc_status status = pc_file_write(path, tokenizer->original, tokenizer->original_size);
    pc_free(path);
    return status;
}

/* tokenizer.json: the kind's model and pipeline, with the added tokens in the place where HF writes them. *out stays
 * NULL when there can be none. */
static pc_status make_tokenizer_json(const pc_tokenizer *tokenizer, pc_json **added, pc_json **out)
{
    pc_json *parts = NULL, *root = NULL;
    pc_status status;
    PC_GO(tokenizer->kind->to_json(tokenizer, &parts));
    if (!parts) {
        return PC_OK;
    }
    root = pc_json_new_object();
    PC_GO(pc_json_set(root, "version", pc_json_new_text("1.0")));
    pc_json *list = *added;
    *added = NULL; /* goes to root, also when that fails */
    PC_GO(pc_json_set(root, "added_tokens", list));
    static const char *const names[] = {"normalizer", "pre_tokenizer", "post_processor", "decoder", "model"};
    for (int i = 0; i < 5; i++) {
        const pc_json *part = pc_json_get(parts, names[i]);
        if (part) {
            PC_GO(pc_json_set(root, names[i], pc_json_copy(part)));
        }
    }
    *out = root;
    root = NULL;
done:
    pc_json_free(parts);
    pc_json_free(root);
    return status;
}

static pc_status make_config(const pc_tokenizer *tokenizer, pc_json *config, pc_json **by_id, bool fast)
{
    pc_status status = pc_json_set(config, "added_tokens_decoder", *by_id);
    *by_id = NULL;
    PC_TRY(status);
    PC_TRY(set_roles(config, tokenizer));
    PC_TRY(pc_json_set(config, "clean_up_tokenization_spaces", pc_json_new_bool(false)));
    /* No limit: HF's int(1e30) for "not said" can't be written as an integer here. */
    PC_TRY(pc_json_set(config, "model_max_length", pc_json_new_integer(1000000000)));
    PC_TRY(set_inputs(config));
    if (!fast && tokenizer->kind->add_config) {
        PC_TRY(tokenizer->kind->add_config(tokenizer, config));
    }
    return pc_json_set(config, "tokenizer_class", pc_json_new_text(fast ? "PreTrainedTokenizerFast" : "LlamaTokenizer"));
}

pc_status pc_tokenizer_save(const pc_tokenizer *tokenizer, const char *folder)
{
    pc_json *root = NULL, *config = pc_json_new_object(), *special = pc_json_new_object();
    pc_json *added = pc_json_new_array(), *by_id = pc_json_new_object();
    pc_status status;
    PC_GO(added_to_json(tokenizer, added, by_id));
    PC_GO(make_tokenizer_json(tokenizer, &added, &root));
    PC_GO(make_config(tokenizer, config, &by_id, root != NULL));
    PC_GO(set_roles(special, tokenizer));
    PC_GO(pc_make_directories(folder));
    if (root) {
        PC_GO(write_json(folder, "tokenizer.json", root));
    }
    PC_GO(write_json(folder, "tokenizer_config.json", config));
    PC_GO(write_json(folder, "special_tokens_map.json", special));
    PC_GO(write_original(tokenizer, folder));
done:
    pc_json_free(root);
    pc_json_free(config);
    pc_json_free(special);
    pc_json_free(added);
    pc_json_free(by_id);
    return status;
}
