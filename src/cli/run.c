/* `percept run`: one answer, or a chat on the terminal. */
#include "base/file.h"
#include "base/log.h"
#include "base/signal.h"
#include "cli/adapters.h"
#include "cli/cache.h"
#include "cli/command.h"
#include "cli/inputs.h"
#include "cli/options.h"
#include "decode/local.h"
#include "media/decode.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Longest prompt taken from standard input. */
static const size_t PROMPT_LIMIT = (size_t)64 << 20;

typedef struct run_options {
    int64_t n, seed, context, threads;
    double values[5]; /* temperature and the other samplers; AS_CHECKPOINT = not chosen */
    int64_t logprobs; /* likeliest ids to tell for each token, or -1 */
    char *system, *template_name, *dtype, *mmproj, *decoding, *visual_tokens;
    pc_cli_cache cache;
    bool json, pin;
} run_options;

#define AS_CHECKPOINT -1.0
/* Where a number stands in `values`, and the sampler it sets. */
enum { TEMPERATURE, TOP_K, TOP_P, MIN_P, REPEAT_PENALTY, VALUES };
static const char *const samplers[VALUES] = {"temperature", "top_k", "top_p", "min_p",
                                             "repetition_penalty"};

#define FIELD(key, spelling, kind, standard, text)                                            \
    {.name = spelling, .type = kind, .offset = offsetof(run_options, key), .fallback = standard, \
     .help = text}
#define VALUE(which, spelling, other, text)                                      \
    {.name = spelling, .alias = other, .type = PC_FIELD_FLOAT, .fallback = "-1", \
     .offset = offsetof(run_options, values) + (which) * sizeof(double), .help = text}
static const pc_field fields[] = {
    {.name = "n", .alias = "max_tokens", .type = PC_FIELD_INT, .offset = offsetof(run_options, n),
     .fallback = "-1", .low = -1, .high = 1 << 30,
     .help = "most new tokens; 0 = as many as the context holds; -1 = the checkpoint's max_new_tokens, else 0"},
    VALUE(TEMPERATURE, "temp", "temperature", "0 = greedy; -1 = the checkpoint's when it says do_sample, else greedy"),
    VALUE(TOP_K, "top_k", NULL, "draw from the K likeliest; 0 = all; -1 = the checkpoint's"),
    VALUE(TOP_P, "top_p", NULL, "draw from the likeliest that have probability P together; -1 = the checkpoint's"),
    VALUE(MIN_P, "min_p", NULL, "draw from those at least P times as likely as the likeliest; -1 = the checkpoint's"),
    VALUE(REPEAT_PENALTY, "repeat_penalty", "repetition_penalty", "divide logits of ids seen; -1 = the checkpoint's"),
    {.name = "seed", .type = PC_FIELD_INT, .offset = offsetof(run_options, seed), .fallback = "0",
     .low = 0, .high = 9e15, .help = "of the draws"},
    FIELD(system, "system", PC_FIELD_TEXT, NULL, "system message"),
    FIELD(template_name, "template", PC_FIELD_TEXT, NULL, "chat template in place of the model's own; raw = none"),
    {.name = "context", .type = PC_FIELD_INT, .offset = offsetof(run_options, context),
     .fallback = "0", .low = 0,
     .high = 1 << 24, .help = "tokens that fit in memory; 0 = the model's context, at most 4096"},
    FIELD(threads, "threads", PC_FIELD_INT, "0", "threads; 0 = one for each processor"),
    FIELD(dtype, "dtype", PC_FIELD_TEXT, NULL,
          "arithmetic of matrix products: f32 or bf16 (8 bits where weights are quantised, much faster); unset = bf16 for "
          "quantised weights, else f32"),
    FIELD(decoding, "decoding", PC_FIELD_TEXT, NULL,
          "method and search, separated by commas: vcd, icd, m3id, dola, beams=N, SETTING=VALUE; help lists them"),
    {.name = "logprobs", .type = PC_FIELD_INT, .offset = offsetof(run_options, logprobs), .fallback = "-1", .low = -1,
     .high = 100, .help = "with --json: log-probability of each token and of the N likeliest at its place; -1 = none"},
    PC_CLI_VISUAL(run_options),
    PC_CLI_MMPROJ(run_options),
    PC_CLI_CACHE_FIELDS(run_options),
    PC_CLI_PIN(run_options),
    FIELD(json, "json", PC_FIELD_BOOL, "false", "print one JSON object"),
};
#undef FIELD
#undef VALUE

static const pc_option_alias aliases[] = {{"-n", "n"}, {"-c", "context"}, {"-t", "threads"}, {"--lora", "adapter"},
                                          PC_CLI_CACHE_ALIASES,
                                          {NULL, NULL}};

typedef struct running {
    run_options options;
    pc_option_list *images, *stops, *choices; /* stops->items and choices->items end with NULL */
    pc_decoding decoding;
    pc_cli_model opened;
    pc_option_list *adapter_list;
    pc_cli_adapters adapters;
    pc_local *locals[PC_CLI_ADAPTERS + 1]; /* one for each adapter, made when asked; the last one: the weights alone */
    pc_local *local; /* the one that answers */
    pc_conversation conversation;
    pc_answer_media *media;
    size_t media_count, media_capacity;
    pc_answer answer;
} running;

/* --- asking --- */

static bool print_piece(void *user, const char *text, size_t length)
{
    (void)user;
    fwrite(text, 1, length, stdout);
    return fflush(stdout) == 0;
}

static pc_status add_picture(running *r, const char *path)
{
    PC_TRY(pc_grow(&r->media, &r->media_capacity, r->media_count + 1, sizeof *r->media,
                   "pictures"));
    r->media[r->media_count++] = (pc_answer_media){.kind = PC_MEDIA_IMAGE, .path = path};
    return PC_OK;
}

static int64_t most_tokens(const running *r)
{
    int64_t limit = r->options.n >= 0 ? r->options.n
                                      : pc_json_get_integer(r->opened.model->generation,
                                                            "max_new_tokens", 0);
    return limit < 0 ? 0 : limit;
}

static pc_status ask(running *r, bool streaming)
{
    pc_answerer answerer = pc_local_answerer(r->local);
    double temperature = r->options.values[TEMPERATURE];
    pc_answer_request request = {
        .conversation = &r->conversation,
        .media = r->media,
        .media_count = r->media_count,
        .max_tokens = (size_t)most_tokens(r),
        .temperature = temperature == AS_CHECKPOINT ? pc_local_temperature(r->local) : temperature,
        .seed = (uint64_t)r->options.seed,
        .stops = r->stops->items,
        .choices = r->choices->count ? r->choices->items : NULL,
        .on_text = streaming ? print_piece : NULL,
    };
    return answerer.answer(answerer.self, &request, &r->answer);
}

static pc_status set_samplers(running *r);

/* Let adapter `index` answer (PC_CLI_ADAPTERS: none). */
static pc_status choose_adapter(running *r, int index)
{
    pc_local_options options = {.context = r->options.context, .compute = r->opened.compute,
                                .decoding = &r->decoding, .probabilities = r->options.logprobs >= 0,
                                .top = r->options.logprobs,
                                .adapter = index < PC_CLI_ADAPTERS ? r->adapters.items[index] : NULL};
    PC_TRY(pc_cli_cache_options(&options.cache, &r->options.cache, options.compute));
    if (!r->locals[index]) {
        PC_TRY(pc_local_new(&r->locals[index], r->opened.model, r->opened.backend, &options));
    }
    r->local = r->locals[index];
    return set_samplers(r);
}

static pc_status set_samplers(running *r)
{
    for (int i = 0; i < VALUES; i++) {
        if (r->options.values[i] != AS_CHECKPOINT) {
            PC_TRY(pc_sampling_set(pc_local_sampling(r->local), samplers[i], r->options.values[i]));
        }
    }
    return PC_OK;
}

static pc_status say_system(running *r)
{
    const char *text = r->options.system;
    return text ? pc_conversation_say(&r->conversation, PC_ROLE_SYSTEM, text) : PC_OK;
}

static const char *answer_text(const running *r)
{
    return r->answer.text.data ? r->answer.text.data : "";
}

/* --- one answer --- */

static pc_status add_usage(pc_json *out, const running *r)
{
    const pc_answer *answer = &r->answer;
    pc_json *usage = pc_json_new_object();
    pc_status status = pc_json_set(out, "usage", usage);
    const struct {
        const char *key;
        size_t value;
    } counts[] = {{"prompt_tokens", answer->prompt_tokens},
                  {"image_tokens", answer->media_tokens},
                  {"completion_tokens", answer->completion_tokens}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0] && status == PC_OK; i++) {
        status = pc_json_set(usage, counts[i].key, pc_json_new_integer((int64_t)counts[i].value));
    }
    return status;
}

static pc_status add_timings(pc_json *out, const running *r)
{
    const pc_local_report *report = pc_local_last(r->local);
    pc_json *timings = pc_json_new_object();
    pc_status status = pc_json_set(out, "timings", timings);
    const struct {
        const char *key;
        double ms;
    } times[] = {{"load_ms", r->opened.load_ms},
                 {"image_ms", report->image_ms},
                 {"prompt_ms", report->prompt_ms},
                 {"decode_ms", report->decode_ms}};
    for (size_t i = 0; i < sizeof times / sizeof times[0] && status == PC_OK; i++) {
        status = pc_json_set(timings, times[i].key,
                             pc_json_new_number((double)(int64_t)(times[i].ms * 1e3) / 1e3));
    }
    return status;
}

static pc_status add_number(pc_json *out, const char *key, double value)
{
    return pc_json_set(out, key, pc_json_new_number(value));
}

/* {"id": .., "logprob": .., "top": [..]} */
static pc_status add_token(pc_json *list, const pc_token_probability *token, int64_t top)
{
    pc_json *node = pc_json_new_object(), *others = top ? pc_json_new_array() : NULL;
    pc_status status = pc_json_set(node, "id", pc_json_new_integer(token->id));
    status = status == PC_OK ? add_number(node, "logprob", token->log_probability) : status;
    for (int64_t k = 1; k <= top && status == PC_OK && token[k].id >= 0; k++) {
        status = add_token(others, token + k, 0);
    }
    if (others && status == PC_OK) {
        status = pc_json_set(node, "top", others);
        others = NULL;
    }
    pc_json_free(others);
    if (status != PC_OK) {
        pc_json_free(node);
        return status;
    }
    return pc_json_push(list, node);
}

static pc_status add_probabilities(pc_json *out, const running *r)
{
    const pc_local_report *report = pc_local_last(r->local);
    int64_t top = r->options.logprobs;
    pc_json *list = pc_json_new_array();
    pc_status status = PC_OK;
    for (size_t i = 0; i < report->ids.count && status == PC_OK; i++) {
        status = add_token(list, report->tokens + i * (size_t)(1 + top), top);
    }
    if (status != PC_OK) {
        pc_json_free(list);
        return status;
    }
    return pc_json_set(out, "logprobs", list);
}

static pc_status add_choices(pc_json *out, const running *r)
{
    const pc_local_report *report = pc_local_last(r->local);
    pc_json *list = pc_json_new_array();
    pc_status status = pc_json_set(out, "choices", list);
    for (size_t i = 0; i < report->choice_count && status == PC_OK; i++) {
        pc_json *node = pc_json_new_object();
        status = pc_json_push(list, node);
        status = status == PC_OK ? pc_json_set(node, "text", pc_json_new_text(report->choices[i].text)) : status;
        status = status == PC_OK ? add_number(node, "logprob", report->choices[i].log_probability) : status;
        status = status == PC_OK ? pc_json_set(node, "tokens", pc_json_new_integer((int64_t)report->choices[i].tokens))
                                 : status;
    }
    return status;
}

/* {"answer": .., "chains": ..} in the order in which they were first seen */
static pc_status add_votes(pc_json *out, const running *r)
{
    const pc_votes *votes = pc_local_votes(r->local);
    pc_json *list = pc_json_new_array();
    pc_status status = pc_json_set(out, "votes", list);
    for (size_t i = 0; i < votes->count && status == PC_OK; i++) {
        pc_json *node = pc_json_new_object();
        status = pc_json_push(list, node);
        status = status == PC_OK ? pc_json_set(node, "answer", pc_json_new_text(votes->items[i].answer.data)) : status;
        status = status == PC_OK ? pc_json_set(node, "chains", pc_json_new_integer((int64_t)votes->items[i].chains)) : status;
    }
    return status;
}

static pc_status print_json(const running *r)
{
    const pc_local_report *report = pc_local_last(r->local);
    pc_json *out = pc_json_new_object(), *ids = pc_json_new_array();
    pc_str line = {0};
    pc_status status;
    PC_GO(pc_json_set(out, "text", pc_json_new_text_n(answer_text(r), r->answer.text.length)));
    for (size_t i = 0; i < report->ids.count; i++) {
        PC_GO(pc_json_push(ids, pc_json_new_integer(report->ids.data[i])));
    }
    status = pc_json_set(out, "ids", ids);
    ids = NULL;
    PC_GO(status);
    PC_GO(pc_json_set(out, "finish_reason", pc_json_new_text(pc_answer_end_name(r->answer.end))));
    if (r->choices->count) {
        PC_GO(add_choices(out, r));
    } else if (r->options.logprobs >= 0) {
        PC_GO(add_probabilities(out, r));
    }
    if (r->decoding.votes > 1) {
        PC_GO(add_votes(out, r));
    }
    PC_GO(add_usage(out, r));
    PC_GO(add_timings(out, r));
    PC_GO(pc_json_write(&line, out, 0));
    puts(line.data);
done:
    pc_str_clear(&line);
    pc_json_free(ids);
    pc_json_free(out);
    return status;
}

static pc_status interrupted(void)
{
    pc_error_clear(); /* who pressed Ctrl-C needs no message */
    return PC_ERR_INTERRUPTED;
}

static pc_status answer_once(running *r, const char *prompt)
{
    PC_TRY(say_system(r));
    for (int i = 0; i < r->images->count; i++) {
        PC_TRY(add_picture(r, r->images->items[i]));
    }
    PC_TRY(pc_cli_say(&r->conversation, prompt, r->images->count));
    PC_TRY(ask(r, !r->options.json));
    if (r->options.json) {
        PC_TRY(print_json(r));
    } else {
        putchar('\n');
    }
    if (fflush(stdout) != 0) {
        return pc_fail(PC_ERR_IO, "standard output: %s", strerror(errno));
    }
    return pc_signal_pending() ? interrupted() : PC_OK;
}

/* All of standard input, without the line feed at its end. */
static pc_status read_prompt(pc_str *out)
{
    char buffer[4096];
    size_t got;
    PC_TRY(pc_str_puts(out, ""));
    while ((got = fread(buffer, 1, sizeof buffer, stdin)) > 0) {
        if (out->length + got > PROMPT_LIMIT) {
            return pc_fail(PC_ERR_DATA, "standard input: the prompt is longer than %zu bytes",
                           PROMPT_LIMIT);
        }
        PC_TRY(pc_str_add(out, buffer, got));
    }
    if (pc_signal_pending()) {
        return interrupted();
    }
    if (ferror(stdin)) {
        return pc_fail(PC_ERR_IO, "standard input: %s", strerror(errno));
    }
    if (out->length && out->data[out->length - 1] == '\n') {
        out->data[--out->length] = '\0';
    }
    return PC_OK;
}

/* --- chat --- */

/* What a chat remembers beside the conversation: the texts that media point to, and how many wait
 * for a message. */
typedef struct chat {
    running *run;
    pc_arena paths;
    int waiting;
    bool over;
} chat;

static pc_status chat_clear(chat *c)
{
    pc_conversation_clear(&c->run->conversation);
    pc_arena_free(&c->paths);
    c->run->media_count = 0;
    c->waiting = 0;
    return say_system(c->run);
}

/* Opened once here, so that a wrong name is told at once and not with the next message. */
static pc_status chat_image(chat *c, const char *path)
{
    pc_image *image = NULL;
    if (!c->run->opened.model->connector.type) {
        return pc_fail(PC_ERR_DATA, "%s: this model takes no pictures", c->run->opened.model->path);
    }
    PC_TRY(pc_image_load(&image, path, NULL));
    fprintf(stderr, "%s: %d x %d pixels, goes with the next message\n", path, image->width,
            image->height);
    pc_image_free(image);
    char *copy = pc_arena_strdup(&c->paths, path);
    if (!copy) {
        return pc_fail_memory(strlen(path), "a path");
    }
    PC_TRY(add_picture(c->run, copy));
    c->waiting++;
    return PC_OK;
}

static pc_status chat_message(chat *c, const char *text)
{
    running *r = c->run;
    PC_TRY(pc_cli_say(&r->conversation, text, c->waiting));
    pc_status status = ask(r, true);
    putchar('\n');
    if (status != PC_OK) { /* the chat goes on without this message */
        pc_conversation_drop(&r->conversation);
        return status;
    }
    c->waiting = 0;
    if (pc_signal_pending() == SIGINT) {
        pc_signal_reset(); /* it ended the answer, not the chat */
    }
    return pc_conversation_say(&r->conversation, PC_ROLE_ASSISTANT, answer_text(r));
}

static pc_status chat_adapter(chat *c, const char *name)
{
    int index = PC_CLI_ADAPTERS;
    PC_TRY(name[0] ? pc_cli_adapters_find(&c->run->adapters, name, &index) : PC_OK);
    return choose_adapter(c->run, index);
}

static pc_status chat_line(chat *c, char *line)
{
    line[strcspn(line, "\r\n")] = '\0';
    if (strcmp(line, "/exit") == 0 || strcmp(line, "/quit") == 0) {
        c->over = true;
        return PC_OK;
    }
    if (strcmp(line, "/clear") == 0) {
        return chat_clear(c);
    }
    if (pc_starts_with(line, "/image ")) {
        return chat_image(c, line + strlen("/image ") + strspn(line + strlen("/image "), " "));
    }
    if (strcmp(line, "/adapter") == 0 || pc_starts_with(line, "/adapter ")) {
        return chat_adapter(c, line + strlen("/adapter") + strspn(line + strlen("/adapter"), " "));
    }
    if (line[0] == '/') {
        fputs("/image FILE  a picture for the next message\n"
              "/adapter N   the adapter called N answers; without N the weights alone\n"
              "/clear       forget everything\n"
              "/exit        leave\n",
              stderr);
        return PC_OK;
    }
    return line[0] ? chat_message(c, line) : PC_OK;
}

static pc_status talk(running *r)
{
    chat c = {.run = r};
    char *line = NULL;
    size_t capacity = 0;
    pc_status status;
    PC_GO(chat_clear(&c));
    for (int i = 0; i < r->images->count; i++) {
        PC_GO(chat_image(&c, r->images->items[i]));
    }
    fprintf(stderr, "%s; /image FILE, /clear, /exit\n", r->opened.model->path);
    while (!c.over) {
        fputs("> ", stderr);
        if (pc_signal_pending() || getline(&line, &capacity, stdin) < 0) {
            status = pc_signal_pending() ? interrupted() : PC_OK;
            fputc('\n', stderr);
            break;
        }
        status = chat_line(&c, line);
        if (status == PC_ERR_MEMORY) {
            break;
        }
        /* a wrong file, or a message that doesn't fit any more, is no reason to leave */
        if (status != PC_OK) {
            fprintf(stderr, "%s\n", pc_error());
            status = PC_OK;
        }
    }
done:
    free(line);
    pc_arena_free(&c.paths);
    return status;
}

/* --- the command --- */

static pc_status run_model(running *r, const pc_arguments *arguments)
{
    const run_options *o = &r->options;
    bool chatting = arguments->count < 2 && isatty(STDIN_FILENO);
    pc_str prompt = {0};
    if (chatting && o->json) {
        return pc_fail(PC_ERR_USAGE, "--json needs a prompt");
    }
    PC_TRY(pc_cli_model_open(&r->opened, arguments->items[0], (int)o->threads, o->dtype,
                             o->template_name, o->mmproj));
    PC_TRY(o->visual_tokens ? pc_model_set_visual(r->opened.model, o->visual_tokens) : PC_OK);
    PC_TRY(pc_cli_model_pin(&r->opened, o->pin));
    double start = pc_cli_now_ms();
    PC_TRY(pc_cli_adapters_open(&r->adapters, r->opened.model, r->adapter_list));
    PC_TRY(choose_adapter(r, r->adapters.count ? 0 : PC_CLI_ADAPTERS));
    r->opened.load_ms += pc_cli_now_ms() - start;
    if (chatting) {
        return talk(r);
    }
    pc_status status = arguments->count < 2 ? read_prompt(&prompt) : PC_OK;
    if (status == PC_OK) {
        status = answer_once(r, arguments->count < 2 ? prompt.data : arguments->items[1]);
    }
    pc_str_clear(&prompt);
    return status;
}

/* --decoding help: what can be set. */
static pc_status explain_decoding(void)
{
    pc_str text = {0};
    pc_status status = pc_decoding_help(&text);
    if (status == PC_OK) {
        fputs(text.data, stdout);
    }
    pc_str_clear(&text);
    return status;
}

static pc_status run_or_explain(running *r, const pc_arguments *arguments)
{
    const char *decoding = r->options.decoding;
    pc_status status;
    if (pc_cli_visual_help(r->options.visual_tokens, &status)) {
        return status;
    }
    if (decoding && strcmp(decoding, "help") == 0) {
        return explain_decoding();
    }
    PC_TRY(pc_decoding_parse(&r->decoding, decoding));
    return run_model(r, arguments);
}

static pc_status run(int argc, char **argv)
{
    running r = {0};
    pc_arguments arguments;
    const char **items = NULL;
    PC_TRY(PC_NEW_ARRAY(items, 4 * (size_t)argc + 4, "arguments"));
    pc_option_list lists[] = {{"image", "a picture", items, 0},
                              {"stop", "a text that ends the answer", items + argc + 1, 0},
                              {"adapter", "[NAME=]DIR, an adapter of the model; the first one answers, /adapter NAME "
                                          "changes that", items + 2 * (argc + 1), 0},
                              {"choice", "a text that may be the answer; the likeliest one is", items + 3 * (argc + 1), 0},
                              {0}};
    pc_options spec = {
        .usage = "percept run MODEL [PROMPT] [--image F]... [OPTION]...\n\n"
                 "Answers PROMPT, or what stands on standard input; without either, on a "
                 "terminal, chats.\n"
                 "Pictures go before the text; \"<image>\" in it marks other places.",
        .fields = {fields, sizeof fields / sizeof fields[0]},
        .aliases = aliases,
        .lists = lists,
        .min_arguments = 1,
        .max_arguments = 2,
    };
    r.images = &lists[0];
    r.stops = &lists[1];
    r.adapter_list = &lists[2];
    r.choices = &lists[3];
    pc_status status = pc_options_parse(&spec, &r.options, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        status = run_or_explain(&r, &arguments);
    }
    pc_decoding_clear(&r.decoding);
    pc_answer_clear(&r.answer);
    pc_conversation_clear(&r.conversation);
    pc_free(r.media);
    for (int i = 0; i <= PC_CLI_ADAPTERS; i++) {
        pc_local_free(r.locals[i]);
    }
    pc_cli_adapters_close(&r.adapters);
    pc_cli_model_close(&r.opened);
    pc_fields_clear(&spec.fields, &r.options);
    pc_free(items);
    return status;
}

const pc_command pc_command_run = {
    .name = "run", .summary = "answer a prompt about pictures and text, or chat", .run = run};
