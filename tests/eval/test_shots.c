/* Examples for in-context learning: which are chosen, by the model's own features too; every allocation failing. */
#include "backend/cpu/cpu.h"
#include "eval/shots.h"
#include "support/allocfail.h"
#include "support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CHECK(call)                     \
    do {                                \
        if ((call) != PC_OK) {          \
            fail_msg("%s", pc_error()); \
        }                               \
    } while (0)

typedef struct setting {
    char folder[256], path[512];
    pc_shots_options options;
} setting;

/* A square of one colour. */
static void put_square(const char *folder, const char *name, int red, int green)
{
    char path[512];
    pc_image *image;
    CHECK(pc_image_new(&image, 48, 48));
    for (int i = 0; i < 48 * 48; i++) {
        image->pixels[3 * i] = (uint8_t)red;
        image->pixels[3 * i + 1] = (uint8_t)green;
    }
    CHECK(pc_image_save_png(image, pc_test_path(path, folder, name)));
    pc_image_free(image);
}

static void begin(setting *s, const char *select, int64_t count)
{
    static const char lines[] = "{\"image\": \"red.png\", \"question\": \"q0\", \"answer\": \"a\"}\n"
                                "{\"image\": \"green.png\", \"question\": \"q1\", \"answer\": \"a\"}\n"
                                "{\"image\": \"dark.png\", \"question\": \"q2\", \"answer\": \"a\"}\n"
                                "{\"question\": \"q3\", \"answer\": \"b\"}\n";
    const char *path;
    *s = (setting){0};
    pc_test_folder_new(s->folder);
    put_square(s->folder, "red.png", 255, 0);
    put_square(s->folder, "green.png", 0, 255);
    put_square(s->folder, "dark.png", 200, 0);
    pc_test_write(s->folder, "pool.jsonl", lines, sizeof lines - 1);
    pc_test_path(s->path, s->folder, "pool.jsonl");
    s->options = (pc_shots_options){.select = select, .count = count, .pool = 100, .seed = 3};
    CHECK(pc_task_find(&s->options.task, &path, s->path, NULL));
    s->options.task_options.path = s->path;
}

static void balanced_takes_every_answer(void **state)
{
    (void)state;
    setting s;
    const pc_shot *chosen[PC_SHOTS_MOST];
    for (uint64_t seed = 0; seed < 20; seed++) {
        pc_shots *shots;
        int b = 0;
        begin(&s, "balanced", 2);
        s.options.seed = seed;
        CHECK(pc_shots_new(&shots, &s.options));
        CHECK(pc_shots_choose(shots, &(pc_task_question){.question = "?"}, chosen));
        for (size_t i = 0; i < pc_shots_count(shots); i++) {
            b += strcmp(chosen[i]->answer, "b") == 0;
        }
        assert_int_equal(b, 1);
        pc_shots_free(shots);
        pc_test_folder_free(s.folder);
    }
}

static void similar_pictures_stand_last(void **state)
{
    (void)state;
    setting s;
    pc_model *model;
    pc_backend *backend;
    pc_local *local;
    pc_shots *shots;
    const pc_shot *chosen[PC_SHOTS_MOST];
    char path[512];
    CHECK(pc_model_load(&model, PERCEPT_TESTS_DIR "/../models/percept-tiny"));
    CHECK(pc_cpu_backend_new(&backend, 1, 0));
    CHECK(pc_model_pack(model, backend, PC_F32));
    CHECK(pc_local_new(&local, model, backend, &(pc_local_options){.compute = PC_F32}));
    begin(&s, "similar", 2);
    s.options.local = local;
    CHECK(pc_shots_new(&shots, &s.options));
    /* The same picture is the most alike, and green is the least alike of the three. */
    CHECK(pc_shots_choose(shots, &(pc_task_question){.question = "?", .path = pc_test_path(path, s.folder, "red.png")}, chosen));
    assert_string_equal(chosen[1]->question, "q0");
    assert_string_equal(chosen[0]->question, "q2");
    /* A question without picture is like none: the first of the pool stand there. */
    CHECK(pc_shots_choose(shots, &(pc_task_question){.question = "?"}, chosen));
    assert_string_equal(chosen[1]->question, "q0");
    assert_string_equal(chosen[0]->question, "q1");
    pc_shots_free(shots);
    pc_local_free(local);
    pc_model_free(model);
    pc_cpu_backend_free(backend);
    pc_test_folder_free(s.folder);
}

static pc_status choose_once(void *user)
{
    setting *s = user;
    pc_shots *shots = NULL;
    const pc_shot *chosen[PC_SHOTS_MOST];
    pc_status status = pc_shots_new(&shots, &s->options);
    if (status == PC_OK) {
        status = pc_shots_choose(shots, &(pc_task_question){.question = "?"}, chosen);
    }
    pc_shots_free(shots);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    setting s;
    begin(&s, "balanced", 3);
    pc_test_each_allocation(choose_once, &s);
    pc_test_folder_free(s.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(balanced_takes_every_answer),
        cmocka_unit_test(similar_pictures_stand_last),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
