/* `percept bench --train`: steps of three trainings with all parameters, on models and batches made up on the spot: a small
 * GPT, a small LLaVA, and one of GPT-2's size. Feed-forward layers are gated, with as many parameters as the plain ones of
 * GPT-2. A step is forward, backward, clipping and AdamW. */
#include "base/file.h"
#include "base/memory.h"
#include "cli/bench.h"
#include "cli/inputs.h"
#include "train/learner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct workload {
    const char *name, *config;
    int64_t samples, text; /* sequences of a step; tokens of each beside its picture's */
} workload;

#define DECODER(layers, width, hidden, heads, vocabulary)                                                               \
    "\"model_type\": \"llama\", \"num_hidden_layers\": " #layers ", \"hidden_size\": " #width                            \
    ", \"intermediate_size\": " #hidden ", \"num_attention_heads\": " #heads ", \"vocab_size\": " #vocabulary            \
    ", \"max_position_embeddings\": 1024, \"tie_word_embeddings\": true"

static const workload workloads[] = {
    {"gpt-12m", "{" DECODER(6, 384, 1024, 6, 4096) "}", 8, 256},
    {"vlm-17m",
     "{\"model_type\": \"llava\", \"image_token_index\": 4095, \"vision_feature_layer\": -1, \"text_config\": {"
     DECODER(6, 384, 1024, 6, 4096) "}, \"vision_config\": {\"model_type\": \"clip_vision_model\", \"num_hidden_layers\": 6, "
     "\"hidden_size\": 256, \"intermediate_size\": 1024, \"num_attention_heads\": 4, \"image_size\": 64, \"patch_size\": 8}}",
     8, 64},
    {"gpt2-124m", "{" DECODER(12, 768, 2048, 12, 50257) "}", 4, 64},
};

/* A model from the text of its config. */
static pc_status make_model(pc_model **out, const char *config)
{
    char path[] = "/tmp/percept-bench-XXXXXX";
    int file = mkstemp(path);
    if (file < 0) {
        return pc_fail(PC_ERR_IO, "%s: no such file can be made", path);
    }
    bool written = write(file, config, strlen(config)) == (ssize_t)strlen(config);
    close(file);
    pc_status status = written ? pc_model_create(out, path, NULL, 1) : pc_fail(PC_ERR_IO, "%s: writing failed", path);
    unlink(path);
    return status == PC_OK ? pc_params_own(&(*out)->params) : status;
}

static void clear_batch(pc_batch *batch)
{
    pc_free(batch->pixels);
    pc_free(batch->ids);
    pc_free(batch->positions);
    pc_free(batch->ranges);
    pc_free(batch->soft_rows);
    pc_free(batch->target_rows);
    pc_free(batch->target_ids);
    pc_free(batch->target_weights);
}

static pc_status allocate_batch(pc_batch *batch, const pc_model *model)
{
    size_t side = (size_t)model->encoder.info.image_size, tokens = (size_t)batch->tokens, targets = (size_t)batch->targets;
    PC_TRY(PC_NEW_ARRAY(batch->pixels, (size_t)batch->images * 3 * side * side, "a benchmark"));
    PC_TRY(PC_NEW_ARRAY(batch->ids, tokens, "a benchmark"));
    PC_TRY(PC_NEW_ARRAY(batch->positions, tokens, "a benchmark"));
    PC_TRY(PC_NEW_ARRAY(batch->ranges, tokens, "a benchmark"));
    PC_TRY(PC_NEW_ARRAY(batch->soft_rows, (size_t)batch->soft, "a benchmark"));
    PC_TRY(PC_NEW_ARRAY(batch->target_rows, targets, "a benchmark"));
    PC_TRY(PC_NEW_ARRAY(batch->target_ids, targets, "a benchmark"));
    return PC_NEW_ARRAY(batch->target_weights, targets, "a benchmark");
}

/* Every token of a text predicts the next; pictures stand before their texts. */
static pc_status make_batch(pc_batch *batch, const pc_model *model, const workload *load)
{
    int64_t soft = model->connector.type ? model->connector.tokens : 0, length = soft + load->text;
    int64_t vocabulary = model->llm.info.vocabulary, side = model->encoder.info.image_size;
    *batch = (pc_batch){.samples = load->samples, .images = soft ? load->samples : 0, .tokens = load->samples * length,
                        .soft = load->samples * soft, .targets = load->samples * load->text};
    PC_TRY(allocate_batch(batch, model));
    for (int64_t i = 0; i < batch->images * 3 * side * side; i++) {
        batch->pixels[i] = (float)(i * 7919 % 255) / 127.5f - 1;
    }
    int64_t target = 0, filled = 0;
    for (int64_t t = 0; t < batch->tokens; t++) {
        int64_t at = t % length;
        batch->ids[t] = at < soft ? 0 : (int32_t)(t * 2654435761 % vocabulary);
        batch->positions[t] = (int32_t)at;
        batch->ranges[t] = (pc_attention_range){0, 0, (int32_t)(t - at), (int32_t)t + 1};
        if (at < soft) {
            batch->soft_rows[filled++] = (int32_t)t;
        } else {
            batch->target_rows[target] = (int32_t)t;
            batch->target_weights[target] = 1;
            batch->target_ids[target++] = (int32_t)((t + 1) * 2654435761 % vocabulary);
        }
    }
    return PC_OK;
}

static pc_status take_steps(pc_learner *learner, const pc_batch *batch, int64_t repeat, pc_bench_row *row)
{
    pc_step_result result;
    for (int64_t run = -2; run < repeat; run++) { /* two warm up */
        double start = pc_bench_now();
        PC_TRY(pc_learner_step(learner, batch, 1, 1, &result));
        row->ms[run < 0 ? 0 : run] = 1e3 * (pc_bench_now() - start);
        row->runs = run < 0 ? 0 : (int)run + 1;
    }
    row->flops = pc_learner_cost(learner).flops;
    return PC_OK;
}

static pc_status run_workload(pc_bench_report *report, const workload *load, pc_dtype compute)
{
    static const pc_part_rate rates[] = {{"encoder", 1e-4}, {"connector", 1e-4}, {"llm", 1e-4}};
    pc_bench_row row = {.unit = "tokens", .limit = compute == PC_BF16 ? PC_LIMIT_BF16 : PC_LIMIT_F32};
    pc_model *model = NULL;
    pc_learner *learner = NULL;
    pc_batch batch = {0};
    pc_status status;
    pc_bench_reset_peak_memory();
    PC_GO(make_model(&model, load->config));
    PC_GO(make_batch(&batch, model, load));
    const pc_learner_options options = {
        .stage = pc_stage_find("sft"),
        .limits = {batch.images, batch.tokens, batch.soft, batch.targets, batch.samples},
        .compute = compute, .optimizer = pc_optimizer_find("adamw_torch"), .settings = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8},
        .weight_decay = 0.1, .max_norm = 1,
        .rates = rates, .rate_count = sizeof rates / sizeof rates[0],
    };
    PC_GO(pc_learner_new(&learner, model, report->backend, &options));
    PC_GO(take_steps(learner, &batch, report->options->repeat, &row));
    row.count = (double)batch.tokens;
    row.memory = pc_bench_peak_memory();
    snprintf(row.test, sizeof row.test, "%s %s", load->name, pc_dtype_name(compute));
    status = pc_bench_report_add(report, &row);
done:
    pc_learner_free(learner);
    pc_model_free(model);
    clear_batch(&batch);
    return status;
}

static pc_status run_all(pc_bench_report *report, const pc_bench_options *options)
{
    static const pc_dtype both[] = {PC_F32, PC_BF16};
    pc_dtype only = PC_F32;
    bool automatic = strcmp(options->dtype, "auto") == 0;
    if (!automatic) {
        PC_TRY(pc_cli_compute(options->dtype, &only));
    }
    for (size_t i = 0; i < sizeof workloads / sizeof workloads[0]; i++) {
        for (int d = 0; d < 2; d++) {
            bool wanted = !options->filter || strstr(workloads[i].name, options->filter);
            if (wanted && (automatic || both[d] == only)) {
                PC_TRY(run_workload(report, &workloads[i], both[d]));
            }
        }
    }
    return PC_OK;
}

pc_status pc_bench_train(const pc_bench_options *options, pc_str *text)
{
    pc_bench_report report = {0};
    pc_backend *backend = NULL;
    pc_status status;
    PC_GO(pc_cpu_backend_new(&backend, (int)options->threads, pc_bench_level_flags(options->level)));
    PC_GO(pc_bench_report_open(&report, options, backend));
    PC_GO(run_all(&report, options));
    PC_GO(pc_bench_report_close(&report, text));
done:
    pc_bench_report_clear(&report);
    pc_cpu_backend_free(backend);
    return status;
}
