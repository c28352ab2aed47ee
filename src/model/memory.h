/* The pictures that the rows of a session can see where layers of the language model read them (pc_bridge_type.memory): keys and
 * values of each block of the bridge, a slot for each picture, and for each token of a row the slot of the picture it sees.
 *
 * Flow: pc_memory_check for what is about to be read -> pc_memory_begin for each run -> pc_memory_put for each token ->
 * pc_memory_bind_run -> the run. A slot is free again when no token that the cache holds sees its picture.
 */
#ifndef PC_MODEL_MEMORY_H
#define PC_MODEL_MEMORY_H

#include "model/cache.h"
#include "model/forward.h"
#include "tensor/exec.h"

typedef struct pc_memory pc_memory;

enum {
    PC_MEMORY_PICTURES = 64, /* slots for each row of the session, of pictures apart from the text */
    PC_MEMORY_AT_ONCE = 4,   /* new ones of one run */
    PC_MEMORY_DETAILS = 2,   /* slots for each row of details, which are larger by far: one at once */
};

/* *out = NULL when no layer of the model reads pictures. model and cache are borrowed; the slots' memory is taken when it is
 * used first. chunk: tokens of a run. */
pc_status pc_memory_new(pc_memory **out, const pc_model *model, const pc_cache *cache, int64_t rows, int64_t context,
                        int64_t chunk, pc_dtype dtype);
void pc_memory_free(pc_memory *memory); /* NULL is fine, as for all that follow */

/* The inputs of the bridge, for pc_reading.bridge; and the memory behind them, once. */
pc_status pc_memory_declare(pc_memory *memory, pc_graph *graph, pc_bridge_input *out);
pc_status pc_memory_bind(pc_memory *memory, pc_exec *exec);
/* New pictures that one run takes. */
int64_t pc_memory_at_once(const pc_memory *memory);

/* PC_ERR_DATA when `pictures` new ones find no free slots. */
pc_status pc_memory_check(pc_memory *memory, int64_t pictures);
void pc_memory_begin(pc_memory *memory);
/* Token `id` at `place` of a row is number `at` of the run; media [Q,M] of the picture that is seen from it on, else NULL. */
void pc_memory_put(pc_memory *memory, int64_t row, int64_t place, int64_t at, int32_t id, const float *media);
pc_status pc_memory_bind_run(pc_memory *memory, pc_exec *exec, int64_t tokens);

/* Row `to` sees what the first `length` tokens of `from` see. */
void pc_memory_share(pc_memory *memory, int64_t to, int64_t from, int64_t length);

#endif
