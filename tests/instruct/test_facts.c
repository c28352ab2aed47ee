/* What is known of pictures, from rows, COCO's objects and VQA v2's two files; what is refused. */
#include "instruct/facts.h"
#include "support/allocfail.h"
#include "support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { FILES = 4 };

typedef struct facts_case {
    char folder[256], path[FILES][512];
    const char *paths[FILES];
    pc_facts *facts;
    pc_known known;
    pc_facts_options options;
    int count;
} facts_case;

static int set_up(void **state)
{
    static facts_case c;
    c = (facts_case){.count = 0};
    pc_test_folder_new(c.folder);
    *state = &c;
    return 0;
}

static int tear_down(void **state)
{
    facts_case *c = *state;
    pc_known_clear(&c->known);
    pc_facts_close(c->facts);
    pc_test_folder_free(c->folder);
    return 0;
}

static void add_file(facts_case *c, const char *name, const char *text)
{
    pc_test_write(c->folder, name, text, strlen(text));
    c->paths[c->count] = pc_test_path(c->path[c->count], c->folder, name);
    c->count++;
}

static pc_status open_case(facts_case *c)
{
    return pc_facts_open(&c->facts, c->paths, c->count, &c->options);
}

static void read_picture(facts_case *c, int64_t i)
{
    assert_int_equal(pc_facts_read(c->facts, i, &c->known), PC_OK);
}

static void assert_box(const float box[4], float left, float top, float right, float bottom)
{
    const float expected[] = {left, top, right, bottom};
    for (int i = 0; i < 4; i++) {
        assert_float_equal(box[i], expected[i], 1e-6);
    }
}

static void test_rows(void **state)
{
    facts_case *c = *state;
    add_file(c, "a.jsonl",
             "{\"image\": \"x.png\", \"width\": 200, \"height\": 100, \"caption\": \"A cat.\", \"captions\": [\"A grey cat.\"], \"label\": \"cat\","
             " \"objects\": [{\"name\": \"cat\", \"color\": \"gray\", \"bbox\": [20, 10, 100, 50]}, {\"category\": \"mat\", \"box\": [0, 0.5, 1, 1]},"
             " {\"label\": \"sun\", \"cxcywh\": [0.5, 0.5, 0.2, 0.4]}, {\"shape\": \"digit\", \"text\": \"3\", \"xyxy\": [10, 10, 20, 20]},"
             " {\"name\": \"line\", \"box\": [0.5, 0.1, 0.5, 0.9]}, {\"name\": \"nowhere\"}]}\n"
             "{\"image\": \"y.png\", \"question\": \"How many?\", \"answers\": [\"2\", \"3\", \"3\"]}\n"
             "{\"caption\": \"of no picture\"}\n"
             "{\"image\": \"x.png\", \"question\": \"Which?\", \"answer\": 7, \"options\": [\"5\", \"7\"]}\n");
    add_file(c, "b.json",
             "[{\"image\": \"y.png\", \"conversations\": [{\"from\": \"human\", \"value\": \"<image>\\nWhat?\"}, {\"from\": \"gpt\", \"value\": \"A dog\"},"
             " {\"from\": \"human\", \"value\": \"Sure?\"}, {\"from\": \"gpt\", \"value\": \"Yes\"}], \"ocr\": [\"STOP\", {\"text\": \"GO\", \"box\": [0, 0, 0.5, 0.5]}]}]");
    assert_int_equal(open_case(c), PC_OK);
    assert_int_equal(pc_facts_count(c->facts), 2);
    assert_int_equal(pc_facts_skipped(c->facts), 1);

    read_picture(c, 0);
    assert_string_equal(c->known.image, "x.png");
    assert_int_equal(c->known.caption_count, 2);
    assert_string_equal(c->known.captions[1], "A grey cat.");
    assert_string_equal(c->known.labels[0], "cat");
    assert_int_equal(c->known.thing_count, 4);
    assert_string_equal(c->known.things[0].colour, "gray");
    assert_box(c->known.things[0].box, 0.1f, 0.1f, 0.6f, 0.6f);
    assert_box(c->known.things[1].box, 0, 0.5f, 1, 1);
    assert_box(c->known.things[2].box, 0.4f, 0.3f, 0.6f, 0.7f);
    assert_string_equal(c->known.things[3].name, "digit 3");
    assert_box(c->known.things[3].box, 0.05f, 0.1f, 0.1f, 0.2f);
    assert_int_equal(c->known.bad_boxes, 1); /* the line has no area */
    assert_string_equal(c->known.asked[0].answer, "7");
    assert_int_equal(pc_json_length(c->known.asked[0].options), 2);

    read_picture(c, 1);
    assert_int_equal(c->known.asked_count, 3);
    assert_string_equal(c->known.asked[0].answer, "3"); /* what most people said */
    assert_string_equal(c->known.asked[1].question, "What?");
    assert_true(c->known.asked[1].as_is && !c->known.asked[0].as_is);
    assert_int_equal(c->known.legible_count, 2);
    assert_true(c->known.legible[1].placed && !c->known.legible[0].placed);
}

static const char coco[] =
    "{\"images\": [{\"id\": 7, \"file_name\": \"7.jpg\", \"width\": 100, \"height\": 50}],"
    " \"categories\": [{\"id\": 3, \"name\": \"dog\"}],"
    " \"annotations\": [{\"image_id\": 7, \"category_id\": 3, \"bbox\": [10, 10, 30, 20]},"
    " {\"image_id\": 7, \"category_id\": 3, \"bbox\": [0, 0, 100, 50], \"iscrowd\": 1}, {\"image_id\": 8, \"category_id\": 3, \"bbox\": [0, 0, 1, 1]}]}";

static void test_coco(void **state)
{
    facts_case *c = *state;
    add_file(c, "instances.json", coco);
    add_file(c, "captions.json", "{\"images\": [{\"id\": 7, \"file_name\": \"7.jpg\"}], \"annotations\": [{\"image_id\": 7, \"caption\": \"Two dogs\"}]}");
    assert_int_equal(open_case(c), PC_OK);
    assert_int_equal(pc_facts_count(c->facts), 1);
    assert_int_equal(pc_facts_skipped(c->facts), 1);
    read_picture(c, 0);
    assert_int_equal(c->known.thing_count, 2);
    assert_string_equal(c->known.things[0].name, "dog");
    assert_box(c->known.things[0].box, 0.1f, 0.2f, 0.4f, 0.6f);
    assert_true(c->known.things[1].crowd && !c->known.things[0].crowd);
    assert_string_equal(c->known.captions[0], "Two dogs");
}

static void test_vqa(void **state)
{
    facts_case *c = *state;
    add_file(c, "answers.json", "{\"annotations\": [{\"question_id\": 11, \"image_id\": 42, \"multiple_choice_answer\": \"red\","
                                " \"answers\": [{\"answer\": \"red\"}]}]}");
    add_file(c, "questions.json", "{\"questions\": [{\"question_id\": 11, \"image_id\": 42, \"question\": \"What colour?\"}]}");
    c->options.image_name = "COCO_val2014_{12}.jpg";
    assert_int_equal(open_case(c), PC_OK);
    read_picture(c, 0);
    assert_string_equal(c->known.image, "COCO_val2014_000000000042.jpg");
    assert_string_equal(c->known.asked[0].question, "What colour?");
    assert_string_equal(c->known.asked[0].answer, "red");
}

static void assert_refused(facts_case *c, const char *name, const char *text, const char *message)
{
    c->count = 0;
    add_file(c, name, text);
    assert_int_equal(open_case(c), PC_ERR_DATA);
    if (!strstr(pc_error(), message)) {
        fail_msg("expected '%s' in '%s'", message, pc_error());
    }
}

static void test_refused(void **state)
{
    facts_case *c = *state;
    assert_refused(c, "a.jsonl", "{\"image\": \"x\"}\n{\"image\": \n", "a.jsonl:2");
    assert_refused(c, "b.json", "{\"rows\": []}", "expected a list of rows");
    assert_refused(c, "c.json", "[{\"caption\": \"x\"}]", "no record names a picture (1 looked at)");
    assert_refused(c, "d.json", "{\"images\": [{\"file_name\": \"x\"}], \"annotations\": []}", "images[0]");
    c->options.image_name = "{x";
    c->count = 0;
    add_file(c, "e.json", "{\"annotations\": [{\"image_id\": 1, \"caption\": \"x\"}]}");
    assert_int_equal(open_case(c), PC_ERR_USAGE);
}

static pc_status scenario(void *user)
{
    facts_case *c = user;
    pc_facts *facts = NULL;
    pc_known known = {0};
    pc_status status;
    PC_GO(pc_facts_open(&facts, c->paths, c->count, &c->options));
    status = pc_facts_read(facts, 0, &known);
done:
    pc_known_clear(&known);
    pc_facts_close(facts);
    return status;
}

static void test_memory(void **state)
{
    facts_case *c = *state;
    add_file(c, "instances.json", coco);
    add_file(c, "rows.jsonl", "{\"image\": \"7.jpg\", \"objects\": [{\"shape\": \"digit\", \"text\": \"3\", \"box\": [0, 0, 1, 1]}], \"answer\": 2,"
                              " \"question\": \"?\", \"conversations\": [{\"from\": \"human\", \"value\": \"a\"}, {\"from\": \"gpt\", \"value\": \"b\"}]}\n");
    pc_test_each_allocation(scenario, c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, set_up, tear_down),    cmocka_unit_test_setup_teardown(test_coco, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_vqa, set_up, tear_down),     cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
