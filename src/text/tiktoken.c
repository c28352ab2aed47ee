/* Ranks of tiktoken: a text file with a token as base64 and its rank on each line. The file says neither how text is cut into
 * words nor what the special tokens are; both are code in the reference, and known here by the number of ranks.
 *
 * tiktoken merges by the rank of the joined bytes. Each token can come about by one merge alone, the last one when its own
 * bytes are merged with the ranks below it: with those the file becomes a byte-level BPE model as of a tokenizer.json.
 *
 * Easy to get wrong: a word that is a token needs no merges to be it; lines may end in CR LF.
 */
#include "base/memory.h"
#include "base/file.h"
#include "base/base64.h"
#include "text/bpe.h"

#include <stdio.h>
#include <string.h>

typedef struct special {
    const char *text; /* may hold one %d, for `count` tokens numbered from `first` */
    int32_t id;
    int first, count; /* count 0: one token */
} special;

typedef struct ranks_kind {
    const char *name;
    size_t count;        /* ranks */
    const char *pattern; /* name of a scanner */
    const char *bos;     /* put in front with PC_TOKENIZE_ADD_SPECIAL, or NULL */
    const char *eos;
    special specials[16];
} ranks_kind;

static const ranks_kind kinds[] = {
    {"r50k_base (GPT-2)", 50256, "gpt2", NULL, "<|endoftext|>", {{"<|endoftext|>", 50256, 0, 0}}},
    {"Whisper's", 50257, "gpt2", NULL, "<|endoftext|>",
     {{"<|endoftext|>", 50257, 0, 0}, {"<|startoftranscript|>", 50258, 0, 0}}}, /* what follows depends on the model */
    {"cl100k_base", 100256, "llama3", NULL, "<|endoftext|>",
     {{"<|endoftext|>", 100257, 0, 0}, {"<|fim_prefix|>", 100258, 0, 0}, {"<|fim_middle|>", 100259, 0, 0},
      {"<|fim_suffix|>", 100260, 0, 0}, {"<|endofprompt|>", 100276, 0, 0}}},
    {"LLaMA-3's", 128000, "llama3", "<|begin_of_text|>", "<|end_of_text|>",
     {{"<|begin_of_text|>", 128000, 0, 0}, {"<|end_of_text|>", 128001, 0, 0},
      {"<|reserved_special_token_%d|>", 128002, 0, 4}, {"<|start_header_id|>", 128006, 0, 0},
      {"<|end_header_id|>", 128007, 0, 0}, {"<|reserved_special_token_%d|>", 128008, 4, 1}, {"<|eot_id|>", 128009, 0, 0},
      {"<|reserved_special_token_%d|>", 128010, 5, 246}}},
    {"Qwen's", 151643, "qwen2", NULL, "<|endoftext|>",
     {{"<|endoftext|>", 151643, 0, 0}, {"<|im_start|>", 151644, 0, 0}, {"<|im_end|>", 151645, 0, 0},
      {"<|extra_%d|>", 151646, 0, 205}}},
    {"o200k_base", 199998, "o200k", NULL, "<|endoftext|>",
     {{"<|endoftext|>", 199999, 0, 0}, {"<|endofprompt|>", 200018, 0, 0}}},
};

/* What Qwen-VL adds behind Qwen's. */
static const special qwen_vl[] = {
    {"<ref>", 151851, 0, 0},   {"</ref>", 151852, 0, 0},  {"<box>", 151853, 0, 0},
    {"</box>", 151854, 0, 0},  {"<quad>", 151855, 0, 0},  {"</quad>", 151856, 0, 0},
    {"<img>", 151857, 0, 0},   {"</img>", 151858, 0, 0},  {"<imgpad>", 151859, 0, 0},
};

static size_t word_end(const char *bytes, size_t size, size_t at, const char *alphabet)
{
    while (at < size && bytes[at] && strchr(alphabet, bytes[at])) {
        at++;
    }
    return at;
}

static const char base64_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

/* A line "IQ== 0". */
static bool recognise(const char *bytes, size_t size)
{
    size_t token = word_end(bytes, size, 0, base64_letters);
    size_t rank = token > 0 && token < size && bytes[token] == ' ' ? word_end(bytes, size, token + 1, "0123456789") : 0;
    return token >= 4 && token % 4 == 0 && rank > token + 1 && rank < size && (bytes[rank] == '\r' || bytes[rank] == '\n');
}

typedef struct reading {
    pc_tokenizer *tokenizer;
    const pc_text_source *source;
    size_t line;
    pc_str spelled;
} reading;

static pc_status bad_line(const reading *r, const char *what)
{
    return pc_fail(PC_ERR_DATA, "%s:%zu: %s", r->source->path, r->line, what);
}

/* r->spelled = the bytes of a token, each as the character that stands for it in a byte-level BPE. */
static pc_status spell(reading *r, const char *base64, size_t length)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    pc_status status = pc_base64_decode(&bytes, &size, base64, length);
    if (status != PC_OK) {
        return pc_fail_prefix(status, "%s:%zu", r->source->path, r->line);
    }
    pc_str_reset(&r->spelled);
    for (size_t i = 0; i < size && status == PC_OK; i++) {
        char text[4];
        status = pc_str_add(&r->spelled, text, (size_t)pc_utf8_encode(pc_byte_to_char(bytes[i]), text));
    }
    pc_free(bytes);
    return status;
}

static pc_status read_line(reading *r, const char *line, size_t length, size_t largest)
{
    size_t token = word_end(line, length, 0, base64_letters);
    size_t end = token < length ? word_end(line, length, token + 1, "0123456789") : token;
    uint64_t rank = 0;
    if (token == 0 || token == length || line[token] != ' ' || end != length || end == token + 1 || end - token > 10) {
        return bad_line(r, "expected a token as base64, a space and its rank");
    }
    for (size_t i = token + 1; i < end; i++) {
        rank = rank * 10 + (uint64_t)(line[i] - '0');
    }
    if (rank > largest) {
        return bad_line(r, "the rank is larger than a file of this size can have");
    }
    PC_TRY(spell(r, line, token));
    pc_vocab *vocab = &r->tokenizer->vocab;
    if (pc_vocab_find(vocab, r->spelled.data, r->spelled.length) >= 0) {
        return bad_line(r, "the token is there twice");
    }
    pc_status status = pc_vocab_set(vocab, (size_t)rank, r->spelled.data, r->spelled.length, 0);
    return status == PC_OK ? status : pc_fail_prefix(status, "%s:%zu", r->source->path, r->line);
}

static pc_status read_lines(reading *r, size_t *count)
{
    const char *bytes = r->source->bytes;
    size_t size = r->source->size;
    for (size_t at = 0; at < size;) {
        const char *found = memchr(bytes + at, '\n', size - at);
        size_t end = found ? (size_t)(found - bytes) : size;
        size_t length = end - at - (end > at && bytes[end - 1] == '\r');
        r->line++;
        if (length > 0) {
            PC_TRY(read_line(r, bytes + at, length, pc_largest_id(size / 6))); /* the shortest line has six bytes */
            ++*count;
        }
        at = end + 1;
    }
    return PC_OK;
}

static uint32_t rank_of(const void *table, const char *word, const pc_symbol *left, const pc_symbol *right, int32_t *id)
{
    (void)word;
    return pc_merge_table_find(table, left->id, right->id, id);
}

/* The symbols of a token: its bytes, or -1 when one of them is no token. */
static pc_status bytes_of(const int32_t *ids_of_bytes, const char *text, size_t length, pc_symbol *symbols, size_t *count)
{
    *count = 0;
    for (size_t at = 0; at < length;) {
        unsigned code_point = 0;
        at += (size_t)pc_utf8_decode(text + at, length - at, &code_point);
        int32_t id = ids_of_bytes[pc_byte_from_char(code_point) & 0xff];
        if (id < 0) {
            return pc_fail(PC_ERR_DATA, "there is no token for the byte %d", pc_byte_from_char(code_point));
        }
        symbols[*count] = (pc_symbol){(uint32_t)*count, 1, id};
        ++*count;
    }
    return PC_OK;
}

/* The merge of each token, in order of rank. */
static pc_status find_merges(pc_bpe *bpe, const pc_vocab *vocab)
{
    pc_merge_work work = {0};
    pc_merge_table table = {0};
    pc_symbol *symbols = NULL;
    size_t capacity = 0, merges = 0;
    int32_t ids_of_bytes[256];
    pc_status status;
    for (int byte = 0; byte < 256; byte++) {
        char text[4];
        ids_of_bytes[byte] = pc_vocab_find(vocab, text, (size_t)pc_utf8_encode(pc_byte_to_char((unsigned char)byte), text));
    }
    PC_GO(pc_merge_table_init(&table, vocab->count));
    for (size_t id = 0; id < vocab->count; id++) {
        size_t length = vocab->entries[id].length, count;
        if (length == 0) {
            continue;
        }
        PC_GO(pc_grow(&symbols, &capacity, length, sizeof *symbols, "symbols of a token"));
        PC_GO(bytes_of(ids_of_bytes, vocab->bytes + vocab->entries[id].offset, length, symbols, &count));
        PC_GO(pc_merge(rank_of, &table, "", symbols, &count, &work));
        if (count == 2) {
            pc_merge_table_set(&table, symbols[0].id, symbols[1].id, (uint32_t)bpe->merge_count, (int32_t)id);
            PC_GO(pc_grow(&bpe->merges, &merges, bpe->merge_count + 1, sizeof *bpe->merges, "merges"));
            bpe->merges[bpe->merge_count++] = (pc_bpe_merge){symbols[0].id, symbols[1].id};
        }
    }
done:
    pc_merge_work_clear(&work);
    pc_merge_table_clear(&table);
    pc_free(symbols);
    return status;
}

static pc_status add_specials(pc_tokenizer *tokenizer, const special *list, size_t count)
{
    for (size_t i = 0; i < count && list[i].text; i++) {
        for (int n = 0; n < (list[i].count ? list[i].count : 1); n++) {
            char text[64];
            const char *number = strstr(list[i].text, "%d");
            snprintf(text, sizeof text, "%.*s", (int)(number ? number - list[i].text : 60), list[i].text);
            if (number) {
                size_t used = strlen(text);
                snprintf(text + used, sizeof text - used, "%d%s", list[i].first + n, number + 2);
            }
            pc_added_token token = {.text = text, .length = strlen(text), .id = list[i].id + n, .special = true};
            PC_TRY(pc_tokenizer_put_added(tokenizer, &token));
        }
    }
    return PC_OK;
}

/* Qwen-VL has the same ranks as Qwen; its config.json has a part for the eyes. */
static pc_status has_eyes(const pc_text_source *source, bool *out)
{
    pc_json *config = NULL;
    char *path = pc_path_join(source->folder, "config.json");
    pc_status status = path ? PC_OK : pc_fail_memory(strlen(source->folder), "path");
    *out = false;
    if (path && pc_path_exists(path)) {
        status = pc_json_read(&config, path, PC_TEXT_FILE_LIMIT);
        *out = pc_json_is_object(pc_json_get(config, "visual"));
    }
    pc_json_free(config);
    pc_free(path);
    return status;
}

static pc_status add_known(pc_tokenizer *tokenizer, const ranks_kind *kind, const pc_text_source *source)
{
    bool eyes = false;
    PC_TRY(add_specials(tokenizer, kind->specials, sizeof kind->specials / sizeof kind->specials[0]));
    if (strcmp(kind->pattern, "qwen2") == 0) {
        PC_TRY(has_eyes(source, &eyes));
        PC_TRY(eyes ? add_specials(tokenizer, qwen_vl, sizeof qwen_vl / sizeof qwen_vl[0]) : PC_OK);
    }
    tokenizer->roles[PC_TOKEN_EOS] = pc_tokenizer_id(tokenizer, kind->eos);
    if (kind->bos) {
        pc_piped *piped = tokenizer->state;
        tokenizer->roles[PC_TOKEN_BOS] = pc_tokenizer_id(tokenizer, kind->bos);
        PC_TRY(pc_ids_push(&tokenizer->before, tokenizer->roles[PC_TOKEN_BOS]));
        return pc_template_to_json(tokenizer, piped->pipeline);
    }
    return PC_OK;
}

static const ranks_kind *kind_of(size_t count)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].count == count) {
            return &kinds[i];
        }
    }
    return NULL;
}

static pc_status load(pc_tokenizer *tokenizer, const pc_text_source *source)
{
    reading r = {.tokenizer = tokenizer, .source = source};
    pc_bpe *bpe = NULL;
    size_t count = 0;
    pc_status status;
    PC_GO(pc_piped_make(tokenizer, &pc_word_model_bpe));
    PC_GO(pc_bpe_new(&bpe));
    ((pc_piped *)tokenizer->state)->state = bpe;
    bpe->ignore_merges = true;
    PC_GO(read_lines(&r, &count));
    const ranks_kind *kind = kind_of(count);
    if (!kind) {
        status = pc_fail(PC_ERR_DATA, "%s: %zu ranks, of which it isn't known how text is cut for them; known are 50256 (GPT-2), "
                         "50257 (Whisper), 100256 (cl100k), 128000 (LLaMA-3), 151643 (Qwen), 199998 (o200k)",
                         source->path, count);
        goto done;
    }
    status = find_merges(bpe, &tokenizer->vocab);
    if (status != PC_OK) {
        pc_fail_prefix(status, "%s", source->path);
        goto done;
    }
    PC_GO(pc_bpe_byte_level_pipeline(tokenizer, pc_split_by_name(kind->pattern)->regex));
    PC_GO(add_known(tokenizer, kind, source));
    PC_GO(pc_piped_ready(tokenizer, source->path));
done:
    pc_str_clear(&r.spelled);
    return status;
}

const pc_text_kind pc_text_kind_tiktoken = {.name = "tiktoken", .recognise = recognise, .load = load};
