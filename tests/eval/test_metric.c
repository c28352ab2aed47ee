/* Metrics below the command line: the normalisation of answers, and what happens when memory is short. */
#include "eval/metric/metric.h"
#include "eval/metric/vqa_words.h"
#include "support/allocfail.h"
#include "support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CHECK(call)                     \
    do {                                \
        if ((call) != PC_OK) {          \
            fail_msg("%s", pc_error()); \
        }                               \
    } while (0)

/* What vqaEval.py makes of these texts. */
static void vqa_answers_are_normalised(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"Yes.", "yes"}, {"The red-haired girl", "red haired girl"}, {"1,000", "1000"}, {"3.5 m.", "3.5 m"},
        {"dont know", "don't know"}, {"None", "0"}, {"black/white", "black white"}, {"U.S.A.", "usa"},
        {"hello , world", "hello world"}, {"10,000 people, maybe", "10000 people maybe"}, {"Im here", "im here"},
        {"$5.00", "$5.00"}, {"2 - 3", "2 3"}, {"x.y", "xy"}, {"the the a", ""}, {"it's 10:30", "it's 10:30"}, {"", ""},
        {"couldnt've", "couldn't've"}, {"couldn'tve", "couldn't've"}, {"yallll", "yallll"}, {"yall'll", "y'all'll"},
        {"ow's'at", "'ow's'at"}, {"somebody'd", "somebodyd"}, {"ten apples", "10 apples"}, {"twas", "'twas"},
    };
    pc_str out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK(pc_vqa_normalise(&out, cases[i][0]));
        if (strcmp(out.data, cases[i][1]) != 0) {
            fail_msg("'%s': expected '%s', found '%s'", cases[i][0], cases[i][1], out.data);
        }
    }
    pc_str_clear(&out);
}

/* Two items that the metrics below can read. */
static const char predictions[] = "{\"id\": 1, \"prediction\": \"yes\"}\n{\"id\": 2, \"prediction\": \"no\"}\n";
static const char references[] =
    "{\"id\": 1, \"references\": [\"yes\"], \"type\": \"generative\", \"truth\": [\"yes\"], \"hallu\": [\"no\"], \"objects\": [\"no\"], \"task\": \"color\", \"image\": \"a\", \"split\": \"x\", "
    "\"choices\": [\"yes\", \"no\"], \"index\": 1, \"category\": \"VD\", \"subcategory\": \"s\", \"set_id\": \"0\", "
    "\"figure_id\": \"0\", \"question_id\": \"0\"}\n"
    "{\"id\": 2, \"references\": [\"no\"], \"type\": \"discriminative-relation\", \"task\": \"color\", \"image\": \"a\", \"split\": \"x\", "
    "\"choices\": [\"yes\", \"no\"], \"index\": 2, \"category\": \"VD\", \"subcategory\": \"s\", \"set_id\": \"0\", "
    "\"figure_id\": \"0\", \"question_id\": \"1\"}\n";

/* What some metrics know beside. */
static const char *const files[][2] = {
    {"names.txt", "yes, sure\nno\n"}, {"english.synsets", "yes\n1\nno\n2 1\n"}, {"english.exceptions", "yes\nyep\n"},
    {"relation.json", "{\"yes\": [\"sure\"], \"no\": []}"}, {"safe_words.txt", "light\n"}};

typedef struct scored {
    const pc_metric *metric;
    const char *p, *r, *data;
} scored;

static pc_status score_once(void *user)
{
    const scored *s = user;
    pc_metric_items items;
    pc_json *out = NULL;
    pc_status status = pc_metric_read(&items, s->metric, s->p, s->r);
    items.data = s->data;
    if (status == PC_OK) {
        status = pc_metric_score(&out, s->metric, &items, true);
    }
    pc_json_free(out);
    pc_metric_items_clear(&items);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char folder[256], p[512], r[512], data[512];
    pc_test_folder_new(folder);
    pc_test_write(folder, "p.jsonl", predictions, sizeof predictions - 1);
    pc_test_write(folder, "r.jsonl", references, sizeof references - 1);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        pc_test_write(folder, files[i][0], files[i][1], strlen(files[i][1]));
    }
    static const char *const names[] = {"bleu", "rouge_l", "cider", "vqa", "anls", "pope", "mme", "exact", "scienceqa", "tabmwp",
                                        "math_vision", "choice", "mmbench", "hallusionbench", "meteor", "chair", "amber", "mmmu"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        scored s = {.p = pc_test_path(p, folder, "p.jsonl"), .r = pc_test_path(r, folder, "r.jsonl")};
        CHECK(pc_metric_find(&s.metric, names[i]));
        s.data = strcmp(names[i], "chair") == 0 ? pc_test_path(data, folder, "names.txt")
                 : strcmp(names[i], "meteor") == 0 || strcmp(names[i], "amber") == 0 ? folder : NULL;
        CHECK(score_once(&s));
        pc_test_each_allocation(score_once, &s);
    }
    pc_test_folder_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vqa_answers_are_normalised),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
