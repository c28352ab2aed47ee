/* Perceptual hashes of a picture: 64 bits that change little when it is resized, recompressed or slightly recoloured. Two
 * pictures that look alike differ in few bits (pc_hash_distance).
 *
 * The numbers are those of Python's imagehash with hash_size 8: printed as %016llx they are str(imagehash.phash(image)) and
 * str(imagehash.dhash(image)) of the same pixels. Both begin with Pillow's luminance and its Lanczos filter.
 * Thread safe. PC_ERR_MEMORY alone.
 */
#ifndef PC_MEDIA_PICTURE_HASH_H
#define PC_MEDIA_PICTURE_HASH_H

#include "media/image.h"

/* A bit for each of the 8 x 8 lowest frequencies of the picture at 32 x 32 pixels: above their median. */
pc_status pc_image_phash(uint64_t *out, const pc_image *image);
/* A bit for each pixel of the picture at 9 x 8 pixels: brighter than the one to its left. */
pc_status pc_image_dhash(uint64_t *out, const pc_image *image);

static inline int pc_hash_distance(uint64_t a, uint64_t b)
{
    return __builtin_popcountll(a ^ b);
}

#endif
