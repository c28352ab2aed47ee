/* `percept quantize IN OUT --type T`: a GGUF model with its matrices in another type. */
#include "base/block.h"
#include "cli/command.h"
#include "cli/options.h"
#include "store/gguf_quantise.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct quantize_options {
    char *type;
} quantize_options;

static const pc_field fields[] = {
    {.name = "type", .type = PC_FIELD_TEXT, .offset = offsetof(quantize_options, type), .fallback = "q8_0",
     .help = "q8_0, q4_0, q4_k, q5_k, q6_k, iq4_nl, f16, bf16 or f32"},
};

static pc_status quantize(const char *from, const char *to, const char *name)
{
    pc_quantise_report report;
    int dtype = pc_dtype_from_name(name);
    if (dtype != PC_F32 && dtype != PC_F16 && dtype != PC_BF16 && (dtype < 0 || !pc_block_quantises((pc_dtype)dtype))) {
        return pc_fail(PC_ERR_USAGE, "--type '%s': expected q8_0, q4_0, q4_k, q5_k, q6_k, iq4_nl, f16, bf16 or f32", name);
    }
    if (strcmp(from, to) == 0) {
        return pc_fail(PC_ERR_USAGE, "%s: the model itself lies there", to);
    }
    PC_TRY(pc_gguf_quantise(&report, from, to, (pc_dtype)dtype));
    printf("%s: %zu of %zu tensors changed, %.1f MB became %.1f MB\n", to, report.changed, report.tensors,
           (double)report.bytes_before / 1e6, (double)report.bytes_after / 1e6);
    return PC_OK;
}

static pc_status run(int argc, char **argv)
{
    quantize_options given = {0};
    pc_arguments arguments;
    const pc_options options = {
        .usage = "percept quantize IN.gguf OUT.gguf [--type T]\n\n"
                 "Writes a GGUF model with its matrices in another type. Vectors stay as they are; the head is q6_k when T has fewer\n"
                 "bits; matrices whose rows are no whole blocks of T become q8_0, or f16. Of a model in several files IN is the first.",
        .fields = {fields, sizeof fields / sizeof fields[0]},
        .min_arguments = 2,
        .max_arguments = 2,
    };
    pc_status status = pc_options_parse(&options, &given, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        status = quantize(arguments.items[0], arguments.items[1], given.type);
    }
    pc_fields_clear(&options.fields, &given);
    return status;
}

const pc_command pc_command_quantize = {.name = "quantize", .summary = "write a GGUF model in another type", .run = run};
