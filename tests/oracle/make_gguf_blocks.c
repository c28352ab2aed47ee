/* Makes tests/golden/gguf/blocks.safetensors out of ggml: for each block format random blocks with the values that ggml
 * gives them, and the squared error of ggml's quantiser on common weights.
 *
 *   cc -O2 -I GGML/include make_gguf_blocks.c -L BUILD/bin -lggml-base -lm -o make_gguf_blocks
 *   LD_LIBRARY_PATH=BUILD/bin ./make_gguf_blocks tests/golden/gguf/blocks.safetensors
 */
#include "ggml.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WEIGHTS = 4096, DATA = 1 << 20 };

static const struct {
    enum ggml_type type;
    const char *name;
    int halves[2]; /* byte offsets of f16 scales that must be finite; -1 = none */
    int blocks, quantises;
} formats[] = {
    {GGML_TYPE_Q4_0, "q4_0", {0, -1}, 6, 1},    {GGML_TYPE_Q4_1, "q4_1", {0, 2}, 6, 0},
    {GGML_TYPE_Q5_0, "q5_0", {0, -1}, 6, 0},    {GGML_TYPE_Q5_1, "q5_1", {0, 2}, 6, 0},
    {GGML_TYPE_Q8_0, "q8_0", {0, -1}, 6, 1},    {GGML_TYPE_Q2_K, "q2_k", {80, 82}, 2, 0},
    {GGML_TYPE_Q3_K, "q3_k", {108, -1}, 2, 0},  {GGML_TYPE_Q4_K, "q4_k", {0, 2}, 2, 1},
    {GGML_TYPE_Q5_K, "q5_k", {0, 2}, 2, 1},     {GGML_TYPE_Q6_K, "q6_k", {208, -1}, 2, 1},
    {GGML_TYPE_IQ4_NL, "iq4_nl", {0, -1}, 6, 1}, {GGML_TYPE_IQ4_XS, "iq4_xs", {0, -1}, 2, 0},
};

static char header[1 << 16];
static uint8_t data[DATA];
static size_t used, at;
static uint64_t state = 1;

static uint32_t draw(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

static float normal(void)
{
    float sum = 0;
    for (int i = 0; i < 12; i++) {
        sum += (float)draw() / 2147483648.0f;
    }
    return sum - 6;
}

static void add(const char *name, const char *what, const char *dtype, size_t count, const void *bytes, size_t size)
{
    at += (size_t)snprintf(header + at, sizeof header - at, "%s\"%s%s\":{\"dtype\":\"%s\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}",
                           at > 1 ? "," : "", name, what, dtype, count, used, used + size);
    memcpy(data + used, bytes, size);
    used += size;
}

/* Normal numbers of several sizes, some rows with outliers, shifted, one-sided, or zero. */
static void make_weights(float *w)
{
    for (int i = 0; i < WEIGHTS; i++) {
        int row = i / 256;
        float x = normal() * (row % 4 == 0 ? 0.02f : row % 4 == 1 ? 1.0f : 0.3f);
        x *= row >= 8 && draw() % 40 == 0 ? 8 : 1;
        x += row % 5 == 3 ? 0.5f : 0;
        x = row == 6 ? fabsf(x) : row == 7 ? -fabsf(x) : row == 14 ? 0 : x;
        w[i] = x;
    }
}

int main(int argc, char **argv)
{
    static float weights[WEIGHTS], values[WEIGHTS];
    static uint8_t bytes[WEIGHTS * 4];
    FILE *file = argc == 2 ? fopen(argv[1], "wb") : NULL;
    if (!file) {
        return 2;
    }
    /* Fills ggml's table of f16 values; without it every scale is 0. */
    struct ggml_context *context = ggml_init((struct ggml_init_params){1024, NULL, true});
    header[at++] = '{';
    make_weights(weights);
    add("weights", "", "F32", WEIGHTS, weights, sizeof weights);
    for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++) {
        size_t size = ggml_type_size(formats[f].type), unit = (size_t)ggml_blck_size(formats[f].type);
        size_t total = size * (size_t)formats[f].blocks, count = unit * (size_t)formats[f].blocks;
        for (size_t i = 0; i < total; i++) {
            bytes[i] = (uint8_t)draw();
        }
        for (int b = 0; b < formats[f].blocks; b++) {
            for (int h = 0; h < 2 && formats[f].halves[h] >= 0; h++) {
                ggml_fp16_t scale = ggml_fp32_to_fp16(normal() * (b == 0 ? 1e-6f : 0.01f)); /* b == 0: subnormal */
                memcpy(bytes + (size_t)b * size + formats[f].halves[h], &scale, sizeof scale);
            }
        }
        ggml_get_type_traits(formats[f].type)->to_float(bytes, values, (int64_t)count);
        /* f32 first, so that it stays aligned */
        add(formats[f].name, ".values", "F32", count, values, count * sizeof(float));
        if (formats[f].quantises) {
            double error = 0;
            ggml_quantize_chunk(formats[f].type, weights, bytes + total, 0, WEIGHTS / 256, 256, NULL);
            ggml_get_type_traits(formats[f].type)->to_float(bytes + total, values, WEIGHTS);
            for (int i = 0; i < WEIGHTS; i++) {
                error += ((double)weights[i] - values[i]) * ((double)weights[i] - values[i]);
            }
            add(formats[f].name, ".error", "F64", 1, &error, sizeof error);
        }
        size_t padded = (total + 7) / 8 * 8;
        memset(bytes + total, 0, padded - total);
        add(formats[f].name, ".blocks", "U8", padded, bytes, padded);
    }
    header[at++] = '}';
    while (at % 8) {
        header[at++] = ' ';
    }
    uint64_t length = at;
    fwrite(&length, sizeof length, 1, file);
    fwrite(header, 1, at, file);
    fwrite(data, 1, used, file);
    ggml_free(context);
    return fclose(file) != 0;
}
