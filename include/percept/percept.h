/* percept: multimodal language models. Pictures and a question go in, an answer comes out.
 *
 *   pc_percept *model;
 *   char *answer;
 *   const pc_percept_image photo = {.path = "photo.jpg"};
 *   pc_percept_request request = {.prompt = "What is this?", .images = &photo, .image_count = 1};
 *   if (pc_percept_load(&model, "models/percept-tiny", NULL) != PC_PERCEPT_OK ||
 *       pc_percept_answer(model, &request, &answer) != PC_PERCEPT_OK) {
 *       fprintf(stderr, "%s\n", pc_percept_error());
 *   }
 *
 * The library never prints, ends the process, reads environment variables, or keeps state outside its handles. Compile
 * with `pkg-config --cflags --libs percept`.
 */
#ifndef PERCEPT_PERCEPT_H
#define PERCEPT_PERCEPT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PERCEPT_API __attribute__((visibility("default")))
#else
#define PERCEPT_API
#endif

/* What a function returns; pc_percept_error() tells the rest. */
enum {
    PC_PERCEPT_OK = 0,
    PC_PERCEPT_ERR_IO = -1,          /* reading or writing failed */
    PC_PERCEPT_ERR_MEMORY = -2,      /* an allocation failed */
    PC_PERCEPT_ERR_USAGE = -3,       /* an argument is wrong */
    PC_PERCEPT_ERR_DATA = -4,        /* a file or model is malformed or does not fit */
    PC_PERCEPT_ERR_DIVERGED = -5,    /* numbers became infinite or undefined */
    PC_PERCEPT_ERR_INTERRUPTED = -6, /* on_text asked to stop, or a signal did */
};

/* A model, ready to answer. One thread at a time may use a handle; different handles are independent. */
typedef struct pc_percept pc_percept;

/* How to load. All zero (or NULL in place of the struct) is a good choice. */
typedef struct pc_percept_options {
    int threads;               /* 0 = one for each processor; answers don't depend on it */
    int bf16;                  /* not 0: matrix products in bf16, summed in f32; 0 = f32 */
    int64_t context;           /* tokens that fit in memory; 0 = what the model was made for, at most 4096 */
    const char *chat_template; /* by name, as `percept run --template`; NULL = the model's own */
    const char *adapter;       /* folder of a LoRA adapter as PEFT writes it; NULL = the weights alone */
    const char *cache_type_k, *cache_type_v; /* how keys and values are kept: "f32", "f16", "bf16", "q8_0" or "q4_0"; NULL = as
                                              * products compute */
    int64_t window;            /* keep the newest tokens and the first `sinks` alone: a text may then be as long as `context` says,
                                * in memory that does not grow; 0 = everything is kept */
    int64_t sinks;             /* with a window: 0 = 4, -1 = none */
} pc_percept_options;

/* Load a model directory as Hugging Face lays it out, a GGUF file (with mmproj*.gguf beside it, if there is one), or a
 * llama2.c checkpoint. On success *out is the caller's
 * (pc_percept_free); on failure it is NULL. */
PERCEPT_API int pc_percept_load(pc_percept **out, const char *path, const pc_percept_options *options);
PERCEPT_API void pc_percept_free(pc_percept *model); /* NULL is fine */

/* Set a sampler for all requests to come, by the names of `percept run`: top_k, top_p, min_p, repetition_penalty ...; without
 * this they are as the model's generation_config.json says. PC_PERCEPT_ERR_USAGE for an unknown name or a value out of range. */
PERCEPT_API int pc_percept_set(pc_percept *model, const char *name, double value);

/* A picture: a file, the bytes of one (any format that files may have), or pixels. The first that is there counts. */
typedef struct pc_percept_image {
    const char *path;
    const void *bytes;
    size_t size;          /* of bytes */
    const uint8_t *rgb;   /* [height,width,3] */
    int width, height;    /* of rgb, pixels */
} pc_percept_image;

/* What was said before: "system", "user" or "assistant", and UTF-8. */
typedef struct pc_percept_message {
    const char *role, *text;
} pc_percept_message;

/* A question. Fields left 0 do nothing special. Everything is borrowed for the time of the call. */
typedef struct pc_percept_request {
    const char *prompt;        /* UTF-8. With images, "<image>" marks their places here and in the user's messages before, in
                                * order; those left go before the first of the user's texts */
    const char *system;        /* system message, or NULL */
    const pc_percept_message *messages; /* of a conversation that goes on; what it shares with the last one is not read anew */
    size_t message_count;
    const pc_percept_image *images;
    size_t image_count;
    size_t max_tokens;         /* most new tokens; 0 = as many as the context holds */
    double temperature;        /* 0 = the likeliest token each time */
    uint64_t seed;             /* of the draws; equal requests with equal seeds get equal answers */
    const char *const *stops;  /* texts that end the answer and are no part of it, NULL-terminated; or NULL */
    const char *const *choices; /* the answer is the likeliest of these texts, NULL-terminated; NULL = any text */
    /* Called with each piece of text (whole UTF-8 characters) as soon as it is certain; 0 stops the answer there. */
    int (*on_text)(void *user, const char *text, size_t length);
    void *user;
} pc_percept_request;

/* *answer = UTF-8, NUL-terminated, the caller's (pc_percept_release); NULL on failure. `answer` may be NULL when on_text
 * takes the text. PC_PERCEPT_ERR_INTERRUPTED leaves what was said so far in *answer. */
PERCEPT_API int pc_percept_answer(pc_percept *model, const pc_percept_request *request, char **answer);

/* What the newest answer of a model took. */
typedef struct pc_percept_usage {
    const char *finish_reason; /* "stop", "length" or "cancelled"; NULL before the first answer */
    size_t prompt_tokens;      /* soft tokens of pictures included */
    size_t image_tokens, completion_tokens;
    double image_ms, prompt_ms, decode_ms;
} pc_percept_usage;
PERCEPT_API pc_percept_usage pc_percept_last(const pc_percept *model);

/* *ids = the `count` token ids of text[0..length), the caller's (pc_percept_release). No special tokens are added, and
 * none are read from the text. */
PERCEPT_API int pc_percept_tokenize(const pc_percept *model, const char *text, size_t length, int32_t **ids,
                                    size_t *count);
/* *text = what the ids say, NUL-terminated, the caller's. */
PERCEPT_API int pc_percept_detokenize(const pc_percept *model, const int32_t *ids, size_t count, char **text);

/* A step of a training that is done. */
typedef struct pc_percept_step {
    int64_t step, steps; /* done, planned */
    double loss, grad_norm, learning_rate;
    double tokens_per_second, images_per_second, seconds_left;
    size_t memory;       /* bytes resident */
} pc_percept_step;

/* Carry out a recipe (`percept train RECIPE.yaml [key=value]...`): settings are "key=value", NULL-terminated, or NULL.
 * on_step (or NULL) hears of every step; when it returns 0 a checkpoint is saved and PC_PERCEPT_ERR_INTERRUPTED returned:
 * with "resume_from_checkpoint=latest" the training goes on from there and ends with the same bytes. The model lies in the
 * recipe's output_dir. */
PERCEPT_API int pc_percept_train(const char *recipe, const char *const *settings,
                                 int (*on_step)(void *user, const pc_percept_step *step), void *user);

PERCEPT_API void pc_percept_release(void *memory); /* of an answer, ids or text; NULL is fine */

/* One line about the last failure on this thread: what was expected, what was found, and where. "" when there was none.
 * Valid until the next call on this thread. */
PERCEPT_API const char *pc_percept_error(void);
PERCEPT_API const char *pc_percept_version(void); /* "0.1.0" */

#ifdef __cplusplus
}
#endif

#endif
