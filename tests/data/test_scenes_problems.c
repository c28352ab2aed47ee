/* Questions of several steps: the answers follow from the questions' words, the steps name what is there, both languages ask the same,
 * and who doesn't see the picture can't guess. */
#include "data/scenes_problems.h"

#include "data/dataset.h"
#include "data/scene_reading.h"

#include <stdio.h>
#include <stdlib.h>

/* Change only together with PC_SCENE_PROBLEMS_VERSION. */
static const char *const frozen[][2] = {
    {"en", "dc9157818694ee4fb09e6b69e880049d686f76182d39567b50a5034102b2ff9d"},
    {"zh", "db5375a97e05ead42d8de6655e6f11cf42e72f2cbcf9e0f0a57cfd94a5cd52c9"},
};

static void test_frozen_hash(void **state)
{
    (void)state;
    for (int i = 0; i < PC_SCENE_LANGUAGES; i++) {
        char hash[65];
        assert_int_equal(pc_scene_problems_hash(pc_scene_language_find(frozen[i][0]), hash), PC_OK);
        assert_string_equal(hash, frozen[i][1]);
    }
}

/* --- the answer from the question's words --- */

/* Along the axis and in the direction that a word names; at least 12 apart. */
static bool lies(const pc_scene_object *a, const pc_scene_object *b, const sentence *s)
{
    bool x = has(s, "left") || has(s, "right");
    float difference = x ? b->x - a->x : b->y - a->y;
    assert_true(fabsf(difference) >= 12);
    return has(s, "left") || has(s, "above") ? difference > 0 : difference < 0;
}

static const pc_scene_object *outermost(const pc_scene *scene, const thing *group, const sentence *s)
{
    const pc_scene_object *best = NULL;
    bool x = has(s, "leftmost") || has(s, "rightmost"), low = has(s, "leftmost") || has(s, "topmost");
    assert_true(low || has(s, "rightmost") || has(s, "lowest"));
    assert_true(count_fits(scene, group) > 1);
    for (int i = 0; i < scene->count; i++) {
        const pc_scene_object *o = &scene->objects[i];
        float ahead = !best ? 1 : (x ? o->x - best->x : o->y - best->y) * (low ? -1.0f : 1.0f);
        best = fits(group, o) && ahead > 0 ? o : best;
    }
    for (int i = 0; i < scene->count; i++) {
        const pc_scene_object *o = &scene->objects[i];
        assert_true(!fits(group, o) || o == best || fabsf(x ? o->x - best->x : o->y - best->y) >= 12);
    }
    return best;
}

static void tell_aspect(char out[64], const pc_scene_object *o, const sentence *s)
{
    snprintf(out, 64, "%s", has(s, "shape") ? nouns[o->noun] : colours[o->colour]);
}

/* The only other object that has the colour, or the noun, of `o`. */
static const pc_scene_object *other(const pc_scene *scene, const pc_scene_object *o, bool colour)
{
    thing like = {-1, -1, colour ? o->colour : -1, colour ? -1 : o->noun, 0};
    assert_int_equal(count_fits(scene, &like), 2);
    for (int i = 0; i < scene->count; i++) {
        if (&scene->objects[i] != o && fits(&like, &scene->objects[i])) {
            return &scene->objects[i];
        }
    }
    return NULL;
}

static void count_side(char out[64], const pc_scene *scene, const sentence *s)
{
    const pc_scene_object *reference = only(scene, &s->thing[1]);
    int count = 0;
    for (int i = 0; i < scene->count; i++) {
        const pc_scene_object *o = &scene->objects[i];
        count += o != reference && fits(&s->thing[0], o) && lies(o, reference, s);
    }
    snprintf(out, 64, "%d", count);
}

static const pc_scene_object *beside(const pc_scene *scene, const sentence *s)
{
    const pc_scene_object *reference = only(scene, &s->thing[1]), *found = NULL;
    for (int i = 0; i < scene->count; i++) {
        if (&scene->objects[i] != reference && lies(&scene->objects[i], reference, s)) {
            assert_null(found);
            found = &scene->objects[i];
        }
    }
    assert_non_null(found);
    return found;
}

static void work_out(char out[64], const pc_scene *scene, pc_scene_problem_kind kind, const sentence *s)
{
    const thing *last = &s->thing[s->things - 1];
    int first = count_fits(scene, &s->thing[0]), second = s->things > 1 ? count_fits(scene, &s->thing[1]) : 0;
    thing like = {-1, -1, -1, -1, 0};
    switch (kind) {
    case PC_PROBLEM_SIDE_COUNT: count_side(out, scene, s); break;
    case PC_PROBLEM_SUM: snprintf(out, 64, "%d", first + second); break;
    case PC_PROBLEM_DIFFERENCE: snprintf(out, 64, "%d", has(s, "from") ? second - first : first - second); break;
    case PC_PROBLEM_SAME_COUNT:
        like.colour = only(scene, last)->colour;
        snprintf(out, 64, "%d", count_fits(scene, &like) - 1);
        break;
    case PC_PROBLEM_OTHER_SHAPE: snprintf(out, 64, "%s", nouns[other(scene, only(scene, last), true)->noun]); break;
    case PC_PROBLEM_OTHER_COLOUR: snprintf(out, 64, "%s", colours[other(scene, only(scene, last), false)->colour]); break;
    case PC_PROBLEM_EXTREME: tell_aspect(out, outermost(scene, &s->thing[0], s), s); break;
    case PC_PROBLEM_BESIDE: tell_aspect(out, beside(scene, s), s); break;
    default: {
        bool same = outermost(scene, &s->thing[0], s)->colour == only(scene, &s->thing[1])->colour;
        snprintf(out, 64, "%s", same ? "yes" : "no");
    }
    }
}

/* --- the steps --- */

/* Every description in the steps fits something that is there, at the place that is said. */
static void check_steps(const pc_scene *scene, const pc_scene_problem *p)
{
    char text[PC_SCENE_RATIONALE], end[96], *save = NULL;
    snprintf(text, sizeof text, "%s", p->rationale);
    snprintf(end, sizeof end, " The answer is %s.", p->answer);
    size_t length = strlen(text), tail = strlen(end);
    assert_true(length > tail && length + 1 < sizeof text);
    assert_string_equal(text + length - tail, end);
    text[length - tail] = '\0';
    for (char *part = strtok_r(text, ",.:", &save); part; part = strtok_r(NULL, ",.:", &save)) {
        sentence s;
        split(&s, part);
        find_things(&s);
        bool place = has(&s, "top") || has(&s, "middle") || has(&s, "bottom"), found = s.things != 1;
        for (int i = 0; i < scene->count && !found; i++) {
            const pc_scene_object *o = &scene->objects[i];
            found = fits(&s.thing[0], o) && (!place || (has(&s, row_name(o)) && has(&s, column_name(o))));
        }
        bool plural = s.words && s.words < 4 && s.word[s.words - 1][strlen(s.word[s.words - 1]) - 1] == 's'; /* a group, maybe of none */
        if (!found && !plural) {
            print_error("scene %d: %s -> %s: '%s' is not there\n", (int)scene->index, p->question, p->rationale, part);
        }
        assert_true(found || plural);
    }
}

/* The listed ones are all of the group, each with its side. */
static void check_list(const pc_scene *scene, const pc_scene_problem *p, const sentence *question)
{
    const pc_scene_object *reference = only(scene, &question->thing[1]);
    char text[PC_SCENE_RATIONALE], *save = NULL;
    int listed = 0, there = count_fits(scene, &question->thing[0]) - fits(&question->thing[0], reference);
    snprintf(text, sizeof text, "%s", strchr(p->rationale, ':') + 1);
    *strchr(text, '.') = '\0';
    for (char *item = strtok_r(text, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
        sentence s;
        split(&s, item);
        find_things(&s);
        bool found = false;
        for (int i = 0; i < scene->count; i++) {
            const pc_scene_object *o = &scene->objects[i];
            found |= o != reference && fits(&s.thing[0], o) && lies(o, reference, &s);
        }
        assert_true(found);
        listed++;
    }
    assert_int_equal(listed, there);
}

static void check(const pc_scene *scene, const pc_scene_problem *p)
{
    char expected[64];
    sentence s;
    split(&s, p->question);
    find_things(&s);
    work_out(expected, scene, p->kind, &s);
    if (strcmp(p->answer, expected) != 0) {
        print_error("scene %d: %s -> %s, expected %s\n", (int)scene->index, p->question, p->answer, expected);
    }
    assert_string_equal(p->answer, expected);
    check_steps(scene, p);
    if (p->kind == PC_PROBLEM_SIDE_COUNT) {
        check_list(scene, p, &s);
    }
}

static void test_answers_are_true(void **state)
{
    (void)state;
    pc_scene scene;
    pc_scene_problem problems[PC_PROBLEMS];
    int asked[PC_PROBLEMS] = {0};
    for (uint64_t index = 0; index < 3000; index++) {
        const pc_scene_options *options = index % 2 ? &pc_scene_problems_usual : NULL;
        assert_int_equal(pc_scene_draw(&scene, 3, index, options), PC_OK);
        int count = pc_scene_problems(&scene, pc_scene_language_find("en"), problems);
        assert_in_range(count, 1, PC_PROBLEMS);
        for (int i = 0; i < count; i++) {
            check(&scene, &problems[i]);
            asked[problems[i].kind]++;
        }
    }
    for (int kind = 0; kind < PC_PROBLEMS; kind++) {
        assert_true(asked[kind] > 500);
    }
}

/* --- languages --- */

static const char *translated(const char *answer, const pc_scene_language *en, const pc_scene_language *zh)
{
    for (int i = 0; i < PC_SCENE_COLOURS; i++) {
        if (strcmp(answer, pc_scene_colour_word(en, i)) == 0) {
            return pc_scene_colour_word(zh, i);
        }
    }
    for (int i = 0; i < PC_SCENE_NOUNS; i++) {
        if (strcmp(answer, pc_scene_noun_word(en, i)) == 0) {
            return pc_scene_noun_word(zh, i);
        }
    }
    return strcmp(answer, "yes") == 0 ? "是" : strcmp(answer, "no") == 0 ? "否" : answer;
}

static void test_languages_ask_the_same(void **state)
{
    (void)state;
    const pc_scene_language *en = pc_scene_language_find("en"), *zh = pc_scene_language_find("zh");
    pc_scene scene;
    pc_scene_problem a[PC_PROBLEMS], b[PC_PROBLEMS];
    for (uint64_t index = 0; index < 300; index++) {
        char end[96];
        assert_int_equal(pc_scene_draw(&scene, 5, index, &pc_scene_problems_usual), PC_OK);
        int count = pc_scene_problems(&scene, en, a);
        assert_int_equal(pc_scene_problems(&scene, zh, b), count);
        for (int i = 0; i < count; i++) {
            assert_int_equal(a[i].kind, b[i].kind);
            assert_int_equal(a[i].pattern, b[i].pattern);
            assert_string_equal(translated(a[i].answer, en, zh), b[i].answer);
            snprintf(end, sizeof end, "答案是%s。", b[i].answer);
            assert_string_equal(b[i].rationale + strlen(b[i].rationale) - strlen(end), end);
        }
    }
}

/* --- guessing --- */

typedef struct seen {
    char question[128], answer[24];
} seen;

static int by_text(const void *a, const void *b)
{
    int order = strcmp(((const seen *)a)->question, ((const seen *)b)->question);
    return order ? order : strcmp(((const seen *)a)->answer, ((const seen *)b)->answer);
}

static size_t gather(seen *out, size_t room, uint64_t first, uint64_t scenes, bool words)
{
    pc_scene scene;
    pc_scene_problem problems[PC_PROBLEMS];
    size_t count = 0;
    for (uint64_t index = first; index < first + scenes; index++) {
        assert_int_equal(pc_scene_draw(&scene, 900001, index, &pc_scene_problems_usual), PC_OK);
        int have = pc_scene_problems(&scene, pc_scene_language_find("en"), problems);
        for (int i = 0; i < have && count < room; i++) {
            snprintf(out[count].question, sizeof out->question, "%d %.100s", problems[i].pattern, words ? problems[i].question : "");
            snprintf(out[count++].answer, sizeof out->answer, "%.20s", problems[i].answer);
        }
    }
    return count;
}

/* The answer most frequent behind this question; NULL when it was never seen. */
static const char *most_frequent(const seen *sorted, size_t count, const char *question)
{
    size_t low = 0, high = count, best = 0;
    const char *answer = NULL;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(sorted[middle].question, question) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (size_t i = low, run = 0; i < count && strcmp(sorted[i].question, question) == 0; i++) {
        run = i > low && strcmp(sorted[i].answer, sorted[i - 1].answer) == 0 ? run + 1 : 1;
        answer = run > best ? sorted[i].answer : answer;
        best = run > best ? run : best;
    }
    return answer;
}

/* A guesser that knows, of 20,000 other scenes, the answer most frequent behind these very words, else behind this phrasing. */
static void test_guessing_is_poor(void **state)
{
    (void)state;
    enum { ROOM = 20000 * PC_PROBLEMS, ASKED = 5000 };
    seen *known = calloc(ROOM, sizeof *known), *phrasings = calloc(ROOM, sizeof *phrasings);
    seen *asked = calloc(ASKED, sizeof *asked), *patterns = calloc(ASKED, sizeof *patterns);
    assert_true(known && phrasings && asked && patterns);
    size_t count = gather(known, ROOM, 100000, 20000, true), right = 0;
    assert_int_equal(gather(phrasings, ROOM, 100000, 20000, false), count);
    assert_int_equal(gather(asked, ASKED, 0, 1000, true), ASKED);
    assert_int_equal(gather(patterns, ASKED, 0, 1000, false), ASKED);
    qsort(known, count, sizeof *known, by_text);
    qsort(phrasings, count, sizeof *phrasings, by_text);
    for (size_t i = 0; i < ASKED; i++) {
        const char *guess = most_frequent(known, count, asked[i].question);
        guess = guess ? guess : most_frequent(phrasings, count, patterns[i].question);
        right += guess && strcmp(guess, asked[i].answer) == 0;
    }
    print_message("guessing: %zu of %d right\n", right, ASKED);
    assert_true(right < ASKED * 45 / 100);
    free(known);
    free(phrasings);
    free(asked);
    free(patterns);
}

/* --- the dataset --- */

static void test_dataset(void **state)
{
    (void)state;
    pc_dataset *direct, *steps;
    pc_sample a = {0}, b = {0};
    assert_int_equal(pc_dataset_open(&direct, "scene_problems?seed=7&n=20&content=direct", NULL, NULL), PC_OK);
    assert_int_equal(pc_dataset_open(&steps, "scene_problems?seed=7&n=20", NULL, NULL), PC_OK);
    for (int64_t i = 0; i < 20; i++) {
        assert_int_equal(pc_dataset_read(direct, i, &a), PC_OK);
        assert_int_equal(pc_dataset_read(steps, i, &b), PC_OK);
        assert_int_equal(a.image_count, 1);
        assert_int_equal(a.conversation.count, b.conversation.count);
        assert_memory_equal(a.images[0]->pixels, b.images[0]->pixels, 96 * 96 * 3);
    }
    pc_dataset_close(direct);
    pc_dataset_close(steps);
    assert_int_equal(pc_dataset_open(&direct, "scene_problems?seed=7&n=20&kinds=sum+beside&turns=1", NULL, NULL), PC_OK);
    assert_int_equal(pc_dataset_read(direct, 3, &a), PC_OK);
    assert_int_equal(a.conversation.count, 2);
    pc_dataset_close(direct);
    static const char *const wrong[] = {"scene_problems", "scene_problems?n=2&content=both", "scene_problems?n=2&lang=xx",
                                        "scene_problems?n=2&kinds=sum+none", "scene_problems?n=2&max_objects=9"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(pc_dataset_open(&direct, wrong[i], NULL, NULL), PC_ERR_USAGE);
    }
    pc_sample_clear(&a);
    pc_sample_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frozen_hash),           cmocka_unit_test(test_answers_are_true),
        cmocka_unit_test(test_languages_ask_the_same), cmocka_unit_test(test_guessing_is_poor), cmocka_unit_test(test_dataset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
