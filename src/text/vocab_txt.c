/* vocab.txt of BERT: a token on each line, whose number is its id. tokenizer_config.json says whether letters become small
 * (do_lower_case); the rest is as for bert-base. */
#include "text/model.h"

#include <string.h>

/* One of the first lines is "[UNK]", and there are no braces or tabs before it. */
static bool recognise(const char *bytes, size_t size)
{
    const char *found = memmem(bytes, size < 65536 ? size : 65536, "[UNK]", 5);
    size_t at = found ? (size_t)(found - bytes) : 0;
    bool line = found && (at == 0 || bytes[at - 1] == '\n') && at + 5 < size && (bytes[at + 5] == '\n' || bytes[at + 5] == '\r');
    return line && bytes[0] != '{' && !memchr(bytes, '\0', at) && pc_utf8_valid_prefix(bytes, at) == at;
}

static pc_status read_lines(pc_vocab *vocab, const pc_text_source *source)
{
    size_t id = 0;
    for (size_t at = 0; at < source->size; id++) {
        const char *line = source->bytes + at, *found = memchr(line, '\n', source->size - at);
        size_t length = found ? (size_t)(found - line) : source->size - at;
        at += length + 1;
        length -= length > 0 && line[length - 1] == '\r';
        if (pc_vocab_find(vocab, line, length) >= 0 || pc_utf8_valid_prefix(line, length) != length ||
            memchr(line, '\0', length)) {
            return pc_fail(PC_ERR_DATA, "%s:%zu: the token is there twice, or not UTF-8", source->path, id + 1);
        }
        PC_TRY(pc_vocab_set(vocab, id, line, length, 0));
    }
    return PC_OK;
}

static pc_status add_specials(pc_tokenizer *tokenizer, const char *where)
{
    static char names[][8] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    int32_t ids[5];
    for (int i = 0; i < 5; i++) {
        ids[i] = pc_tokenizer_id(tokenizer, names[i]);
        pc_added_token token = {.text = names[i], .length = strlen(names[i]), .id = ids[i], .special = true};
        if (ids[i] >= 0) {
            PC_TRY(pc_tokenizer_put_added(tokenizer, &token));
        }
    }
    if (ids[1] < 0 || ids[2] < 0 || ids[3] < 0) {
        return pc_fail(PC_ERR_DATA, "%s: the vocabulary has no [UNK], [CLS] or [SEP]", where);
    }
    tokenizer->roles[PC_TOKEN_PAD] = ids[0];
    tokenizer->roles[PC_TOKEN_UNK] = ids[1];
    tokenizer->roles[PC_TOKEN_BOS] = ids[2];
    tokenizer->roles[PC_TOKEN_EOS] = ids[3];
    PC_TRY(pc_ids_push(&tokenizer->before, ids[2]));
    return pc_ids_push(&tokenizer->after, ids[3]);
}

/* The pipeline, with BertNormalizer's keys from the configuration. */
static pc_status read_pipeline(pc_tokenizer *tokenizer, const pc_json *config)
{
    static const char text[] = "{\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true},"
                               "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
                               "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}}";
    pc_json *root = NULL;
    pc_status status;
    PC_GO(pc_json_parse(&root, text, strlen(text), "pipeline"));
    pc_json *normalizer = pc_json_get(root, "normalizer");
    bool lower = pc_json_get_bool(config, "do_lower_case", true);
    bool accents = pc_json_get_bool(config, "strip_accents", lower);
    PC_GO(pc_json_set(normalizer, "handle_chinese_chars",
                      pc_json_new_bool(pc_json_get_bool(config, "tokenize_chinese_chars", true))));
    PC_GO(pc_json_set(normalizer, "strip_accents", pc_json_new_bool(accents)));
    PC_GO(pc_json_set(normalizer, "lowercase", pc_json_new_bool(lower)));
    PC_GO(pc_piped_read(tokenizer, root, "pipeline"));
done:
    pc_json_free(root);
    return status;
}

static pc_status load(pc_tokenizer *tokenizer, const pc_text_source *source)
{
    PC_TRY(pc_piped_make(tokenizer, &pc_word_model_wordpiece));
    pc_piped *piped = tokenizer->state;
    PC_TRY(read_lines(&tokenizer->vocab, source));
    PC_TRY(pc_wordpiece_new(&piped->state, pc_tokenizer_id(tokenizer, "[UNK]")));
    PC_TRY(add_specials(tokenizer, source->path));
    PC_TRY(read_pipeline(tokenizer, source->config));
    PC_TRY(pc_template_to_json(tokenizer, piped->pipeline));
    return pc_piped_ready(tokenizer, source->path);
}

const pc_text_kind pc_text_kind_vocab_txt = {.name = "vocab.txt", .recognise = recognise, .load = load};
