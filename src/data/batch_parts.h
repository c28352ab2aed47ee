/* What the kinds of micro-batches are put together from. Internal to data/.
 *
 * A sample is counted in at the end (pc_batch_commit), so that a failure on the way leaves the batch as it was.
 */
#ifndef PC_DATA_BATCH_PARTS_H
#define PC_DATA_BATCH_PARTS_H

#include "data/batch.h"

/* The counts of the batch as they will be. */
typedef struct pc_batch_added {
    int64_t images, tokens, soft, targets, answers;
} pc_batch_added;

pc_batch_added pc_batch_begin(const pc_batch *batch);
void pc_batch_commit(pc_batch *batch, const pc_batch_added *now);

pc_status pc_batch_room_for_rows(pc_batch *batch, int64_t rows);
pc_status pc_batch_room_for_answers(pc_batch *batch); /* two more */
pc_status pc_batch_room_for_experience(pc_batch *batch); /* of its targets */
/* The pictures of another batch, `size` numbers each; their soft tokens' rows are for the caller to say. */
pc_status pc_batch_copy_pictures(pc_batch *out, const pc_batch *from, int64_t size);
pc_status pc_batch_add_target(pc_batch *batch, pc_batch_added *now, int64_t row, int32_t id, double weight);
/* The maker's pictures that stand before token `tokens` of maker->prompt, moved by dx, dy. */
pc_status pc_batch_add_slots(pc_batch *batch, pc_batch_added *now, pc_batch_maker *maker, size_t tokens, int dx, int dy);

/* As the maker's options want it; PC_ERR_DATA also when an id is none of the model's. */
pc_status pc_batch_prompt(pc_prompt *out, const pc_batch_maker *maker, const pc_conversation *conversation);

/* The last run of trained tokens. */
pc_turn pc_batch_last_answer(const pc_prompt *prompt);
/* Rows of ids [first, last), which stand from `row` on behind a prefix of `prefix` rows; 0 = they are the prefix. */
void pc_batch_put_rows(pc_batch *batch, const pc_prompt *prompt, size_t first, size_t last, int64_t row, size_t prefix);

/* PC_BATCH_PREFERENCES, PC_BATCH_PROMPTS; as pc_batch_add. */
pc_status pc_batch_add_preference(pc_batch *batch, pc_batch_maker *maker, int dx, int dy);
pc_status pc_batch_add_prompt(pc_batch *batch, pc_batch_maker *maker, int dx, int dy);

#endif
