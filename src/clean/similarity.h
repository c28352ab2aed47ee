/* How well a picture and a text fit: the cosine of their vectors by a contrastive model (CLIP, SigLIP).
 *
 * Flow: picture, text -> pc_similarity_prepare (any thread) -> pc_similarity_score: many at once.
 */
#ifndef PC_CLEAN_SIMILARITY_H
#define PC_CLEAN_SIMILARITY_H

#include "media/image.h"
#include "model/model.h"
#include "text/tokenizer.h"

enum { PC_SIMILARITY_BATCH = 16 };

typedef struct pc_similarity pc_similarity;

/* A picture and a text as the model reads them. Initialise with {0}; pc_similarity_item_clear releases. */
typedef struct pc_similarity_item {
    float *pixels; /* [3,Y,X] */
    pc_ids ids;
} pc_similarity_item;
void pc_similarity_item_clear(pc_similarity_item *item);

/* The model directory `path`. PC_ERR_USAGE for a model without two towers or without a tokenizer. */
pc_status pc_similarity_open(pc_similarity **out, const char *path, const pc_backend *backend);
/* The same with a model at hand, which stays the caller's and may have no tokenizer when items are made elsewhere. */
pc_status pc_similarity_new(pc_similarity **out, pc_model *model, const pc_backend *backend);
void pc_similarity_free(pc_similarity *self); /* NULL is fine */

/* Longer texts are cut as the reference implementations cut them: the end token stays. Thread safe. */
pc_status pc_similarity_prepare(const pc_similarity *self, const pc_image *image, const char *text, size_t length,
                                pc_similarity_item *out);
/* out[i] = cosine of item i's picture and text, -1 .. 1. PC_ERR_DATA when an id is outside the vocabulary. */
pc_status pc_similarity_score(pc_similarity *self, const pc_similarity_item *const *items, size_t count, float *out);

#endif
