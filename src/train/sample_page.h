/* One sample as text and as an HTML page: what the model sees of it.
 *
 * Flow: pc_sample_view (check.h) -> pc_sample_text or pc_sample_page.
 */
#ifndef PC_TRAIN_SAMPLE_PAGE_H
#define PC_TRAIN_SAMPLE_PAGE_H

#include "train/check.h"

/* Append a table: position, id, whether the loss counts it, the token. */
pc_status pc_sample_text(const pc_sample_view *view, pc_str *out);
/* Append a whole page that needs no other file: pictures as the encoder gets them, tokens with ids and mask. */
pc_status pc_sample_page(const pc_sample_view *view, pc_str *out);

#endif
