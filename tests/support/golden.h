/* Tiny models of tests/golden and what percept computes with them, read back as named tensors.
 *
 * Each function fails the running cmocka test when something goes wrong; the message names the file
 * or tensor.
 */
#ifndef PC_TESTS_SUPPORT_GOLDEN_H
#define PC_TESTS_SUPPORT_GOLDEN_H

#include "base/json.h"
#include "model/trace.h"
#include "store/store.h"

enum { GOLDEN_LEVELS = 4 };

/* What the backend is told the processor can do, from plain C upwards; false when this one can't. */
bool golden_level(int level, uint32_t *flags, const char **name);

/* The path of a fixture: GOLDEN("llava/hf"). */
#define GOLDEN(name) PERCEPT_TESTS_DIR "/golden/" name

pc_model *golden_model(const char *path);
pc_store *golden_store(const char *path);
pc_json *golden_json(const char *path);
/* Copy the files of a directory (not its folders) into a folder that exists. */
void golden_copy(const char *from, const char *to);
/* A tensor's values; release with pc_free. */
float *golden_values(const pc_array *array);
int32_t *golden_ids(const pc_array *array);

/* Trace a model with all values, pack it for `backend` before (NULL: references only). The file stays
 * as `name` in `folder`. */
pc_store *golden_trace(pc_model *model, const pc_backend *backend, pc_dtype compute,
                       const pc_trace_input *input, const char *folder, const char *name);

/* Pixels and ids of a fixture's file, as a trace takes them. */
typedef struct golden_input {
    pc_trace_input input;
    float *pixels, *detail;
    int32_t *ids, *questions;
    pc_image_tiling *tilings;
} golden_input;

void golden_input_read(golden_input *out, const pc_store *fixture);
/* For a fixture with image_sizes [P,2] (height, width): the tiling of each picture by the model's recipe. */
void golden_input_tile(golden_input *in, const pc_store *fixture, const pc_model *model);
void golden_input_clear(golden_input *input);

/* The largest difference relative to the truth's largest magnitude. */
double golden_deviation(const float *found, const float *truth, int64_t count);

#endif
