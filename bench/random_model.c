/* Writes a model directory of a well-known shape with random weights, so that speed can be compared on the same file where the
 * real weights are not at hand.
 *
 *   random_model SHAPE DIR [f32|bf16|f16] [TOKENIZER]
 *
 * TOKENIZER (a file, or a directory that has one) is copied into the directory; speed needs none. All matrices are cut from one
 * block of normal numbers, so that 7 billion weights need no more memory than the largest of them.
 */
#include "base/memory.h"
#include "base/rng.h"
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LLAMA(layers, width, hidden, heads, keys, vocabulary)                                                            \
    "\"model_type\": \"llama\", \"num_hidden_layers\": " #layers ", \"hidden_size\": " #width                             \
    ", \"intermediate_size\": " #hidden ", \"num_attention_heads\": " #heads ", \"num_key_value_heads\": " #keys          \
    ", \"vocab_size\": " #vocabulary ", \"max_position_embeddings\": 4096, \"rms_norm_eps\": 1e-5"

#define CLIP_L_336                                                                                                      \
    "\"vision_config\": {\"model_type\": \"clip_vision_model\", \"num_hidden_layers\": 24, \"hidden_size\": 1024, "      \
    "\"intermediate_size\": 4096, \"num_attention_heads\": 16, \"image_size\": 336, \"patch_size\": 14}"

#define LLAVA(text)                                                                                                     \
    "{\"model_type\": \"llava\", \"image_token_index\": 32000, \"vision_feature_layer\": -2, \"text_config\": {" text "}, " \
    CLIP_L_336 "}"

static const struct {
    const char *name, *config;
} shapes[] = {
    {"tinyllama-1.1b", "{" LLAMA(22, 2048, 5632, 32, 4, 32000) "}"},
    {"llama-7b", "{" LLAMA(32, 4096, 11008, 32, 32, 32000) "}"},
    {"qwen2-0.5b", "{\"model_type\": \"qwen2\", \"num_hidden_layers\": 24, \"hidden_size\": 896, \"intermediate_size\": 4864, "
                   "\"num_attention_heads\": 14, \"num_key_value_heads\": 2, \"vocab_size\": 151936, "
                   "\"max_position_embeddings\": 32768, \"rope_theta\": 1000000, \"tie_word_embeddings\": true}"},
    {"llava-1.1b", LLAVA(LLAMA(22, 2048, 5632, 32, 4, 32064))},
    {"llava-7b", LLAVA(LLAMA(32, 4096, 11008, 32, 32, 32064))},
};

enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static pc_status outline(pc_model **out, const char *config, const char *tokenizer)
{
    char path[] = "/tmp/random-model-XXXXXX";
    int file = mkstemp(path);
    if (file < 0) {
        return pc_fail(PC_ERR_IO, "%s: no such file can be made", path);
    }
    bool written = write(file, config, strlen(config)) == (ssize_t)strlen(config);
    close(file);
    pc_status status = written ? pc_model_outline(out, path, tokenizer) : pc_fail(PC_ERR_IO, "%s: writing failed", path);
    unlink(path);
    return status;
}

/* Matrices from `normal`, weights of norms one, biases zero. */
static void fill(pc_model *model, float *normal, float *ones, float *zeros)
{
    for (size_t i = 0; i < model->params.count; i++) {
        pc_param *param = &model->params.items[i]->param;
        const size_t length = strlen(param->name);
        const bool bias = length > 5 && strcmp(param->name + length - 5, ".bias") == 0;
        param->data = param->shape.ndim > 1 ? normal : bias ? zeros : ones;
        param->dtype = PC_F32;
    }
}

static pc_status write_model(const char *config, const char *folder, pc_dtype dtype, const char *tokenizer)
{
    enum { VECTOR = 1 << 18 };
    pc_model *model = NULL;
    float *normal = NULL, *ones = NULL, *zeros = NULL;
    int64_t largest = 1;
    pc_rng rng;
    pc_status status;
    PC_GO(outline(&model, config, tokenizer));
    for (size_t i = 0; i < model->params.count; i++) {
        const int64_t count = pc_shape_count(&model->params.items[i]->param.shape);
        largest = count > largest ? count : largest;
    }
    PC_GO(PC_NEW_ARRAY(normal, (size_t)largest, "random weights"));
    PC_GO(PC_NEW_ARRAY(ones, VECTOR, "random weights"));
    PC_GO(PC_NEW_ARRAY(zeros, VECTOR, "random weights"));
    pc_rng_init(&rng, 1, 1);
    for (int64_t i = 0; i < largest; i++) {
        normal[i] = (float)(0.02 * pc_rng_normal(&rng));
    }
    for (int i = 0; i < VECTOR; i++) {
        ones[i] = 1;
    }
    fill(model, normal, ones, zeros);
    status = pc_model_save(model, folder, dtype);
done:
    for (size_t i = 0; model && i < model->params.count; i++) {
        model->params.items[i]->param.data = NULL;
    }
    pc_model_free(model);
    pc_free(normal);
    pc_free(ones);
    pc_free(zeros);
    return status;
}

static int usage(void)
{
    fprintf(stderr, "random_model SHAPE DIR [f32|bf16|f16] [TOKENIZER]\nshapes:");
    for (int i = 0; i < SHAPES; i++) {
        fprintf(stderr, " %s", shapes[i].name);
    }
    fprintf(stderr, "\n");
    return 2;
}

int main(int argc, char **argv)
{
    const int dtype = argc > 3 ? pc_dtype_from_name(argv[3]) : PC_BF16;
    if (argc < 3 || argc > 5 || (dtype != PC_F32 && dtype != PC_BF16 && dtype != PC_F16)) {
        return usage();
    }
    for (int i = 0; i < SHAPES; i++) {
        if (strcmp(argv[1], shapes[i].name) == 0) {
            const pc_status status = write_model(shapes[i].config, argv[2], (pc_dtype)dtype, argc > 4 ? argv[4] : NULL);
            if (status != PC_OK) {
                fprintf(stderr, "random_model: %s\n", pc_error());
            }
            return status != PC_OK;
        }
    }
    return usage();
}
