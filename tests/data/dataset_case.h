/* What the tests of datasets and of the loader share: opening, a tokenizer, comparing conversations. */
#ifndef PC_TESTS_DATA_DATASET_CASE_H
#define PC_TESTS_DATA_DATASET_CASE_H

#include "base/memory.h"
#include "data/dataset.h"
#include "support/folder.h"
#include "text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define must(expression)                                      \
    do {                                                      \
        if ((expression) != PC_OK) {                          \
            fail_msg("%s: %s", #expression, pc_error());      \
        }                                                     \
    } while (0)

/* The call fails with this status and a message that holds `part`. */
#define must_fail(expression, wanted, part)                                  \
    do {                                                                     \
        pc_status got = (expression);                                        \
        if (got != (wanted) || !strstr(pc_error(), (part))) {                \
            fail_msg("%s: status %d, message '%s'", #expression, got, pc_error()); \
        }                                                                    \
    } while (0)

static inline pc_tokenizer *load_tokenizer(void)
{
    pc_tokenizer *tokenizer = NULL;
    must(pc_tokenizer_load(&tokenizer, PERCEPT_TESTS_DIR "/golden/prompt/bpe"));
    return tokenizer;
}

static inline pc_dataset *open_dataset(const char *path)
{
    pc_dataset *dataset = NULL;
    must(pc_dataset_open(&dataset, path, NULL, NULL));
    return dataset;
}

static inline void assert_same_conversation(const pc_conversation *a, const pc_conversation *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->part_count, b->part_count);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->messages[i].role, b->messages[i].role);
        assert_int_equal(a->messages[i].first, b->messages[i].first);
        assert_int_equal(a->messages[i].count, b->messages[i].count);
    }
    for (size_t i = 0; i < a->part_count; i++) {
        assert_int_equal(a->parts[i].text == NULL, b->parts[i].text == NULL);
        if (a->parts[i].text) {
            assert_string_equal(a->parts[i].text, b->parts[i].text);
        } else {
            assert_int_equal(a->parts[i].kind, b->parts[i].kind);
            assert_int_equal(a->parts[i].index, b->parts[i].index);
        }
    }
}

static inline void assert_same_pictures(const pc_sample *a, const pc_sample *b)
{
    assert_int_equal(a->image_count, b->image_count);
    for (size_t i = 0; i < a->image_count; i++) {
        const pc_image *x = a->images[i], *y = b->images[i];
        assert_int_equal(x->width, y->width);
        assert_int_equal(x->height, y->height);
        assert_memory_equal(x->pixels, y->pixels, (size_t)x->width * (size_t)x->height * 3);
    }
}

/* The text of message `at` (its text parts joined must be one part). */
static inline const char *text_of(const pc_sample *sample, size_t at)
{
    const pc_message *message = &sample->conversation.messages[at];
    assert_true(at < sample->conversation.count && message->count > 0);
    const char *text = sample->conversation.parts[message->first + message->count - 1].text;
    assert_non_null(text);
    return text;
}

#endif
