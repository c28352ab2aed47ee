/* Where the pictures of an annotation file lie. Internal to data/. */
#ifndef PC_DATA_PICTURE_FOLDER_H
#define PC_DATA_PICTURE_FOLDER_H

#include "base/status.h"

#include <stdbool.h>

/* *out (pc_free) = `given`, or the first of these that has `sample`, a picture's path: the folder of the annotations, images
 * beside it or above it, and, as COCO is unpacked, the folder `split` beside it or above it. Where none has it: the folder of
 * the annotations. split may be NULL. */
pc_status pc_picture_folder_find(char **out, const char *given, const char *annotations, const char *split, const char *sample);
/* "train2017" of ".../captions_train2017.json": what stands behind the last '_' of the file's name; out[32]. False: nothing. */
bool pc_picture_split(char out[32], const char *annotations);

#endif
