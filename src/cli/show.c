/* `percept show`: what a model is made of and what it needs, drawn as text or as JSON.
 *
 * The facts are gathered once (struct facts); the drawing and the JSON object are two views of them.
 */
#include "backend/cpu/cpu.h"
#include "base/str.h"
#include "cli/cache.h"
#include "cli/command.h"
#include "cli/inputs.h"
#include "cli/options.h"
#include "model/fingerprint.h"
#include "model/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct show_options {
    int64_t context;
    char *dtype, *template_name, *mmproj;
    pc_cli_cache cache;
    bool json;
} show_options;

static const pc_field fields[] = {
    {.name = "context", .type = PC_FIELD_INT, .offset = offsetof(show_options, context),
     .fallback = "0", .low = 0, .high = 1 << 24,
     .help = "tokens to plan memory for; 0 = the model's context, at most 4096"},
    {.name = "dtype", .type = PC_FIELD_TEXT, .offset = offsetof(show_options, dtype),
     .fallback = "f32", .help = "arithmetic to plan memory for: f32 or bf16"},
    {.name = "template", .type = PC_FIELD_TEXT, .offset = offsetof(show_options, template_name),
     .help = "chat template in place of the model's own"},
    {.name = "json", .type = PC_FIELD_BOOL, .offset = offsetof(show_options, json),
     .fallback = "false", .help = "print one JSON object"},
    PC_CLI_MMPROJ(show_options),
    PC_CLI_CACHE_FIELDS(show_options),
};

static const pc_option_alias aliases[] = {{"-c", "context"}, PC_CLI_CACHE_ALIASES, {NULL, NULL}};

enum { PARTS_MAX = 8 };

typedef struct part_count {
    const char *name;
    int64_t parameters;
} part_count;

typedef struct facts {
    const pc_model *model;
    part_count parts[PARTS_MAX];
    int part_count;
    int64_t parameters;
    size_t stored_bytes; /* of the weights as they lie in the file */
    size_t packed_bytes; /* of the copies laid out for products */
    size_t cache_bytes, activation_bytes;
    int64_t context;     /* that the memory is planned for */
    pc_cache_options cache;
    const char *template_name; /* NULL = none known */
    pc_fingerprint fingerprint;
} facts;

/* --- gathering --- */

static void count_parameter(facts *f, const pc_param *param, pc_dtype compute)
{
    int64_t count = pc_shape_count(&param->shape);
    int i = 0;
    while (i < f->part_count && strcmp(f->parts[i].name, param->part) != 0) {
        i++;
    }
    if (i == f->part_count && i < PARTS_MAX) {
        f->parts[f->part_count++] = (part_count){.name = param->part};
    }
    if (i < PARTS_MAX) {
        f->parts[i].parameters += count;
    }
    f->parameters += count;
    f->stored_bytes += pc_param_bytes(param);
    f->packed_bytes += param->any_type && !pc_dtype_is_block(param->dtype)
                           ? (size_t)count * pc_dtype_size(compute) : 0;
}

/* A session is planned for real; its pages are never touched, so it takes address space alone. */
static pc_status plan_session(facts *f, pc_dtype compute)
{
    pc_backend *backend = NULL;
    pc_session *session = NULL;
    pc_session_options options = {.context = f->context, .compute = compute, .cache = f->cache};
    pc_status status;
    PC_GO(pc_session_bytes(f->model, &options, &f->cache_bytes));
    PC_GO(pc_cpu_backend_new(&backend, 1, 0));
    PC_GO(pc_session_new(&session, f->model, backend, &options));
    f->context = pc_session_context(session);
    f->activation_bytes = pc_session_activation_bytes(session);
done:
    pc_session_free(session);
    pc_cpu_backend_free(backend);
    return status;
}

static pc_status gather(facts *f, const pc_model *model, const show_options *options, pc_dtype compute)
{
    *f = (facts){.model = model, .context = options->context};
    PC_TRY(pc_cli_cache_options(&f->cache, &options->cache, compute));
    for (size_t i = 0; i < model->params.count; i++) {
        count_parameter(f, &model->params.items[i]->param, compute);
    }
    bool raw = !model->chat && !model->chat_unknown && !model->connector.type;
    f->template_name = model->chat ? model->chat->name : raw && model->llm.type ? "raw" : NULL;
    PC_TRY(pc_fingerprint_of(&f->fingerprint, model));
    return model->llm.type ? plan_session(f, compute) : PC_OK;
}

static int64_t part_parameters(const facts *f, const char *name)
{
    for (int i = 0; i < f->part_count; i++) {
        if (strcmp(f->parts[i].name, name) == 0) {
            return f->parts[i].parameters;
        }
    }
    return 0;
}

/* --- drawing --- */

/* 1234567 -> "1.2M" */
static const char *short_count(int64_t count, char out[32])
{
    static const char units[] = {0, 'K', 'M', 'G', 'T'};
    double value = (double)count;
    size_t unit = 0;
    while (value >= 999.95 && unit + 1 < sizeof units) {
        value /= 1000;
        unit++;
    }
    snprintf(out, 32, unit ? "%.1f%c" : "%.0f", value, units[unit]);
    return out;
}

static const char *short_bytes(size_t bytes, char out[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1023.95 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    snprintf(out, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}

static void draw_encoder(const facts *f)
{
    const pc_encoder_part *encoder = &f->model->encoder;
    const pc_encoder_info *info = &encoder->info;
    char count[32];
    printf("  pixels [3,%" PRId64 ",%" PRId64 "]\n    |\n", info->image_size, info->image_size);
    printf("  encoder    %s: %" PRId64 " blocks, width %" PRId64 ", patches of %" PRId64
           " x %" PRId64 " pixels;  %s parameters\n",
           encoder->type->model_type, info->layers, info->width, info->patch_size,
           info->patch_size, short_count(part_parameters(f, "encoder"), count));
    printf("    |\n  features [%" PRId64 ",%" PRId64 "]  behind block %" PRId64 "%s\n    |\n",
           encoder->patches, info->width * encoder->select.count, encoder->select.layer[0],
           encoder->select.keep_class_token ? ", class token kept" : "");
}

static void draw_connector(const facts *f)
{
    char count[32];
    printf("  connector  %s;  %s parameters\n    |\n", f->model->connector.type->name,
           short_count(part_parameters(f, "connector"), count));
    printf("  soft tokens [%" PRId64 ",%" PRId64 "] for each picture,  text -> ids [T]\n    |\n",
           f->model->connector.tokens, pc_model_soft_width(f->model));
    if (f->model->bridge.type) {
        printf("  bridge     %s: %s\n    |\n", f->model->bridge.type->name,
               pc_model_pictures_apart(f->model) ? "layers read the soft tokens, a placeholder stands for each picture in the text"
               : f->model->detail.tower.type     ? "weights of its own for the soft tokens; every layer reads the picture in detail"
                                                 : "weights of its own for the soft tokens");
    }
    if (f->model->detail.tower.type) {
        const pc_encoder_part *tower = &f->model->detail.tower;
        printf("  detail     pixels [3,%" PRId64 ",%" PRId64 "] -> %s: %" PRId64 " blocks, width %" PRId64 " -> [%" PRId64 ",%" PRId64
               "]\n    |\n", tower->info.image_size, tower->info.image_size, tower->type->model_type, tower->info.layers,
               tower->info.width, tower->patches, tower->info.width);
    }
}

static void draw_llm(const facts *f)
{
    const pc_llm_info *info = &f->model->llm.info;
    char count[32];
    if (!f->model->connector.type) {
        printf("  text -> ids [T]\n    |\n");
    }
    printf("  llm        %s: %" PRId64 " blocks, width %" PRId64 ", %" PRId64
           " key heads of %" PRId64 "%s;  %s parameters\n    |\n  logits [T,%" PRId64 "]\n",
           f->model->llm.type->model_type, info->layers, info->width, info->key_heads,
           info->head_size, info->tied ? ", head tied" : "",
           short_count(part_parameters(f, "llm"), count), info->vocabulary);
}

static void draw_contrast(const facts *f)
{
    const pc_contrast_part *contrast = &f->model->contrast;
    char count[32];
    printf("  text tower: %" PRId64 " blocks, width %" PRId64 ";  %s parameters\n"
           "  common space of width %" PRId64 "\n",
           contrast->config.num_hidden_layers, contrast->config.hidden_size,
           short_count(part_parameters(f, "text"), count), contrast->width);
}

static void draw_memory(const facts *f, const char *dtype)
{
    char weights[32], packed[32], cache[32], activations[32], all[32];
    const char *keys = pc_dtype_name(f->cache.keys), *values = pc_dtype_name(f->cache.values);
    const bool same = f->cache.keys == f->cache.values;
    printf("memory         weights %s as stored (mapped) + %s laid out for %s products",
           short_bytes(f->stored_bytes, weights), short_bytes(f->packed_bytes, packed), dtype);
    if (f->model->llm.type) {
        printf(" + KV cache %s (%" PRId64 " tokens, %s%s%s) + activations %s",
               short_bytes(f->cache_bytes, cache), f->context, keys, same ? "" : " and ",
               same ? "" : values, short_bytes(f->activation_bytes, activations));
    }
    printf(" = %s\n", short_bytes(f->stored_bytes + f->packed_bytes + f->cache_bytes +
                                  f->activation_bytes, all));
}

static void draw(const facts *f, const char *dtype)
{
    const pc_model *model = f->model;
    char count[32];
    printf("%s  (%s)\n\n", model->path, pc_json_get_text(model->config, "model_type", "?"));
    if (model->encoder.type) {
        draw_encoder(f);
    }
    if (model->connector.type) {
        draw_connector(f);
    }
    if (model->contrast.present) {
        draw_contrast(f);
    }
    if (model->llm.type) {
        draw_llm(f);
    }
    printf("\nparameters     %s (%" PRId64 "), stored as %s\n", short_count(f->parameters, count),
           f->parameters, pc_dtype_name(model->stored));
    if (model->llm.type) {
        printf("context        %" PRId64 " tokens\n", model->llm.info.context);
    }
    if (model->connector.type) {
        printf("each picture   %" PRId64 " tokens\n", pc_model_pictures_apart(model) ? 1 : model->connector.tokens);
    }
    if (model->tokenizer) {
        printf("tokenizer      %s, %zu tokens\n", pc_tokenizer_kind(model->tokenizer),
               pc_tokenizer_size(model->tokenizer));
    } else {
        printf("tokenizer      none\n");
    }
    if (model->llm.type) {
        printf("chat template  %s\n", f->template_name ? f->template_name
                                      : model->chat_unknown ? "not a known one (needs --template)"
                                                            : "none (needs --template)");
    }
    printf("fingerprint    %s  of tokenizer, template and processor\n", f->fingerprint.whole);
    draw_memory(f, dtype);
}

/* --- JSON --- */

typedef struct number {
    const char *key;
    int64_t value;
} number;

static pc_status add_numbers(pc_json *into, const number *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        PC_TRY(pc_json_set(into, numbers[i].key, pc_json_new_integer(numbers[i].value)));
    }
    return PC_OK;
}

/* A new object under `key`; *out is borrowed. */
static pc_status add_object(pc_json *into, const char *key, pc_json **out)
{
    *out = pc_json_new_object();
    return pc_json_set(into, key, *out);
}

static pc_status json_vision(const facts *f, pc_json *out)
{
    const pc_encoder_part *encoder = &f->model->encoder;
    pc_json *part;
    const number numbers[] = {{"layers", encoder->info.layers},
                              {"width", encoder->info.width},
                              {"image_size", encoder->info.image_size},
                              {"patch_size", encoder->info.patch_size},
                              {"feature_layer", encoder->select.layer[0]},
                              {"features", encoder->patches}};
    PC_TRY(add_object(out, "encoder", &part));
    PC_TRY(pc_json_set(part, "type", pc_json_new_text(encoder->type->model_type)));
    PC_TRY(add_numbers(part, numbers, sizeof numbers / sizeof numbers[0]));
    if (!f->model->connector.type) {
        return PC_OK;
    }
    PC_TRY(add_object(out, "connector", &part));
    PC_TRY(pc_json_set(part, "type", pc_json_new_text(f->model->connector.type->name)));
    PC_TRY(add_numbers(part, &(number){"tokens", f->model->connector.tokens}, 1));
    if (!f->model->bridge.type) {
        return PC_OK;
    }
    PC_TRY(add_object(out, "bridge", &part));
    return pc_json_set(part, "type", pc_json_new_text(f->model->bridge.type->name));
}

static pc_status json_llm(const facts *f, pc_json *out)
{
    const pc_llm_info *info = &f->model->llm.info;
    pc_json *part;
    const number numbers[] = {{"layers", info->layers},       {"width", info->width},
                              {"key_heads", info->key_heads}, {"head_size", info->head_size},
                              {"vocabulary", info->vocabulary}};
    PC_TRY(add_object(out, "llm", &part));
    PC_TRY(pc_json_set(part, "type", pc_json_new_text(f->model->llm.type->model_type)));
    PC_TRY(add_numbers(part, numbers, sizeof numbers / sizeof numbers[0]));
    PC_TRY(pc_json_set(part, "tied", pc_json_new_bool(info->tied)));
    return add_numbers(out, &(number){"context", info->context}, 1);
}

static pc_status json_parameters(const facts *f, pc_json *out)
{
    pc_json *parts;
    PC_TRY(add_numbers(out, &(number){"parameters", f->parameters}, 1));
    PC_TRY(add_object(out, "parameters_by_part", &parts));
    for (int i = 0; i < f->part_count; i++) {
        PC_TRY(add_numbers(parts, &(number){f->parts[i].name, f->parts[i].parameters}, 1));
    }
    return pc_json_set(out, "dtype", pc_json_new_text(pc_dtype_name(f->model->stored)));
}

static pc_status json_memory(const facts *f, pc_json *out)
{
    pc_json *memory;
    size_t total = f->stored_bytes + f->packed_bytes + f->cache_bytes + f->activation_bytes;
    const number numbers[] = {{"weights_stored", (int64_t)f->stored_bytes},
                              {"weights_packed", (int64_t)f->packed_bytes},
                              {"kv_cache", (int64_t)f->cache_bytes},
                              {"activations", (int64_t)f->activation_bytes},
                              {"total", (int64_t)total},
                              {"planned_context", f->context}};
    PC_TRY(add_object(out, "memory_bytes", &memory));
    PC_TRY(pc_json_set(memory, "cache_type_k", pc_json_new_text(pc_dtype_name(f->cache.keys))));
    PC_TRY(pc_json_set(memory, "cache_type_v", pc_json_new_text(pc_dtype_name(f->cache.values))));
    return add_numbers(memory, numbers, sizeof numbers / sizeof numbers[0]);
}

static pc_status json_texts(const facts *f, pc_json *out)
{
    const pc_model *model = f->model;
    const char *model_type = pc_json_get_text(model->config, "model_type", "");
    PC_TRY(pc_json_set(out, "model", pc_json_new_text(model->path)));
    PC_TRY(pc_json_set(out, "model_type", pc_json_new_text(model_type)));
    PC_TRY(pc_json_set(out, "fingerprint", pc_json_new_text(f->fingerprint.whole)));
    if (f->template_name) {
        PC_TRY(pc_json_set(out, "chat_template", pc_json_new_text(f->template_name)));
    }
    if (model->tokenizer) {
        PC_TRY(pc_json_set(out, "tokenizer",
                           pc_json_new_text(pc_tokenizer_kind(model->tokenizer))));
    }
    return model->connector.type
               ? add_numbers(out, &(number){"tokens_per_image", model->connector.tokens}, 1)
               : PC_OK;
}

static pc_status print_json(const facts *f)
{
    pc_json *out = pc_json_new_object();
    pc_str line = {0};
    pc_status status;
    PC_GO(json_texts(f, out));
    if (f->model->encoder.type) {
        PC_GO(json_vision(f, out));
    }
    if (f->model->llm.type) {
        PC_GO(json_llm(f, out));
    }
    PC_GO(json_parameters(f, out));
    PC_GO(json_memory(f, out));
    PC_GO(pc_json_write(&line, out, 0));
    puts(line.data);
done:
    pc_str_clear(&line);
    pc_json_free(out);
    return status;
}

static pc_status show(const show_options *options, const char *path)
{
    pc_dtype compute;
    pc_model *model = NULL;
    facts f;
    pc_status status;
    PC_TRY(pc_cli_compute(options->dtype, &compute));
    /* A config.json alone: shapes without values. */
    PC_GO(pc_ends_with(path, ".json") ? pc_model_outline(&model, path, NULL)
                                      : pc_model_load_parts(&model, path, options->mmproj));
    if (options->template_name) {
        PC_GO(pc_template_by_name(&model->chat, options->template_name));
    }
    PC_GO(gather(&f, model, options, compute));
    if (options->json) {
        PC_GO(print_json(&f));
    } else {
        draw(&f, options->dtype);
    }
done:
    pc_model_free(model);
    return status;
}

static pc_status run(int argc, char **argv)
{
    show_options options = {0};
    pc_arguments arguments;
    pc_options spec = {
        .usage = "percept show MODEL|CONFIG.json [--json] [-c CONTEXT] [--dtype f32|bf16]\n"
                 "             [-ctk TYPE] [-ctv TYPE]",
        .fields = {fields, sizeof fields / sizeof fields[0]},
        .aliases = aliases,
        .min_arguments = 1,
        .max_arguments = 1,
    };
    pc_status status = pc_options_parse(&spec, &options, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        status = show(&options, arguments.items[0]);
    }
    pc_fields_clear(&spec.fields, &options);
    return status;
}

const pc_command pc_command_show = {
    .name = "show", .summary = "what a model is made of and what it needs", .run = run};
