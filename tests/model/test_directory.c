/* Which file and which key counts when a directory says a thing twice: the order of transformers; and what is refused. */
#include "base/file.h"
#include "base/memory.h"
#include "model/model.h"
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

/* A copy of a golden directory, one for each test. */
static int set_up(void **state)
{
    char *folder = calloc(1, 256);
    pc_test_folder_new(folder);
    *state = folder;
    return 0;
}

static int tear_down(void **state)
{
    pc_test_folder_free(*state);
    free(*state);
    return 0;
}

static void write_text(const char *folder, const char *name, const char *text)
{
    pc_test_write(folder, name, text, strlen(text));
}

static pc_model *load(const char *folder)
{
    pc_model *model;
    if (pc_model_load(&model, folder) != PC_OK) {
        fail_msg("%s", pc_error());
    }
    return model;
}

static void refuse(const char *folder, const char *part_of_message)
{
    pc_model *model;
    assert_int_equal(pc_model_load(&model, folder), PC_ERR_DATA);
    assert_null(model);
    if (!strstr(pc_error(), part_of_message)) {
        fail_msg("the message is \"%s\", expected \"%s\" in it", pc_error(), part_of_message);
    }
}

/* `key` of `object` (NULL: the top) in config.json becomes the JSON text `value`. */
static void edit_config(const char *folder, const char *object, const char *key, const char *value)
{
    char path[512];
    pc_json *json = golden_json(pc_test_path(path, folder, "config.json")), *node;
    assert_int_equal(pc_json_parse(&node, value, strlen(value), "value"), PC_OK);
    assert_int_equal(pc_json_set(object ? pc_json_get(json, object) : json, key, pc_json_copy(node)), PC_OK);
    assert_int_equal(pc_json_write_file(path, json, 1), PC_OK);
    pc_json_free(node);
    pc_json_free(json);
}

static void test_picture_recipe(void **state)
{
    const char *folder = *state;
    char path[512];
    golden_copy(GOLDEN("llava/hf"), folder);
    write_text(folder, "preprocessor_config.json", "{\"rescale_factor\": 0.5}");
    pc_model *model = load(folder); /* processor_config.json has an image_processor */
    assert_true(fabs(model->recipe.rescale_factor - 1.0 / 255) < 1e-9);
    pc_model_free(model);
    write_text(folder, "processor_config.json", "{\"patch_size\": 7}");
    model = load(folder);
    assert_true(model->recipe.rescale_factor == 0.5);
    pc_model_free(model);
    assert_int_equal(remove(pc_test_path(path, folder, "preprocessor_config.json")), 0);
    model = load(folder); /* none: CLIP's, at the size of the encoder */
    assert_int_equal(model->recipe.size[0], 21);
    assert_int_equal(model->recipe.crop_width, 21);
    pc_model_free(model);
}

static const char *chat_of(const char *folder)
{
    pc_model *model = load(folder);
    const char *name = model->chat ? model->chat->name : model->chat_unknown ? "unknown" : "none";
    pc_model_free(model);
    return name;
}

static void write_template(const char *folder, const char *file, const char *name, bool listed)
{
    const pc_template *template;
    assert_int_equal(pc_template_by_name(&template, name), PC_OK);
    if (strcmp(file, "chat_template.jinja") == 0) {
        write_text(folder, file, template->jinja);
        return;
    }
    pc_json *json = pc_json_new_object(), *entry = pc_json_new_object(), *list = pc_json_new_array();
    char path[512];
    assert_int_equal(pc_json_set(entry, "name", pc_json_new_text("default")), PC_OK);
    assert_int_equal(pc_json_set(entry, "template", pc_json_new_text(template->jinja)), PC_OK);
    assert_int_equal(pc_json_push(list, entry), PC_OK);
    pc_json *value = listed ? list : pc_json_new_text(template->jinja);
    assert_int_equal(pc_json_set(json, "chat_template", value), PC_OK);
    assert_int_equal(pc_json_write_file(pc_test_path(path, folder, file), json, 1), PC_OK);
    pc_json_free(json);
    if (!listed) {
        pc_json_free(list);
    }
}

/* Models of pictures: the processor's files before the tokenizer's. */
static void test_chat_of_pictures(void **state)
{
    const char *folder = *state;
    golden_copy(GOLDEN("llava/old"), folder); /* chat_template.json */
    char *first = strdup(chat_of(folder));
    assert_string_not_equal(first, "none");
    write_template(folder, "chat_template.jinja", "chatml", false);
    assert_string_equal(chat_of(folder), first);
    write_text(folder, "chat_template.json", "{}");
    assert_string_equal(chat_of(folder), "chatml");
    write_text(folder, "chat_template.jinja", "{{ messages | length }}");
    assert_string_equal(chat_of(folder), "unknown");
    free(first);
}

/* Text models: chat_template.jinja before tokenizer_config.json. */
static void test_chat_of_text(void **state)
{
    const char *folder = *state;
    golden_copy(GOLDEN("llama/tied"), folder);
    assert_string_equal(chat_of(folder), "none");
    write_template(folder, "tokenizer_config.json", "chatml", true);
    assert_string_equal(chat_of(folder), "chatml");
    write_template(folder, "chat_template.jinja", "vicuna_v1", false);
    assert_string_equal(chat_of(folder), "vicuna_v1");
    write_template(folder, "chat_template.json", "chatml", false);
    assert_string_equal(chat_of(folder), "vicuna_v1");
}

static double second_frequency(const char *folder)
{
    pc_model *model = load(folder);
    double frequency = model->llm.frequencies[1];
    pc_model_free(model);
    return frequency;
}

static void test_rope(void **state)
{
    const char *folder = *state;
    golden_copy(GOLDEN("llama/untied"), folder); /* E = 8: frequency 1 = theta^(-1/4) */
    assert_true(fabs(second_frequency(folder) - 0.1) < 1e-6);
    edit_config(folder, NULL, "rope_theta", "625");
    assert_true(fabs(second_frequency(folder) - 0.1) < 1e-6); /* rope_parameters counts */
    edit_config(folder, NULL, "rope_parameters", "{\"rope_type\": \"default\"}");
    assert_true(fabs(second_frequency(folder) - 0.2) < 1e-6);
    edit_config(folder, NULL, "rope_parameters", "null");
    assert_true(fabs(second_frequency(folder) - 0.2) < 1e-6);
    edit_config(folder, NULL, "rope_parameters", "{\"rope_theta\": \"many\"}");
    refuse(folder, "rope_theta");
    edit_config(folder, NULL, "rope_parameters", "{\"rope_theta\": 10000.0, \"rope_type\": \"llama3\"}");
    refuse(folder, "'llama3': factor is missing");
    edit_config(folder, NULL, "rope_parameters", "{\"rope_theta\": 10000.0, \"rope_type\": \"longrope\"}");
    refuse(folder, "'longrope' is not supported");
    edit_config(folder, NULL, "rope_parameters", "null");
    edit_config(folder, NULL, "rope_scaling", "{\"type\": \"linear\", \"factor\": 2.0}");
    assert_true(fabs(second_frequency(folder) - 0.1) < 1e-6); /* rope_theta is 625 */
    edit_config(folder, NULL, "rope_scaling", "{\"type\": \"dynamic\", \"factor\": -2}");
    refuse(folder, "factor must be a number above 0");
}

/* The head is tied when either object says so. */
static void test_tied(void **state)
{
    const char *folder = *state;
    golden_copy(GOLDEN("llava/hf"), folder);
    pc_model *model = load(folder);
    size_t separate = model->params.count;
    assert_false(model->llm.info.tied);
    pc_model_free(model);
    edit_config(folder, NULL, "tie_word_embeddings", "true"); /* text_config still says false */
    model = load(folder);
    assert_true(model->llm.info.tied);
    assert_int_equal(model->params.count, separate - 1);
    pc_model_free(model);
    edit_config(folder, NULL, "tie_word_embeddings", "false");
    edit_config(folder, "text_config", "tie_word_embeddings", "true");
    model = load(folder);
    assert_true(model->llm.info.tied);
    pc_model_free(model);
}

static void test_refused(void **state)
{
    const char *folder = *state;
    golden_copy(GOLDEN("llava/hf"), folder);
    edit_config(folder, NULL, "vision_feature_layer", "[-2,\"x\"]");
    refuse(folder, "vision_feature_layer");
    edit_config(folder, NULL, "vision_feature_layer", "-9");
    refuse(folder, "layer");
    edit_config(folder, NULL, "vision_feature_layer", "-2");
    edit_config(folder, NULL, "vision_feature_select_strategy", "\"half\"");
    refuse(folder, "half");
    edit_config(folder, NULL, "vision_feature_select_strategy", "\"default\"");
    edit_config(folder, "text_config", "hidden_size", "40");
    refuse(folder, "has shape [304,32], expected [304,40]");
}

/* LLaVA's own layout: what it takes from its config and from beside it, and what it refuses by name. */
static void test_original(void **state)
{
    const char *folder = *state;
    char tower[512];
    pc_model *model = load(GOLDEN("llava_original/llava-v1.5-tiny"));
    assert_true(model->recipe.pad_square);
    assert_string_equal(model->chat->name, "vicuna_v1"); /* by the directory's name, as LLaVA does */
    assert_int_equal(model->image_token, 48);
    pc_model_free(model);
    golden_copy(GOLDEN("llava_original/llava-v1.5-tiny"), folder);
    refuse(folder, "there is no such directory");
    pc_test_path(tower, folder, "tiny-clip");
    assert_int_equal(pc_make_directories(tower), PC_OK);
    golden_copy(GOLDEN("llava_original/tiny-clip"), tower);
    model = load(folder);
    assert_null(model->chat);
    pc_model_free(model);
    edit_config(folder, NULL, "mm_vision_tower", "\"openai/clip-vit-base-patch32\"");
    refuse(folder, "belong in a directory 'clip-vit-base-patch32'"); /* its shape is known, its weights are not there */
    edit_config(folder, NULL, "mm_vision_tower", "\"../../etc\"");
    refuse(folder, "there is no such directory");
    edit_config(folder, NULL, "mm_vision_tower", "\"tiny-clip\"");
    edit_config(folder, NULL, "image_aspect_ratio", "\"anyres_max_9\"");
    refuse(folder, "anyres_max_9");
    edit_config(folder, NULL, "image_aspect_ratio", "\"anyres\"");
    refuse(folder, "image_grid_pinpoints");
    edit_config(folder, NULL, "image_aspect_ratio", "\"square\"");
    model = load(folder);
    assert_false(model->recipe.pad_square);
    pc_model_free(model);
    edit_config(folder, NULL, "mm_projector_type", "\"mlp9x_silu\"");
    refuse(folder, "mm_projector_type 'mlp9x_silu'");
    edit_config(folder, NULL, "mm_projector_type", "\"mlp2x_gelu\"");
    edit_config(folder, NULL, "mm_patch_merge_type", "\"maxpool2x2\"");
    refuse(folder, "mm_patch_merge_type 'maxpool2x2'");
    edit_config(folder, NULL, "mm_patch_merge_type", "\"flat\"");
    edit_config(folder, NULL, "mm_use_im_start_end", "true");
    golden_copy(GOLDEN("prompt/llama"), folder);
    refuse(folder, "no <im_start>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_picture_recipe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_chat_of_pictures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_chat_of_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rope, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_original, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
