/* `percept tokenize MODEL [TEXT | -f FILE]`: text -> token ids, one JSON array a line, or back. */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/options.h"
#include "model/model.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct options {
    char *file;
    bool lines, zero, special, parse_special, decode;
    const char *model, *text; /* arguments; NULL: no text */
} options;

static const pc_field fields[] = {
    {.name = "file", .type = PC_FIELD_TEXT, .offset = offsetof(options, file),
     .help = "the text is this file's content (- is standard input)"},
    {.name = "lines", .type = PC_FIELD_BOOL, .offset = offsetof(options, lines),
     .help = "each line is a text of its own, without its line feed (with --decode: write a line feed after each)"},
    {.name = "null", .type = PC_FIELD_BOOL, .offset = offsetof(options, zero),
     .help = "texts end with a NUL byte instead, so that they may hold line feeds (with --decode: write one after each)"},
    {.name = "special", .type = PC_FIELD_BOOL, .offset = offsetof(options, special),
     .help = "add what the model puts round a text, such as <s> (with --decode: write special tokens)"},
    {.name = "parse-special", .type = PC_FIELD_BOOL, .offset = offsetof(options, parse_special),
     .help = "strings of special and added tokens in the text become their ids"},
    {.name = "decode", .type = PC_FIELD_BOOL, .offset = offsetof(options, decode),
     .help = "read JSON arrays of ids, one a line, and write the bytes they stand for"},
};
static const pc_field_table table = {fields, sizeof fields / sizeof fields[0]};

/* *done: --help was asked for and printed. */
static pc_status read_options(options *out, int argc, char **argv, bool *done)
{
    static const pc_option_alias aliases[] = {{"-f", "file"}, {0}};
    const pc_options spec = {
        .usage = "percept tokenize MODEL [TEXT | -f FILE] [OPTION]...\n\n"
                 "Print the token ids of a text as one JSON array on a line. MODEL is a model's directory or a tokenizer\n"
                 "file: tokenizer.json, tokenizer.model (SentencePiece), *.gguf, *.tiktoken, tokenizer.bin (llama2.c),\n"
                 "vocab.json, vocab.txt (BERT). Without TEXT and -f the text is read from standard input. No special tokens are added, nor\n"
                 "parsed from the text, unless asked for; -- stands before a text that begins with a dash",
        .fields = table, .aliases = aliases, .min_arguments = 1, .max_arguments = 2};
    pc_arguments arguments;
    PC_TRY(pc_options_parse(&spec, out, &arguments, argc, argv));
    *done = arguments.help;
    out->model = arguments.count > 0 ? arguments.items[0] : NULL;
    out->text = arguments.count > 1 ? arguments.items[1] : NULL;
    if (out->text && out->file) {
        return pc_fail(PC_ERR_USAGE, "give a TEXT or -f FILE, not both");
    }
    return out->lines && out->zero ? pc_fail(PC_ERR_USAGE, "--lines and --null exclude each other") : PC_OK;
}

static pc_status read_stdin(pc_str *out)
{
    char block[65536];
    size_t size;
    while ((size = fread(block, 1, sizeof block, stdin)) > 0) {
        PC_TRY(pc_str_add(out, block, size));
    }
    return ferror(stdin) ? pc_fail(PC_ERR_IO, "standard input: %s", strerror(errno)) : PC_OK;
}

static pc_status read_input(const options *o, pc_str *out)
{
    if (o->text) {
        return pc_str_puts(out, o->text);
    }
    if (!o->file || strcmp(o->file, "-") == 0) {
        return read_stdin(out);
    }
    char *bytes;
    size_t size;
    PC_TRY(pc_file_read(&bytes, &size, o->file, SIZE_MAX / 2));
    pc_status status = pc_str_add(out, bytes, size);
    pc_free(bytes);
    return status;
}

static pc_status write_out(pc_str *out)
{
    if (out->length > 0 && fwrite(out->data, 1, out->length, stdout) != out->length) {
        return pc_fail(PC_ERR_IO, "standard output: %s", strerror(errno));
    }
    pc_str_reset(out);
    return PC_OK;
}

static pc_status print_ids(const pc_ids *ids, pc_str *out)
{
    PC_TRY(pc_str_putc(out, '['));
    for (size_t i = 0; i < ids->count; i++) {
        char number[16];
        int size = snprintf(number, sizeof number, i ? ",%d" : "%d", (int)ids->data[i]);
        PC_TRY(pc_str_add(out, number, (size_t)size));
    }
    return pc_str_puts(out, "]\n");
}

/* What is done with one text, or with one line. */
typedef struct work {
    const options *options;
    pc_tokenizer *tokenizer;
    pc_ids ids;
    pc_str out;
    size_t line; /* from 1 */
} work;

static pc_status encode(work *w, const char *text, size_t length)
{
    unsigned flags = (w->options->special ? PC_TOKENIZE_ADD_SPECIAL : 0u) |
                     (w->options->parse_special ? PC_TOKENIZE_PARSE_SPECIAL : 0u);
    pc_ids_reset(&w->ids);
    PC_TRY(pc_tokenizer_encode(w->tokenizer, text, length, flags, &w->ids));
    PC_TRY(print_ids(&w->ids, &w->out));
    return w->out.length > 65536 ? write_out(&w->out) : PC_OK;
}

static pc_status read_ids(work *w, const pc_json *array, const char *where)
{
    pc_ids_reset(&w->ids);
    if (!pc_json_is_array(array)) {
        return pc_fail(PC_ERR_DATA, "%s: expected a JSON array of token ids", where);
    }
    for (size_t i = 0; i < pc_json_length(array); i++) {
        const pc_json *item = pc_json_at(array, i);
        int64_t id = pc_json_integer(item, -1);
        if (!pc_json_is_integer(item) || id < 0 || id > INT32_MAX) {
            return pc_fail(PC_ERR_DATA, "%s: item %zu is not a token id", where, i);
        }
        PC_TRY(pc_ids_push(&w->ids, (int32_t)id));
    }
    return PC_OK;
}

static pc_status decode(work *w, const char *text, size_t length)
{
    char where[40];
    pc_json *array = NULL;
    size_t blank = 0;
    pc_status status;
    while (blank < length && strchr(" \t\r", text[blank]) && text[blank]) {
        blank++;
    }
    if (blank == length) {
        return PC_OK;
    }
    snprintf(where, sizeof where, "line %zu", w->line);
    PC_GO(pc_json_parse(&array, text, length, where));
    PC_GO(read_ids(w, array, where));
    status = pc_tokenizer_decode(w->tokenizer, w->ids.data, w->ids.count,
                                 w->options->special ? 0 : PC_DETOKENIZE_SKIP_SPECIAL, &w->out);
    if (status != PC_OK) {
        status = pc_fail_prefix(status, "%s", where);
        goto done;
    }
    if (w->options->lines || w->options->zero) {
        PC_GO(pc_str_putc(&w->out, w->options->zero ? '\0' : '\n'));
    }
    PC_GO(write_out(&w->out));
done:
    pc_json_free(array);
    return status;
}

static pc_status each_line(work *w, const char *text, size_t length, char last,
                           pc_status (*run)(work *, const char *, size_t))
{
    for (size_t at = 0; at < length;) {
        const char *end = memchr(text + at, last, length - at);
        size_t size = end ? (size_t)(end - text) - at : length - at;
        w->line++;
        PC_TRY(run(w, text + at, size));
        at += size + 1;
    }
    return PC_OK;
}

static pc_status tokenize(const options *o)
{
    work w = {.options = o};
    pc_str input = {0};
    pc_status status;
    PC_GO(pc_model_tokenizer(&w.tokenizer, o->model));
    PC_GO(read_input(o, &input));
    const char *text = input.data ? input.data : "";
    if (o->decode) {
        PC_GO(each_line(&w, text, input.length, '\n', decode));
    } else if (o->lines || o->zero) {
        PC_GO(each_line(&w, text, input.length, o->zero ? '\0' : '\n', encode));
    } else {
        PC_GO(encode(&w, text, input.length));
    }
    PC_GO(write_out(&w.out));
    if (fflush(stdout) != 0) {
        status = pc_fail(PC_ERR_IO, "standard output: %s", strerror(errno));
    }
done:
    pc_str_clear(&input);
    pc_str_clear(&w.out);
    pc_ids_clear(&w.ids);
    pc_tokenizer_free(w.tokenizer);
    return status;
}

static pc_status run(int argc, char **argv)
{
    options o = {0};
    bool done = false;
    pc_status status = read_options(&o, argc, argv, &done);
    if (status == PC_OK && !done) {
        status = tokenize(&o);
    }
    pc_fields_clear(&table, &o);
    return status;
}

const pc_command pc_command_tokenize = {
    .name = "tokenize", .summary = "text to token ids, and back", .run = run};
