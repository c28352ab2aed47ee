/* What commands share that ask a model many things (instruct/asking.h): options, progress, the closing lines. */
#ifndef PC_CLI_ASKER_H
#define PC_CLI_ASKER_H

#include "cli/answerer.h"
#include "cli/options.h"
#include "instruct/asking.h"

/* Texts are owned; pc_fields_clear releases them. */
typedef struct pc_cli_asker {
    char *base_url, *api_key_env, *template_name, *dtype, *mmproj;
    int64_t tries, batch_size, max_new_tokens, seed, attempts, max_failures, budget, threads, context;
    double calls_a_minute, temperature, price_prompt, price_completion;
} pc_cli_asker;

/* Entries of a field table for the member `asker` of TYPE. */
#define PC_ASKER_FIELD(TYPE, key, kind, standard, least, most_, text)                                                    \
    {.name = #key, .type = kind, .offset = offsetof(TYPE, asker) + offsetof(pc_cli_asker, key), .fallback = standard, .low = least, \
     .high = most_, .help = text}
#define PC_ASKER_FIELDS(TYPE)                                                                                              \
    PC_ASKER_FIELD(TYPE, base_url, PC_FIELD_TEXT, NULL, 0, 0,                                                              \
                   "address of an OpenAI-compatible endpoint, http://127.0.0.1:8000/v1, that knows MODEL; unset = MODEL is a folder or file here"), \
    PC_ASKER_FIELD(TYPE, api_key_env, PC_FIELD_TEXT, NULL, 0, 0, "name of the environment variable that holds the endpoint's key"), \
    PC_ASKER_FIELD(TYPE, calls_a_minute, PC_FIELD_FLOAT, "0", 0, 1e6, "of the endpoint at most; 0 = as many as go"),       \
    PC_ASKER_FIELD(TYPE, tries, PC_FIELD_INT, "6", 1, 100, "of a call of the endpoint that fails in a way that may pass, each after twice the wait"), \
    PC_ASKER_FIELD(TYPE, batch_size, PC_FIELD_INT, "1", 1, PC_ASK_BATCH, "requests side by side; the rows are the same"),   \
    PC_ASKER_FIELD(TYPE, temperature, PC_FIELD_FLOAT, "0", 0, 100, "draw replies; 0 = greedy"),                             \
    PC_ASKER_FIELD(TYPE, max_new_tokens, PC_FIELD_INT, "1024", 1, 1 << 20, "of a reply; one that is cut is kept apart"),    \
    PC_ASKER_FIELD(TYPE, attempts, PC_FIELD_INT, "1", 1, 100, "at a reply that is good; needs a temperature"),              \
    PC_ASKER_FIELD(TYPE, max_failures, PC_FIELD_INT, "0", 0, 9e15, "calls that may fail for good before the run stops"),    \
    PC_ASKER_FIELD(TYPE, budget, PC_FIELD_INT, "0", 0, 9e15, "stop behind so many tokens, of requests and replies; 0 = never"), \
    PC_ASKER_FIELD(TYPE, price_prompt, PC_FIELD_FLOAT, "0", 0, 1e9, "what a million tokens of requests cost, for the sum that is shown"), \
    PC_ASKER_FIELD(TYPE, price_completion, PC_FIELD_FLOAT, "0", 0, 1e9, "what a million tokens of replies cost"),           \
    PC_ASKER_FIELD(TYPE, seed, PC_FIELD_INT, "1", 0, 9e15, "of all that is drawn"),                                         \
    {.name = "template", .type = PC_FIELD_TEXT, .offset = offsetof(TYPE, asker) + offsetof(pc_cli_asker, template_name),    \
     .help = "local model: chat template in place of the model's own"},                                                     \
    PC_ASKER_FIELD(TYPE, dtype, PC_FIELD_TEXT, NULL, 0, 0, "local model: f32 (unset) or bf16"),                             \
    PC_ASKER_FIELD(TYPE, mmproj, PC_FIELD_TEXT, NULL, 0, 0, "local model: GGUF file of its vision side"),                   \
    PC_ASKER_FIELD(TYPE, context, PC_FIELD_INT, "0", 0, 1 << 24, "local model: tokens that fit in memory; 0 = the model's context"), \
    PC_ASKER_FIELD(TYPE, threads, PC_FIELD_INT, "0", 0, 1024, "local model: threads; 0 = one for each processor")

/* Who answers; pc_cli_answerer_close also after a failure. */
pc_status pc_cli_asker_open(pc_cli_answerer *out, const pc_cli_asker *options, const char *model);
/* Options of the asking, with progress on a terminal; `options` and `who` are borrowed. */
pc_asking_options pc_cli_asker_options(const pc_cli_asker *options, const pc_cli_answerer *who, const char *folder);
/* The name that records know the model by: without the folders above it. */
const char *pc_cli_asker_model(const pc_cli_answerer *who);
/* Verdicts, tokens, cost, on standard output; also after a stop. */
void pc_cli_asker_tell(const pc_cli_asker *options, const pc_asking_counts *counts);

#endif
