#include "support/parity.h"

#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Relative to the largest magnitude. transformers itself loses 0.5 to 1.5 % in bf16. */
static const double TOLERANCE_F32 = 1e-4, TOLERANCE_BF16 = 2e-2;

typedef struct comparison {
    const pc_model *model;
    const pc_store *truth, *trace;
    pc_dtype compute;
    int text, texts; /* which row of the truth this trace is about */
    int compared;
    double worst;
    char where[96];
} comparison;

/* transformers' name of a stage -> the trace's; NULL for what a trace does not name. */
static const char *traced_name(const pc_model *model, const char *name, char out[64])
{
    static const char *const same[] = {"pixel_values", "encoder.features", "connector.tokens", "connector.packed", "logits", "detail.features",
                                       "image_embeds", "text_embeds", "logits_per_image"};
    int index;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        if (strcmp(name, same[i]) == 0) {
            return same[i];
        }
    }
    if (sscanf(name, "vision.hidden.%d", &index) == 1) {
        snprintf(out, 64, "encoder.hidden.%d", index);
        return out;
    }
    if (sscanf(name, "text.hidden.%d", &index) == 1) {
        return name;
    }
    if (strncmp(name, "source", 6) == 0) {
        snprintf(out, 64, "llm.%s", name);
        return out;
    }
    if (sscanf(name, "hidden.%d", &index) == 1) {
        /* transformers norms the last one. */
        snprintf(out, 64, index == model->llm.info.layers ? "llm.norm" : "llm.hidden.%d", index);
        return out;
    }
    return NULL;
}

/* Columns or rows of the truth that belong to one text. */
static float *truth_of_text(const comparison *c, const pc_array *array, int64_t *count)
{
    float *all = golden_values(array);
    int64_t total = pc_array_count(array);
    *count = total;
    if (strcmp(array->name, "logits_per_image") == 0) {
        int64_t rows = array->dim[0], columns = array->dim[1];
        for (int64_t row = 0; row < rows; row++) {
            all[row] = all[row * columns + c->text];
        }
        *count = rows;
    } else if (strncmp(array->name, "text", 4) == 0) {
        *count = total / c->texts;
        memmove(all, all + c->text * *count, (size_t)*count * sizeof *all);
    }
    return all;
}

static void compare_one(comparison *c, const pc_array *array)
{
    char buffer[64];
    const char *name = traced_name(c->model, array->name, buffer);
    if (!name) {
        return;
    }
    const pc_array *found = pc_store_find(c->trace, name);
    if (!found) {
        fail_msg("the trace lacks '%s'", name);
    }
    int64_t count;
    float *truth = truth_of_text(c, array, &count), *values = golden_values(found);
    if (pc_array_count(found) != count) {
        fail_msg("%s has %lld values, expected %lld", name, (long long)pc_array_count(found), (long long)count);
    }
    double deviation = golden_deviation(values, truth, count);
    if (deviation > c->worst) {
        c->worst = deviation;
        snprintf(c->where, sizeof c->where, "%s", name);
    }
    double limit = c->compute == PC_BF16 ? TOLERANCE_BF16 : TOLERANCE_F32;
    if (!(deviation <= limit)) {
        fail_msg("%s: off by %.3g of its largest value, allowed %.3g", name, deviation, limit);
    }
    c->compared++;
    pc_free(truth);
    pc_free(values);
}

void parity_check(const parity_fixture *f, const pc_backend *backend, const char *level, pc_dtype compute)
{
    char folder[256];
    pc_store *truth = golden_store(f->truth);
    pc_model *model = golden_model(f->model);
    golden_input in;
    golden_input_read(&in, truth);
    golden_input_tile(&in, truth, model);
    comparison c = {.model = model, .truth = truth, .compute = compute, .texts = 1};
    c.texts = f->has_texts ? (int)pc_store_find(truth, "input_ids")->dim[0] : 1;
    pc_test_folder_new(folder);
    for (c.text = 0; c.text < c.texts; c.text++) {
        pc_trace_input input = in.input;
        input.ids += c.text * input.tokens;
        pc_store *trace = golden_trace(model, backend, compute, &input, folder, "t.safetensors");
        c.trace = trace;
        for (size_t i = 0; i < pc_store_count(truth); i++) {
            compare_one(&c, pc_store_at(truth, i));
        }
        pc_store_free(trace);
    }
    assert_true(c.compared >= 4);
    print_message("%-20s %-10s %-4s %3d tensors, worst %.2e (%s)\n", f->name, level, pc_dtype_name(compute), c.compared,
                  c.worst, c.where);
    pc_test_folder_free(folder);
    golden_input_clear(&in);
    pc_model_free(model);
    pc_store_free(truth);
}

void parity_check_levels(const parity_fixture *fixtures, int count)
{
    for (int level = 0; level < GOLDEN_LEVELS; level++) {
        uint32_t flags;
        const char *name;
        pc_backend *backend;
        if (!golden_level(level, &flags, &name)) {
            print_message("%s: not on this processor\n", name);
            continue;
        }
        assert_int_equal(pc_cpu_backend_new(&backend, 1, flags), PC_OK);
        assert_string_equal(pc_cpu_backend_level(backend), name);
        for (int i = 0; i < count; i++) {
            parity_check(&fixtures[i], backend, name, PC_F32);
            parity_check(&fixtures[i], backend, name, PC_BF16);
        }
        pc_cpu_backend_free(backend);
    }
}
