/* `percept tokenize MODEL [TEXT | -f FILE]`: text -> token ids, one JSON array a line, or back. */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/command.h"
#include "text/tokenizer.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: percept tokenize MODEL [TEXT | -f FILE] [--lines] [--special] [--parse-special] [--decode]\n"
    "\n"
    "Print the token ids of a text as one JSON array on a line. MODEL is a model's directory or a tokenizer file:\n"
    "tokenizer.json, tokenizer.model (SentencePiece), tokenizer.bin (llama2.c), vocab.json. Without TEXT and -f the\n"
    "text is read from standard input. No special tokens are added, nor parsed from the text, unless asked for.\n"
    "\n"
    "  -f, --file FILE   the text is the file's content (- is standard input)\n"
    "  --lines           each line is a text of its own, without its line feed\n"
    "  --special         add what the model puts round a text, such as <s> (with --decode: write special tokens)\n"
    "  --parse-special   strings of special and added tokens in the text become their ids\n"
    "  --decode          read JSON arrays of ids, one a line, and write the bytes they stand for; with --lines a line\n"
    "                    feed after each\n";

typedef struct options {
    const char *model, *text, *file;
    bool lines, special, parse_special, decode, help;
} options;

/* '-' and '_' are equal in names of options. */
static bool is_option(const char *given, const char *name)
{
    while (*given && (*given == *name || (*given == '_' && *name == '-'))) {
        given++;
        name++;
    }
    return !*given && !*name;
}

static pc_status read_options(options *out, int argc, char **argv)
{
    bool literal = false; /* behind "--" */
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        bool option = !literal && argument[0] == '-' && argument[1];
        if (option && strcmp(argument, "--") == 0) {
            literal = true;
        } else if (option && (is_option(argument, "-f") || is_option(argument, "--file"))) {
            if (++i == argc) {
                return pc_fail(PC_ERR_USAGE, "%s needs a file", argument);
            }
            out->file = argv[i];
        } else if (option && is_option(argument, "--lines")) {
            out->lines = true;
        } else if (option && is_option(argument, "--special")) {
            out->special = true;
        } else if (option && is_option(argument, "--parse-special")) {
            out->parse_special = true;
        } else if (option && is_option(argument, "--decode")) {
            out->decode = true;
        } else if (option && (is_option(argument, "--help") || is_option(argument, "-h"))) {
            out->help = true;
        } else if (option && !(argument[1] >= '0' && argument[1] <= '9')) {
            return pc_fail(PC_ERR_USAGE, "there is no option %s; `percept tokenize --help` lists them (-- before a text "
                           "that begins with a dash)", argument);
        } else if (!out->model) {
            out->model = argument;
        } else if (!out->text) {
            out->text = argument;
        } else {
            return pc_fail(PC_ERR_USAGE, "one text at a time: '%s' is the second (quote a text with spaces)", argument);
        }
    }
    if (!out->help && (!out->model || (out->text && out->file))) {
        return pc_fail(PC_ERR_USAGE, out->model ? "give a TEXT or -f FILE, not both" : "MODEL is missing");
    }
    return PC_OK;
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
    if (w->options->lines) {
        PC_GO(pc_str_putc(&w->out, '\n'));
    }
    PC_GO(write_out(&w->out));
done:
    pc_json_free(array);
    return status;
}

static pc_status each_line(work *w, const char *text, size_t length, pc_status (*run)(work *, const char *, size_t))
{
    for (size_t at = 0; at < length;) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t size = end ? (size_t)(end - text) - at : length - at;
        w->line++;
        PC_TRY(run(w, text + at, size));
        at += size + 1;
    }
    return PC_OK;
}

static pc_status run(int argc, char **argv)
{
    options o = {0};
    PC_TRY(read_options(&o, argc, argv));
    if (o.help) {
        fputs(help, stdout);
        return PC_OK;
    }
    work w = {.options = &o};
    pc_str input = {0};
    pc_status status;
    PC_GO(pc_tokenizer_load(&w.tokenizer, o.model));
    PC_GO(read_input(&o, &input));
    const char *text = input.data ? input.data : "";
    if (o.decode || o.lines) {
        PC_GO(each_line(&w, text, input.length, o.decode ? decode : encode));
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

const pc_command pc_command_tokenize = {
    .name = "tokenize", .summary = "text to token ids, and back", .run = run};
