/* A case runs in three steps that do not lean on each other: the pictures are prepared and compared, the messages become
 * ids and are compared, and the golden pixels and ids go through one forward pass whose values are compared. So the first
 * stage that deviates is the one to look at.
 */
#include "model/verify.h"

#include "base/file.h"
#include "media/decode.h"
#include "model/trace.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Preparing a picture is the same arithmetic in the same order: only the last bit of a quotient may differ. */
static const double PIXEL_LIMIT = 1e-6;

typedef struct verify_case {
    pc_verify *verify;
    const pc_json *json;
    const char *folder;
    pc_store *golden;
    float *pixels, *detail;
    int32_t *ids, *questions;
    pc_image_tiling *tilings;
    pc_trace_input input;
} verify_case;

double pc_verify_tolerance(pc_dtype compute)
{
    return compute == PC_F32 ? 1e-4 : 2e-2;
}

static void report(pc_verify *verify, pc_verify_stage stage)
{
    verify->stages++;
    verify->bad += !stage.good;
    verify->stage(verify->user, &stage);
}

static void report_missing(pc_verify *verify, const char *name, const char *why)
{
    pc_verify_stage stage = {.name = name};
    snprintf(stage.why, sizeof stage.why, "%s", why);
    report(verify, stage);
}

static void report_values(pc_verify *verify, const char *name, const float *found, const float *golden, int64_t count,
                          double limit)
{
    pc_verify_stage stage = {.name = name, .limit = limit};
    for (int64_t i = 0; i < count; i++) {
        double apart = fabs((double)found[i] - golden[i]), size = fabs((double)golden[i]);
        stage.deviation = !(apart <= stage.deviation) ? apart : stage.deviation; /* a NaN stays */
        stage.largest = size > stage.largest ? size : stage.largest;
    }
    stage.good = stage.deviation <= limit * stage.largest;
    report(verify, stage);
}

/* --- reading the case --- */

static pc_status read_values(const pc_array *array, float **out)
{
    PC_TRY(pc_new_array(out, (size_t)pc_array_count(array), sizeof **out, array->name));
    return pc_array_to_f32(array, *out);
}

static pc_status read_integers(const pc_array *array, int32_t **out)
{
    int64_t *wide = NULL;
    size_t count = (size_t)pc_array_count(array);
    pc_status status = pc_new_array(&wide, count, sizeof *wide, array->name);
    if (status == PC_OK) {
        status = pc_array_to_i64(array, wide);
    }
    if (status == PC_OK) {
        status = pc_new_array(out, count, sizeof **out, array->name);
    }
    for (size_t i = 0; i < count && status == PC_OK; i++) {
        if (wide[i] < INT32_MIN || wide[i] > INT32_MAX) {
            status = pc_fail(PC_ERR_DATA, "%s: %s[%zu] is out of range", array->file, array->name, i);
        } else {
            (*out)[i] = (int32_t)wide[i];
        }
    }
    pc_free(wide);
    return status;
}

/* image_sizes [N,2] = height, width of each picture: how it is cut into tiles follows. */
static pc_status read_tilings(verify_case *c)
{
    const pc_array *array = pc_store_find(c->golden, "image_sizes");
    int32_t *sizes = NULL;
    if (!array) {
        return PC_OK;
    }
    if (array->ndim != 2 || array->dim[1] != 2) {
        return pc_fail(PC_ERR_DATA, "%s: image_sizes: expected [N,2]", array->file);
    }
    pc_status status = read_integers(array, &sizes);
    if (status == PC_OK) {
        status = PC_NEW_ARRAY(c->tilings, (size_t)array->dim[0] + 1, "pictures");
    }
    for (int64_t i = 0; i < array->dim[0] && status == PC_OK; i++) {
        status = pc_image_tiling_plan(&c->tilings[i], &c->verify->model->recipe, sizes[2 * i + 1], sizes[2 * i]);
    }
    c->input.tilings = c->tilings;
    c->input.pictures = array->dim[0];
    pc_free(sizes);
    return status;
}

/* Pixels of pictures of their own sizes lie behind each other, as their sizes say. */
static pc_status check_flat(const verify_case *c, const pc_array *pixels)
{
    int64_t count = 0;
    for (int64_t i = 0; i < c->input.pictures && c->tilings; i++) {
        count += 3 * (int64_t)c->tilings[i].count * c->tilings[i].height * c->tilings[i].width;
    }
    return pixels->ndim != 1 || count == pc_array_count(pixels)
               ? PC_OK
               : pc_fail(PC_ERR_DATA, "%s: pixel_values: %lld numbers, image_sizes asks for %lld", pixels->file,
                         (long long)pc_array_count(pixels), (long long)count);
}

static pc_status read_case(verify_case *c)
{
    const char *name;
    PC_TRY(pc_json_need_text(&name, c->json, "tensors", c->folder));
    char *path = pc_path_join(c->folder, name);
    pc_status status = path ? pc_store_open(&c->golden, path) : pc_fail_memory(0, "a path");
    pc_free(path);
    PC_TRY(status);
    const pc_array *pixels = pc_store_find(c->golden, "pixel_values"), *ids = pc_store_find(c->golden, "input_ids");
    if (pixels) {
        const pc_encoder_part *encoder = &c->verify->model->encoder;
        bool flat = pixels->ndim == 1 && encoder->type && encoder->info.unit && pc_store_find(c->golden, "image_sizes");
        if ((pixels->ndim != 4 && !flat) || !encoder->type) {
            return pc_fail(PC_ERR_DATA, "%s: pixel_values: expected [N,3,Y,X] and a model that takes pictures", name);
        }
        PC_TRY(read_values(pixels, &c->pixels));
        c->input.pixels = c->pixels;
        c->input.images = pixels->dim[0];
    }
    if (ids && (ids->ndim == 1 || ids->dim[0] == 1)) { /* of several texts a trace has no logits */
        PC_TRY(read_integers(ids, &c->ids));
        c->input.ids = c->ids;
        c->input.tokens = pc_array_count(ids);
    }
    const pc_array *detail = pc_store_find(c->golden, "detail_pixels");
    if (detail && (size_t)pc_array_count(detail) == pc_model_detail_pixels(c->verify->model)) {
        PC_TRY(read_values(detail, &c->detail));
        c->input.detail = c->detail;
    }
    const pc_array *questions = pc_store_find(c->golden, "qformer_input_ids");
    if (questions && questions->ndim == 2 && questions->dim[0] == c->input.images) {
        PC_TRY(read_integers(questions, &c->questions));
        c->input.questions = c->questions;
        c->input.question_length = questions->dim[1];
    }
    PC_TRY(read_tilings(c));
    c->input.images = pixels && pixels->ndim == 1 ? c->input.pictures : c->input.images;
    return pixels ? check_flat(c, pixels) : PC_OK;
}

/* --- pictures -> pixels --- */

/* *count: numbers in *pixels. */
static pc_status prepare(const verify_case *c, const char *name, float **pixels, int64_t *count)
{
    char *path = pc_path_join(c->folder, name ? name : "");
    pc_image *image = NULL;
    pc_image_tiling tiling = {.count = 1};
    pc_status status = path ? pc_image_load(&image, path, NULL) : pc_fail_memory(0, "a path");
    if (status == PC_OK) {
        status = pc_model_prepare(c->verify->model, image, pixels, &tiling);
    }
    *count = status == PC_OK ? 3 * (int64_t)tiling.count * tiling.height * tiling.width : 0;
    pc_image_free(image);
    pc_free(path);
    return status;
}

static pc_status check_pictures(verify_case *c)
{
    const pc_json *images = pc_json_get(c->json, "images");
    const pc_array *array = pc_store_find(c->golden, "pixel_values");
    int64_t done = 0, count = array ? pc_array_count(array) : 0;
    if (!array || !pc_json_length(images)) {
        return PC_OK;
    }
    float *all = NULL;
    pc_status status = pc_new_array(&all, (size_t)count, sizeof *all, "pixels");
    for (size_t i = 0; i < pc_json_length(images) && status == PC_OK; i++) {
        float *pixels = NULL;
        int64_t own = 0;
        status = prepare(c, pc_json_text(pc_json_at(images, i)), &pixels, &own);
        if (own <= count - done && pixels) {
            memcpy(all + done, pixels, (size_t)own * sizeof *all);
        }
        done += own;
        pc_free(pixels);
    }
    if (status == PC_OK && done == count) {
        report_values(c->verify, "pixel_values", all, c->pixels, count, PIXEL_LIMIT);
    } else if (status == PC_OK) {
        report_missing(c->verify, "pixel_values", "the pictures give another number of tiles");
    }
    pc_free(all);
    return status;
}

/* --- messages -> ids --- */

static pc_status add_part(pc_conversation *out, const pc_json *part)
{
    const pc_json *text = pc_json_get(part, "text");
    if (strcmp(pc_json_get_text(part, "type", ""), "image") == 0) {
        return pc_conversation_add_media(out, PC_MEDIA_IMAGE, out->media_count[PC_MEDIA_IMAGE]);
    }
    return text ? pc_conversation_add_text(out, pc_json_text(text), pc_json_text_length(text))
                : pc_fail(PC_ERR_DATA, "golden messages: a part is neither text nor image");
}

static pc_status read_messages(pc_conversation *out, const pc_json *messages)
{
    for (size_t i = 0; i < pc_json_length(messages); i++) {
        const pc_json *message = pc_json_at(messages, i), *content = pc_json_get(message, "content");
        pc_role role;
        PC_TRY(pc_role_parse(&role, pc_json_get_text(message, "role", "")));
        PC_TRY(pc_conversation_begin(out, role));
        if (pc_json_is_string(content)) {
            PC_TRY(pc_conversation_add_text(out, pc_json_text(content), pc_json_text_length(content)));
        }
        for (size_t k = 0; pc_json_is_array(content) && k < pc_json_length(content); k++) {
            PC_TRY(add_part(out, pc_json_at(content, k)));
        }
    }
    return PC_OK;
}

static void report_ids(verify_case *c, const pc_ids *found)
{
    pc_verify_stage stage = {.name = "input_ids", .exact = true, .largest = (double)c->input.tokens};
    size_t golden = (size_t)c->input.tokens;
    for (size_t i = 0; i < golden || i < found->count; i++) {
        stage.deviation += i >= golden || i >= found->count || found->data[i] != c->ids[i];
    }
    stage.good = stage.deviation == 0;
    report(c->verify, stage);
}

static pc_status check_messages(verify_case *c)
{
    const pc_model *model = c->verify->model;
    const pc_json *messages = pc_json_get(c->json, "messages"), *text = pc_json_get(c->json, "text");
    pc_conversation conversation = {0};
    pc_prompt prompt = {0};
    pc_ids ids = {0};
    pc_status status = PC_OK;
    if (!c->ids || (!messages && !text)) {
        return PC_OK;
    }
    if (!model->tokenizer || (messages && !model->chat)) {
        report_missing(c->verify, "input_ids", model->tokenizer ? "the chat template is unknown" : "there is no tokenizer");
        return PC_OK;
    }
    if (messages) {
        pc_model_pictures pictures = {model, c->tilings, (int)c->input.pictures};
        pc_prompt_options options = {.invite = true};
        pc_model_prompt(model, c->tilings ? &pictures : NULL, &options);
        PC_GO(read_messages(&conversation, messages));
        PC_GO(pc_prompt_build(&prompt, model->tokenizer, model->chat, &conversation, &options));
        report_ids(c, &prompt.ids);
    } else {
        PC_GO(pc_tokenizer_encode(model->tokenizer, pc_json_text(text), pc_json_text_length(text), PC_TOKENIZE_ADD_SPECIAL,
                                  &ids));
        report_ids(c, &ids);
    }
done:
    pc_ids_clear(&ids);
    pc_prompt_clear(&prompt);
    pc_conversation_clear(&conversation);
    return status;
}

/* --- golden pixels and ids -> features, logits --- */

/* Values that a trace makes from what the case has; a golden file may hold more (hidden states under other names). */
static bool is_stage(const verify_case *c, const char *name)
{
    static const struct {
        const char *name;
        bool of_pictures, of_ids;
    } stages[] = {{"encoder.features", true, false}, {"connector.tokens", true, false}, {"connector.packed", true, false},
                  {"image_embeds", true, false},     {"text_embeds", false, true},      {"logits_per_image", true, true},
                  {"logits", false, true}};
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
        if (strcmp(stages[i].name, name) == 0) {
            return (c->pixels || !stages[i].of_pictures) && (c->ids || !stages[i].of_ids);
        }
    }
    return false;
}

static pc_status check_array(verify_case *c, const pc_store *trace, const pc_array *golden)
{
    const pc_array *array = pc_store_find(trace, golden->name);
    float *found = NULL, *wanted = NULL;
    if (!array || pc_array_count(array) != pc_array_count(golden)) {
        report_missing(c->verify, golden->name, array ? "it has another size" : "the model has no such value");
        return PC_OK;
    }
    pc_status status = read_values(array, &found);
    if (status == PC_OK) {
        status = read_values(golden, &wanted);
    }
    if (status == PC_OK) {
        report_values(c->verify, golden->name, found, wanted, pc_array_count(golden), c->verify->tolerance);
    }
    pc_free(found);
    pc_free(wanted);
    return status;
}

static pc_status check_trace(verify_case *c, const char *path)
{
    const pc_verify *v = c->verify;
    pc_store *trace = NULL;
    PC_TRY(pc_model_trace(v->model, v->backend, v->compute, &c->input, false, path));
    PC_TRY(pc_store_open(&trace, path));
    pc_status status = PC_OK;
    for (size_t i = 0; i < pc_store_count(c->golden) && status == PC_OK; i++) {
        const pc_array *golden = pc_store_at(c->golden, i);
        if (is_stage(c, golden->name)) {
            status = check_array(c, trace, golden);
        }
    }
    pc_store_free(trace);
    return status;
}

static pc_status check_forward(verify_case *c)
{
    char folder[] = "/tmp/percept-verify-XXXXXX";
    if (!c->ids && !c->pixels) {
        return pc_fail(PC_ERR_DATA, "%s: neither input_ids nor pixel_values", pc_store_path(c->golden));
    }
    if (!mkdtemp(folder)) {
        return pc_fail(PC_ERR_IO, "%s: %s", folder, strerror(errno));
    }
    char *path = pc_path_join(folder, "trace.safetensors");
    pc_status status = path ? check_trace(c, path) : pc_fail_memory(0, "a path");
    pc_free(path);
    pc_status removed = pc_remove_tree(folder);
    return status != PC_OK ? status : removed;
}

pc_status pc_verify_case(pc_verify *verify, const pc_json *json, const char *folder)
{
    verify_case c = {.verify = verify, .json = json, .folder = folder};
    pc_status status = read_case(&c);
    if (status == PC_OK) {
        status = check_pictures(&c);
    }
    if (status == PC_OK) {
        status = check_messages(&c);
    }
    if (status == PC_OK) {
        status = check_forward(&c);
    }
    pc_store_free(c.golden);
    pc_free(c.pixels);
    pc_free(c.detail);
    pc_free(c.ids);
    pc_free(c.questions);
    pc_free(c.tilings);
    return status;
}
