/* Loss, every gradient and ten AdamW steps of a tiny LLaVA against PyTorch (tests/oracle/make_training.py). */
#include "backend/cpu/cpu.h"
#include "base/json.h"
#include "base/memory.h"
#include "model/model.h"
#include "store/store.h"
#include "support/allocfail.h"
#include "support/folder.h"
#include "train/learner.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN PERCEPT_TESTS_DIR "/golden/"

enum { MOST = 256, STEPS = 10 };

typedef struct fixture {
    pc_model *model;
    pc_backend *backend;
    pc_json *expected;
    pc_batch batch;
    float pixels[2 * 3 * 21 * 21];
    int32_t ids[MOST], positions[MOST], soft_rows[MOST], target_rows[MOST], target_ids[MOST];
    pc_attention_range ranges[MOST];
    float target_weights[MOST];
    char folder[256];
    bool recompute;
    double dropout;
    int64_t logit_rows;
} fixture;

static const pc_array *need(const pc_store *store, const char *format, int sample)
{
    char name[64];
    const pc_array *array;
    snprintf(name, sizeof name, format, sample);
    assert_int_equal(pc_store_need(&array, store, name), PC_OK);
    return array;
}

/* Append one sample's rows; labels are those of transformers: the target of row i is labels[i + 1]. */
static void add_sample(fixture *f, const pc_store *store, int sample)
{
    pc_batch *batch = &f->batch;
    int64_t ids[MOST], labels[MOST], base = batch->tokens;
    const pc_array *array = need(store, "sample.%d.input_ids", sample);
    int64_t count = pc_array_count(array);
    assert_true(base + count <= MOST);
    assert_int_equal(pc_array_to_i64(array, ids), PC_OK);
    assert_int_equal(pc_array_to_i64(need(store, "sample.%d.labels", sample), labels), PC_OK);
    assert_int_equal(pc_array_to_f32(need(store, "sample.%d.pixel_values", sample), f->pixels + sample * 3 * 21 * 21),
                     PC_OK);
    for (int64_t i = 0; i < count; i++) {
        bool image = ids[i] == f->model->image_token;
        f->ids[base + i] = image ? 0 : (int32_t)ids[i];
        f->positions[base + i] = (int32_t)i;
        f->ranges[base + i] = (pc_attention_range){0, 0, (int32_t)base, (int32_t)(base + i + 1)};
        if (image) {
            f->soft_rows[batch->soft++] = (int32_t)(base + i);
        }
        if (i + 1 < count && labels[i + 1] >= 0) {
            f->target_rows[batch->targets] = (int32_t)(base + i);
            f->target_weights[batch->targets] = 1;
            f->target_ids[batch->targets++] = (int32_t)labels[i + 1];
        }
    }
    batch->tokens += count;
    batch->samples++;
    batch->images++;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    pc_store *store;
    assert_int_equal(pc_model_load(&f->model, GOLDEN "llava/hf"), PC_OK);
    assert_int_equal(pc_params_own(&f->model->params), PC_OK);
    assert_int_equal(pc_cpu_backend_new(&f->backend, 2, 0), PC_OK);
    assert_int_equal(pc_json_read(&f->expected, GOLDEN "training/expected.json", 1 << 20), PC_OK);
    assert_int_equal(pc_store_open(&store, GOLDEN "training/batch.safetensors"), PC_OK);
    f->batch = (pc_batch){.pixels = f->pixels, .ids = f->ids, .positions = f->positions, .ranges = f->ranges,
                          .soft_rows = f->soft_rows, .target_rows = f->target_rows, .target_ids = f->target_ids,
                          .target_weights = f->target_weights};
    add_sample(f, store, 0);
    add_sample(f, store, 1);
    pc_store_free(store);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    pc_model_free(f->model);
    pc_cpu_backend_free(f->backend);
    pc_json_free(f->expected);
    free(f);
    return 0;
}

static pc_status make_learner(pc_learner **out, fixture *f)
{
    static const pc_part_rate rates[] = {{"encoder", 2e-3}, {"connector", 2e-3}, {"llm", 2e-3}};
    pc_learner_options options = {
        .stage = pc_stage_find("sft"),
        .limits = {2, f->batch.tokens, f->batch.soft, f->batch.targets, 2},
        .compute = PC_F32,
        .optimizer = pc_optimizer_find("adamw_torch"),
        .settings = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-6}, .weight_decay = 0.1, .max_norm = 1,
        .rates = rates, .rate_count = 3,
        .recompute = f->recompute, .dropout = f->dropout, .seed = 7,
        .logit_rows = f->logit_rows,
    };
    return pc_learner_new(out, f->model, f->backend, &options);
}

static pc_learner *new_learner(fixture *f)
{
    pc_learner *learner;
    assert_int_equal(make_learner(&learner, f), PC_OK);
    return learner;
}

static double number_at(const fixture *f, const char *key, int index)
{
    return pc_json_number(pc_json_at(pc_json_get(f->expected, key), (size_t)index), NAN);
}

/* Gradients of one step that changes nothing (rate factor 0), each relative to its largest value. */
static void test_gradients(void **state)
{
    fixture *f = *state;
    pc_learner *learner = new_learner(f);
    pc_step_result result;
    pc_store *store;
    double largest = 0, worst = 0;
    assert_int_equal(pc_learner_step(learner, &f->batch, 1, 0, &result), PC_OK);
    assert_true(fabs(result.loss / number_at(f, "losses", 0) - 1) < 1e-5);
    assert_true(fabs(result.grad_norm / number_at(f, "grad_norms", 0) - 1) < 1e-4);
    assert_int_equal(pc_store_open(&store, GOLDEN "training/grads.safetensors"), PC_OK);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < pc_store_count(store); i++) {
            const pc_array *array = pc_store_at(store, i);
            char name[512];
            bool tower = strncmp(array->name, "vision_tower.", 13) == 0;
            snprintf(name, sizeof name, "%s%s", tower ? "vision_tower.vision_model." : "", array->name + (tower ? 13 : 0));
            const pc_param *param = pc_params_find(&f->model->params, name);
            assert_non_null(param);
            assert_non_null(param->grad);
            const float *truth = array->data;
            double top = 0, error = 0;
            for (int64_t k = 0; k < pc_array_count(array); k++) {
                top = fmax(top, fabs(truth[k]));
                error = fmax(error, fabs(truth[k] - param->grad[k]));
            }
            largest = fmax(largest, top);
            error /= fmax(top, 1e-3 * largest);
            if (pass == 1) {
                worst = fmax(worst, error);
                if (error > 1e-4) {
                    print_error("%s: gradient off by %g of its largest value\n", name, error);
                }
                assert_true(error <= 1e-4);
            }
        }
    }
    print_message("largest deviation of a gradient: %.2e\n", worst);
    pc_store_free(store);
    pc_learner_free(learner);
}

static void check_weights(const fixture *f)
{
    const pc_json *all = pc_json_get(f->expected, "parameters");
    double worst = 0;
    for (void *it = pc_json_first(all); it; it = pc_json_next(all, it)) {
        const char *key = pc_json_key(it);
        const pc_json *after = pc_json_get(pc_json_value(it), "after"), *first = pc_json_get(after, "first");
        char name[512];
        bool tower = strncmp(key, "vision_tower.", 13) == 0;
        snprintf(name, sizeof name, "%s%s", tower ? "vision_tower.vision_model." : "", key + (tower ? 13 : 0));
        const pc_param *param = pc_params_find(&f->model->params, name);
        assert_non_null(param);
        const float *data = param->data;
        double square = 0, top = 0, error = 0;
        for (int64_t k = 0; k < pc_shape_count(&param->shape); k++) {
            square += (double)data[k] * data[k];
            top = fmax(top, fabs(data[k]));
        }
        for (size_t k = 0; k < pc_json_length(first); k++) {
            error = fmax(error, fabs(pc_json_number(pc_json_at(first, k), NAN) - data[k]));
        }
        error = fmax(error / top, fabs(sqrt(square) / pc_json_get_number(after, "l2", NAN) - 1));
        worst = fmax(worst, error);
        if (!(error <= 1e-4)) {
            print_error("%s: after ten steps off by %g of its largest value\n", name, error);
        }
        assert_true(error <= 1e-4);
    }
    print_message("largest deviation of a weight after ten steps: %.2e\n", worst);
}

static void test_ten_steps(void **state)
{
    fixture *f = *state;
    pc_learner *learner = new_learner(f);
    for (int step = 0; step < STEPS; step++) {
        pc_step_result result;
        assert_int_equal(pc_learner_step(learner, &f->batch, 1, 1, &result), PC_OK);
        assert_false(result.skipped);
        assert_true(fabs(result.loss / number_at(f, "losses", step) - 1) < 1e-4);
        assert_true(fabs(result.grad_norm / number_at(f, "grad_norms", step) - 1) < 1e-4);
    }
    check_weights(f);
    pc_learner_free(learner);
}

/* Every gradient of one step that changes nothing, one behind the other; owned by the caller. */
static float *gradients_of(pc_learner *learner, fixture *f, size_t *count, double *loss)
{
    const pc_params *params = &f->model->params;
    pc_step_result result;
    float *all = calloc((size_t)pc_params_elements(params, NULL), sizeof *all);
    assert_int_equal(pc_learner_step(learner, &f->batch, 1, 0, &result), PC_OK);
    *loss = result.loss;
    *count = 0;
    for (size_t i = 0; i < params->count; i++) {
        const pc_param *param = &params->items[i]->param;
        if (param->trains) {
            size_t n = (size_t)pc_shape_count(&param->shape);
            memcpy(all + *count, param->grad, n * sizeof *all);
            *count += n;
        }
    }
    return all;
}

static void compare_recomputed(fixture *f, double dropout)
{
    size_t count, again;
    double loss, same;
    f->dropout = dropout;
    f->recompute = false;
    pc_learner *learner = new_learner(f);
    size_t bytes = pc_learner_bytes(learner);
    float *kept = gradients_of(learner, f, &count, &loss);
    pc_learner_free(learner);
    f->recompute = true;
    learner = new_learner(f);
    print_message("activations and state: %zu bytes, %zu with layers computed again\n", bytes, pc_learner_bytes(learner));
    assert_true(pc_learner_bytes(learner) < bytes);
    float *made = gradients_of(learner, f, &again, &same);
    assert_true(loss == same);
    assert_int_equal(count, again);
    assert_memory_equal(kept, made, count * sizeof *kept);
    pc_learner_free(learner);
    free(kept);
    free(made);
}

/* Layers that are computed again give the same bits, also where something is dropped. */
static void test_recompute(void **state)
{
    compare_recomputed(*state, 0);
    compare_recomputed(*state, 0.3);
}

static size_t bytes_for(fixture *f, int64_t rows, int64_t logit_rows)
{
    pc_learner *learner;
    const pc_batch before = f->batch;
    f->batch.targets = f->batch.tokens = rows;
    f->logit_rows = logit_rows;
    assert_int_equal(make_learner(&learner, f), PC_OK);
    f->batch = before;
    f->logit_rows = 0;
    size_t bytes = pc_learner_bytes(learner);
    pc_learner_free(learner);
    return bytes;
}

/* Logits take memory for one chunk, whatever a micro-batch may hold. */
static void test_logits_are_never_whole(void **state)
{
    fixture *f = *state;
    size_t row = (size_t)f->model->llm.info.vocabulary * sizeof(float);
    size_t saved = bytes_for(f, 8000, 8000) - bytes_for(f, 8000, 500), small = bytes_for(f, 8000, 1000) - bytes_for(f, 8000, 500);
    print_message("8000 rows, %zu bytes of logits each: 500 at a time save %zu bytes, and %zu against 1000\n", row, saved, small);
    assert_true(saved >= 7500 * row);
    assert_true(small >= 500 * row);
}

/* The loss over the vocabulary in chunks, the last of them empty at run time: the gradients of the whole one but for rounding,
 * less memory, and the same bits for any number of threads, also where layers are computed again. */
static void test_chunks(void **state)
{
    static const int threads[] = {1, 3};
    fixture *f = *state;
    const pc_batch whole = f->batch;
    size_t count;
    double loss, chunked, worst = 0, top = 0;
    pc_learner *learner = new_learner(f);
    size_t bytes = pc_learner_bytes(learner);
    float *truth = gradients_of(learner, f, &count, &loss), *first = NULL;
    pc_learner_free(learner);
    f->logit_rows = 3;
    for (int i = 0; i < 4; i++) {
        pc_backend *backend = f->backend;
        f->recompute = i >= 2;
        assert_int_equal(pc_cpu_backend_new(&f->backend, threads[i % 2], 0), PC_OK);
        f->batch.targets += 7; /* room that the batch leaves empty */
        assert_int_equal(make_learner(&learner, f), PC_OK);
        f->batch.targets = whole.targets;
        assert_true(f->recompute || pc_learner_bytes(learner) < bytes);
        float *found = gradients_of(learner, f, &count, &chunked);
        assert_true(fabs(chunked / loss - 1) < 1e-6);
        for (size_t k = 0; k < count; k++) {
            top = fmax(top, fabs(truth[k]));
            worst = fmax(worst, fabs(truth[k] - found[k]));
        }
        if (first) {
            assert_memory_equal(first, found, count * sizeof *first);
        }
        pc_learner_free(learner);
        pc_cpu_backend_free(f->backend);
        f->backend = backend;
        free(first);
        first = found;
    }
    print_message("largest difference of a gradient in chunks of 3 of %d rows: %.2e of the largest\n", (int)whole.targets,
                  worst / top);
    assert_true(worst < 1e-5 * top);
    free(first);
    free(truth);
}

/* Sample `which` of the two as a batch of its own, in `own`. */
static void one_sample(fixture *own, const fixture *f, int which)
{
    const pc_batch *all = &f->batch;
    int64_t first = 0, end = 0;
    while (end < all->tokens && (end == first || all->positions[end] > 0 || which-- > 0)) {
        first = all->positions[end] == 0 ? end : first;
        end++;
    }
    pc_batch *batch = &own->batch;
    *batch = (pc_batch){.samples = 1, .images = 1, .pixels = own->pixels, .ids = own->ids, .positions = own->positions,
                        .ranges = own->ranges, .soft_rows = own->soft_rows, .target_rows = own->target_rows,
                        .target_ids = own->target_ids, .target_weights = own->target_weights, .tokens = end - first};
    memcpy(own->pixels, f->pixels + (first > 0 ? 3 * 21 * 21 : 0), 3 * 21 * 21 * sizeof *own->pixels);
    for (int64_t t = first; t < end; t++) {
        int32_t at = (int32_t)(t - first);
        own->ids[at] = f->ids[t];
        own->positions[at] = f->positions[t];
        own->ranges[at] = (pc_attention_range){0, 0, 0, at + 1};
    }
    for (int64_t i = 0; i < all->soft; i++) {
        if (f->soft_rows[i] >= first && f->soft_rows[i] < end) {
            own->soft_rows[batch->soft++] = (int32_t)(f->soft_rows[i] - first);
        }
    }
    for (int64_t i = 0; i < all->targets; i++) {
        if (f->target_rows[i] >= first && f->target_rows[i] < end) {
            own->target_rows[batch->targets] = (int32_t)(f->target_rows[i] - first);
            own->target_weights[batch->targets] = 1;
            own->target_ids[batch->targets++] = f->target_ids[i];
        }
    }
}

/* Each target twice with half its weight, all second ones behind all first ones: rows have several targets, in no order. */
static void test_rows_with_several_targets(void **state)
{
    fixture *f = *state;
    size_t count;
    double loss, same, worst = 0, top = 0;
    pc_learner *learner = new_learner(f);
    float *once = gradients_of(learner, f, &count, &loss);
    pc_learner_free(learner);
    const int64_t targets = f->batch.targets;
    assert_true(2 * targets <= MOST);
    for (int64_t i = 0; i < targets; i++) {
        f->target_rows[targets + i] = f->target_rows[i];
        f->target_ids[targets + i] = f->target_ids[i];
        f->target_weights[i] = f->target_weights[targets + i] = 0.5F;
    }
    f->batch.targets = 2 * targets;
    learner = new_learner(f);
    float *twice = gradients_of(learner, f, &count, &same);
    pc_learner_free(learner);
    for (size_t k = 0; k < count; k++) {
        top = fmax(top, fabs(once[k]));
        worst = fmax(worst, fabs(once[k] - twice[k]));
    }
    assert_true(fabs(same / loss - 1) < 1e-6);
    assert_true(worst < 1e-5 * top);
    free(once);
    free(twice);
}

/* Two samples with pictures packed into one micro-batch have the loss and the gradients of the two one by one. */
static void test_packed(void **state)
{
    fixture *f = *state, *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    pc_learner *learner = new_learner(f);
    const pc_params *params = &f->model->params;
    pc_step_result result;
    size_t count;
    double loss, worst = 0, top = 0;
    float *packed = gradients_of(learner, f, &count, &loss);
    one_sample(a, f, 0);
    one_sample(b, f, 1);
    assert_int_equal(a->batch.tokens + b->batch.tokens, f->batch.tokens);
    assert_int_equal(a->batch.targets + b->batch.targets, f->batch.targets);
    assert_true(a->batch.targets > 0 && b->batch.targets > 0 && a->batch.soft == b->batch.soft);
    const pc_batch apart[] = {a->batch, b->batch};
    assert_int_equal(pc_learner_step(learner, apart, 2, 0, &result), PC_OK);
    assert_true(fabs(result.loss / loss - 1) < 1e-6);
    size_t at = 0;
    for (size_t i = 0; i < params->count; i++) {
        const pc_param *param = &params->items[i]->param;
        for (int64_t k = 0; param->trains && k < pc_shape_count(&param->shape); k++, at++) {
            top = fmax(top, fabs(packed[at]));
            worst = fmax(worst, fabs(packed[at] - param->grad[k]));
        }
    }
    assert_int_equal(at, count);
    print_message("largest difference of a gradient, packed and one by one: %.2e of the largest\n", worst / top);
    assert_true(worst < 1e-5 * top);
    pc_learner_free(learner);
    free(packed);
    free(a);
    free(b);
}

/* Something is dropped in training, something else in the next step, nothing in validation; a learner that continues at a
 * step drops what the first one would have. */
static void test_dropout(void **state)
{
    fixture *f = *state;
    double plain, validated;
    pc_step_result results[3], again;
    pc_learner *learner = new_learner(f);
    assert_int_equal(pc_learner_loss(learner, &f->batch, &plain), PC_OK);
    pc_learner_free(learner);
    f->dropout = 0.2;
    learner = new_learner(f);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pc_learner_step(learner, &f->batch, 1, 0, &results[i]), PC_OK);
    }
    assert_int_equal(pc_learner_loss(learner, &f->batch, &validated), PC_OK);
    assert_true(validated == plain);
    assert_true(results[0].loss != plain && results[1].loss != results[0].loss);
    pc_learner_free(learner);
    learner = new_learner(f);
    pc_learner_seek(learner, 2);
    assert_int_equal(pc_learner_step(learner, &f->batch, 1, 0, &again), PC_OK);
    assert_true(again.loss == results[2].loss);
    pc_learner_free(learner);
}

/* A batch that makes the loss infinite changes no weight. */
static void test_not_finite(void **state)
{
    fixture *f = *state;
    pc_learner *learner = new_learner(f);
    pc_param *param = pc_params_find(&f->model->params, "language_model.model.norm.weight");
    float before = ((float *)param->data)[0];
    pc_step_result result;
    f->pixels[5] = NAN;
    assert_int_equal(pc_learner_step(learner, &f->batch, 1, 1, &result), PC_OK);
    assert_true(result.skipped);
    assert_true(((float *)param->data)[0] == before);
    assert_int_equal(pc_learner_steps(learner), 0);
    pc_learner_free(learner);
}

/* A learner made, one step taken, its state saved: every allocation on the way may fail. */
static pc_status one_training_step(void *user)
{
    fixture *f = user;
    pc_learner *learner = NULL;
    pc_step_result result;
    char path[512];
    pc_status status = make_learner(&learner, f);
    if (status == PC_OK) {
        status = pc_learner_step(learner, &f->batch, 1, 1, &result);
    }
    if (status == PC_OK) {
        status = pc_learner_save(learner, pc_test_path(path, f->folder, "optimizer.safetensors"));
    }
    pc_learner_free(learner);
    return status;
}

static void test_out_of_memory(void **state)
{
    fixture *f = *state;
    pc_test_folder_new(f->folder);
    long failed = pc_test_each_allocation(one_training_step, f);
    print_message("%ld allocations failed once each\n", failed);
    assert_true(failed > 100);
    pc_test_folder_free(f->folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_gradients, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ten_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_recompute, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_chunks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_logits_are_never_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rows_with_several_targets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_packed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dropout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_finite, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_out_of_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
