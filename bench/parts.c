/* Do the parts of compositions cost what their operations say? Each encoder and connector encodes a picture, each language model
 * and bridge reads a prompt, beside LLaVA's parts of the same sizes (CLIP, two layers, LLaMA): processor time over floating-point
 * operations, as a multiple of LLaVA's, the median of interleaved pairs.
 *
 *   parts [f32|bf16] [PAIRS] [FILTER]        one thread; pin it to a processor
 *
 * Weights are random, so that nothing has to be at hand. The last line counts the parts at most 10 % slower than predicted.
 */
#include "backend/cpu/cpu.h"
#include "base/file.h"
#include "base/memory.h"
#include "model/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TOKENS = 512, CHUNK = 512, CONTEXT = 1024, PICTURE = 224 * 224 * 3, MOST_PAIRS = 64, PLACEHOLDER = 3 };

#define TOWER(type, more)                                                                                               \
    "{\"model_type\": \"" type "\", \"hidden_size\": 512, \"intermediate_size\": 2048, \"num_hidden_layers\": 5, "      \
    "\"num_attention_heads\": 8, \"image_size\": 224, \"patch_size\": 14" more "}"
#define CLIP TOWER("clip_vision_model", "")
#define LAYERS "{\"type\": \"mlp\"}"
#define DECODER(type, more)                                                                                             \
    "{\"model_type\": \"" type "\", \"vocab_size\": 512, \"hidden_size\": 512, \"intermediate_size\": 1408, "           \
    "\"num_hidden_layers\": 4, \"num_attention_heads\": 8, \"num_key_value_heads\": 8, \"max_position_embeddings\": 1024" more "}"
#define LLAMA DECODER("llama", "")
#define ATTENDING "\"num_hidden_layers\": 4, \"num_attention_heads\": 8, \"intermediate_size\": 2048"

typedef struct part {
    const char *name;
    bool encodes; /* a picture is encoded; false: a prompt is read */
    const char *encoder, *connector, *bridge, *llm;
} part;

static const part llava[] = {{"llava", false, CLIP, LAYERS, NULL, LLAMA}, {"llava", true, CLIP, LAYERS, NULL, LLAMA}};

static const part parts[] = {
    {"clip", true, CLIP, LAYERS, NULL, LLAMA}, /* LLaVA's own: what the measurement is worth */
    {"siglip", true, TOWER("siglip_vision_model", ", \"vision_use_head\": false"), LAYERS, NULL, LLAMA},
    {"eva (BLIP-2)", true, TOWER("blip_2_vision_model", ""), LAYERS, NULL, LLAMA},
    {"eva2 (CogVLM)", true, TOWER("cogvlm_vision", ""), LAYERS, NULL, LLAMA},
    {"bigG (Qwen-VL)", true, TOWER("qwen_vl_vision", ""), LAYERS, NULL, LLAMA},
    {"projector", true, CLIP, "{\"type\": \"projector\", \"mm_projector_type\": \"linear\"}", NULL, LLAMA},
    {"q_former", true, CLIP, "{\"type\": \"q_former\", \"num_query_tokens\": 32, \"hidden_size\": 512, " ATTENDING "}", NULL, LLAMA},
    {"resampler", true, CLIP, "{\"type\": \"resampler\", \"num_latents\": 64, \"depth\": 4, \"heads\": 8, \"head_size\": 64}", NULL, LLAMA},
    {"position_resampler", true, CLIP, "{\"type\": \"position_resampler\", \"side\": 16, \"heads\": 8}", NULL, LLAMA},
    {"abstractor", true, CLIP, "{\"type\": \"abstractor\", \"num_query_tokens\": 64, " ATTENDING "}", NULL, LLAMA},
    {"ldp", true, CLIP, "{\"type\": \"ldp\"}", NULL, LLAMA},
    {"ldpv2", true, CLIP, "{\"type\": \"ldpv2\"}", NULL, LLAMA},
    {"pool", true, CLIP, "{\"type\": \"pool\", \"side\": 8}", NULL, LLAMA},
    {"pixel_shuffle", true, CLIP, "{\"type\": \"pixel_shuffle\", \"side\": 2}", NULL, LLAMA},
    {"cogvlm_glu", true, CLIP, "{\"type\": \"cogvlm_glu\"}", NULL, LLAMA},
    {"llama", false, CLIP, LAYERS, NULL, LLAMA},
    {"mistral", false, CLIP, LAYERS, NULL, DECODER("mistral", "")},
    {"qwen2", false, CLIP, LAYERS, NULL, DECODER("qwen2", "")},
    {"mixtral", false, CLIP, LAYERS, NULL,
     "{\"model_type\": \"mixtral\", \"vocab_size\": 512, \"hidden_size\": 512, \"intermediate_size\": 704, \"num_hidden_layers\": 4, "
     "\"num_attention_heads\": 8, \"num_key_value_heads\": 8, \"num_local_experts\": 8, \"max_position_embeddings\": 1024}"},
    {"stablelm", false, CLIP, LAYERS, NULL, DECODER("stablelm", "")},
    {"phi", false, CLIP, LAYERS, NULL, DECODER("phi", "")},
    {"mpt", false, CLIP, LAYERS, NULL,
     "{\"model_type\": \"mpt\", \"vocab_size\": 512, \"d_model\": 512, \"n_layers\": 4, \"n_heads\": 8, \"max_seq_len\": 1024}"},
    {"opt", false, CLIP, LAYERS, NULL,
     "{\"model_type\": \"opt\", \"vocab_size\": 512, \"hidden_size\": 512, \"ffn_dim\": 2048, \"num_hidden_layers\": 4, "
     "\"num_attention_heads\": 8, \"max_position_embeddings\": 1024}"},
    {"gated_cross_attention", false, CLIP, "{\"type\": \"resampler\", \"num_latents\": 64, \"project\": false}",
     "{\"type\": \"gated_cross_attention\", \"cross_attn_every_n_layers\": 2}", LLAMA},
    {"idefics_cross_attention", false, CLIP, "{\"type\": \"resampler\", \"num_latents\": 64, \"project\": false}",
     "{\"type\": \"idefics_cross_attention\", \"cross_layer_interval\": 2}", LLAMA},
    {"visual_expert", false, CLIP, LAYERS, "{\"type\": \"visual_expert\"}", LLAMA},
};

enum { PARTS = sizeof parts / sizeof parts[0] };

/* A part at work. */
typedef struct runner {
    const part *what;
    pc_model *model;
    pc_session *session;
    float *soft; /* of the picture in the prompt */
    int64_t soft_rows;
} runner;

static pc_status write_config(const char *folder, const part *p)
{
    char path[256], text[4096];
    snprintf(path, sizeof path, "%s/config.json", folder);
    snprintf(text, sizeof text, "{\"model_type\": \"percept\", \"image_token_index\": %d, \"encoder\": %s, \"connector\": %s, %s%s%s\"llm\": %s}",
             PLACEHOLDER, p->encoder, p->connector, p->bridge ? "\"bridge\": " : "", p->bridge ? p->bridge : "", p->bridge ? ", " : "",
             p->llm);
    return pc_file_write(path, text, strlen(text));
}

static pc_status run(runner *r)
{
    static float pixels[PICTURE];
    if (r->what->encodes) {
        float *soft = NULL;
        pc_status status = pc_session_see(r->session, pixels, NULL, &soft, NULL);
        pc_free(soft);
        return status;
    }
    int32_t ids[TOKENS];
    const float *soft[TOKENS] = {0};
    for (int i = 0; i < TOKENS; i++) {
        ids[i] = 5 + i % 500;
        if (i < r->soft_rows) {
            ids[i] = PLACEHOLDER;
            soft[i] = r->soft + i * r->model->llm.info.width;
        }
    }
    pc_session_rewind(r->session, 0);
    return pc_session_read(r->session, ids, soft, TOKENS);
}

static void stop(runner *r)
{
    pc_free(r->soft);
    pc_session_free(r->session);
    pc_model_free(r->model);
    *r = (runner){0};
}

/* A prompt begins with a picture where a bridge reads it. */
static pc_status start(runner *r, const part *p, const pc_backend *backend, pc_dtype compute)
{
    static float pixels[PICTURE];
    char folder[] = "/tmp/percept-parts-XXXXXX", path[256];
    const pc_session_options options = {.context = CONTEXT, .chunk = CHUNK, .compute = compute};
    int64_t tokens = 0;
    *r = (runner){.what = p};
    if (!mkdtemp(folder)) {
        return pc_fail(PC_ERR_IO, "%s: no such folder can be made", folder);
    }
    snprintf(path, sizeof path, "%s/config.json", folder);
    pc_status status = write_config(folder, p);
    if (status == PC_OK) {
        status = pc_model_create(&r->model, folder, NULL, 1);
    }
    unlink(path);
    rmdir(folder);
    PC_TRY(status);
    PC_TRY(pc_model_pack(r->model, backend, compute));
    PC_TRY(pc_session_new(&r->session, r->model, backend, &options));
    if (p->bridge) {
        PC_TRY(pc_session_see(r->session, pixels, NULL, &r->soft, &tokens));
        r->soft_rows = pc_model_pictures_apart(r->model) ? 1 : tokens;
    }
    return run(r); /* warm, and the costs are known */
}

static double flops_of(const runner *r)
{
    return (r->what->encodes ? pc_session_picture_cost(r->session) : pc_session_cost(r->session)).flops;
}

static pc_status seconds_of(runner *r, double *out)
{
    struct timespec from, to;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    PC_TRY(run(r));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    *out = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
    return PC_OK;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* *over += the part takes more than 10 % over what LLaVA's needs for as many operations. */
static pc_status compare(const part *p, runner *base, const pc_backend *backend, pc_dtype compute, int pairs, int *over)
{
    double ratios[MOST_PAIRS], ours = 0, theirs = 0;
    runner r;
    pc_status status = start(&r, p, backend, compute);
    for (int i = 0; i < pairs && status == PC_OK; i++) {
        status = seconds_of(base, &theirs);
        if (status == PC_OK) {
            status = seconds_of(&r, &ours);
        }
        ratios[i] = ours / flops_of(&r) / (theirs / flops_of(base));
    }
    if (status == PC_OK) {
        qsort(ratios, (size_t)pairs, sizeof *ratios, by_size);
        printf("%-8s %-24s %8.2f GFLOP  %6.2f (%.2f to %.2f)\n", p->encodes ? "encode" : "prefill", p->name, 1e-9 * flops_of(&r),
               ratios[pairs / 2], ratios[0], ratios[pairs - 1]);
        fflush(stdout);
        *over += ratios[pairs / 2] > 1.1;
    }
    stop(&r);
    return status;
}

static pc_status all(pc_dtype compute, int pairs, const char *filter)
{
    pc_backend *backend = NULL;
    runner base[2] = {{0}};
    int over = 0, count = 0;
    pc_status status;
    PC_GO(pc_cpu_backend_new(&backend, 1, 0));
    for (int i = 0; i < 2; i++) {
        PC_GO(start(&base[i], &llava[i], backend, compute));
    }
    for (int i = 0; i < PARTS; i++) {
        if (strstr(parts[i].name, filter)) {
            PC_GO(compare(&parts[i], &base[parts[i].encodes], backend, compute, pairs, &over));
            count++;
        }
    }
    printf("%d of %d within 10 %%\n", count - over, count);
done:
    stop(&base[0]);
    stop(&base[1]);
    pc_cpu_backend_free(backend);
    return status;
}

int main(int argc, char **argv)
{
    const int dtype = argc > 1 ? pc_dtype_from_name(argv[1]) : PC_F32;
    const int pairs = argc > 2 ? atoi(argv[2]) : 9;
    if ((dtype != PC_F32 && dtype != PC_BF16) || pairs < 1 || pairs > MOST_PAIRS) {
        fprintf(stderr, "parts [f32|bf16] [PAIRS, 1 to %d] [FILTER]\n", MOST_PAIRS);
        return 2;
    }
    if (all((pc_dtype)dtype, pairs, argc > 3 ? argv[3] : "") != PC_OK) {
        fprintf(stderr, "parts: %s\n", pc_error());
        return 1;
    }
    return 0;
}
