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

pc_status pc_bpe_byte_level_pipeline(pc_tokenizer *tokenizer, pc_bpe *bpe, const char *regex)
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
    PC_GO(pc_bpe_read_pipeline(tokenizer, bpe, root, "pipeline"));
done:
    pc_json_free(root);
    return status;
}

/* GPT-2's only special token is part of its vocabulary. */
static pc_status add_end_of_text(pc_tokenizer *tokenizer)
{
    char text[] = "<|endoftext|>";
    int32_t id = pc_tokenizer_id(tokenizer, text);
    if (id < 0) {
        return PC_OK;
    }
    pc_added_token token = {.text = text, .length = strlen(text), .id = id, .special = true};
    tokenizer->roles[PC_TOKEN_BOS] = tokenizer->roles[PC_TOKEN_EOS] = tokenizer->roles[PC_TOKEN_UNK] = id;
    return pc_tokenizer_put_added(tokenizer, &token);
}

pc_status pc_bpe_load_pair(pc_tokenizer *tokenizer, pc_bpe *bpe, const pc_json *vocab, const pc_text_source *source)
{
    char *path = NULL, *text = NULL;
    size_t size;
    pc_status status;
    PC_GO(find_merges(&path, source));
    PC_GO(pc_bpe_read_vocab(&tokenizer->vocab, vocab, source->path));
    PC_GO(pc_file_read(&text, &size, path, PC_TEXT_FILE_LIMIT));
    PC_GO(read_merges(bpe, &tokenizer->vocab, text, size, path));
    PC_GO(pc_bpe_byte_level_pipeline(tokenizer, bpe, NULL));
    PC_GO(add_end_of_text(tokenizer));
    PC_GO(pc_bpe_ready(bpe, &tokenizer->vocab, path));
done:
    pc_free(text);
    pc_free(path);
    return status;
}
