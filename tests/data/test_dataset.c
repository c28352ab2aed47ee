/* Opening datasets; the kinds scenes and easy_vqa. */
#include "data/dataset_case.h"
#include "data/scenes_write.h"
#include "support/allocfail.h"

#include <stdio.h>

static int make_folder(void **state)
{
    static char folder[256];
    pc_test_folder_new(folder);
    *state = folder;
    return 0;
}

static int drop_folder(void **state)
{
    pc_test_folder_free(*state);
    return 0;
}

static void test_paths_and_options(void **state)
{
    pc_dataset *dataset = NULL;
    pc_dataset_options options = {.seed = 4, .limit = 7};
    (void)state;
    must(pc_dataset_open(&dataset, "scenes", NULL, &options));
    assert_int_equal(pc_dataset_count(dataset), 7);
    pc_dataset_close(dataset);
    must(pc_dataset_open(&dataset, "scenes?n=9&content=mixed&min-objects=2", NULL, &options));
    assert_int_equal(pc_dataset_count(dataset), 9);
    pc_dataset_close(dataset);
    must_fail(pc_dataset_open(&dataset, "scenes", NULL, NULL), PC_ERR_USAGE, "n=");
    assert_null(dataset);
    must_fail(pc_dataset_open(&dataset, "scenes?n=9&sede=1", NULL, NULL), PC_ERR_USAGE, "seed");
    must_fail(pc_dataset_open(&dataset, "scenes?n", NULL, NULL), PC_ERR_USAGE, "key=value");
    must_fail(pc_dataset_open(&dataset, "scenes?n=9&content=all", NULL, NULL), PC_ERR_USAGE, "captions");
    must_fail(pc_dataset_open(&dataset, "scenes?n=9&lang=xx", NULL, NULL), PC_ERR_USAGE, "xx");
    must_fail(pc_dataset_open(&dataset, "scenes?n=9&side=7", NULL, NULL), PC_ERR_USAGE, "7");
    must_fail(pc_dataset_open(&dataset, "nowhere/at.json", NULL, NULL), PC_ERR_IO, "nowhere/at.json");
    must_fail(pc_dataset_open(&dataset, "scenes", "scene", NULL), PC_ERR_USAGE, "llava_json");
    pc_dataset_close(NULL);
}

/* What is drawn on the fly is what `percept data make scenes` writes, pixel by pixel and word by word. */
static void test_scenes_equal_their_files(void **state)
{
    pc_scene_set set = {.seed = 3, .first = 40, .count = 12, .languages = {pc_scene_language_find("en")}, .language_count = 1};
    char path[512];
    pc_sample drawn = {0}, stored = {0};
    must(pc_scene_set_write(*state, &set, NULL));
    pc_dataset *files = open_dataset(pc_test_path(path, *state, "train.json"));
    pc_dataset *scenes = open_dataset("scenes?seed=3&first=40&n=12");
    assert_int_equal(pc_dataset_count(files), 12);
    for (int64_t i = 0; i < 12; i++) {
        must(pc_dataset_read(files, i, &stored));
        must(pc_dataset_read(scenes, i, &drawn));
        assert_same_conversation(&drawn.conversation, &stored.conversation);
        assert_same_pictures(&drawn, &stored);
    }
    pc_dataset_close(files);
    pc_dataset_close(scenes);
    pc_sample_clear(&drawn);
    pc_sample_clear(&stored);
}

static void test_scene_contents(void **state)
{
    static const char *const paths[] = {"scenes?n=3&content=questions", "scenes?n=3&content=captions",
                                        "scenes?n=3&content=brief", "scenes?n=3&content=mixed"};
    pc_sample samples[4];
    memset(samples, 0, sizeof samples);
    (void)state;
    for (int i = 0; i < 4; i++) {
        pc_dataset *dataset = open_dataset(paths[i]);
        must(pc_dataset_read(dataset, 2, &samples[i]));
        must_fail(pc_dataset_read(dataset, 3, &samples[i]), PC_ERR_USAGE, "3");
        assert_int_equal(samples[i].conversation.count, 0);
        must(pc_dataset_read(dataset, 2, &samples[i]));
        assert_int_equal(samples[i].conversation.media_count[PC_MEDIA_IMAGE], 1);
        assert_string_equal(samples[i].where, "scenes: sample 2");
        pc_dataset_close(dataset);
    }
    assert_int_equal(samples[1].conversation.count, 2);
    assert_int_equal(samples[2].conversation.count, 2);
    assert_int_equal(samples[3].conversation.count, samples[0].conversation.count + 2);
    assert_string_equal(text_of(&samples[3], 1), text_of(&samples[1], 1));
    assert_string_equal(text_of(&samples[3], 2), text_of(&samples[0], 0));
    assert_string_not_equal(text_of(&samples[2], 1), text_of(&samples[1], 1));
    /* Every object is described as a region within the picture. */
    assert_true(samples[0].region_count > 0);
    for (size_t i = 0; i < samples[0].region_count; i++) {
        const pc_region *region = &samples[0].regions[i];
        assert_true(region->box[0] >= 0 && region->box[0] < region->box[2] && region->box[2] <= 1);
        assert_true(region->box[1] >= 0 && region->box[1] < region->box[3] && region->box[3] <= 1);
        assert_true(strlen(region->words) > 4);
    }
    for (int i = 0; i < 4; i++) {
        pc_sample_clear(&samples[i]);
    }
}

/* --- easy-VQA --- */

#define QUESTIONS                                                              \
    "[[\"what shape is present?\", \"circle\", 3],"                            \
    " [\"is there a red shape?\", \"yes\", 3],"                                \
    " [\"what color is the shape?\", \"blue\", 0],"                            \
    " [\"is there not a triangle in the image?\", \"yes\", 0],"                \
    " [\"is no red shape present?\", \"no\", 12],"                             \
    " [\"is there a green shape?\", \"no\", 12],"                              \
    " [\"what color is the triangle?\", \"red\", 12],"                         \
    " [\"is there a rectangle?\", \"no\", 3]]"

static void write_easy(const char *folder)
{
    char path[512];
    pc_image *image = NULL;
    must(pc_image_new(&image, 8, 8));
    pc_test_write(folder, "questions.json", QUESTIONS, strlen(QUESTIONS));
    must(pc_image_save_png(image, pc_test_path(path, folder, "0.png")));
    must(pc_image_save_png(image, pc_test_path(path, folder, "3.png")));
    pc_image_free(image);
}

static void test_easy_vqa(void **state)
{
    const char *folder = *state;
    pc_dataset *dataset = NULL;
    pc_dataset_options options = {.image_folder = folder, .content = "captions"};
    pc_sample sample = {0};
    write_easy(folder);
    must(pc_dataset_open(&dataset, folder, NULL, &options));
    assert_int_equal(pc_dataset_count(dataset), 3);
    must(pc_dataset_read(dataset, 0, &sample)); /* the shape is not known */
    assert_int_equal(sample.conversation.count, 4);
    assert_string_equal(text_of(&sample, 1), "blue");
    assert_string_equal(text_of(&sample, 2), "is there not a triangle in the image?");
    must(pc_dataset_read(dataset, 1, &sample));
    assert_int_equal(sample.conversation.count, 8);
    assert_int_equal(sample.image_count, 1);
    assert_string_equal(text_of(&sample, 0), "Describe the image.");
    assert_string_equal(text_of(&sample, 1), "red circle");
    assert_string_equal(text_of(&sample, 2), "what shape is present?");
    assert_string_equal(text_of(&sample, 6), "is there a rectangle?");
    must_fail(pc_dataset_read(dataset, 2, &sample), PC_ERR_IO, "12.png");
    pc_dataset_close(dataset);
    options.content = NULL;
    must(pc_dataset_open(&dataset, folder, "easy_vqa", &options));
    must(pc_dataset_read(dataset, 1, &sample));
    assert_int_equal(sample.conversation.count, 6);
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
}

static void test_easy_vqa_refuses(void **state)
{
    static const char *const bad[] = {"{}", "[[\"a\", \"b\"]]", "[[\"a\", \"b\", -1]]", "[[\"a\", 2, 3]]", "[1]",
                                      "[[\"a\", \"b\", 1.5]]", "[[\"a\", \"b\", 1, 2]]"};
    pc_dataset *dataset = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pc_test_write(*state, "questions.json", bad[i], strlen(bad[i]));
        must_fail(pc_dataset_open(&dataset, *state, NULL, NULL), PC_ERR_DATA, "questions.json");
    }
    pc_test_write(*state, "questions.json", "[]", 2);
    pc_dataset_options options = {.content = "mixed"};
    must_fail(pc_dataset_open(&dataset, *state, NULL, &options), PC_ERR_USAGE, "mixed");
}

static pc_status read_all(void *user)
{
    static const char *const scenes = "scenes?n=2&content=mixed";
    pc_dataset_options options = {.image_folder = user, .content = "captions", .limit = 2};
    pc_dataset *dataset = NULL;
    pc_sample sample = {0};
    pc_status status;
    for (int kind = 0; kind < 2; kind++) {
        PC_GO(pc_dataset_open(&dataset, kind ? user : scenes, NULL, kind ? &options : NULL));
        for (int64_t i = 0; i < 2; i++) {
            PC_GO(pc_dataset_read(dataset, i, &sample));
        }
        pc_dataset_close(dataset);
        dataset = NULL;
    }
done:
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
    return status;
}

static void test_out_of_memory(void **state)
{
    write_easy(*state);
    assert_true(pc_test_each_allocation(read_all, *state) > 20);
}

/* The real archive, when it is there: counts and what captions say of all pictures. */
static void test_real_easy_vqa(void **state)
{
    const char *data = getenv("PERCEPT_DATA");
    char path[512];
    pc_sample sample = {0};
    int64_t captions = 0;
    (void)state;
    snprintf(path, sizeof path, "%s/vl/easy-vqa/train?content=captions", data ? data : "");
    if (!data) {
        print_message("skipped: no data\n");
        skip();
    }
    pc_dataset *dataset = NULL;
    if (pc_dataset_open(&dataset, path, NULL, NULL) == PC_ERR_IO) {
        print_message("skipped: no unpacked easy-vqa\n");
        skip();
    }
    assert_int_equal(pc_dataset_count(dataset), 4000);
    for (int64_t i = 0; i < 4000; i++) {
        must(pc_dataset_read(dataset, i, &sample));
        captions += strcmp(text_of(&sample, 0), "Describe the image.") == 0;
    }
    assert_int_equal(captions, 3542);
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_and_options),
        cmocka_unit_test_setup_teardown(test_scenes_equal_their_files, make_folder, drop_folder),
        cmocka_unit_test(test_scene_contents),
        cmocka_unit_test_setup_teardown(test_easy_vqa, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_easy_vqa_refuses, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_out_of_memory, make_folder, drop_folder),
        cmocka_unit_test(test_real_easy_vqa),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
