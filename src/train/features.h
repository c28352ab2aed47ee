/* A cache of the frozen encoder's features, on disk: each picture is encoded once, whatever the number of epochs and runs.
 *
 * Flow: prepared pixels -> key (a hash of them, so of the picture and of the processor's settings) -> features from the file, or
 * from the encoder and then into the file. A file belongs to one encoder: its name has a hash of the encoder's weights, the
 * layers that are read, and the arithmetic. Features are kept in f32, so that a training with the cache has the same bits as
 * one without it.
 *
 *   features-<32 hex digits>.bin   header of 32 bytes "PCFEAT1", then records: key 16, checksum 8, 8 zeros, f32 [P,D]
 *
 * A record that is torn or damaged is made anew. One process at a time adds to a file, others read it.
 */
#ifndef PC_TRAIN_FEATURES_H
#define PC_TRAIN_FEATURES_H

#include "model/model.h"

typedef struct pc_features pc_features;

/* `images`: pictures of a call at most. model and backend are borrowed; `folder` is made when missing. */
pc_status pc_features_open(pc_features **out, const char *folder, const pc_model *model, const pc_backend *backend,
                           pc_dtype compute, int64_t images);
void pc_features_free(pc_features *features); /* NULL is fine */

/* pixels f32 [N,3,Y,X] of the encoder's native size -> *out = f32 [N,P,D], valid until the next call. */
pc_status pc_features_get(pc_features *features, const float *pixels, int64_t images, const float **out);

pc_shape pc_features_shape(const pc_features *features); /* [images,P,D] */
size_t pc_features_bytes(const pc_features *features);   /* of memory */
/* Pictures whose features came from the file, and pictures that were encoded. */
void pc_features_counts(const pc_features *features, int64_t *found, int64_t *encoded);

#endif
