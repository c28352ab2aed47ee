/* Several requests answered side by side by a model of this process: each is a row of one session, and one run of the graph reads the
 * newest token of every row.
 *
 * Answers are greedy and the same as one after the other: what a row gets does not depend on the others. Requests that need more than
 * that (choices, a temperature, prompts and answers beyond the positions that the model was trained on, a decoding method) are handed
 * to the answerer behind, one by one.
 */
#ifndef PC_DECODE_BATCH_H
#define PC_DECODE_BATCH_H

#include "decode/local.h"

enum { PC_BATCH_MOST = 64 };

typedef struct pc_batch pc_batch;

/* `local` answers what can't be answered side by side, and lends its template and samplers; it and `options` are those it was made
 * with, borrowed. most: requests at once, 2 .. PC_BATCH_MOST. */
pc_status pc_batch_new(pc_batch **out, pc_local *local, const pc_model *model, const pc_backend *backend,
                       const pc_local_options *options, int most);
void pc_batch_free(pc_batch *batch); /* NULL is fine */

/* Borrows `batch`; its answer_many is set. */
pc_answerer pc_batch_answerer(pc_batch *batch);

#endif
