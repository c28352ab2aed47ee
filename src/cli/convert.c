/* `percept convert IN OUT`: a model as GGUF, or as a directory of Hugging Face's layout. */
#include "base/file.h"
#include "base/memory.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/options.h"
#include "model/model.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct convert_options {
    char *type, *mmproj;
} convert_options;

#define FIELD(key, def, text) \
    {.name = #key, .type = PC_FIELD_TEXT, .offset = offsetof(convert_options, key), .fallback = def, .help = text}

static const pc_field fields[] = {
    FIELD(type, "auto", "f32, f16, bf16; for GGUF also q8_0, q4_0, q4_k, q5_k, q6_k, iq4_nl; auto: as the weights are stored"),
    FIELD(mmproj, NULL,
          "the vision side's GGUF file: to be read, or to be written (else mmproj-OUT beside OUT); none: without"),
};

static pc_status read_type(int *out, const char *name)
{
    *out = -1;
    if (strcmp(name, "auto") == 0) {
        return PC_OK;
    }
    *out = pc_dtype_from_name(name);
    return *out >= 0 ? PC_OK : pc_fail(PC_ERR_USAGE, "--type '%s': no such type", name);
}

/* The plain type nearest to what the weights are stored in. */
static pc_dtype plain_type(const pc_model *model)
{
    return model->stored == PC_F32 || model->stored == PC_BF16 ? model->stored : PC_F16;
}

static pc_status tell(const char *path)
{
    pc_map map;
    PC_TRY(pc_map_open(&map, path));
    printf("%s: %.1f MB\n", path, (double)map.size / 1e6);
    pc_map_close(&map);
    return PC_OK;
}

/* "mmproj-NAME.gguf" beside OUT. */
static pc_status vision_path(char **out, const char *to)
{
    char name[512];
    char *folder = pc_path_parent(to);
    snprintf(name, sizeof name, "mmproj-%s", pc_path_base(to));
    *out = folder ? pc_path_join(folder, name) : NULL;
    pc_free(folder);
    return *out ? PC_OK : pc_fail_memory(0, "a path");
}

static pc_status make_folder(const char *path)
{
    char *folder = pc_path_parent(path);
    pc_status status = folder ? pc_make_directories(folder) : pc_fail_memory(0, "a path");
    pc_free(folder);
    return status;
}

static pc_status write_gguf(const pc_model *model, const char *to, int type, const char *mmproj)
{
    pc_gguf_options options = {.type = type >= 0 ? (pc_dtype)type : plain_type(model)};
    char *vision = NULL;
    pc_status status = PC_OK;
    if (model->connector.type && !(mmproj && strcmp(mmproj, "none") == 0)) {
        status = mmproj ? PC_OK : vision_path(&vision, to);
        options.vision = mmproj ? mmproj : vision;
    }
    options.vision_type = options.type == PC_F32 || options.type == PC_BF16 ? options.type : PC_F16;
    if (status == PC_OK) {
        status = make_folder(to);
    }
    if (status == PC_OK) {
        status = pc_model_save_gguf(model, to, &options);
    }
    if (status == PC_OK) {
        status = tell(to);
    }
    if (status == PC_OK && options.vision) {
        status = tell(options.vision);
    }
    pc_free(vision);
    return status;
}

static pc_status write_directory(const pc_model *model, const char *to, int type)
{
    if (type >= 0 && type != PC_F32 && type != PC_F16 && type != PC_BF16) {
        return pc_fail(PC_ERR_USAGE, "--type '%s': a directory's weights are f32, f16 or bf16", pc_dtype_name((pc_dtype)type));
    }
    pc_dtype dtype = type >= 0 ? (pc_dtype)type : plain_type(model);
    PC_TRY(pc_model_save(model, to, dtype));
    printf("%s: %.1f million weights as %s\n", to, (double)pc_params_elements(&model->params, NULL) / 1e6,
           pc_dtype_name(dtype));
    return PC_OK;
}

static pc_status convert(const char *from, const char *to, const convert_options *given)
{
    pc_model *model;
    int type;
    const bool gguf = pc_ends_with(to, ".gguf"), from_gguf = pc_ends_with(from, ".gguf");
    PC_TRY(read_type(&type, given->type));
    if (gguf && from_gguf) {
        return pc_fail(PC_ERR_USAGE, "%s: both are GGUF files; percept quantize writes one in another type", to);
    }
    PC_TRY(pc_model_load_parts(&model, from, from_gguf ? given->mmproj : NULL));
    pc_status status = gguf ? write_gguf(model, to, type, given->mmproj) : write_directory(model, to, type);
    pc_model_free(model);
    return status;
}

static pc_status run(int argc, char **argv)
{
    convert_options given = {0};
    pc_arguments arguments;
    const pc_options options = {
        .usage = "percept convert IN OUT [--type T] [--mmproj FILE]\n\n"
                 "Writes the model IN as GGUF when OUT ends in .gguf, with a second file for the vision side; else as a directory of\n"
                 "Hugging Face's layout. IN is whatever percept reads: a directory, a GGUF file, a llama2.c checkpoint.",
        .fields = {fields, sizeof fields / sizeof fields[0]},
        .min_arguments = 2,
        .max_arguments = 2,
    };
    pc_status status = pc_options_parse(&options, &given, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        status = convert(arguments.items[0], arguments.items[1], &given);
    }
    pc_fields_clear(&options.fields, &given);
    return status;
}

const pc_command pc_command_convert = {
    .name = "convert", .summary = "write a model as GGUF, or as a directory of Hugging Face's layout", .run = run};
