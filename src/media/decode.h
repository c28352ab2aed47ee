/* Encoded pictures -> pixels.
 *
 * Takes the bytes of a file, finds the format by its first bytes (never by the file's name), and gives an upright
 * 8-bit RGB image. Formats are a registry: one file with a pc_image_decoder and one line in media/list.h each.
 *
 * Pixels are those of Pillow's Image.open(f).convert("RGB") after ImageOps.exif_transpose: the same JPEG arithmetic,
 * CMYK by Adobe's convention, colour profiles and gamma ignored, alpha dropped, the first picture of several. 16-bit
 * colour keeps its high byte; 16-bit gray is clamped to 255, which is what Pillow does (a warning is logged). A file
 * that is cut short is refused.
 */
#ifndef PC_MEDIA_DECODE_H
#define PC_MEDIA_DECODE_H

#include "base/status.h"
#include "media/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What to accept. A field that is 0 means the compiled-in maximum, so {0} is the default; more is not possible. */
typedef struct pc_image_limits {
    int max_side;       /* pixels, at most PC_IMAGE_MAX_SIDE */
    int64_t max_pixels; /* at most PC_IMAGE_MAX_PIXELS */
    bool as_stored;     /* leave the picture as it lies in the file: ignore its EXIF orientation */
} pc_image_limits;

/* Decode size bytes; `where` names the source in messages. limits NULL = default. The header is checked against the
 * limits and against the bytes really there before anything is allocated for pixels. PC_ERR_DATA for an unknown,
 * broken, cut or too large picture. *out: pc_image_free. Thread safe. */
pc_status pc_image_decode(pc_image **out, const void *bytes, size_t size, const pc_image_limits *limits,
                          const char *where);

/* The same for a file of at most PC_IMAGE_MAX_FILE bytes. PC_ERR_IO when it can't be read. */
#define PC_IMAGE_MAX_FILE ((size_t)256 << 20)
pc_status pc_image_load(pc_image **out, const char *path, const pc_image_limits *limits);

/* What a format's file provides. */
typedef struct pc_image_decoder {
    const char *name; /* "JPEG" */
    bool (*matches)(const uint8_t *bytes, size_t size);
    /* As stored; the size in the header goes through pc_image_check_size first. */
    pc_status (*decode)(pc_image **out, const uint8_t *bytes, size_t size, const pc_image_limits *limits);
    /* Where the EXIF block (a TIFF file) lies within bytes: its length goes to *exif_size, 0 when there is none. */
    const uint8_t *(*find_exif)(const uint8_t *bytes, size_t size, size_t *exif_size);
} pc_image_decoder;

/* For decoders: PC_ERR_DATA when a declared size is empty or beyond the limits. */
pc_status pc_image_check_size(const pc_image_limits *limits, uint64_t width, uint64_t height);

/* Orientation (1..8) in an EXIF block: tag 0x0112 of the first directory; 1 when absent, malformed or out of range. */
int pc_exif_orientation(const uint8_t *exif, size_t size);

/* The names of all formats, NULL after the last: index 0, 1, ... */
const char *pc_image_format(int index);

#endif
