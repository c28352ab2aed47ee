/* Every stage of tiny models of each family against transformers (tests/oracle/make_*.py), at each level of the CPU
 * backend. */
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "media/decode.h"
#include "model/session.h"
#include "support/folder.h"
#include "support/parity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const parity_fixture encoders[] = {
    {"siglip", GOLDEN("siglip/both"), GOLDEN("siglip/both.safetensors"), true},
    {"open_clip", GOLDEN("open_clip/gelu"), GOLDEN("open_clip/gelu.safetensors"), true},
    {"open_clip custom", GOLDEN("open_clip/custom"), GOLDEN("open_clip/custom.safetensors"), true},
    {"llava over siglip", GOLDEN("siglip/llava"), GOLDEN("siglip/llava.safetensors"), false},
    {"llava over vit", GOLDEN("vit/llava"), GOLDEN("vit/llava.safetensors"), false},
};

static void test_encoders(void **state)
{
    (void)state;
    parity_check_levels(encoders, sizeof encoders / sizeof encoders[0]);
}

static const parity_fixture halves[] = {
    {"llava f16", GOLDEN("half/llava"), GOLDEN("half/llava.safetensors"), false},
    {"qwen2 f16", GOLDEN("half/qwen2"), GOLDEN("half/qwen2.safetensors"), false},
};

static void test_halves(void **state)
{
    (void)state;
    parity_check_levels(halves, sizeof halves / sizeof halves[0]);
}

static const parity_fixture systems[] = {
    {"blip-2 opt", GOLDEN("blip2/opt"), GOLDEN("blip2/opt.safetensors"), false},
    {"blip-2 flan-t5", GOLDEN("blip2/t5"), GOLDEN("blip2/t5.safetensors"), false},
    {"instructblip vicuna", GOLDEN("blip2/vicuna"), GOLDEN("blip2/vicuna.safetensors"), false},
    {"instructblip flan-t5", GOLDEN("blip2/instruct"), GOLDEN("blip2/instruct.safetensors"), false},
    {"mobilevlm", GOLDEN("mobilevlm/v1"), GOLDEN("mobilevlm/v1.safetensors"), false},
    {"mplug-owl", GOLDEN("mplug_owl/v1"), GOLDEN("mplug_owl/v1.safetensors"), false},
    {"qwen_vl", GOLDEN("qwen_vl/chat"), GOLDEN("qwen_vl/chat.safetensors"), false},
    {"cogvlm", GOLDEN("cogvlm/chat"), GOLDEN("cogvlm/chat.safetensors"), false},
    {"cogagent", GOLDEN("cogagent/chat"), GOLDEN("cogagent/chat.safetensors"), false},
    {"open_flamingo", GOLDEN("open_flamingo/llama"), GOLDEN("open_flamingo/llama.safetensors"), false},
    {"open_flamingo mpt-1b", GOLDEN("open_flamingo/mpt"), GOLDEN("open_flamingo/mpt.safetensors"), false},
    {"idefics", GOLDEN("idefics/v1"), GOLDEN("idefics/v1.safetensors"), false},
    {"mobilevlm v2", GOLDEN("mobilevlm/v2"), GOLDEN("mobilevlm/v2.safetensors"), false},
    {"moe-llava stablelm", GOLDEN("moe_llava/stablelm"), GOLDEN("moe_llava/stablelm.safetensors"), false},
    {"moe-llava phi", GOLDEN("moe_llava/phi"), GOLDEN("moe_llava/phi.safetensors"), false},
    {"moe-llava qwen", GOLDEN("moe_llava/qwen"), GOLDEN("moe_llava/qwen.safetensors"), false},
};

enum { SYSTEMS = sizeof systems / sizeof systems[0] };

static void test_systems(void **state)
{
    (void)state;
    parity_check_levels(systems, SYSTEMS);
}

#define DECODER(name) {name, GOLDEN("decoders/" name), GOLDEN("decoders/" name ".safetensors"), false}
static const parity_fixture decoders[] = {
    DECODER("mistral"), DECODER("mistral_open"), DECODER("qwen2"),  DECODER("qwen2_window"), DECODER("linear"),
    DECODER("dynamic"), DECODER("llama3"),       DECODER("yarn"),   DECODER("yarn_factors"), DECODER("mixtral"),
    DECODER("stablelm"), DECODER("stablelm_open"), DECODER("phi"),  DECODER("mpt"),          DECODER("mpt_three"),
    DECODER("stablelm_heads"), DECODER("mosaic"),
};

static const parity_fixture both_sides[] = {
    {"flan-t5", GOLDEN("t5/flan"), GOLDEN("t5/flan.safetensors"), false},
    {"t5", GOLDEN("t5/v1"), GOLDEN("t5/v1.safetensors"), false},
    {"mm-cot", GOLDEN("mm_cot/flan"), GOLDEN("mm_cot/flan.safetensors"), false},
};

enum { BOTH_SIDES = sizeof both_sides / sizeof both_sides[0] };

static void test_both_sides(void **state)
{
    (void)state;
    parity_check_levels(both_sides, BOTH_SIDES);
}

enum { DECODERS = sizeof decoders / sizeof decoders[0] };

static void test_decoders(void **state)
{
    (void)state;
    parity_check_levels(decoders, DECODERS);
}

#define ORIGINAL(name, truth) {name, GOLDEN("llava_original/" name), GOLDEN("llava_original/" truth ".safetensors"), false}
static const parity_fixture llavas[] = {
    {"llava next", GOLDEN("llava_next/hf"), GOLDEN("llava_next/hf.safetensors"), false},
    ORIGINAL("llava-7b-v0", "v1.0"),
    ORIGINAL("llava-v1.5-tiny", "v1.5"),
    ORIGINAL("llava-v1.6-tiny", "v1.6"),
    ORIGINAL("llava-med-tiny", "med"),
};

enum { LLAVAS = sizeof llavas / sizeof llavas[0] };

static void test_llavas(void **state)
{
    (void)state;
    parity_check_levels(llavas, LLAVAS);
}

/* Pictures -> pixels bit for bit, and their tokens: transformers' numbers for both pictures of each fixture. */
static void test_llava_pictures(void **state)
{
    static const char *const names[] = {GOLDEN("llava/shapes.png"), GOLDEN("llava/triangle.png")};
    (void)state;
    for (int i = 0; i < LLAVAS; i++) {
        pc_store *truth = golden_store(llavas[i].truth);
        pc_model *model = golden_model(llavas[i].model);
        const pc_array *array = pc_store_find(truth, "pixel_values");
        float *expected = golden_values(array);
        int64_t size = pc_array_count(array) / array->dim[0], tiles = 0, placeholders = 0;
        pc_image_tiling tilings[2];
        for (int picture = 0; picture < 2; picture++) {
            pc_image *image;
            float *pixels;
            assert_int_equal(pc_image_load(&image, names[picture], NULL), PC_OK);
            assert_int_equal(pc_model_prepare(model, image, &pixels, &tilings[picture]), PC_OK);
            int64_t count = tilings[picture].count;
            assert_true(tiles + count <= array->dim[0]);
            assert_memory_equal(pixels, expected + tiles * size, (size_t)(count * size) * sizeof(float));
            tiles += count;
            pc_free(pixels);
            pc_image_free(image);
        }
        assert_int_equal(tiles, array->dim[0]);
        pc_model_pictures pictures = {model, tilings, 2};
        pc_prompt_options options = {0};
        pc_model_prompt(model, &pictures, &options);
        for (int picture = 0; picture < 2; picture++) {
            size_t tokens;
            assert_int_equal(options.slot_tokens(options.user, PC_MEDIA_IMAGE, picture, &tokens), PC_OK);
            placeholders += (int64_t)tokens;
        }
        int32_t *ids = golden_ids(pc_store_find(truth, "input_ids"));
        for (int64_t t = 0; t < pc_store_find(truth, "input_ids")->dim[0]; t++) {
            placeholders -= ids[t] == model->image_token;
        }
        assert_int_equal(placeholders, 0);
        pc_free(ids);
        pc_free(expected);
        pc_model_free(model);
        pc_store_free(truth);
    }
}

/* Directories of this layout bring no template: it follows from the language model, or from the directory's name. */
static void test_llava_templates(void **state)
{
    static const char *const wanted[] = {"vicuna_v0", "vicuna_v1", NULL, "mistral_instruct"};
    (void)state;
    for (int i = 0; i < 4; i++) {
        pc_model *model = golden_model(llavas[1 + i].model);
        assert_true((model->chat == NULL) == (wanted[i] == NULL));
        if (wanted[i]) {
            assert_string_equal(model->chat->name, wanted[i]);
        }
        pc_model_free(model);
    }
}

/* What a session sees of pictures is what a trace puts into the text, in its order. */
static void test_session_sees_tiles(void **state)
{
    (void)state;
    for (int i = 0; i < LLAVAS; i++) {
        char folder[256];
        pc_store *truth = golden_store(llavas[i].truth);
        pc_model *model = golden_model(llavas[i].model);
        pc_backend *backend;
        pc_session *session;
        golden_input in;
        golden_input_read(&in, truth);
        golden_input_tile(&in, truth, model);
        pc_test_folder_new(folder);
        assert_int_equal(pc_cpu_backend_new(&backend, 1, 0), PC_OK);
        pc_store *trace = golden_trace(model, backend, PC_F32, &in.input, folder, "t.safetensors");
        const pc_array *array = pc_store_find(trace, "connector.packed");
        float *expected = golden_values(array ? array : pc_store_find(trace, "connector.tokens"));
        pc_session_options options = {.context = 128, .compute = PC_F32};
        assert_int_equal(pc_session_new(&session, model, backend, &options), PC_OK);
        int64_t side = model->encoder.info.image_size, width = model->llm.info.width, done = 0, tile = 0;
        for (int64_t p = 0; p < 2; p++) {
            float *soft;
            int64_t count;
            const pc_image_tiling *tiling = in.tilings ? &in.tilings[p] : NULL;
            assert_int_equal(pc_session_see(session, in.pixels + tile * 3 * side * side, tiling, &soft, &count), PC_OK);
            assert_memory_equal(soft, expected + done * width, (size_t)(count * width) * sizeof(float));
            done += count;
            tile += tiling ? tiling->count : 1;
            pc_free(soft);
        }
        pc_free(expected);
        pc_session_free(session);
        pc_store_free(trace);
        pc_model_free(model);
        pc_cpu_backend_free(backend);
        golden_input_clear(&in);
        pc_store_free(truth);
        pc_test_folder_free(folder);
    }
}

static const parity_fixture native[] = {
    {"qwen2-vl", GOLDEN("qwen2_vl/2"), GOLDEN("qwen2_vl/2.safetensors"), false},
    {"qwen2.5-vl", GOLDEN("qwen2_vl/2_5"), GOLDEN("qwen2_vl/2_5.safetensors"), false},
};

static const parity_fixture framed[] = {{"smolvlm", GOLDEN("smolvlm"), GOLDEN("smolvlm.safetensors"), false}};

enum { NATIVE = sizeof native / sizeof native[0] };

/* Tiles in a frame of tokens: every stage; two pictures of their own sizes -> transformers' pixels, bit for bit, and ids; the
 * greedy answer of a session over a prompt that percept lays out. */
static void test_framed(void **state)
{
    (void)state;
    parity_check_levels(framed, 1);
    pc_store *truth = golden_store(framed[0].truth);
    pc_model *model = golden_model(framed[0].model);
    pc_json *expected = golden_json(GOLDEN("smolvlm/expected.json"));
    float *all = golden_values(pc_store_find(truth, "pixel_values"));
    int32_t *sizes = golden_ids(pc_store_find(truth, "image_sizes"));
    static const char *const names[] = {GOLDEN("llava/shapes.png"), GOLDEN("llava/triangle.png")};
    pc_image_tiling tilings[2];
    int64_t done = 0;
    for (int i = 0; i < 2; i++) {
        pc_image *image, *part;
        float *pixels;
        assert_int_equal(pc_image_load(&image, names[i], NULL), PC_OK);
        assert_int_equal(pc_image_crop(&part, image, 0, 0, sizes[2 * i + 1], sizes[2 * i]), PC_OK);
        assert_int_equal(pc_model_prepare(model, part, &pixels, &tilings[i]), PC_OK);
        int64_t count = (int64_t)tilings[i].count * 3 * tilings[i].height * tilings[i].width;
        assert_memory_equal(pixels, all + done, (size_t)count * sizeof(float));
        done += count;
        pc_free(pixels);
        pc_image_free(part);
        pc_image_free(image);
    }
    assert_int_equal(done, pc_array_count(pc_store_find(truth, "pixel_values")));
    pc_conversation said = {0};
    pc_prompt prompt = {0};
    pc_model_pictures pictures = {model, tilings, 2};
    pc_prompt_options options = {.invite = true};
    assert_int_equal(pc_conversation_begin(&said, PC_ROLE_USER), PC_OK);
    assert_int_equal(pc_conversation_add_media(&said, PC_MEDIA_IMAGE, 0), PC_OK);
    assert_int_equal(pc_conversation_add_media(&said, PC_MEDIA_IMAGE, 1), PC_OK);
    const char *question = pc_json_get_text(expected, "question", "");
    assert_int_equal(pc_conversation_add_text(&said, question, strlen(question)), PC_OK);
    pc_model_prompt(model, &pictures, &options);
    assert_non_null(model->chat);
    assert_string_equal(model->chat->name, "smolvlm");
    if (pc_prompt_build(&prompt, model->tokenizer, model->chat, &said, &options) != PC_OK) {
        fail_msg("%s", pc_error());
    }
    int32_t *ids = golden_ids(pc_store_find(truth, "input_ids"));
    assert_int_equal(prompt.ids.count, pc_store_find(truth, "input_ids")->dim[0]);
    assert_memory_equal(prompt.ids.data, ids, prompt.ids.count * sizeof *ids);
    assert_int_equal(prompt.slot_count, tilings[0].count + tilings[1].count);
    assert_int_equal(prompt.slots[1].from, model->connector.tokens);
    pc_prompt_clear(&prompt);
    pc_conversation_clear(&said);
    pc_free(ids);
    pc_free(sizes);
    pc_free(all);
    pc_json_free(expected);
    pc_model_free(model);
    pc_store_free(truth);
}

static void test_native(void **state)
{
    (void)state;
    parity_check_levels(native, NATIVE);
}

/* Parts of pictures -> pixels of their own size, bit for bit. */
static void test_native_pictures(void **state)
{
    static const char *const names[] = {GOLDEN("llava/shapes.png"), GOLDEN("llava/triangle.png")};
    static const int parts[2][4] = {{0, 0, 29, 22}, {2, 1, 17, 31}}; /* left, top, width, height of 32 x 32 */
    (void)state;
    for (int i = 0; i < NATIVE; i++) {
        pc_store *truth = golden_store(native[i].truth);
        pc_model *model = golden_model(native[i].model);
        const pc_array *array = pc_store_find(truth, "pixel_values");
        float *expected = golden_values(array), *pixels;
        int64_t done = 0;
        for (int picture = 0; picture < 2; picture++) {
            pc_image *image, *square, *part;
            pc_image_tiling tiling;
            const int *box = parts[picture];
            assert_int_equal(pc_image_load(&image, names[picture], NULL), PC_OK);
            assert_int_equal(pc_image_resize(&square, image, 32, 32, PC_FILTER_BICUBIC), PC_OK);
            assert_int_equal(pc_image_crop(&part, square, box[0], box[1], box[2], box[3]), PC_OK);
            assert_int_equal(pc_model_prepare(model, part, &pixels, &tiling), PC_OK);
            int64_t count = 3 * (int64_t)tiling.height * tiling.width;
            assert_true(done + count <= pc_array_count(array));
            assert_memory_equal(pixels, expected + done, (size_t)count * sizeof(float));
            done += count;
            pc_free(pixels);
            pc_image_free(part);
            pc_image_free(square);
            pc_image_free(image);
        }
        assert_int_equal(done, pc_array_count(array));
        pc_free(expected);
        pc_model_free(model);
        pc_store_free(truth);
    }
}

/* Saved and loaded again, in f32: the same logits, bit for bit, from a directory that stands alone. */
static void check_saved(const parity_fixture *f)
{
    char folder[256], copy[512];
    pc_store *truth = golden_store(f->truth);
    pc_model *first = golden_model(f->model);
    golden_input in;
    golden_input_read(&in, truth);
    golden_input_tile(&in, truth, first);
    in.input.tokens = f->has_texts ? pc_store_find(truth, "input_ids")->dim[1] : in.input.tokens;
    pc_test_folder_new(folder);
    pc_test_path(copy, folder, "copy");
    assert_int_equal(pc_model_save(first, copy, PC_F32), PC_OK);
    pc_model *second = golden_model(copy);
    assert_int_equal(second->params.count, first->params.count);
    assert_memory_equal(&second->recipe, &first->recipe, sizeof first->recipe);
    assert_int_equal(second->tiles.merge, first->tiles.merge);
    pc_store *one = golden_trace(first, NULL, PC_F32, &in.input, folder, "one.safetensors");
    pc_store *two = golden_trace(second, NULL, PC_F32, &in.input, folder, "two.safetensors");
    const char *name = f->has_texts ? "logits_per_image" : "logits";
    const pc_array *a = pc_store_find(one, name), *b = pc_store_find(two, name);
    assert_int_equal(a->bytes, b->bytes);
    assert_memory_equal(a->data, b->data, a->bytes);
    pc_store_free(one);
    pc_store_free(two);
    pc_model_free(second);
    pc_model_free(first);
    golden_input_clear(&in);
    pc_store_free(truth);
    pc_test_folder_free(folder);
}

static void test_saved(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof encoders / sizeof encoders[0]; i++) {
        check_saved(&encoders[i]);
    }
    for (int i = 0; i < SYSTEMS; i++) {
        check_saved(&systems[i]);
    }
    for (int i = 0; i < DECODERS; i++) {
        check_saved(&decoders[i]);
    }
    for (int i = 0; i < BOTH_SIDES; i++) {
        check_saved(&both_sides[i]);
    }
    for (int i = 0; i < LLAVAS; i++) {
        check_saved(&llavas[i]);
    }
    for (int i = 0; i < NATIVE; i++) {
        check_saved(&native[i]);
    }
    check_saved(&framed[0]);
}

static int32_t best_of(const float *logits, int64_t count)
{
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return (int32_t)best;
}

/* Greedy ids with a cache, read in chunks; `again`: after another, longer text was read and forgotten. */
static void check_greedy(const parity_fixture *f, const pc_json *expected, int64_t chunk, bool again)
{
    pc_store *truth = golden_store(f->truth);
    pc_model *model = golden_model(f->model);
    pc_session_options options = {.context = 40, .chunk = chunk, .compute = PC_F32};
    pc_backend *backend;
    pc_session *session;
    golden_input in;
    golden_input_read(&in, truth);
    assert_int_equal(pc_cpu_backend_new(&backend, 1, 0), PC_OK);
    assert_int_equal(pc_session_new(&session, model, backend, &options), PC_OK);
    if (again) {
        assert_int_equal(pc_session_read(session, in.ids, NULL, in.input.tokens), PC_OK);
        assert_int_equal(pc_session_read(session, in.ids, NULL, in.input.tokens), PC_OK);
        bool stays = pc_session_expect(session, in.input.tokens);
        assert_int_equal(stays, model->llm.info.rotary_limit == 0);
        pc_session_rewind(session, stays ? 3 : 0);
    }
    int64_t have = pc_session_length(session);
    assert_int_equal(pc_session_read(session, in.ids + have, NULL, in.input.tokens - have), PC_OK);
    for (size_t i = 0; i < pc_json_length(expected); i++) {
        int32_t id = best_of(pc_session_logits(session), model->llm.info.vocabulary);
        if (id != pc_json_integer(pc_json_at(expected, i), -1)) {
            fail_msg("%s: token %zu is %d, expected %lld", f->name, i, id,
                     (long long)pc_json_integer(pc_json_at(expected, i), -1));
        }
        assert_int_equal(pc_session_read(session, &id, NULL, 1), PC_OK);
    }
    pc_session_free(session);
    pc_model_free(model);
    pc_cpu_backend_free(backend);
    golden_input_clear(&in);
    pc_store_free(truth);
}

static void test_greedy(void **state)
{
    pc_json *answers = golden_json(GOLDEN("decoders/expected.json"));
    (void)state;
    for (int i = 0; i < DECODERS; i++) {
        const pc_json *ids = pc_json_get(pc_json_get(answers, decoders[i].name), "greedy_ids");
        assert_int_equal(pc_json_length(ids), 6);
        check_greedy(&decoders[i], ids, 0, false);
        check_greedy(&decoders[i], ids, 4, false);
        check_greedy(&decoders[i], ids, 4, true);
    }
    pc_json_free(answers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_halves),
        cmocka_unit_test(test_encoders),
        cmocka_unit_test(test_systems),
        cmocka_unit_test(test_decoders),
        cmocka_unit_test(test_both_sides),
        cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_llavas),
        cmocka_unit_test(test_llava_pictures),
        cmocka_unit_test(test_framed),
        cmocka_unit_test(test_native),
        cmocka_unit_test(test_native_pictures),
        cmocka_unit_test(test_session_sees_tiles),
        cmocka_unit_test(test_llava_templates),
        cmocka_unit_test(test_saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
