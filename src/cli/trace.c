/* `percept trace`: the named tensors of one forward pass, as a safetensors file. */
#include "cli/command.h"
#include "cli/inputs.h"
#include "cli/options.h"
#include "model/trace.h"
#include "ops/attention.h"
#include "prompt/prompt.h"
#include "prompt/question.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct trace_options {
    char *prompt, *input_ids, *pixels, *mmproj, *dtype, *out, *template_name, *adapter;
    bool chat, all;
    int64_t threads;
} trace_options;

#define FIELD(key, spelling, kind, standard, text) \
    {.name = spelling, .type = kind, .offset = offsetof(trace_options, key), .fallback = standard, .help = text}
static const pc_field fields[] = {
    FIELD(prompt, "prompt", PC_FIELD_TEXT, NULL, "text, taken raw; <image> marks a picture's place"),
    FIELD(chat, "chat", PC_FIELD_BOOL, "false", "the prompt is a user's message in the model's chat template"),
    FIELD(input_ids, "input_ids", PC_FIELD_TEXT, NULL, "ids, separated by commas, taken as they are"),
    FIELD(pixels, "pixels", PC_FIELD_TEXT, NULL, "safetensors file with pixel_values [N,3,Y,X] in place of pictures"),
    FIELD(dtype, "dtype", PC_FIELD_TEXT, "f32", "arithmetic of matrix products: f32 or bf16"),
    FIELD(adapter, "adapter", PC_FIELD_TEXT, NULL, "folder of an adapter of the model"),
    FIELD(template_name, "template", PC_FIELD_TEXT, NULL, "chat template in place of the model's own"),
    FIELD(all, "all", PC_FIELD_BOOL, "false", "write every intermediate value"),
    FIELD(out, "out", PC_FIELD_TEXT, NULL, "the file to write (needed)"),
    FIELD(threads, "threads", PC_FIELD_INT, "0", "threads; 0 = one for each processor"),
    PC_CLI_MMPROJ(trace_options),
};
#undef FIELD

static const pc_option_alias aliases[] = {{"-t", "threads"}, {"-o", "out"}, {NULL, NULL}};

typedef struct tracing {
    trace_options options;
    pc_option_list *images;
    pc_cli_model opened;
    float *pixels;
    float *detail;            /* of the picture, for a second tower; or NULL */
    pc_image_tiling *tilings; /* of each picture; NULL with --pixels */
    int64_t image_count;      /* tiles */
    size_t pixel_count;       /* numbers */
    int64_t height, width;    /* of --pixels */
    pc_prompt prompt;
    pc_ids ids, question;
    int32_t *questions; /* [N,L] */
} tracing;

/* "1,2,3" */
static pc_status parse_ids(pc_ids *out, const char *text)
{
    for (const char *at = text; *at;) {
        char *end;
        errno = 0;
        long value = strtol(at, &end, 10);
        if (end == at || errno || value < 0 || value > INT32_MAX || (*end && *end != ',') || (*end && !end[1])) {
            return pc_fail(PC_ERR_USAGE, "--input-ids: expected numbers separated by commas at '%.20s'", at);
        }
        PC_TRY(pc_ids_push(out, (int32_t)value));
        at = *end ? end + 1 : end;
    }
    return out->count ? PC_OK : pc_fail(PC_ERR_USAGE, "--input-ids is empty");
}

static pc_status read_pixels(tracing *t)
{
    pc_store *store = NULL;
    const pc_array *array;
    int64_t side = t->opened.model->encoder.info.image_size;
    if (!t->opened.model->encoder.type) {
        return pc_fail(PC_ERR_DATA, "%s: this model takes no pictures", t->opened.model->path);
    }
    PC_TRY(pc_store_open(&store, t->options.pixels));
    pc_status status = pc_store_need(&array, store, "pixel_values");
    if (status == PC_OK && array->ndim != 4) {
        status = pc_fail(PC_ERR_DATA, "%s: pixel_values has %d dims, expected [N,3,Y,X]", t->options.pixels, array->ndim);
    }
    if (status == PC_OK) {
        bool any_size = t->opened.model->encoder.info.unit > 0;
        t->height = any_size ? array->dim[2] : side;
        t->width = any_size ? array->dim[3] : side;
        int64_t wanted[4] = {array->dim[0], 3, t->height, t->width};
        status = pc_array_need_shape(array, 4, wanted);
    }
    if (status == PC_OK) {
        t->image_count = array->dim[0];
        status = pc_new_array(&t->pixels, (size_t)pc_array_count(array), sizeof(float), "pixels");
    }
    if (status == PC_OK) {
        status = pc_array_to_f32(array, t->pixels);
    }
    pc_store_free(store);
    return status;
}

static pc_status add_picture(tracing *t, int picture)
{
    float *one = NULL, *all;
    PC_TRY(pc_cli_pixels(t->opened.model, t->images->items[picture], &one, &t->tilings[picture]));
    const pc_image_tiling *tiling = &t->tilings[picture];
    size_t more = (size_t)tiling->count * 3 * (size_t)tiling->height * (size_t)tiling->width;
    pc_status status = pc_new_array(&all, t->pixel_count + more, sizeof(float), "pixels");
    if (status == PC_OK) {
        memcpy(all, t->pixels ? t->pixels : one, t->pixel_count * sizeof *all);
        memcpy(all + t->pixel_count, one, more * sizeof *all);
        pc_free(t->pixels);
        t->pixels = all;
        t->pixel_count += more;
        t->image_count += tiling->count;
    }
    size_t details = pc_model_detail_pixels(t->opened.model);
    if (status == PC_OK && details && !t->detail) {
        status = pc_new_array(&t->detail, details, sizeof(float), "pixels");
        if (status == PC_OK) {
            memcpy(t->detail, one + more, details * sizeof *one);
        }
    }
    pc_free(one);
    return status;
}

static pc_status load_pictures(tracing *t)
{
    if (t->options.pixels) {
        return read_pixels(t);
    }
    PC_TRY(PC_NEW_ARRAY(t->tilings, (size_t)t->images->count + 1, "pictures"));
    for (int i = 0; i < t->images->count; i++) {
        PC_TRY(add_picture(t, i));
    }
    return PC_OK;
}

static int pictures_given(const tracing *t)
{
    return t->tilings ? t->images->count : (int)t->image_count;
}

/* The placeholders of the next picture, and what stands round them. */
static pc_status put_picture(tracing *t, const pc_prompt_options *options, int picture)
{
    size_t count;
    PC_TRY(options->slot_tokens(options->user, PC_MEDIA_IMAGE, picture, &count));
    if (options->media_open[PC_MEDIA_IMAGE] > 0) {
        PC_TRY(pc_ids_push(&t->ids, options->media_open[PC_MEDIA_IMAGE]));
    }
    for (size_t i = 0; i < count; i++) {
        PC_TRY(pc_ids_push(&t->ids, options->media_id[PC_MEDIA_IMAGE]));
    }
    return options->media_close[PC_MEDIA_IMAGE] > 0 ? pc_ids_push(&t->ids, options->media_close[PC_MEDIA_IMAGE]) : PC_OK;
}

static pc_status raw_ids(tracing *t, const pc_prompt_options *options)
{
    const pc_model *model = t->opened.model;
    const char *rest = t->options.prompt, *mark;
    static const char MARK[] = "<image>";
    unsigned flags = PC_TOKENIZE_ADD_SPECIAL;
    int pictures = model->connector.type ? pictures_given(t) : 0, next = 0;
    bool marked = model->connector.type && strstr(rest, MARK);
    for (; !marked && next < pictures; next++) {
        PC_TRY(put_picture(t, options, next));
    }
    while (marked && (mark = strstr(rest, MARK))) {
        PC_TRY(pc_tokenizer_encode(model->tokenizer, rest, (size_t)(mark - rest), flags, &t->ids));
        PC_TRY(put_picture(t, options, next++));
        rest = mark + strlen(MARK);
        flags = PC_TOKENIZE_CONTINUE;
    }
    PC_TRY(pc_tokenizer_encode(model->tokenizer, rest, strlen(rest), flags, &t->ids));
    return options->source ? pc_ids_push(&t->ids, options->start) : PC_OK;
}

static pc_status chat_ids(tracing *t, const pc_prompt_options *options)
{
    const pc_model *model = t->opened.model;
    pc_conversation conversation = {0};
    if (!model->chat) {
        return pc_fail(PC_ERR_DATA, "%s: its chat template is not known; choose one with --template", model->path);
    }
    pc_status status = pc_cli_say(&conversation, t->options.prompt, pictures_given(t));
    if (status == PC_OK) {
        status = pc_prompt_build(&t->prompt, model->tokenizer, model->chat, &conversation, options);
    }
    for (size_t i = 0; i < t->prompt.ids.count && status == PC_OK; i++) {
        status = pc_ids_push(&t->ids, t->prompt.ids.data[i]);
    }
    pc_conversation_clear(&conversation);
    return status;
}

static pc_status make_ids(tracing *t)
{
    if (t->options.input_ids) {
        return parse_ids(&t->ids, t->options.input_ids);
    }
    if (!t->options.prompt) {
        return PC_OK;
    }
    if (!t->opened.model->tokenizer) {
        return pc_fail(PC_ERR_DATA, "%s: no tokenizer; use --input-ids", t->opened.model->path);
    }
    pc_model_pictures pictures = {t->opened.model, t->tilings, t->images->count};
    pc_prompt_options options = {.invite = true};
    pc_model_prompt(t->opened.model, t->tilings ? &pictures : NULL, &options);
    return t->options.chat ? chat_ids(t, &options) : raw_ids(t, &options);
}

/* A connector that reads gets the prompt beside each picture. */
static pc_status ask_connector(tracing *t)
{
    const pc_model *model = t->opened.model;
    pc_conversation said = {0};
    if (!model->reader || !t->options.prompt || !t->image_count) {
        return PC_OK;
    }
    pc_status status = pc_conversation_say(&said, PC_ROLE_USER, t->options.prompt);
    if (status == PC_OK) {
        status = pc_prompt_question(&t->question, model->reader, &said, (size_t)model->connector.text_limit);
    }
    pc_conversation_clear(&said);
    PC_TRY(status);
    size_t each = t->question.count;
    PC_TRY(pc_new_array(&t->questions, (size_t)t->image_count * each + 1, sizeof *t->questions, "questions"));
    for (int64_t i = 0; i < t->image_count; i++) {
        memcpy(t->questions + (size_t)i * each, t->question.data, each * sizeof *t->questions);
    }
    return PC_OK;
}

static pc_status trace(tracing *t, const char *path)
{
    if (!t->options.out) {
        return pc_fail(PC_ERR_USAGE, "--out FILE is needed");
    }
    PC_TRY(pc_cli_model_open(&t->opened, path, (int)t->options.threads, t->options.dtype, t->options.template_name,
                             t->options.mmproj));
    PC_TRY(pc_cli_model_adapt(&t->opened, t->options.adapter));
    PC_TRY(load_pictures(t));
    PC_TRY(make_ids(t));
    if (!t->ids.count && !t->image_count) {
        return pc_fail(PC_ERR_USAGE, "nothing to trace: give --prompt, --input-ids or --image");
    }
    PC_TRY(ask_connector(t));
    pc_trace_input input = {.pixels = t->pixels,
                            .detail = t->detail,
                            .images = t->image_count,
                            .height = t->height,
                            .width = t->width,
                            .tilings = t->tilings,
                            .pictures = t->images->count,
                            .questions = t->questions,
                            .question_length = (int64_t)t->question.count,
                            .ids = t->ids.data,
                            .tokens = (int64_t)t->ids.count,
                            .adapter = t->opened.adapter};
    return pc_model_trace(t->opened.model, t->opened.backend, t->opened.compute, &input, t->options.all,
                          t->options.out);
}

static pc_status run(int argc, char **argv)
{
    tracing t = {0};
    pc_arguments arguments;
    const char **items = NULL;
    PC_TRY(PC_NEW_ARRAY(items, (size_t)argc + 1, "arguments"));
    pc_option_list lists[] = {{"image", "a picture", items, 0}, {0}};
    pc_options spec = {
        .usage = "percept trace MODEL [--image F]... [--prompt TEXT [--chat] | --input-ids 1,2,3] --out F.safetensors",
        .fields = {fields, sizeof fields / sizeof fields[0]},
        .aliases = aliases,
        .lists = lists,
        .min_arguments = 1,
        .max_arguments = 1,
    };
    t.images = lists;
    pc_status status = pc_options_parse(&spec, &t.options, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        status = trace(&t, arguments.items[0]);
    }
    pc_prompt_clear(&t.prompt);
    pc_ids_clear(&t.ids);
    pc_ids_clear(&t.question);
    pc_free(t.questions);
    pc_free(t.pixels);
    pc_free(t.detail);
    pc_free(t.tilings);
    pc_cli_model_close(&t.opened);
    pc_fields_clear(&spec.fields, &t.options);
    pc_free(items);
    return status;
}

const pc_command pc_command_trace = {
    .name = "trace", .summary = "write the named tensors of one forward pass", .run = run};
