/* What the tests of decoding share: the golden LLaVA that is asked about its picture, and numbers of golden/decode/decoding.json
 * (made by oracle/make_decoding.py). */
#ifndef TESTS_DECODE_ASKED_H
#define TESTS_DECODE_ASKED_H

#include "backend/cpu/cpu.h"
#include "decode/local.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN PERCEPT_TESTS_DIR "/golden/"
#define LLAVA GOLDEN "llava/"

#define CHECK(call)                      \
    do {                                 \
        if ((call) != PC_OK) {           \
            fail_msg("%s", pc_error());  \
        }                                \
    } while (0)

static inline pc_json *read_golden(void)
{
    pc_json *all = NULL;
    CHECK(pc_json_read(&all, GOLDEN "decode/decoding.json", 1 << 24));
    return all;
}

static inline float *read_floats(const pc_json *list)
{
    float *out = calloc(pc_json_length(list) + 1, sizeof *out);
    for (size_t i = 0; i < pc_json_length(list); i++) {
        out[i] = (float)pc_json_number(pc_json_at(list, i), -INFINITY);
    }
    return out;
}

static inline void expect_ids(const char *name, const int32_t *ids, size_t count, const pc_json *expected)
{
    if (count != pc_json_length(expected)) {
        fail_msg("%s: %zu ids, expected %zu", name, count, pc_json_length(expected));
    }
    for (size_t i = 0; i < count; i++) {
        if (ids[i] != pc_json_integer(pc_json_at(expected, i), -1)) {
            fail_msg("%s: id %zu is %d, expected %lld", name, i, ids[i],
                     (long long)pc_json_integer(pc_json_at(expected, i), -1));
        }
    }
}


typedef struct asked {
    pc_model *model;
    pc_backend *backend;
    pc_local *local;
    pc_decoding how;
    pc_conversation conversation;
    pc_answer_media media;
    pc_answer_request request;
    pc_answer answer;
} asked;

static inline pc_status try_open(asked *s, const char *decoding, int threads)
{
    PC_TRY(pc_decoding_parse(&s->how, decoding));
    PC_TRY(pc_model_load(&s->model, LLAVA "hf"));
    PC_TRY(pc_cpu_backend_new(&s->backend, threads, 0));
    PC_TRY(pc_model_pack(s->model, s->backend, PC_F32));
    const pc_local_options options = {.compute = PC_F32, .context = 160, .decoding = &s->how, .probabilities = true,
                                      .top = 2};
    return pc_local_new(&s->local, s->model, s->backend, &options);
}

static inline pc_status try_ask(asked *s, const char *question, size_t most)
{
    pc_answerer answerer = pc_local_answerer(s->local);
    pc_conversation_clear(&s->conversation);
    PC_TRY(pc_conversation_begin(&s->conversation, PC_ROLE_USER));
    PC_TRY(pc_conversation_add_media(&s->conversation, PC_MEDIA_IMAGE, 0));
    PC_TRY(pc_conversation_add_text(&s->conversation, question, strlen(question)));
    s->media = (pc_answer_media){.kind = PC_MEDIA_IMAGE, .path = LLAVA "shapes.png"};
    s->request.conversation = &s->conversation;
    s->request.media = &s->media;
    s->request.media_count = 1;
    s->request.max_tokens = most;
    return answerer.answer(answerer.self, &s->request, &s->answer);
}

static inline void shut(asked *s)
{
    pc_answer_clear(&s->answer);
    pc_conversation_clear(&s->conversation);
    pc_local_free(s->local);
    pc_model_free(s->model);
    pc_cpu_backend_free(s->backend);
    pc_decoding_clear(&s->how);
}

#endif
