/* Finding and reading the files of a tokenizer: the main file, then what its neighbours say about roles and added
 * tokens. */
#include "base/file.h"
#include "base/memory.h"
#include "text/kind.h"

#include <dirent.h>
#include <string.h>

enum { CONFIG_LIMIT = 64 * 1024 * 1024 }; /* bytes of a tokenizer_config.json; chat templates make some large */

static const char *const role_keys[PC_TOKEN_ROLES] = {
    [PC_TOKEN_BOS] = "bos_token", [PC_TOKEN_EOS] = "eos_token", [PC_TOKEN_UNK] = "unk_token", [PC_TOKEN_PAD] = "pad_token"};

/* *out = the JSON of folder/name, or NULL when there is no such file. */
static pc_status read_neighbour(pc_json **out, const char *folder, const char *name)
{
    *out = NULL;
    if (!folder) {
        return PC_OK;
    }
    char *path = pc_path_join(folder, name);
    if (!path) {
        return pc_fail_memory(strlen(folder), "path");
    }
    pc_status status = pc_path_exists(path) ? pc_json_read(out, path, CONFIG_LIMIT) : PC_OK;
    pc_free(path);
    return status;
}

/* "</s>" or {"content": "</s>", ...} -> id, or -1. */
static int32_t id_of_named(const pc_tokenizer *tokenizer, const pc_json *value)
{
    const pc_json *text = pc_json_is_object(value) ? pc_json_get(value, "content") : value;
    return pc_json_is_string(text) ? pc_vocab_find(&tokenizer->vocab, pc_json_text(text), pc_json_text_length(text)) : -1;
}

/* A role that a file names; null takes it away. */
static void read_roles(pc_tokenizer *tokenizer, const pc_json *json)
{
    for (int role = 0; role < PC_TOKEN_ROLES; role++) {
        const pc_json *value = pc_json_get(json, role_keys[role]);
        if (value) {
            int32_t id = id_of_named(tokenizer, value);
            if (id >= 0 || pc_json_is_null(value)) {
                tokenizer->roles[role] = id;
            }
        }
    }
}

static pc_status put_token(pc_tokenizer *tokenizer, int64_t id, const char *text, const pc_json *properties, bool special,
                           const char *where)
{
    size_t length = strlen(text);
    int32_t present = pc_vocab_find(&tokenizer->vocab, text, length);
    if (length == 0 || (present >= 0 && pc_vocab_flags(&tokenizer->vocab, present) & PC_VOCAB_ADDED)) {
        return PC_OK; /* the main file knows better */
    }
    if (id < 0 || (uint64_t)id > 2 * (uint64_t)tokenizer->vocab.count + 65536) {
        return pc_fail(PC_ERR_DATA, "%s: added token \"%.60s\" has the id %lld", where, text, (long long)id);
    }
    if (present < 0 && pc_vocab_flags(&tokenizer->vocab, id) & PC_VOCAB_PRESENT) {
        return PC_OK; /* a renamed token of the vocabulary: HF keeps the name that the main file has */
    }
    pc_added_token token = {
        .text = (char *)text,
        .length = length,
        .id = (int32_t)id,
        .special = pc_json_get_bool(properties, "special", special),
        .lstrip = pc_json_get_bool(properties, "lstrip", false),
        .rstrip = pc_json_get_bool(properties, "rstrip", false),
        .single_word = pc_json_get_bool(properties, "single_word", false),
    };
    token.plain = pc_added_is_plain(text, length, token.special);
    pc_status status = pc_tokenizer_put_added(tokenizer, &token);
    return status == PC_OK ? status : pc_fail_prefix(status, "%s", where);
}

/* tokenizer_config.json: {"added_tokens_decoder": {"32000": {"content": "<image>", "special": true}}} */
static pc_status read_decoder_map(pc_tokenizer *tokenizer, const pc_json *map, const char *where)
{
    for (void *it = pc_json_first(map); it; it = pc_json_next(map, it)) {
        const char *key = pc_json_key(it);
        int64_t id = -1;
        if (key[0] && strspn(key, "0123456789") == strlen(key) && strlen(key) < 10) {
            id = 0;
            for (const char *digit = key; *digit; digit++) {
                id = id * 10 + (*digit - '0');
            }
        }
        PC_TRY(put_token(tokenizer, id, pc_json_get_text(pc_json_value(it), "content", ""), pc_json_value(it), false, where));
    }
    return PC_OK;
}

/* added_tokens.json: {"<image>": 32000} */
static pc_status read_added_map(pc_tokenizer *tokenizer, const pc_json *map, const char *where)
{
    for (void *it = pc_json_first(map); it; it = pc_json_next(map, it)) {
        PC_TRY(put_token(tokenizer, pc_json_integer(pc_json_value(it), -1), pc_json_key(it), NULL, true, where));
    }
    return PC_OK;
}

pc_status pc_tokenizer_read_config(pc_tokenizer *tokenizer, const pc_text_source *source)
{
    pc_json *special = NULL, *added = NULL;
    pc_status status;
    PC_GO(read_neighbour(&special, source->folder, "special_tokens_map.json"));
    PC_GO(read_neighbour(&added, source->folder, "added_tokens.json"));
    PC_GO(read_decoder_map(tokenizer, pc_json_get(source->config, "added_tokens_decoder"), "tokenizer_config.json"));
    PC_GO(read_added_map(tokenizer, added, "added_tokens.json"));
    if (!special && !source->config) {
        pc_tokenizer_guess_roles(tokenizer);
    }
    read_roles(tokenizer, special);
    read_roles(tokenizer, source->config);
done:
    pc_json_free(special);
    pc_json_free(added);
    return status;
}

void pc_tokenizer_guess_roles(pc_tokenizer *tokenizer)
{
    static const char *const names[PC_TOKEN_ROLES][6] = {
        [PC_TOKEN_BOS] = {"<s>", "<|begin_of_text|>", "<|startoftext|>", "<bos>"},
        [PC_TOKEN_EOS] = {"</s>", "<|end_of_text|>", "<|endoftext|>", "<|im_end|>", "<eos>"},
        [PC_TOKEN_UNK] = {"<unk>"},
        [PC_TOKEN_PAD] = {"<pad>", "<|pad|>"},
    };
    for (int role = 0; role < PC_TOKEN_ROLES; role++) {
        for (int i = 0; names[role][i] && tokenizer->roles[role] < 0; i++) {
            int32_t id = pc_tokenizer_id(tokenizer, names[role][i]);
            tokenizer->roles[role] = pc_tokenizer_is_special(tokenizer, id) ? id : -1;
        }
    }
}

pc_status pc_tokenizer_load_source(pc_tokenizer **out, const pc_text_source *source, const pc_text_kind *kind)
{
    pc_tokenizer *tokenizer = NULL;
    pc_status status;
    PC_GO(pc_tokenizer_new(&tokenizer, kind));
    PC_GO(kind->load(tokenizer, source));
    PC_GO(pc_tokenizer_read_config(tokenizer, source));
    PC_GO(pc_tokenizer_ready(tokenizer));
    if (kind->original) {
        tokenizer->original = pc_strndup(source->bytes, source->size);
        tokenizer->original_size = source->size;
        if (!tokenizer->original) {
            status = pc_fail_memory(source->size, "tokenizer file");
        }
    }
done:
    if (status != PC_OK) {
        pc_tokenizer_free(tokenizer);
        tokenizer = NULL;
    }
    *out = tokenizer;
    return status;
}

static pc_status load_source(pc_tokenizer **out, pc_text_source *source)
{
    const pc_text_kind *kind = pc_text_kind_of(source->bytes, source->size);
    pc_json *config = NULL;
    if (!kind) {
        return pc_fail(PC_ERR_DATA, "%s: not a tokenizer: neither JSON nor a SentencePiece model, ranks of tiktoken, a vocab.txt "
                       "or a llama2.c tokenizer",
                       source->path);
    }
    PC_TRY(read_neighbour(&config, source->folder, "tokenizer_config.json"));
    source->config = config;
    pc_status status = pc_tokenizer_load_source(out, source, kind);
    pc_json_free(config);
    return status;
}

static pc_status load_file(pc_tokenizer **out, const char *path)
{
    pc_text_source source = {.path = path};
    char *bytes = NULL, *folder = pc_path_parent(path);
    pc_status status = folder ? PC_OK : pc_fail_memory(strlen(path), "path");
    PC_GO(status);
    PC_GO(pc_file_read(&bytes, &source.size, path, PC_TEXT_FILE_LIMIT));
    source.bytes = bytes;
    source.folder = folder;
    PC_GO(load_source(out, &source));
done:
    pc_free(bytes);
    pc_free(folder);
    return status;
}

/* The first *.tiktoken or tok*.bin of a folder by name; *out NULL when there is none, else the caller's. */
static pc_status find_by_pattern(char **out, const char *folder)
{
    char best[256] = "";
    DIR *directory = opendir(folder);
    *out = NULL;
    if (!directory) {
        return pc_fail(PC_ERR_IO, "%s: can't list the folder", folder);
    }
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        const char *name = entry->d_name;
        bool fits = pc_ends_with(name, ".tiktoken") || (pc_starts_with(name, "tok") && pc_ends_with(name, ".bin"));
        if (fits && strlen(name) < sizeof best &&
            (!best[0] || strcmp(name, best) < 0)) {
            strcpy(best, name);
        }
    }
    closedir(directory);
    if (best[0]) {
        *out = pc_path_join(folder, best);
        return *out ? PC_OK : pc_fail_memory(strlen(folder), "path");
    }
    return PC_OK;
}

/* *out = the main file in a folder; the caller's. */
static pc_status find_main_file(char **out, const char *folder)
{
    static const char *const names[] = {"tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "encoder.json",
                                        "vocab.txt", "tokenizer.bin"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        *out = pc_path_join(folder, names[i]);
        if (!*out) {
            return pc_fail_memory(strlen(folder), "path");
        }
        if (pc_path_exists(*out)) {
            return PC_OK;
        }
        pc_free(*out);
        *out = NULL;
    }
    PC_TRY(find_by_pattern(out, folder));
    return *out ? PC_OK
                : pc_fail(PC_ERR_IO, "%s: no tokenizer.json, tokenizer.model, spiece.model, vocab.json, vocab.txt, *.tiktoken "
                                    "or tok*.bin in this folder", folder);
}

/* A llama2.c checkpoint has its tokenizer beside it: model.bin, and tok512.bin or tokenizer.bin. */
static bool is_checkpoint(const char *path)
{
    pc_map map;
    if (!pc_ends_with(path, ".bin") || pc_map_open(&map, path) != PC_OK) {
        return false;
    }
    bool tokenizer = pc_text_kind_of((const char *)map.data, map.size) || pc_starts_with(pc_path_base(path), "tok");
    pc_map_close(&map);
    return !tokenizer;
}

pc_status pc_tokenizer_load(pc_tokenizer **out, const char *path)
{
    char *file = NULL, *folder = NULL;
    pc_status status = PC_OK;
    *out = NULL;
    if (pc_path_is_directory(path)) {
        PC_GO(find_main_file(&file, path));
    } else if (is_checkpoint(path)) {
        folder = pc_path_parent(path);
        status = folder ? find_main_file(&file, folder) : pc_fail_memory(strlen(path), "path");
        PC_GO(status);
    }
    PC_GO(load_file(out, file ? file : path));
done:
    pc_free(folder);
    pc_free(file);
    return status;
}
