/* Which objects a text names: every drawn caption names exactly what is there, made-up objects are counted, words within words
 * are none. */
#include "data/dataset_case.h"
#include "data/scenes_claims.h"

enum { SCENES = 300 };

/* A true description agrees with the scene, in both languages; another scene's doesn't, but for chance. */
static void test_captions(void **state)
{
    static const char *const codes[] = {"en", "zh"};
    int strangers = 0;
    (void)state;
    for (int l = 0; l < 2; l++) {
        pc_scene_caption before = {"", ""};
        for (int i = 0; i < SCENES; i++) {
            pc_scene scene;
            pc_scene_caption caption;
            pc_scene_claims claims;
            must(pc_scene_draw(&scene, 7, (uint64_t)i, NULL));
            pc_scene_caption_write(&caption, &scene, pc_scene_language_find(codes[l]), true);
            pc_scene_claims_read(&claims, caption.text);
            assert_true(claims.caption);
            if (claims.count != scene.count) {
                fail_msg("%d objects read, %d are there: %s", claims.count, scene.count, caption.text);
            }
            for (int k = 0; k < scene.count; k++) {
                assert_true(claims.named[scene.objects[k].colour][scene.objects[k].noun] > 0);
            }
            pc_scene_agreement own = pc_scene_compare(caption.text, caption.text), other = pc_scene_compare(before.text, caption.text);
            assert_true(own.wrong == 0 && own.found == scene.count && own.there == scene.count);
            strangers += other.wrong > 0;
            before = caption;
        }
    }
    assert_true(strangers > SCENES);
}

static void expect(const char *said, const char *truth, pc_scene_agreement wanted)
{
    pc_scene_agreement got = pc_scene_compare(said, truth);
    if (memcmp(&got, &wanted, sizeof got) != 0) {
        fail_msg("'%s': named %d, wrong %d, there %d, found %d", said, got.named, got.wrong, got.there, got.found);
    }
}

static void test_agreement(void **state)
{
    static const char TRUTH[] = "A large red circle at the top left, a red circle at the top right, a blue letter A.";
    (void)state;
    expect("A red circle and a Blue letter B.", TRUTH, (pc_scene_agreement){2, 0, 3, 2});
    expect("red circle, red circle, red circles", TRUTH, (pc_scene_agreement){3, 1, 3, 2});
    expect("A green star; a red ring.", TRUTH, (pc_scene_agreement){2, 2, 3, 0});
    expect("A bored circle. A red big circle. red", TRUTH, (pc_scene_agreement){0, 0, 3, 0});
    expect("", TRUTH, (pc_scene_agreement){0, 0, 3, 0});
    expect("上排左列有一个大号条纹红色圆形，红色圆环", "红色圆形", (pc_scene_agreement){2, 1, 1, 1});
}

static void test_answers_are_no_captions(void **state)
{
    pc_scene_claims claims;
    (void)state;
    pc_scene_claims_read(&claims, "No, there is no red circle.");
    assert_true(claims.count == 1 && !claims.caption);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captions),
        cmocka_unit_test(test_agreement),
        cmocka_unit_test(test_answers_are_no_captions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
