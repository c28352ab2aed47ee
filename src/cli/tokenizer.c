/* `percept tokenizer train`: a byte-level BPE tokenizer from text. */
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/command.h"
#include "text/bpe_train.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: percept tokenizer train --vocab-size N --out DIR [--special A,B,C] [--pattern qwen2|gpt2]\n"
    "                               [--min-count N] FILE...\n"
    "\n"
    "Train a byte-level BPE tokenizer and write tokenizer.json, tokenizer_config.json and special_tokens_map.json into\n"
    "DIR. The result depends on the texts alone, not on their order. A FILE ending in .json or .jsonl is JSON (one value,\n"
    "or one a line): every string under a key \"value\", \"content\" or \"text\", at any depth, is a text. Any other FILE is\n"
    "one plain text.\n"
    "\n"
    "  --vocab-size N    tokens in all: special tokens, 256 bytes, merges\n"
    "  --special A,B,C   special tokens, with the ids 0, 1, 2 ...; roles go by name: <pad>, <s>, </s>, <unk>\n"
    "  --out DIR         folder to write into\n"
    "  --pattern NAME    how text is cut into words: qwen2 (default; every digit by itself) or gpt2\n"
    "  --min-count N     pairs seen less often are not merged (default 2)\n";

enum { MAX_SPECIALS = 1024, DEPTH = 64 };

typedef struct options {
    pc_bpe_options bpe;
    const char *specials[MAX_SPECIALS];
    char *special_text; /* what specials point into */
    const char *out;
    char **files;
    int file_count;
    bool help;
} options;

static bool is_option(const char *given, const char *name)
{
    while (*given && (*given == *name || (*given == '_' && *name == '-'))) {
        given++;
        name++;
    }
    return !*given && !*name;
}

static pc_status read_number(size_t *out, const char *option, const char *text)
{
    char *end;
    unsigned long long value = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (value == 0 || *end || value > SIZE_MAX / 2) {
        return pc_fail(PC_ERR_USAGE, "%s: expected a positive number, found '%s'", option, text);
    }
    *out = (size_t)value;
    return PC_OK;
}

static pc_status read_specials(options *o, const char *text)
{
    pc_free(o->special_text);
    o->bpe.special_count = 0;
    o->special_text = pc_strdup(text);
    if (!o->special_text) {
        return pc_fail_memory(strlen(text), "special tokens");
    }
    for (char *at = o->special_text; at && *at;) {
        char *comma = strchr(at, ',');
        if (o->bpe.special_count == MAX_SPECIALS) {
            return pc_fail(PC_ERR_USAGE, "more than %d special tokens", MAX_SPECIALS);
        }
        o->specials[o->bpe.special_count++] = at;
        if (comma) {
            *comma++ = '\0';
        }
        at = comma;
    }
    o->bpe.specials = o->specials;
    return PC_OK;
}

static pc_status read_pattern(pc_bpe_pattern *out, const char *text)
{
    if (strcmp(text, "qwen2") != 0 && strcmp(text, "gpt2") != 0) {
        return pc_fail(PC_ERR_USAGE, "--pattern: expected qwen2 or gpt2, found '%s'", text);
    }
    *out = text[0] == 'g' ? PC_BPE_GPT2 : PC_BPE_QWEN2;
    return PC_OK;
}

static pc_status read_option(options *o, const char *option, const char *value)
{
    if (!value) {
        return pc_fail(PC_ERR_USAGE, "%s: there is no such option, or its value is missing; `percept tokenizer --help`", option);
    }
    if (is_option(option, "--vocab-size")) {
        return read_number(&o->bpe.vocab_size, option, value);
    }
    if (is_option(option, "--min-count")) {
        return read_number(&o->bpe.min_count, option, value);
    }
    if (is_option(option, "--special")) {
        return read_specials(o, value);
    }
    if (is_option(option, "--pattern")) {
        return read_pattern(&o->bpe.pattern, value);
    }
    if (is_option(option, "--out")) {
        o->out = value;
        return PC_OK;
    }
    return pc_fail(PC_ERR_USAGE, "there is no option %s; `percept tokenizer --help` lists them", option);
}

/* The files are moved to the front of argv. */
static pc_status read_options(options *o, int argc, char **argv)
{
    o->files = argv;
    for (int i = 1; i < argc; i++) {
        if (is_option(argv[i], "--help") || strcmp(argv[i], "-h") == 0) {
            o->help = true;
            return PC_OK;
        }
    }
    if (argc < 2 || strcmp(argv[1], "train") != 0) {
        return pc_fail(PC_ERR_USAGE, "expected `percept tokenizer train ...`; --help shows how");
    }
    for (int i = 2; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1]) {
            PC_TRY(read_option(o, argv[i], i + 1 < argc ? argv[i + 1] : NULL));
            i++;
        } else {
            o->files[o->file_count++] = argv[i];
        }
    }
    if (!o->bpe.vocab_size || !o->out || o->file_count == 0) {
        return pc_fail(PC_ERR_USAGE, "%s missing; `percept tokenizer --help` shows how",
                       !o->bpe.vocab_size ? "--vocab-size is" : !o->out ? "--out is" : "the files to learn from are");
    }
    return PC_OK;
}

static bool is_text_key(const char *key)
{
    return strcmp(key, "value") == 0 || strcmp(key, "content") == 0 || strcmp(key, "text") == 0;
}

static pc_status feed_json(pc_bpe_trainer *trainer, const pc_json *node, const char *key, int depth)
{
    if (depth == DEPTH) {
        return PC_OK; /* conversations aren't that deep */
    }
    if (pc_json_is_string(node)) {
        return is_text_key(key) ? pc_bpe_trainer_feed(trainer, pc_json_text(node), pc_json_text_length(node)) : PC_OK;
    }
    if (pc_json_is_array(node)) {
        for (size_t i = 0; i < pc_json_length(node); i++) {
            PC_TRY(feed_json(trainer, pc_json_at(node, i), key, depth + 1));
        }
    } else if (pc_json_is_object(node)) {
        for (void *it = pc_json_first(node); it; it = pc_json_next(node, it)) {
            PC_TRY(feed_json(trainer, pc_json_value(it), pc_json_key(it), depth + 1));
        }
    }
    return PC_OK;
}

static pc_status feed_json_text(pc_bpe_trainer *trainer, const char *text, size_t length, const char *where)
{
    pc_json *root = NULL;
    PC_TRY(pc_json_parse(&root, text, length, where));
    pc_status status = feed_json(trainer, root, "", 0);
    pc_json_free(root);
    return status;
}

static pc_status feed_lines(pc_bpe_trainer *trainer, const char *text, size_t length, const char *path)
{
    size_t line = 0;
    for (size_t at = 0; at < length;) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t size = end ? (size_t)(end - text) - at : length - at;
        line++;
        if (strspn(text + at, " \t\r") < size) {
            pc_str where = {0};
            pc_status status = pc_str_printf(&where, "%s:%zu", path, line);
            status = status == PC_OK ? feed_json_text(trainer, text + at, size, where.data) : status;
            pc_str_clear(&where);
            PC_TRY(status);
        }
        at += size + 1;
    }
    return PC_OK;
}

static pc_status feed_file(pc_bpe_trainer *trainer, const char *path)
{
    char *text = NULL;
    size_t length;
    pc_status status;
    PC_TRY(pc_file_read(&text, &length, path, SIZE_MAX / 2));
    if (pc_ends_with(path, ".jsonl")) {
        status = feed_lines(trainer, text, length, path);
    } else if (pc_ends_with(path, ".json")) {
        status = feed_json_text(trainer, text, length, path);
    } else {
        status = pc_bpe_trainer_feed(trainer, text, length);
    }
    pc_free(text);
    return status;
}

static pc_status train(const options *o)
{
    pc_bpe_trainer *trainer = NULL;
    pc_tokenizer *tokenizer = NULL;
    pc_status status;
    PC_GO(pc_bpe_trainer_new(&trainer, &o->bpe));
    for (int i = 0; i < o->file_count; i++) {
        PC_GO(feed_file(trainer, o->files[i]));
    }
    PC_GO(pc_bpe_trainer_finish(trainer, &tokenizer));
    PC_GO(pc_tokenizer_save(tokenizer, o->out));
    if (pc_tokenizer_size(tokenizer) < o->bpe.vocab_size) {
        pc_log(PC_LOG_WARNING, "the texts give %zu tokens, not %zu: no other pair is frequent enough",
               pc_tokenizer_size(tokenizer), o->bpe.vocab_size);
    }
    printf("{\"tokens\":%zu,\"special\":%zu}\n", pc_tokenizer_size(tokenizer), o->bpe.special_count);
done:
    pc_bpe_trainer_free(trainer);
    pc_tokenizer_free(tokenizer);
    return status;
}

static pc_status run(int argc, char **argv)
{
    options o = {0};
    pc_status status = read_options(&o, argc, argv);
    if (status == PC_OK && o.help) {
        fputs(help, stdout);
    } else if (status == PC_OK) {
        status = train(&o);
    }
    pc_free(o.special_text);
    return status;
}

const pc_command pc_command_tokenizer = {
    .name = "tokenizer", .summary = "train a byte-level BPE tokenizer", .run = run};
