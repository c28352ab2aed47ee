/* The older files of byte-level BPE: an object token -> id (vocab.json, encoder.json) and beside it a text file with one
 * merge a line (merges.txt, vocab.bpe). The pipeline is GPT-2's. */
#include "base/file.h"
#include "base/memory.h"
#include "text/bpe.h"

#include <string.h>

static pc_status read_merges(pc_bpe *bpe, const pc_vocab *vocab, const char *text, size_t size, const char *where)
{
    size_t capacity = 0;
    for (size_t at = 0; at < size;) {
        const char *line = text + at;
        const char *end = memchr(line, '\n', size - at);
        size_t length = end ? (size_t)(end - line) : size - at;
        bool first = at == 0;
        at += length + 1;
        length -= length > 0 && line[length - 1] == '\r';
        if (length == 0 || (first && length >= 8 && memcmp(line, "#version", 8) == 0)) {
            continue;
        }
        const char *space = memchr(line, ' ', length);
        size_t left = space ? (size_t)(space - line) : 0;
        if (!space || memchr(space + 1, ' ', length - left - 1)) {
            return pc_fail(PC_ERR_DATA, "%s: merge %zu is not \"a b\"", where, bpe->merge_count);
        }
        PC_TRY(pc_bpe_add_merge(bpe, &capacity, vocab, line, left, space + 1, length - left - 1, where));
    }
    return PC_OK;
}

/* The merges' file in the folder of the vocabulary: *path is the caller's. */
static pc_status find_merges(char **path, const pc_text_source *source)
{
    static const char *const names[] = {"merges.txt", "vocab.bpe"};
    for (int i = 0; i < 2; i++) {
        *path = pc_path_join(source->folder, names[i]);
        if (!*path) {
            return pc_fail_memory(strlen(source->folder), "path");
        }
        if (pc_path_exists(*path)) {
            return PC_OK;
        }
        pc_free(*path);
        *path = NULL;
    }
    return pc_fail(PC_ERR_DATA, "%s: a vocabulary needs merges.txt or vocab.bpe beside it (and a tokenizer.json has a "
                   "\"model\")", source->path);
}

pc_status pc_bpe_byte_level_pipeline(pc_tokenizer *tokenizer, const char *regex)
{
    static const char plain[] =
        "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},"
        "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true}}";
    static const char split[] =
        "{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
        "{\"type\":\"Split\",\"pattern\":{},\"behavior\":\"Isolated\",\"invert\":false},"
        "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}]},"
        "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true}}";
    pc_json *root = NULL;
    pc_status status;
    PC_GO(pc_json_parse(&root, regex ? split : plain, strlen(regex ? split : plain), "pipeline"));
    if (regex) {
        const pc_json *steps = pc_json_get(pc_json_get(root, "pre_tokenizer"), "pretokenizers");
        PC_GO(pc_json_set(pc_json_get(pc_json_at(steps, 0), "pattern"), "Regex", pc_json_new_text(regex)));
    }
    PC_GO(pc_piped_read(tokenizer, root, "pipeline"));
done:
    pc_json_free(root);
    return status;
}

/* CLIP's pipeline, as transformers makes it from these files. */
static const char clip_pipeline[] =
    "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"Replace\",\"pattern\":"
    "{\"Regex\":\"\\\\s+\"},\"content\":\" \"},{\"type\":\"Lowercase\"}]},"
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"
    "\"<\\\\|startoftext\\\\|>|<\\\\|endoftext\\\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\\\p{L}]+|[\\\\p{N}]|[^\\\\s\\\\p{L}\\\\p{N}]+\"},"
    "\"behavior\":\"Removed\",\"invert\":true},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,"
    "\"use_regex\":true}]},"
    "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true}}";

static pc_status add_control(pc_tokenizer *tokenizer, const char *text, int32_t *id)
{
    *id = pc_tokenizer_id(tokenizer, text);
    if (*id < 0) {
        return PC_OK;
    }
    pc_added_token token = {.text = (char *)text, .length = strlen(text), .id = *id, .special = true};
    return pc_tokenizer_put_added(tokenizer, &token);
}

/* The marks of CLIP: words end in "</w>", and its text stands between two control tokens. */
static pc_status make_clip(pc_tokenizer *tokenizer, pc_bpe *bpe)
{
    int32_t start, end;
    PC_TRY(pc_step_text_set(&bpe->suffix, "</w>", 4));
    PC_TRY(pc_piped_read_text(tokenizer, clip_pipeline));
    PC_TRY(add_control(tokenizer, "<|startoftext|>", &start));
    PC_TRY(add_control(tokenizer, "<|endoftext|>", &end));
    if (start < 0 || end < 0) {
        return pc_fail(PC_ERR_DATA, "the vocabulary has words with \"</w>\" as CLIP's, but not <|startoftext|> and "
                       "<|endoftext|>");
    }
    tokenizer->roles[PC_TOKEN_BOS] = start;
    tokenizer->roles[PC_TOKEN_EOS] = tokenizer->roles[PC_TOKEN_UNK] = tokenizer->roles[PC_TOKEN_PAD] = bpe->unknown = end;
    PC_TRY(pc_ids_push(&tokenizer->before, start));
    PC_TRY(pc_ids_push(&tokenizer->after, end));
    pc_piped *piped = tokenizer->state;
    return pc_template_to_json(tokenizer, piped->pipeline);
}

/* GPT-2's only special token is part of its vocabulary. */
static pc_status make_gpt2(pc_tokenizer *tokenizer)
{
    int32_t id;
    PC_TRY(pc_bpe_byte_level_pipeline(tokenizer, NULL));
    PC_TRY(add_control(tokenizer, "<|endoftext|>", &id));
    tokenizer->roles[PC_TOKEN_BOS] = tokenizer->roles[PC_TOKEN_EOS] = tokenizer->roles[PC_TOKEN_UNK] = id;
    return PC_OK;
}

pc_status pc_bpe_load_pair(pc_tokenizer *tokenizer, const pc_json *vocab, const pc_text_source *source)
{
    pc_piped *piped = tokenizer->state;
    pc_bpe *bpe = NULL;
    char *path = NULL, *text = NULL;
    size_t size;
    pc_status status;
    PC_GO(pc_bpe_new(&bpe));
    piped->model = &pc_word_model_bpe;
    piped->state = bpe;
    PC_GO(find_merges(&path, source));
    PC_GO(pc_vocab_from_json(&tokenizer->vocab, vocab, source->path));
    PC_GO(pc_file_read(&text, &size, path, PC_TEXT_FILE_LIMIT));
    PC_GO(read_merges(bpe, &tokenizer->vocab, text, size, path));
    bool clip = pc_tokenizer_id(tokenizer, "a</w>") >= 0;
    PC_GO(clip ? make_clip(tokenizer, bpe) : make_gpt2(tokenizer));
    PC_GO(pc_piped_ready(tokenizer, path));
done:
    pc_free(text);
    pc_free(path);
    return status;
}
