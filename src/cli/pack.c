/* `percept pack MODEL`: what products read, laid out once and kept in a file. */
#include "cli/command.h"
#include "cli/inputs.h"
#include "cli/options.h"
#include "model/packed.h"

#include <stddef.h>
#include <stdio.h>

typedef struct pack_options {
    char *dtype, *mmproj;
    int64_t threads;
} pack_options;

static const pc_field fields[] = {
    {.name = "dtype", .type = PC_FIELD_TEXT, .offset = offsetof(pack_options, dtype),
     .help = "arithmetic that it is for, f32 or bf16, as of percept run; unset = bf16 for quantised weights, else f32"},
    {.name = "threads", .type = PC_FIELD_INT, .offset = offsetof(pack_options, threads), .fallback = "0", .low = 0, .high = 1024,
     .help = "0 = one for each processor"},
    PC_CLI_MMPROJ(pack_options),
};

static const pc_option_alias aliases[] = {{"-t", "threads"}, {0}};

static pc_status pack(const pack_options *o, const char *path)
{
    pc_cli_model opened;
    pc_packed_report report;
    char *to = NULL;
    pc_status status;
    PC_TRY(pc_cli_model_load(&opened, path, (int)o->threads, o->dtype, NULL, o->mmproj));
    PC_GO(pc_model_pack(opened.model, opened.backend, opened.compute));
    PC_GO(pc_packed_path(&to, opened.model, opened.backend, opened.compute));
    PC_GO(pc_packed_write(&report, opened.model, opened.backend, opened.compute, to));
    if (report.parameters) {
        printf("%s: %zu parameters, %.1f MB\n", to, report.parameters, (double)report.bytes / 1e6);
    } else {
        printf("%s: all its matrices lie in blocks, which are used as they lie; nothing to pack\n", path);
    }
done:
    pc_free(to);
    pc_cli_model_close(&opened);
    return status;
}

static pc_status run(int argc, char **argv)
{
    pack_options given = {0};
    pc_arguments arguments;
    const pc_options options = {
        .usage = "percept pack MODEL [OPTION]...\n\n"
                 "Lays plain weights out for products once and keeps that beside the model, for this processor and --dtype. Commands\n"
                 "that run the model use it where it lies, so that a start pays for neither time nor memory. One that was made of other\n"
                 "weights or for another processor is told and left alone.",
        .fields = {fields, sizeof fields / sizeof fields[0]},
        .aliases = aliases,
        .min_arguments = 1,
        .max_arguments = 1,
    };
    pc_status status = pc_options_parse(&options, &given, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        status = pack(&given, arguments.items[0]);
    }
    pc_fields_clear(&options.fields, &given);
    return status;
}

const pc_command pc_command_pack = {.name = "pack", .summary = "lay a model's weights out once, for quick starts", .run = run};
