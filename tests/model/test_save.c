/* A saved model is the same model: weights, logits, tokenizer, pictures; and the files are those that transformers wants.
 *
 * With PERCEPT_KEEP=FOLDER in the environment what is saved stays there, for tests/oracle/check_saved.py. */
#include "backend/cpu/cpu.h"
#include "base/file.h"
#include "base/memory.h"
#include "support/folder.h"
#include "support/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct fixture {
    pc_backend *backend;
    char folder[256];
    bool keep;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    const char *keep = getenv("PERCEPT_KEEP");
    f->keep = keep != NULL;
    if (keep) {
        snprintf(f->folder, sizeof f->folder, "%s", keep);
        assert_int_equal(pc_make_directories(f->folder), PC_OK);
    } else {
        pc_test_folder_new(f->folder);
    }
    assert_int_equal(pc_cpu_backend_new(&f->backend, 2, 0), PC_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    pc_cpu_backend_free(f->backend);
    if (!f->keep) {
        pc_test_folder_free(f->folder);
    }
    free(f);
    return 0;
}

static void must(pc_status status, const char *what)
{
    if (status != PC_OK) {
        fail_msg("%s: %s", what, pc_error());
    }
}

/* Every tensor of a forward pass, as the bytes of the trace's file. */
static unsigned char *trace_bytes(fixture *f, pc_model *model, const char *truth_path, size_t *size)
{
    char folder[256];
    pc_store *truth = golden_store(truth_path);
    golden_input in;
    golden_input_read(&in, truth);
    pc_test_folder_new(folder);
    pc_store_free(golden_trace(model, f->backend, PC_F32, &in.input, folder, "t.safetensors"));
    unsigned char *bytes = pc_test_read(folder, "t.safetensors", size);
    pc_test_folder_free(folder);
    golden_input_clear(&in);
    pc_store_free(truth);
    return bytes;
}

static void check_same_pass(fixture *f, pc_model *a, pc_model *b, const char *truth_path)
{
    size_t a_size, b_size;
    unsigned char *a_bytes = trace_bytes(f, a, truth_path, &a_size), *b_bytes = trace_bytes(f, b, truth_path, &b_size);
    assert_int_equal(a_size, b_size);
    assert_memory_equal(a_bytes, b_bytes, a_size);
    free(a_bytes);
    free(b_bytes);
}

static void check_same_params(const pc_model *a, const pc_model *b)
{
    assert_int_equal(a->params.count, b->params.count);
    for (size_t i = 0; i < a->params.count; i++) {
        const pc_param *p = &a->params.items[i]->param, *q = pc_params_find(&b->params, p->name);
        size_t count = (size_t)pc_shape_count(&p->shape);
        assert_non_null(q);
        assert_true(pc_shape_equal(&p->shape, &q->shape));
        float *x = pc_calloc(count, sizeof *x), *y = pc_calloc(count, sizeof *y);
        pc_convert_to_f32(x, p->data, p->dtype, count);
        pc_convert_to_f32(y, q->data, q->dtype, count);
        if (memcmp(x, y, count * sizeof *x) != 0) {
            fail_msg("%s changed", p->name);
        }
        pc_free(x);
        pc_free(y);
    }
}

static void check_same_words(const pc_model *a, const pc_model *b)
{
    static const char text[] = "What is the colour of the caf\xc3\xa9? \xe4\xb8\x89\n";
    pc_ids x = {0}, y = {0};
    assert_int_equal(a->tokenizer != NULL, b->tokenizer != NULL);
    if (a->tokenizer) {
        must(pc_tokenizer_encode(a->tokenizer, text, strlen(text), PC_TOKENIZE_ADD_SPECIAL, &x), "encode");
        must(pc_tokenizer_encode(b->tokenizer, text, strlen(text), PC_TOKENIZE_ADD_SPECIAL, &y), "encode");
        assert_int_equal(x.count, y.count);
        assert_memory_equal(x.data, y.data, x.count * sizeof *x.data);
    }
    assert_ptr_equal(a->chat, b->chat);
    pc_ids_clear(&x);
    pc_ids_clear(&y);
}

static void check_same_recipe(const pc_model *a, const pc_model *b)
{
    pc_json *x, *y;
    pc_str x_text = {0}, y_text = {0};
    must(pc_image_recipe_to_json(&x, &a->recipe), "recipe");
    must(pc_image_recipe_to_json(&y, &b->recipe), "recipe");
    must(pc_json_write(&x_text, x, 0), "recipe");
    must(pc_json_write(&y_text, y, 0), "recipe");
    assert_string_equal(x_text.data, y_text.data);
    pc_str_clear(&x_text);
    pc_str_clear(&y_text);
    pc_json_free(x);
    pc_json_free(y);
}

/* Save `model` as <folder>/<name> and load that. */
static pc_model *again(fixture *f, const pc_model *model, const char *name, pc_dtype dtype)
{
    char path[512];
    pc_model *loaded;
    pc_test_path(path, f->folder, name);
    must(pc_model_save(model, path, dtype), "save");
    must(pc_model_load(&loaded, path), "load");
    return loaded;
}

/* The weights are exact in the type that is saved, so that nothing may change. */
static void check_round_trip(fixture *f, const char *path, const char *truth, const char *name, pc_dtype dtype)
{
    pc_model *model = golden_model(path), *loaded = again(f, model, name, dtype);
    assert_int_equal(loaded->stored, dtype);
    check_same_params(model, loaded);
    check_same_words(model, loaded);
    if (model->encoder.type) {
        check_same_recipe(model, loaded);
    }
    check_same_pass(f, model, loaded, truth);
    pc_model_free(loaded);
    pc_model_free(model);
}

static void test_round_trips(void **state)
{
    fixture *f = *state;
    check_round_trip(f, GOLDEN("llava/hf"), GOLDEN("llava/two_images.safetensors"), "llava-f32", PC_F32);
    check_round_trip(f, GOLDEN("llava/hf"), GOLDEN("llava/two_images.safetensors"), "llava-bf16", PC_BF16);
    check_round_trip(f, GOLDEN("llava/old"), GOLDEN("llava/one_image.safetensors"), "llava-old-bf16", PC_BF16);
    check_round_trip(f, GOLDEN("llama/untied"), GOLDEN("llama/untied/expected.safetensors"), "untied-f32", PC_F32);
    check_round_trip(f, GOLDEN("llama/tied"), GOLDEN("llama/tied/expected.safetensors"), "tied-bf16", PC_BF16);
    /* A tensor for each head's norm; names of its authors. */
    check_round_trip(f, GOLDEN("decoders/stablelm_heads"), GOLDEN("decoders/stablelm_heads.safetensors"), "heads-f32", PC_F32);
    check_round_trip(f, GOLDEN("decoders/mosaic"), GOLDEN("decoders/mosaic.safetensors"), "mosaic-f32", PC_F32);
    check_round_trip(f, GOLDEN("cogagent/chat"), GOLDEN("cogagent/chat.safetensors"), "cogagent-f32", PC_F32);
    check_round_trip(f, GOLDEN("open_flamingo/mpt"), GOLDEN("open_flamingo/mpt.safetensors"), "flamingo-f32", PC_F32);
}

/* One text: the fixture's file holds three. */
static void test_clip(void **state)
{
    fixture *f = *state;
    pc_model *model = golden_model(GOLDEN("clip")), *loaded = again(f, model, "clip-f32", PC_F32);
    check_same_params(model, loaded);
    check_same_recipe(model, loaded);
    check_same_pass(f, model, loaded, GOLDEN("clip/expected.safetensors"));
    pc_model_free(loaded);
    pc_model_free(model);
}

/* Rounding to bf16 costs what bf16 has. */
static void test_rounded(void **state)
{
    fixture *f = *state;
    pc_model *model = golden_model(GOLDEN("llama/untied")), *loaded = again(f, model, "untied-bf16", PC_BF16);
    for (size_t i = 0; i < model->params.count; i++) {
        const pc_param *p = &model->params.items[i]->param, *q = &loaded->params.items[i]->param;
        size_t count = (size_t)pc_shape_count(&p->shape);
        float *y = pc_calloc(count, sizeof *y);
        pc_convert_to_f32(y, q->data, q->dtype, count);
        assert_true(golden_deviation(y, p->data, (int64_t)count) <= 1.0 / 256);
        pc_free(y);
    }
    pc_model_free(loaded);
    pc_model_free(model);
}

/* A new model: config.json, its tokenizer beside it or elsewhere, weights from the seed alone. */
static void test_created(void **state)
{
    fixture *f = *state;
    pc_model *a, *b, *other;
    must(pc_model_create(&a, GOLDEN("llava/portable/config.json"), GOLDEN("llava/hf"), 7), "create");
    must(pc_model_create(&b, GOLDEN("llava/portable"), GOLDEN("llava/hf/tokenizer.json"), 7), "create");
    must(pc_model_create(&other, GOLDEN("llava/portable"), GOLDEN("llava/hf"), 8), "create");
    check_same_params(a, b);
    const char *name = "language_model.lm_head.weight";
    const pc_param *p = pc_params_find(&a->params, name), *q = pc_params_find(&other->params, name);
    assert_memory_not_equal(p->data, q->data, (size_t)pc_shape_count(&p->shape) * sizeof(float));
    pc_model *loaded = again(f, a, "created-f32", PC_F32);
    check_same_params(a, loaded);
    check_same_words(a, loaded);
    check_same_recipe(a, loaded);
    check_same_pass(f, a, loaded, GOLDEN("llava/one_image.safetensors"));
    pc_model_free(loaded);
    pc_model_free(other);
    pc_model_free(b);
    pc_model_free(a);
}

/* --- the files --- */

static bool same_number(const pc_json *a, const pc_json *b)
{
    return pc_json_is_number(a) && pc_json_is_number(b) && pc_json_number(a, NAN) == pc_json_number(b, NAN);
}

/* Every key of `wanted` stands in `found` with the same value. */
static void check_covers(const pc_json *wanted, const pc_json *found, const char *where)
{
    if (pc_json_is_object(wanted)) {
        for (void *it = pc_json_first(wanted); it; it = pc_json_next(wanted, it)) {
            char path[256];
            const char *key = pc_json_key(it);
            snprintf(path, sizeof path, "%s/%s", where, key);
            if (!pc_json_get(found, key)) {
                fail_msg("%s is missing", path);
            }
            check_covers(pc_json_value(it), pc_json_get(found, key), path);
        }
        return;
    }
    pc_str a = {0}, b = {0};
    must(pc_json_write(&a, wanted, 0), where);
    must(pc_json_write(&b, found, 0), where);
    if (strcmp(a.data, b.data) != 0 && !same_number(wanted, found)) {
        fail_msg("%s is %s, expected %s", where, b.data, a.data);
    }
    pc_str_clear(&a);
    pc_str_clear(&b);
}

static pc_json *saved_json(const fixture *f, const char *name, const char *file)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s/%s", f->folder, name, file);
    return golden_json(path);
}

/* The directory has all that tests/golden/llava/portable has: what transformers 4.49 to 5.23 opens. */
static void test_portable(void **state)
{
    static const char *const files[] = {"config.json", "generation_config.json", "preprocessor_config.json",
                                        "processor_config.json"};
    /* The rest of that file is for people, or stands in processor_config.json as well. */
    static const char tokenizer[] =
        "{\"bos_token\":\"<s>\",\"eos_token\":\"</s>\",\"pad_token\":\"<pad>\",\"padding_side\":\"left\","
        "\"clean_up_tokenization_spaces\":false,\"tokenizer_class\":\"PreTrainedTokenizerFast\","
        "\"model_input_names\":[\"input_ids\",\"attention_mask\"]}";
    fixture *f = *state;
    pc_model *model = golden_model(GOLDEN("llava/hf"));
    pc_model_free(again(f, model, "portable-bf16", PC_BF16));
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[512];
        pc_json *wanted = golden_json(pc_test_path(path, GOLDEN("llava/portable"), files[i]));
        pc_json *found = saved_json(f, "portable-bf16", files[i]);
        check_covers(wanted, found, files[i]);
        pc_json_free(wanted);
        pc_json_free(found);
    }
    pc_json *wanted, *found = saved_json(f, "portable-bf16", "tokenizer_config.json");
    must(pc_json_parse(&wanted, tokenizer, strlen(tokenizer), "wanted"), "parse");
    check_covers(wanted, found, "tokenizer_config.json");
    pc_json_free(wanted);
    pc_json_free(found);
    pc_model_free(model);
}

/* Exactly the tensors of a hub checkpoint, biases of the tower included. */
static void test_names(void **state)
{
    fixture *f = *state;
    char path[512];
    pc_store *wanted = golden_store(GOLDEN("llava/old"));
    pc_model *model = golden_model(GOLDEN("llava/hf"));
    pc_model_free(again(f, model, "names-bf16", PC_BF16));
    pc_store *found = golden_store(pc_test_path(path, f->folder, "names-bf16"));
    assert_int_equal(pc_store_count(found), pc_store_count(wanted));
    for (size_t i = 0; i < pc_store_count(wanted); i++) {
        const pc_array *a = pc_store_at(wanted, i), *b = pc_store_find(found, a->name);
        if (!b) {
            fail_msg("%s is missing", a->name);
        }
        assert_int_equal(a->dtype, b->dtype);
        assert_int_equal(a->bytes, b->bytes);
        assert_memory_equal(a->data, b->data, a->bytes);
    }
    assert_string_equal(pc_store_metadata(found, "format"), "pt");
    pc_store_free(found);
    pc_store_free(wanted);
    pc_model_free(model);
}

/* Keys that a configuration leaves out are written, so that nobody's defaults matter. */
static void test_sparse_config(void **state)
{
    static const char config[] =
        "{\"model_type\":\"llava\",\"image_token_index\":300,"
        "\"text_config\":{\"vocab_size\":304,\"hidden_size\":32,\"intermediate_size\":48,\"num_hidden_layers\":1,"
        "\"num_attention_heads\":4,\"rope_theta\":5000.0},"
        "\"vision_config\":{\"hidden_size\":24,\"intermediate_size\":40,\"num_hidden_layers\":3,"
        "\"num_attention_heads\":3,\"image_size\":21,\"patch_size\":7}}";
    static const char wanted_text[] =
        "{\"architectures\":[\"LlavaForConditionalGeneration\"],\"dtype\":\"float32\",\"torch_dtype\":\"float32\","
        "\"image_seq_length\":9,\"projector_hidden_act\":\"gelu\",\"multimodal_projector_bias\":true,"
        "\"vision_feature_layer\":-2,\"vision_feature_select_strategy\":\"default\",\"tie_word_embeddings\":false,"
        "\"text_config\":{\"model_type\":\"llama\",\"hidden_act\":\"silu\",\"rms_norm_eps\":1e-6,"
        "\"max_position_embeddings\":2048,\"rope_theta\":5000,\"tie_word_embeddings\":false,"
        "\"rope_parameters\":{\"rope_theta\":5000,\"rope_type\":\"default\"}},"
        "\"vision_config\":{\"model_type\":\"clip_vision_model\",\"hidden_act\":\"quick_gelu\","
        "\"layer_norm_eps\":1e-5,\"num_channels\":3}}";
    fixture *f = *state;
    char folder[512], path[512];
    pc_model *model;
    pc_json *wanted;
    pc_test_path(folder, f->folder, "sparse");
    must(pc_make_directories(folder), "folder");
    pc_test_write(folder, "config.json", config, strlen(config));
    must(pc_model_create(&model, pc_test_path(path, folder, "config.json"), GOLDEN("llava/hf"), 3), "create");
    pc_model_free(again(f, model, "sparse-f32", PC_F32));
    pc_json *found = saved_json(f, "sparse-f32", "config.json");
    must(pc_json_parse(&wanted, wanted_text, strlen(wanted_text), "wanted"), "parse");
    check_covers(wanted, found, "config.json");
    const pc_json *text = pc_json_get(found, "text_config");
    assert_null(pc_json_get(text, "num_experts_per_tok")); /* a dense model says nothing of experts */
    assert_null(pc_json_get(text, "moe_capacity_factor"));
    pc_json_free(wanted);
    pc_json_free(found);
    pc_model_free(model);
}

/* --- llama2.c --- */

typedef struct bin {
    float *values;
    size_t count;
} bin;

static void put(bin *out, const pc_model *model, const char *format, int layer, int64_t head_size)
{
    char name[128];
    snprintf(name, sizeof name, format, layer);
    const pc_param *param = pc_params_find(&model->params, name);
    const float *from = param->data;
    int64_t rows = param->shape.dim[0], width = param->shape.ndim > 1 ? param->shape.dim[1] : 1;
    for (int64_t row = 0; row < rows; row++) {
        int64_t head = head_size ? row / head_size : 0, i = head_size ? row % head_size : 0;
        /* llama2.c keeps the pair (j, j + E/2) of Hugging Face in rows 2j and 2j + 1. */
        int64_t source = head_size ? head * head_size + i / 2 + i % 2 * (head_size / 2) : row;
        memcpy(out->values + out->count, from + source * width, (size_t)width * sizeof(float));
        out->count += (size_t)width;
    }
}

/* The untied golden model as a llama2.c file. */
static void write_bin(const char *folder)
{
    static const char *const per_layer[] = {"input_layernorm", "self_attn.q_proj", "self_attn.k_proj",
                                            "self_attn.v_proj", "self_attn.o_proj", "post_attention_layernorm",
                                            "mlp.gate_proj", "mlp.down_proj", "mlp.up_proj"};
    static const int32_t header[7] = {32, 48, 2, 4, 2, -300, 256};
    pc_model *model = golden_model(GOLDEN("llama/untied"));
    size_t size, most = (size_t)pc_params_elements(&model->params, NULL) + 256 * 8 + 7;
    bin out = {pc_calloc(most, sizeof(float)), 7};
    memcpy(out.values, header, sizeof header);
    put(&out, model, "model.embed_tokens.weight", 0, 0);
    for (int i = 0; i < 9; i++) {
        char name[128];
        snprintf(name, sizeof name, "model.layers.%%d.%s.weight", per_layer[i]);
        for (int layer = 0; layer < 2; layer++) {
            put(&out, model, name, layer, i == 1 || i == 2 ? 8 : 0);
        }
    }
    put(&out, model, "model.norm.weight", 0, 0);
    out.count += 256 * 8;
    put(&out, model, "lm_head.weight", 0, 0);
    assert_int_equal(out.count, most);
    pc_test_write(folder, "model.bin", out.values, out.count * sizeof(float));
    unsigned char *tokenizer = pc_test_read(GOLDEN("llama/untied"), "tokenizer.json", &size);
    pc_test_write(folder, "tokenizer.json", tokenizer, size);
    free(tokenizer);
    pc_free(out.values);
    pc_model_free(model);
}

static void test_llama2c(void **state)
{
    fixture *f = *state;
    char folder[512], path[512];
    pc_model *model, *whole;
    pc_test_path(folder, f->folder, "llama2c");
    must(pc_make_directories(folder), "folder");
    write_bin(folder);
    must(pc_model_load(&whole, folder), "load a folder");
    must(pc_model_load(&model, pc_test_path(path, folder, "model.bin")), "load a file");
    check_same_params(model, whole);
    pc_model *loaded = again(f, model, "llama2c-f32", PC_F32);
    assert_string_equal(loaded->import->model_type, "llama");
    check_same_params(model, loaded);
    check_same_pass(f, model, loaded, GOLDEN("llama/untied/expected.safetensors"));
    pc_model *origin = golden_model(GOLDEN("llama/untied"));
    check_same_params(model, origin);
    pc_model_free(origin);
    pc_model_free(loaded);
    pc_model_free(whole);
    pc_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trips, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_clip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_created, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_portable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sparse_config, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_llama2c, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
