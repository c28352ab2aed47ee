/* What several commands take: a model, a backend, pictures. */
#ifndef PC_CLI_INPUTS_H
#define PC_CLI_INPUTS_H

#include "base/field.h"
#include "model/adapter.h"
#include "prompt/conversation.h"

#include <stdbool.h>
#include <stddef.h>

/* The option of each command that takes a model; `struct_type` has a member `char *mmproj`. */
#define PC_CLI_MMPROJ(struct_type)                                                             \
    {.name = "mmproj", .type = PC_FIELD_TEXT, .offset = offsetof(struct_type, mmproj),          \
     .help = "file of the vision side of a GGUF model; without it mmproj*.gguf beside the model; none = leave it out"}

/* The option of those that answer or measure; `struct_type` has a member `char *visual_tokens`. */
#define PC_CLI_VISUAL(struct_type)                                                                                        \
    {.name = "visual_tokens", .type = PC_FIELD_TEXT, .offset = offsetof(struct_type, visual_tokens),                       \
     .help = "fewer tokens for a picture: fastv, tome or prumerge, with settings behind commas; none; help lists them; unset = as " \
             "config.json says"}
/* True when `text` is "help": what can be set has been printed then. */
bool pc_cli_visual_help(const char *text, pc_status *status);

/* The option of commands that may bind their threads; `struct_type` has a member `bool pin`. */
#define PC_CLI_PIN(struct_type)                                                                  \
    {.name = "pin", .type = PC_FIELD_BOOL, .offset = offsetof(struct_type, pin), .fallback = "false", \
     .help = "bind each thread to a processor of its own, spread over cores"}

/* "f32" or "bf16"; PC_ERR_USAGE else. */
pc_status pc_cli_compute(const char *name, pc_dtype *out);

/* Load `path` (with the vision side `vision`, as of pc_model_load_parts), lay its weights out for `compute`, with a backend
 * of `threads` threads. dtype "auto": f32 when the weights are f32, else bf16; NULL: f32 unless the weights are quantised.
 * `template_name` (or NULL) replaces the chat template of the checkpoint. */
typedef struct pc_cli_model {
    pc_model *model;
    pc_backend *backend;
    pc_dtype compute;
    double load_ms;
    pc_adapter *adapter; /* of pc_cli_model_adapt, or NULL */
    struct pc_packed *packed; /* of `percept pack`, when it lies beside the model and fits; or NULL */
} pc_cli_model;

/* The same without laying anything out. */
pc_status pc_cli_model_load(pc_cli_model *out, const char *path, int threads, const char *dtype, const char *template_name,
                            const char *vision);

pc_status pc_cli_model_open(pc_cli_model *out, const char *path, int threads, const char *dtype,
                            const char *template_name, const char *vision);
/* Open the adapter in `folder` beside the model; NULL = none. */
pc_status pc_cli_model_adapt(pc_cli_model *opened, const char *folder);
pc_status pc_cli_model_pin(const pc_cli_model *opened, bool pin); /* false: nothing */
void pc_cli_model_close(pc_cli_model *opened);

/* Decode and prepare a picture: *pixels = f32 [N,3,Y,X] of the encoder's size, N tiles; pc_free. */
pc_status pc_cli_pixels(const pc_model *model, const char *path, float **pixels, pc_image_tiling *tiling);

/* A user's message with the next `pictures` pictures of the conversation. "<image>" in the text
 * marks places (only when there are pictures); pictures without a place go before the text, so
 * that they stand in the order in which they were given. PC_ERR_DATA when there are more places
 * than pictures. On failure the conversation is as it was. */
pc_status pc_cli_say(pc_conversation *conversation, const char *text, int pictures);

double pc_cli_now_ms(void); /* monotonic clock */

#endif
