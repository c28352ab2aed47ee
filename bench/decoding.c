/* What a decoding costs or saves on captions of unseen scenes, in pairs that take turns; and how soon a second question about
 * a picture begins to be answered.
 *
 *   decoding MODEL DECODING [SCENES [THREADS [REQUEST]]]        decoding models/percept-tiny draft=ngram 50 1 "List the objects."
 *
 * Prints one JSON object. Both answerers share the weights. "seconds" are the processor's, of this process, so that other
 * programs on the machine count for little; "same" counts equal answers. "first_token_ms" (elapsed, medians): of the first
 * question about each picture and of a second, other one, picture and prompt both included.
 */
#include "backend/cpu/cpu.h"
#include "data/scenes.h"
#include "decode/local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_SCENES = 100000 };
static const uint64_t SEED = 900001; /* recipes train on others */

typedef struct bench {
    pc_model *model;
    pc_backend *backend;
    pc_decoding decoding;
    pc_local *locals[2]; /* plain, and as `decoding` says */
    double seconds[2], *first[2];
    long tokens[2], same;
    pc_ids kept;
    const char *request; /* for a caption */
} bench;

static double processor_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double elapsed_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static pc_status ask(pc_local *local, const pc_image *image, const char *question, size_t most)
{
    pc_answerer answerer = pc_local_answerer(local);
    pc_conversation said = {0};
    pc_answer answer = {0};
    const pc_answer_media media = {.kind = PC_MEDIA_IMAGE, .image = image};
    pc_status status;
    PC_GO(pc_conversation_begin(&said, PC_ROLE_USER));
    PC_GO(pc_conversation_add_media(&said, PC_MEDIA_IMAGE, 0));
    PC_GO(pc_conversation_add_text(&said, question, strlen(question)));
    status = answerer.answer(answerer.self, &(pc_answer_request){.conversation = &said, .media = &media, .media_count = 1,
                                                                 .max_tokens = most}, &answer);
done:
    pc_answer_clear(&answer);
    pc_conversation_clear(&said);
    return status;
}

static bool same_ids(const pc_ids *a, const pc_ids *b)
{
    return a->count == b->count && (!a->count || memcmp(a->data, b->data, a->count * sizeof *a->data) == 0);
}

/* The picture is encoded and the prompt read before the caption is timed: what counts is the writing. */
static pc_status time_caption(bench *b, int which, const pc_image *image)
{
    pc_local *local = b->locals[which];
    PC_TRY(ask(local, image, b->request, 1));
    double start = processor_seconds();
    PC_TRY(ask(local, image, b->request, 0));
    b->seconds[which] += processor_seconds() - start;
    const pc_ids *ids = &pc_local_last(local)->ids;
    b->tokens[which] += (long)ids->count;
    if (which == 1) {
        b->same += same_ids(ids, &b->kept);
        return PC_OK;
    }
    pc_ids_reset(&b->kept);
    return pc_ids_add(&b->kept, ids->data, ids->count);
}

static pc_status time_first_tokens(bench *b, long scene, const pc_image *image)
{
    static const char *const questions[2] = {"How many objects are there?", "Is there a star?"};
    for (int i = 0; i < 2; i++) {
        double start = elapsed_ms();
        PC_TRY(ask(b->locals[0], image, questions[i], 1));
        b->first[i][scene] = elapsed_ms() - start;
    }
    return PC_OK;
}

static pc_status measure(bench *b, long scenes)
{
    for (long i = 0; i < scenes; i++) {
        pc_scene scene;
        pc_image *image = NULL;
        PC_TRY(pc_scene_draw(&scene, SEED, (uint64_t)i, NULL));
        PC_TRY(pc_scene_image(&image, &scene));
        pc_status status = time_first_tokens(b, i, image);
        for (int which = 0; which < 2 && status == PC_OK; which++) {
            status = time_caption(b, which, image);
        }
        pc_image_free(image);
        PC_TRY(status);
    }
    return PC_OK;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, long count)
{
    qsort(values, (size_t)count, sizeof *values, by_size);
    return values[count / 2];
}

static pc_status run(bench *b, const char *path, const char *decoding, long scenes, int threads)
{
    PC_TRY(pc_decoding_parse(&b->decoding, decoding));
    PC_TRY(pc_model_load(&b->model, path));
    PC_TRY(pc_cpu_backend_new(&b->backend, threads, 0));
    PC_TRY(pc_model_pack(b->model, b->backend, PC_F32));
    for (int i = 0; i < 2; i++) {
        PC_TRY(PC_NEW_ARRAY(b->first[i], (size_t)scenes, "times"));
        PC_TRY(pc_local_new(&b->locals[i], b->model, b->backend,
                            &(pc_local_options){.compute = PC_F32, .decoding = i ? &b->decoding : NULL}));
    }
    PC_TRY(measure(b, scenes));
    double first = median(b->first[0], scenes), second = median(b->first[1], scenes);
    printf("{\"decoding\": \"%s\", \"scenes\": %ld, \"threads\": %d, \"same\": %ld,\n"
           " \"plain\": {\"tokens\": %ld, \"seconds\": %.3f}, \"decoded\": {\"tokens\": %ld, \"seconds\": %.3f}, "
           "\"ratio\": %.3f,\n \"first_token_ms\": {\"first\": %.3f, \"second\": %.3f, \"ratio\": %.2f}}\n",
           decoding, scenes, threads, b->same, b->tokens[0], b->seconds[0], b->tokens[1], b->seconds[1],
           b->seconds[0] / b->seconds[1], first, second, first / second);
    return PC_OK;
}

int main(int argc, char **argv)
{
    bench b = {.request = argc > 5 ? argv[5] : "Describe the picture."};
    long scenes = argc > 3 ? strtol(argv[3], NULL, 10) : 20, threads = argc > 4 ? strtol(argv[4], NULL, 10) : 1;
    if (argc < 3 || scenes < 1 || scenes > MOST_SCENES || threads < 1 || threads > 1024) {
        fprintf(stderr, "usage: decoding MODEL DECODING [SCENES [THREADS [REQUEST]]]\n");
        return 2;
    }
    pc_status status = run(&b, argv[1], argv[2], scenes, (int)threads);
    if (status != PC_OK) {
        fprintf(stderr, "%s\n", pc_error());
    }
    for (int i = 0; i < 2; i++) {
        pc_local_free(b.locals[i]);
        pc_free(b.first[i]);
    }
    pc_ids_clear(&b.kept);
    pc_model_free(b.model);
    pc_cpu_backend_free(b.backend);
    pc_decoding_clear(&b.decoding);
    return status == PC_OK ? 0 : 1;
}
