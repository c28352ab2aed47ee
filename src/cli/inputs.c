#include "cli/inputs.h"

#include "backend/cpu/cpu.h"
#include "media/decode.h"

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

pc_status pc_cli_model_open(pc_cli_model *out, const char *path, int threads, const char *dtype,
                            const char *template_name)
{
    double start = pc_cli_now_ms();
    memset(out, 0, sizeof *out);
    PC_TRY(pc_cli_compute(dtype, &out->compute));
    pc_status status = pc_model_load(&out->model, path);
    if (status == PC_OK && template_name) {
        status = pc_template_by_name(&out->model->chat, template_name);
    }
    if (status == PC_OK) {
        status = pc_cpu_backend_new(&out->backend, threads, 0);
    }
    if (status == PC_OK) {
        status = pc_model_pack(out->model, out->backend, out->compute);
    }
    if (status != PC_OK) {
        pc_cli_model_close(out);
    }
    out->load_ms = pc_cli_now_ms() - start;
    return status;
}

void pc_cli_model_close(pc_cli_model *opened)
{
    pc_model_free(opened->model);
    pc_cpu_backend_free(opened->backend);
    memset(opened, 0, sizeof *opened);
}

pc_status pc_cli_pixels(const pc_model *model, const char *path, float **pixels)
{
    pc_image *image = NULL;
    *pixels = NULL;
    PC_TRY(pc_image_load(&image, path, NULL));
    pc_status status = pc_model_prepare(model, image, pixels);
    pc_image_free(image);
    return status;
}
