/* What `percept eval` can be told, by name. */
#include "cli/eval_options.h"

#include "cli/answerer.h"
#include "eval/shots.h"

typedef pc_eval_options eval_options;

#define FIELD(key, kind, standard, text)                                                     \
    {.name = #key, .type = kind, .offset = offsetof(eval_options, key), .fallback = standard, \
     .help = text}
#define NUMBER(key, standard, least, most, text)                                \
    {.name = #key, .type = PC_FIELD_INT, .offset = offsetof(eval_options, key), \
     .fallback = standard, .low = least, .high = most, .help = text}
static const pc_field fields[] = {
    FIELD(tasks, PC_FIELD_TEXT, NULL,
          "what to ask, separated by commas: scenes, scenes_zh, pope_scenes, pope:FILE.json, perplexity, perplexity_chunked, FILE.jsonl, FILE.yaml, an easy-VQA folder, NAME:PATH"),
    FIELD(data, PC_FIELD_TEXT, NULL, "file or folder of a task that needs one: of perplexity, for example"),
    NUMBER(limit, "0", 0, 9e15, "questions of each task; 0 = all (scenes: 1000)"),
    NUMBER(seed, "900001", 0, 9e15, "of scenes; recipes train on others"),
    FIELD(no_images, PC_FIELD_BOOL, "false",
          "replace every picture by a mid-grey one of its size (each pixel 128, 128, 128)"),
    NUMBER(max_new_tokens, "128", 1, 1 << 20, "most tokens of one answer"),
    NUMBER(batch_size, "1", 1, PC_BATCH_MOST, "questions answered side by side (of an endpoint: calls at once); the answers are the same"),
    FIELD(output_path, PC_FIELD_TEXT, NULL,
          "folder for results.json, report.html and samples_TASK.jsonl (a line as soon as it is answered); the same command "
          "goes on where it was stopped"),
    FIELD(log_samples, PC_FIELD_BOOL, "false", "needs --output_path, which writes them anyway"),
    FIELD(json, PC_FIELD_BOOL, "false", "print the results as JSON"),
    FIELD(adapter, PC_FIELD_TEXT, NULL, "folder of an adapter of the model"),
    FIELD(decoding, PC_FIELD_TEXT, NULL, "decoding method and search, as of percept run"),
    FIELD(correct, PC_FIELD_BOOL, "false", "answers about a picture are corrected by the model's own looks, as of percept correct"),
    PC_CLI_VISUAL(eval_options),
    FIELD(system, PC_FIELD_TEXT, NULL, "system message"),
    {.name = "template", .type = PC_FIELD_TEXT, .offset = offsetof(eval_options, template_name),
     .help = "chat template in place of the model's own"},
    NUMBER(context, "0", 0, 1 << 24, "tokens that fit in memory; 0 = the model's context"),
    NUMBER(threads, "0", 0, 1024, "threads; 0 = one for each processor"),
    FIELD(dtype, PC_FIELD_TEXT, "f32", "arithmetic of matrix products: f32 or bf16"),
    FIELD(model, PC_FIELD_TEXT, "local", "who answers: local, or openai: MODEL is then the name of a model behind --base_url"),
    FIELD(base_url, PC_FIELD_TEXT, NULL, "address of an OpenAI-compatible endpoint: http://127.0.0.1:8000/v1"),
    FIELD(api_key_env, PC_FIELD_TEXT, NULL, "name of the environment variable that holds the endpoint's key"),
    NUMBER(tries, "6", 1, 100, "of a call of the endpoint that fails in a way that may pass"),
    {.name = "calls_a_minute", .type = PC_FIELD_FLOAT, .offset = offsetof(eval_options, calls_a_minute), .fallback = "0",
     .high = 1e6, .help = "of the endpoint at most; 0 = as many as go"},
    NUMBER(shots, "0", 0, PC_SHOTS_MOST, "solved examples before each question (in-context learning)"),
    FIELD(shots_select, PC_FIELD_TEXT, "random", "how they are chosen: random, balanced (by answer), similar (by picture, RICES)"),
    FIELD(shots_task, PC_FIELD_TEXT, NULL, "task that they come from, as in --tasks; unset = the task itself, with --shots_data or --shots_seed"),
    FIELD(shots_data, PC_FIELD_TEXT, NULL, "file or folder of the examples, in place of --data"),
    NUMBER(shots_pool, "256", 1, 1 << 20, "questions from which they are chosen"),
    NUMBER(shots_seed, "1900001", 0, 9e15, "of drawn examples, and of choosing"),
    NUMBER(max_failures, "0", 0, 9e15, "questions of a task that may stay without an answer before the run stops"),
    FIELD(think, PC_FIELD_TEXT, NULL,
          "chain of thought: ask twice, first with this behind the question (\"Let's think step by step.\"), then for the answer from what was said"),
    FIELD(conclude, PC_FIELD_TEXT, NULL, "what asks for the answer behind the steps; unset = \"Therefore, the answer is\""),
    {.name = "temperature", .type = PC_FIELD_FLOAT, .offset = offsetof(eval_options, temperature), .fallback = "0", .high = 100,
     .help = "draw answers: 0 = greedy; votes need one above"},
    PC_CLI_MMPROJ(eval_options),
    PC_CLI_CACHE_FIELDS(eval_options),
    PC_CLI_PIN(eval_options),
};
#undef FIELD
#undef NUMBER
const pc_field_table pc_eval_fields = {fields, sizeof fields / sizeof fields[0]};

const pc_option_alias pc_eval_aliases[] = {
    {"-c", "context"}, {"-t", "threads"}, {"-o", "output_path"}, {"--temp", "temperature"}, PC_CLI_CACHE_ALIASES, {NULL, NULL}};
