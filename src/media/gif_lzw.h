/* The compression of GIF pictures, for gif.c. */
#ifndef PC_MEDIA_GIF_LZW_H
#define PC_MEDIA_GIF_LZW_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/* indices: [count], filled in stored order. The blocks (a length, then as many bytes) begin at byte `at` of the file;
 * `bits` is the byte before them. What the last code says beyond count is dropped. PC_ERR_DATA for a code that can't
 * be, and when the data end before the last pixel. */
pc_status pc_gif_unpack(uint8_t *indices, size_t count, int bits, const uint8_t *bytes, size_t size, size_t at);

#endif
