/* `percept bench MODEL`: reading, decoding, pictures, and the time to the first token. Ids and pixels are made up: what they say
 * costs nothing. */
#include "base/memory.h"
#include "cli/bench.h"
#include "cli/inputs.h"
#include "model/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LENGTHS = 16,       /* of -p at most */
    ANSWER_WORDS = 21,  /* tokens of the short question behind the pictures, for the first token */
    CHUNK = 512,        /* tokens that a run reads */
};

typedef struct bench {
    const pc_bench_options *options;
    pc_cli_model opened;
    pc_cache_options cache;
    size_t cache_bytes;        /* of the whole session */
    pc_session *session;
    pc_bench_report report;
    int64_t lengths[LENGTHS], length_count, longest;
    int64_t images, each; /* pictures, and soft tokens of one */
    int32_t *ids;              /* [longest] */
    float *pixels;             /* of one picture */
    pc_session_piece *pieces;  /* [batch] */
    pc_bench_limit arithmetic;
} bench;

static pc_status parse_lengths(bench *b)
{
    const char *at = b->options->prompts;
    while (at && *at) {
        char *end;
        long long value = strtoll(at, &end, 10);
        if (end == at || value < 0 || value > 1 << 24 || (*end && *end != ',') || b->length_count == LENGTHS) {
            return pc_fail(PC_ERR_USAGE, "-p '%s': expected lengths with commas between them, such as 512,2048", b->options->prompts);
        }
        if (value > 0) {
            b->lengths[b->length_count++] = value;
            b->longest = value > b->longest ? value : b->longest;
        }
        at = *end ? end + 1 : end;
    }
    return PC_OK;
}

/* Of the language model as the files hold it, but the table of which a token reads one row. */
static double weight_bytes(const pc_model *model)
{
    double bytes = 0;
    for (size_t i = 0; i < model->params.count; i++) {
        const pc_param *param = &model->params.items[i]->param;
        bool table = !model->llm.info.tied && strstr(param->name, "embed_tokens");
        if (strcmp(param->part, "llm") == 0 && !table) {
            bytes += (double)pc_shape_count(&param->shape) * (double)pc_dtype_size(param->dtype)
                     / (double)pc_dtype_unit(param->dtype);
        }
    }
    return bytes;
}

static double cache_bytes_of_token(const bench *b)
{
    const pc_llm_info *info = &b->opened.model->llm.info;
    size_t keys = 0, values = 0;
    pc_dtype_bytes(b->cache.keys, (size_t)(info->key_heads * info->head_size), &keys);
    pc_dtype_bytes(b->cache.values, (size_t)(info->key_heads * info->head_size), &values);
    return (double)info->layers * (double)(keys + values);
}

static void forget(const bench *b)
{
    for (int64_t row = 0; row < b->options->batch; row++) {
        pc_session_row_rewind(b->session, row, 0);
    }
}

/* The next `count` tokens of every row. */
static pc_status read_all(bench *b, int64_t count)
{
    for (int64_t row = 0; row < b->options->batch; row++) {
        b->pieces[row] = (pc_session_piece){.row = row, .ids = b->ids, .count = count};
    }
    return pc_session_read_rows(b->session, b->pieces, b->options->batch);
}

static pc_status read_prompts(bench *b, int64_t length, double *flops)
{
    forget(b);
    for (int64_t done = 0; done < length; done += CHUNK) { /* as the session would cut it */
        PC_TRY(read_all(b, length - done < CHUNK ? length - done : CHUNK));
        if (flops) {
            *flops += pc_session_cost(b->session).flops;
        }
    }
    return PC_OK;
}

static pc_status bench_prompt(bench *b, int64_t length)
{
    pc_bench_row row = {.unit = "tokens", .count = (double)(length * b->options->batch), .limit = b->arithmetic};
    snprintf(row.test, sizeof row.test, b->options->batch > 1 ? "pp%lld x %lld" : "pp%lld", (long long)length,
             (long long)b->options->batch);
    PC_TRY(read_prompts(b, length, &row.flops));
    for (; row.runs < b->options->repeat; row.runs++) {
        double start = pc_bench_now();
        PC_TRY(read_prompts(b, length, NULL));
        row.ms[row.runs] = 1e3 * (pc_bench_now() - start);
    }
    return pc_bench_report_add(&b->report, &row);
}

static pc_status bench_decode(bench *b)
{
    int64_t count = b->options->predict, batch = b->options->batch, depth = b->options->depth;
    pc_bench_row row = {.unit = "tokens", .count = (double)(count * batch), .limit = PC_LIMIT_READ};
    int written = snprintf(row.test, sizeof row.test, batch > 1 ? "tg%lld x %lld" : "tg%lld", (long long)count, (long long)batch);
    if (depth) {
        snprintf(row.test + written, sizeof row.test - (size_t)written, " @ %lld", (long long)depth);
    }
    row.bytes = (double)count * weight_bytes(b->opened.model)
                + (double)batch * (0.5 * (double)(count * (count + 1)) + (double)(count * depth)) * cache_bytes_of_token(b);
    for (int run = -1; run < b->options->repeat; run++) { /* the first warms up */
        PC_TRY(read_prompts(b, depth, NULL));
        double start = pc_bench_now();
        for (int64_t i = 0; i < count; i++) {
            PC_TRY(read_all(b, 1));
        }
        row.ms[run < 0 ? 0 : run] = 1e3 * (pc_bench_now() - start);
        row.runs = run + 1;
    }
    return pc_bench_report_add(&b->report, &row);
}

static pc_status see(bench *b, float ***rows, int64_t *tokens)
{
    int64_t width = b->opened.model->llm.info.width, each = 0;
    *tokens = 0;
    for (int64_t i = 0; i < b->images; i++) {
        float *soft = NULL;
        PC_TRY(pc_session_see(b->session, b->pixels, NULL, &soft, &each));
        for (int64_t t = 0; rows && *rows && i == 0 && t < each; t++) { /* all pictures are the same */
            memcpy((*rows)[t], soft + t * width, (size_t)width * sizeof(float));
        }
        pc_free(soft);
        *tokens += each;
    }
    return PC_OK;
}

static pc_status bench_pictures(bench *b)
{
    pc_bench_row row = {.unit = "images", .count = (double)b->images, .limit = b->opened.compute == PC_BF16 ? PC_LIMIT_BF16 : PC_LIMIT_F32};
    int64_t tokens;
    snprintf(row.test, sizeof row.test, "image %lldx%lld", (long long)b->opened.model->encoder.info.image_size,
             (long long)b->opened.model->encoder.info.image_size);
    PC_TRY(see(b, NULL, &tokens));
    row.flops = pc_session_picture_cost(b->session).flops * (double)b->images;
    for (; row.runs < b->options->repeat; row.runs++) {
        double start = pc_bench_now();
        PC_TRY(see(b, NULL, &tokens));
        row.ms[row.runs] = 1e3 * (pc_bench_now() - start);
    }
    return pc_bench_report_add(&b->report, &row);
}

/* Pictures and a short question, from the request to the first token. */
static pc_status run_first(bench *b, float **rows, const float **soft, int64_t each)
{
    int64_t tokens;
    forget(b);
    PC_TRY(see(b, &rows, &tokens));
    for (int64_t i = 0; i < tokens; i++) {
        soft[i] = rows[i % each];
    }
    return pc_session_read(b->session, b->ids, soft, tokens + ANSWER_WORDS);
}

static pc_status bench_first(bench *b)
{
    int64_t each = b->images ? b->each : 1, width = b->opened.model->llm.info.width;
    pc_bench_row row = {.limit = PC_LIMIT_NONE};
    float *memory = NULL, **rows = NULL;
    const float **soft = NULL;
    pc_status status;
    snprintf(row.test, sizeof row.test, "first token, %lld+%d", (long long)(b->images * each * (b->images > 0)), ANSWER_WORDS);
    PC_GO(PC_NEW_ARRAY(memory, (size_t)(each * width), "a benchmark"));
    PC_GO(PC_NEW_ARRAY(rows, (size_t)each, "a benchmark"));
    PC_GO(PC_NEW_ARRAY(soft, (size_t)(b->images * each + ANSWER_WORDS), "a benchmark"));
    for (int64_t i = 0; i < each; i++) {
        rows[i] = memory + i * width;
    }
    for (; row.runs < b->options->repeat; row.runs++) {
        double start = pc_bench_now();
        PC_GO(run_first(b, rows, soft, each));
        row.ms[row.runs] = 1e3 * (pc_bench_now() - start);
    }
    status = pc_bench_report_add(&b->report, &row);
done:
    pc_free(memory);
    pc_free(rows);
    pc_free(soft);
    return status;
}

static pc_status prepare(bench *b)
{
    const pc_model *model = b->opened.model;
    const pc_bench_options *options = b->options;
    int64_t side = model->encoder.info.image_size, pictures = 0;
    if (!model->llm.type) {
        return pc_fail(PC_ERR_DATA, "%s: this model has no language model", model->path);
    }
    bool sees = model->connector.type != NULL;
    b->images = options->images < 0 ? sees : options->images;
    if (b->images && !sees) {
        return pc_fail(PC_ERR_DATA, "%s: this model takes no pictures", model->path);
    }
    if (b->images) {
        pictures = b->images * (model->connector.tokens + 1); /* PruMerge has one for all the others */
        int64_t numbers = 3 * side * side + (int64_t)pc_model_detail_pixels(model);
        PC_TRY(PC_NEW_ARRAY(b->pixels, (size_t)numbers, "a benchmark"));
        for (int64_t i = 0; i < numbers; i++) {
            b->pixels[i] = (float)(i * 7919 % 255) / 127.5f - 1;
        }
    }
    const int64_t decoded = options->predict ? options->depth + options->predict : 0;
    int64_t most = b->longest > decoded ? b->longest : decoded;
    most = most > pictures + ANSWER_WORDS ? most : pictures + ANSWER_WORDS;
    PC_TRY(PC_NEW_ARRAY(b->ids, (size_t)most, "a benchmark"));
    PC_TRY(PC_NEW_ARRAY(b->pieces, (size_t)options->batch, "a benchmark"));
    for (int64_t i = 0; i < most; i++) {
        b->ids[i] = (int32_t)(i * 2654435761 % model->llm.info.vocabulary);
    }
    PC_TRY(pc_cli_cache_options(&b->cache, &options->cache, b->opened.compute));
    const pc_session_options session = {
        .context = most, .chunk = CHUNK, .compute = b->opened.compute, .cache = b->cache, .rows = options->batch};
    PC_TRY(pc_session_bytes(model, &session, &b->cache_bytes));
    PC_TRY(pc_session_new(&b->session, model, b->opened.backend, &session));
    PC_TRY(b->images ? see(b, NULL, &b->each) : PC_OK);
    b->each = b->images ? b->each / b->images : 0;
    return PC_OK;
}

static pc_status measure(bench *b, pc_str *text)
{
    pc_bench_report *report = &b->report;
    const pc_model *model = b->opened.model;
    PC_TRY(pc_bench_report_open(report, b->options, b->opened.backend));
    PC_TRY(pc_bench_report_text(report, "model", model->path));
    PC_TRY(pc_bench_report_number(report, "parameters", (double)pc_params_elements(&model->params, NULL)));
    PC_TRY(pc_bench_report_text(report, "stored", pc_dtype_name(model->stored)));
    PC_TRY(pc_bench_report_text(report, "compute", pc_dtype_name(b->opened.compute)));
    PC_TRY(pc_bench_report_text(report, "cache_type_k", pc_dtype_name(b->cache.keys)));
    PC_TRY(pc_bench_report_text(report, "cache_type_v", pc_dtype_name(b->cache.values)));
    PC_TRY(pc_bench_report_number(report, "kv_cache_bytes", (double)b->cache_bytes));
    PC_TRY(pc_bench_report_number(report, "batch", (double)b->options->batch));
    PC_TRY(pc_bench_report_number(report, "load_ms", b->opened.load_ms));
    if (b->options->visual_tokens) {
        PC_TRY(pc_bench_report_text(report, "visual_tokens", b->options->visual_tokens));
    }
    for (int64_t i = 0; i < b->length_count; i++) {
        PC_TRY(bench_prompt(b, b->lengths[i]));
    }
    if (b->options->predict) {
        PC_TRY(bench_decode(b));
    }
    if (b->images) {
        PC_TRY(bench_pictures(b));
    }
    PC_TRY(bench_first(b));
    PC_TRY(pc_bench_report_number(report, "peak_memory_bytes", (double)pc_bench_peak_memory()));
    if (!b->options->json) {
        printf("load %.0f ms; peak memory %.0f MB\n", b->opened.load_ms, (double)pc_bench_peak_memory() / 1e6);
    }
    return pc_bench_report_close(report, text);
}

pc_status pc_bench_model(const pc_bench_options *options, const char *path, pc_str *text)
{
    bench b = {.options = options};
    pc_status status = parse_lengths(&b);
    PC_GO(status);
    PC_GO(pc_cli_model_open(&b.opened, path, (int)options->threads, options->dtype, NULL, options->mmproj));
    PC_GO(pc_cli_model_pin(&b.opened, options->pin));
    PC_GO(options->visual_tokens ? pc_model_set_visual(b.opened.model, options->visual_tokens) : PC_OK);
    b.arithmetic = b.opened.compute != PC_BF16                       ? PC_LIMIT_F32
                   : pc_dtype_is_block(b.opened.model->stored) ? PC_LIMIT_INT8
                                                               : PC_LIMIT_BF16;
    PC_GO(prepare(&b));
    PC_GO(measure(&b, text));
done:
    pc_bench_report_clear(&b.report);
    pc_session_free(b.session);
    pc_cli_model_close(&b.opened);
    pc_free(b.ids);
    pc_free(b.pixels);
    pc_free(b.pieces);
    return status;
}
