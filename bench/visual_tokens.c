/* What fewer tokens for a picture cost and save, several ways in turns: the vision tower with its connector, and reading the prompt.
 *
 *   visual_tokens MODEL ROUNDS WAY...        visual_tokens DIR 3 none fastv,layer=2,keep=0.5 tome,merged=16 prumerge,keep=0.25
 *
 * Prints one JSON object a way: soft tokens of one picture, and the least processor seconds of a round for the picture, and for the
 * prompt: the picture and QUESTION tokens behind it. One thread; weights as bf16. Pixels and ids are made up.
 */
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "model/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { QUESTION = 64, MOST_WAYS = 16 };

typedef struct way {
    const char *name;
    pc_session *session;
    int64_t tokens;
    double see, read; /* least seconds */
} way;

typedef struct bench {
    pc_model *model;
    pc_backend *backend;
    float *pixels;
    int32_t *ids;
    const float **soft;
    way ways[MOST_WAYS];
    int count;
} bench;

static double processor_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void keep_least(double *least, double seconds, bool first)
{
    *least = first || seconds < *least ? seconds : *least;
}

static pc_status measure(bench *b, way *w, bool first)
{
    const int64_t width = b->model->llm.info.width;
    float *soft = NULL;
    PC_TRY(pc_model_set_visual(b->model, w->name)); /* sessions read it from the model */
    double start = processor_seconds();
    PC_TRY(pc_session_see(w->session, b->pixels, NULL, &soft, &w->tokens));
    keep_least(&w->see, processor_seconds() - start, first);
    for (int64_t i = 0; i < w->tokens + QUESTION; i++) {
        b->soft[i] = i < w->tokens ? soft + i * width : NULL;
    }
    pc_session_rewind(w->session, 0);
    start = processor_seconds();
    pc_status status = pc_session_read(w->session, b->ids, b->soft, w->tokens + QUESTION);
    keep_least(&w->read, processor_seconds() - start, first);
    pc_free(soft);
    return status;
}

static pc_status prepare(bench *b, const char *path)
{
    PC_TRY(pc_model_load(&b->model, path));
    PC_TRY(pc_cpu_backend_new(&b->backend, 1, 0));
    PC_TRY(pc_model_pack(b->model, b->backend, PC_BF16));
    if (!b->model->connector.type) {
        return pc_fail(PC_ERR_DATA, "%s: this model takes no pictures", path);
    }
    const int64_t side = b->model->encoder.info.image_size, most = b->model->connector.tokens + 1 + QUESTION;
    PC_TRY(PC_NEW_ARRAY(b->pixels, (size_t)(3 * side * side), "a picture"));
    PC_TRY(PC_NEW_ARRAY(b->ids, (size_t)most, "a prompt"));
    PC_TRY(PC_NEW_ARRAY(b->soft, (size_t)most, "a prompt"));
    for (int64_t i = 0; i < 3 * side * side; i++) {
        b->pixels[i] = (float)(i * 7919 % 255) / 127.5f - 1;
    }
    for (int64_t i = 0; i < most; i++) {
        b->ids[i] = (int32_t)(i * 2654435761 % b->model->llm.info.vocabulary);
    }
    for (int i = 0; i < b->count; i++) {
        PC_TRY(pc_model_set_visual(b->model, b->ways[i].name));
        PC_TRY(pc_session_new(&b->ways[i].session, b->model, b->backend,
                              &(pc_session_options){.context = most, .compute = PC_BF16}));
    }
    return PC_OK;
}

static pc_status run(bench *b, const char *path, long rounds)
{
    PC_TRY(prepare(b, path));
    for (long round = 0; round < rounds; round++) {
        for (int i = 0; i < b->count; i++) {
            PC_TRY(measure(b, &b->ways[i], round == 0));
        }
    }
    for (int i = 0; i < b->count; i++) {
        const way *w = &b->ways[i];
        printf("{\"way\": \"%s\", \"tokens\": %lld, \"see_seconds\": %.4f, \"read_seconds\": %.4f, \"speed\": %.2f}\n", w->name,
               (long long)w->tokens, w->see, w->read, (b->ways[0].see + b->ways[0].read) / (w->see + w->read));
    }
    return PC_OK;
}

int main(int argc, char **argv)
{
    bench b = {.count = argc - 3};
    const long rounds = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    if (argc < 4 || b.count > MOST_WAYS || rounds < 1) {
        fprintf(stderr, "usage: visual_tokens MODEL ROUNDS WAY...\n");
        return 2;
    }
    for (int i = 0; i < b.count; i++) {
        b.ways[i].name = argv[3 + i];
    }
    pc_status status = run(&b, argv[1], rounds);
    if (status != PC_OK) {
        fprintf(stderr, "%s\n", pc_error());
    }
    for (int i = 0; i < b.count; i++) {
        pc_session_free(b.ways[i].session);
    }
    pc_model_free(b.model);
    pc_cpu_backend_free(b.backend);
    pc_free(b.pixels);
    pc_free(b.ids);
    pc_free(b.soft);
    return status == PC_OK ? 0 : 1;
}
