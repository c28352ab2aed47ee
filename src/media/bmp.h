/* The run lengths of BMP files, for bmp.c. */
#ifndef PC_MEDIA_BMP_H
#define PC_MEDIA_BMP_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* indices: [height, width], rows as stored, zeroed by the caller. The codes begin at byte `at` of the file, which may lie
 * behind its end. four_bits: RLE4, else RLE8. PC_ERR_DATA when the codes end before the last pixel. */
pc_status pc_bmp_expand(uint8_t *indices, uint32_t width, uint32_t height, bool four_bits, const uint8_t *bytes, size_t size,
                        size_t at);

#endif
