/* `percept bench`: the speed of a model, of training, or of every kernel, beside what the machine can do, measured in the same
 * run. */
#include "cli/bench.h"

#include "base/cpu.h"
#include "base/field.h"
#include "cli/command.h"
#include "cli/inputs.h"
#include "cli/options.h"
#include "cli/record.h"

static const char *const level_names[] = {"best", "c", "avx2", "avx512", "avx512vnni", "avx512bf16", NULL};

#define FIELD(key, member, kind, def, lo, hi, text)                                                                    \
    {.name = key, .type = kind, .offset = offsetof(pc_bench_options, member), .fallback = def, .low = lo, .high = hi,  \
     .help = text}

static const pc_field fields[] = {
    FIELD("prompt-tokens", prompts, PC_FIELD_TEXT, "512", 0, 0, "lengths of prompts to read, with commas between them; 0 = none"),
    FIELD("predict", predict, PC_FIELD_INT, "64", 0, 1 << 20, "tokens to decode one by one; 0 = none"),
    FIELD("depth", depth, PC_FIELD_INT, "0", 0, 1 << 20, "tokens that were read before those are decoded"),
    FIELD("image", images, PC_FIELD_INT, "-1", -1, 64, "pictures to encode; -1 = one when the model takes pictures"),
    FIELD("batch", batch, PC_FIELD_INT, "1", 1, 1024, "texts read and continued together"),
    FIELD("repeat", repeat, PC_FIELD_INT, "5", 1, PC_BENCH_RUNS, "runs of each test; the median counts"),
    FIELD("dtype", dtype, PC_FIELD_TEXT, "auto", 0, 0,
          "arithmetic of products: f32 or bf16; auto = bf16 unless the weights are f32 (training: both)"),
    FIELD("threads", threads, PC_FIELD_INT, "0", 0, 1024, "0 = all processors"),
    PC_CLI_VISUAL(pc_bench_options),
    PC_CLI_MMPROJ(pc_bench_options),
    PC_CLI_CACHE_FIELDS(pc_bench_options),
    PC_CLI_PIN(pc_bench_options),
    FIELD("json", json, PC_FIELD_BOOL, "false", 0, 0, "one JSON object on stdout"),
    FIELD("train", train, PC_FIELD_BOOL, "false", 0, 0, "time training steps of three models made on the spot"),
    FIELD("kernels", kernels, PC_FIELD_BOOL, "false", 0, 0, "time the kernels"),
    {.name = "level", .type = PC_FIELD_CHOICE, .offset = offsetof(pc_bench_options, level), .choices = level_names,
     .help = "instruction set; the best this processor has"},
    FIELD("filter", filter, PC_FIELD_TEXT, NULL, 0, 0, "only kernels whose name and shape, or trainings whose name, contain this text"),
    FIELD("seconds", seconds, PC_FIELD_FLOAT, "0.15", 0.001, 60, "time spent on each kernel"),
};

static const pc_option_alias aliases[] = {
    {"-p", "prompt-tokens"}, {"-n", "predict"}, {"-d", "depth"}, {"-r", "repeat"}, {"-t", "threads"}, PC_CLI_CACHE_ALIASES, {0}};

uint32_t pc_bench_level_flags(int level)
{
    static const uint32_t flags[] = {0, 1u << 31, PC_CPU_AVX2, PC_CPU_AVX2 | PC_CPU_AVX512,
                                     PC_CPU_AVX2 | PC_CPU_AVX512 | PC_CPU_AVX512_VNNI,
                                     PC_CPU_AVX2 | PC_CPU_AVX512 | PC_CPU_AVX512_VNNI | PC_CPU_AVX512_BF16};
    return flags[level];
}

static pc_status measure(const pc_bench_options *options, const char *path, pc_str *text)
{
    return options->kernels ? pc_bench_kernels(options, text)
           : options->train ? pc_bench_train(options, text)
                            : pc_bench_model(options, path, text);
}

static pc_status bench(const pc_bench_options *options, const char *path)
{
    pc_record record;
    pc_str text = {0};
    const char *name = path ? path : options->filter ? options->filter : options->kernels ? "kernels" : "train";
    pc_record_begin(&record, &(pc_run_start){.kind = "bench", .name = name});
    pc_status status = measure(options, path, &text);
    pc_record_end(&record, status, text.data);
    pc_str_clear(&text);
    return status;
}

static pc_status check(const pc_bench_options *options, const pc_arguments *arguments)
{
    const int kinds = options->kernels + options->train + arguments->count;
    if (kinds == 0) {
        return pc_fail(PC_ERR_USAGE, "nothing to measure; try `percept bench MODEL`, --train or --kernels");
    }
    return kinds > 1 ? pc_fail(PC_ERR_USAGE, "MODEL, --train and --kernels exclude each other") : PC_OK;
}

static pc_status run(int argc, char **argv)
{
    const pc_options options = {
        .usage = "percept bench MODEL [OPTION]...\n"
                 "percept bench --train [OPTION]...\n"
                 "percept bench --kernels [OPTION]...\n\n"
                 "Measure the speed of a model (reading, decoding, pictures, the first token), of training, or of the kernels,\n"
                 "beside the limits of this machine.",
        .fields = {fields, sizeof fields / sizeof fields[0]},
        .aliases = aliases,
        .max_arguments = 1,
    };
    pc_bench_options config = {0};
    pc_arguments arguments;
    pc_status status = pc_options_parse(&options, &config, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        status = check(&config, &arguments);
        status = status == PC_OK ? bench(&config, arguments.count ? arguments.items[0] : NULL) : status;
    }
    pc_fields_clear(&options.fields, &config);
    return status;
}

const pc_command pc_command_bench = {.name = "bench", .summary = "measure speed beside the machine's limits", .run = run};
