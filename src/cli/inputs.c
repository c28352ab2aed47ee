#include "cli/inputs.h"

#include "backend/cpu/cpu.h"
#include "base/pin.h"
#include "media/decode.h"
#include "model/packed.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

double pc_cli_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

pc_status pc_cli_compute(const char *name, pc_dtype *out)
{
    int dtype = pc_dtype_from_name(name);
    if (dtype != PC_F32 && dtype != PC_BF16) {
        return pc_fail(PC_ERR_USAGE, "--dtype '%s': expected f32 or bf16", name);
    }
    *out = (pc_dtype)dtype;
    return PC_OK;
}

/* What pc_cli_model_open computes in when no type was named. */
static pc_dtype usual_type(const pc_model *model, bool automatic)
{
    bool exact = automatic ? model->stored == PC_F32 : !pc_dtype_is_block(model->stored);
    return exact ? PC_F32 : PC_BF16;
}

pc_status pc_cli_model_load(pc_cli_model *out, const char *path, int threads, const char *dtype, const char *template_name,
                            const char *vision)
{
    memset(out, 0, sizeof *out);
    const bool automatic = dtype && strcmp(dtype, "auto") == 0, named = dtype && !automatic;
    if (named) {
        PC_TRY(pc_cli_compute(dtype, &out->compute));
    }
    pc_status status = pc_model_load_parts(&out->model, path, vision);
    if (status == PC_OK && !named) {
        out->compute = usual_type(out->model, automatic);
    }
    if (status == PC_OK && template_name) {
        status = pc_template_by_name(&out->model->chat, template_name);
    }
    if (status == PC_OK) {
        status = pc_cpu_backend_new(&out->backend, threads, 0);
    }
    if (status != PC_OK) {
        pc_cli_model_close(out);
    }
    return status;
}

pc_status pc_cli_model_open(pc_cli_model *out, const char *path, int threads, const char *dtype,
                            const char *template_name, const char *vision)
{
    double start = pc_cli_now_ms();
    pc_status status = pc_cli_model_load(out, path, threads, dtype, template_name, vision);
    if (status == PC_OK && (status = pc_packed_lay_out(&out->packed, out->model, out->backend, out->compute)) != PC_OK) {
        pc_cli_model_close(out);
    }
    out->load_ms = pc_cli_now_ms() - start;
    return status;
}

pc_status pc_cli_model_adapt(pc_cli_model *opened, const char *folder)
{
    return folder ? pc_adapter_load(&opened->adapter, opened->model, folder) : PC_OK;
}

pc_status pc_cli_model_pin(const pc_cli_model *opened, bool pin)
{
    return pin ? pc_pool_pin(opened->backend->pool) : PC_OK;
}

void pc_cli_model_close(pc_cli_model *opened)
{
    pc_adapter_free(opened->adapter);
    pc_model_free(opened->model);
    pc_packed_free(opened->packed);
    pc_cpu_backend_free(opened->backend);
    memset(opened, 0, sizeof *opened);
}

pc_status pc_cli_pixels(const pc_model *model, const char *path, float **pixels, pc_image_tiling *tiling)
{
    pc_image *image = NULL;
    *pixels = NULL;
    PC_TRY(pc_image_load(&image, path, NULL));
    pc_status status = pc_model_prepare(model, image, pixels, tiling);
    pc_image_free(image);
    return status;
}

static int count_places(const char *text)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, "<image>")); at += strlen("<image>")) {
        count++;
    }
    return count;
}

static pc_status add_message(pc_conversation *conversation, const char *text, int pictures,
                             int places)
{
    int first = conversation->media_count[PC_MEDIA_IMAGE];
    PC_TRY(pc_conversation_begin(conversation, PC_ROLE_USER));
    for (int i = 0; i < pictures - places; i++) {
        PC_TRY(pc_conversation_add_media(conversation, PC_MEDIA_IMAGE, first + i));
    }
    return places ? pc_conversation_add_marked(conversation, text, strlen(text),
                                               PC_MARKERS_IN_PLACE)
                  : pc_conversation_add_text(conversation, text, strlen(text));
}

pc_status pc_cli_say(pc_conversation *conversation, const char *text, int pictures)
{
    size_t messages = conversation->count;
    int places = pictures ? count_places(text) : 0;
    if (places > pictures) {
        return pc_fail(PC_ERR_DATA, "the prompt marks %d places by <image>, %d picture%s given",
                       places, pictures,
                       pictures == 1 ? "" : "s");
    }
    pc_status status = add_message(conversation, text, pictures, places);
    if (status != PC_OK && conversation->count > messages) {
        pc_conversation_drop(conversation);
    }
    return status;
}

bool pc_cli_visual_help(const char *text, pc_status *status)
{
    pc_str help = {0};
    *status = PC_OK;
    if (!text || strcmp(text, "help") != 0) {
        return false;
    }
    *status = pc_visual_help(&help);
    if (*status == PC_OK) {
        fputs(help.data, stdout);
    }
    pc_str_clear(&help);
    return true;
}
