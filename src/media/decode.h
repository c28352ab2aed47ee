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
    int max_frames;     /* of an animation, at most PC_IMAGE_MAX_FRAMES; what comes behind them is not read */
} pc_image_limits;

/* The most pictures taken from one file, and the most pixels of all of them. */
#define PC_IMAGE_MAX_FRAMES 64
#define PC_IMAGE_MAX_FRAME_PIXELS ((int64_t)128 << 20)

/* The pictures of an animation (GIF, WebP) or the pages of a document (TIFF), each as a viewer would show it. */
typedef struct pc_image_frames {
    int count;
    bool more;                               /* there are further ones behind max_frames (not found out for 1) */
    pc_image *images[PC_IMAGE_MAX_FRAMES];   /* usually of one size */
    int milliseconds[PC_IMAGE_MAX_FRAMES];   /* how long each is shown; 0 = not said */
} pc_image_frames;

/* Decode size bytes; `where` names the source in messages. limits NULL = default. The header is checked against the
 * limits and against the bytes really there before anything is allocated for pixels. PC_ERR_DATA for an unknown,
 * broken, cut or too large picture. *out: pc_image_free. Thread safe. */
pc_status pc_image_decode(pc_image **out, const void *bytes, size_t size, const pc_image_limits *limits,
                          const char *where);

/* The same for a file of at most PC_IMAGE_MAX_FILE bytes. PC_ERR_IO when it can't be read. */
#define PC_IMAGE_MAX_FILE ((size_t)256 << 20)
pc_status pc_image_load(pc_image **out, const char *path, const pc_image_limits *limits);

/* All pictures of a file, up to limits->max_frames; every format has at least one. Empties *frames, which must be {0} or
 * hold a result; release it with pc_image_frames_clear. Errors as above. */
pc_status pc_image_decode_frames(pc_image_frames *frames, const void *bytes, size_t size, const pc_image_limits *limits,
                                 const char *where);
pc_status pc_image_load_frames(pc_image_frames *frames, const char *path, const pc_image_limits *limits);
void pc_image_frames_clear(pc_image_frames *frames);

/* For decoders: appends a picture, which now belongs to frames; released when this fails, for too many pixels. There
 * must be room (pc_image_frames_full). */
pc_status pc_image_frames_add(pc_image_frames *frames, pc_image *image, int milliseconds);
bool pc_image_frames_full(const pc_image_frames *frames, const pc_image_limits *limits);

/* What a format's file provides: one of decode and decode_frames. */
typedef struct pc_image_decoder {
    const char *name; /* "JPEG" */
    bool (*matches)(const uint8_t *bytes, size_t size);
    /* As stored; the size in the header goes through pc_image_check_size first. */
    pc_status (*decode)(pc_image **out, const uint8_t *bytes, size_t size, const pc_image_limits *limits);
    /* The same until frames are full; says whether there are more. On failure the caller clears *frames. */
    pc_status (*decode_frames)(pc_image_frames *frames, const uint8_t *bytes, size_t size, const pc_image_limits *limits);
    /* Where the EXIF block (a TIFF file) lies within bytes: its length goes to *exif_size, 0 when there is none. */
    const uint8_t *(*find_exif)(const uint8_t *bytes, size_t size, size_t *exif_size);
    /* The same for an XMP packet, which is asked when EXIF has no orientation. */
    const uint8_t *(*find_xmp)(const uint8_t *bytes, size_t size, size_t *xmp_size);
} pc_image_decoder;

/* For decoders: PC_ERR_DATA when a declared size is empty or beyond the limits. */
pc_status pc_image_check_size(const pc_image_limits *limits, uint64_t width, uint64_t height);

/* For decoders: one row of stored CMYK, inverted (255 - ink), as RGB by Adobe's convention. */
void pc_image_row_from_cmyk(uint8_t *rgb, const uint8_t *inverted, int width);

/* Orientation (1..8) in an EXIF block: tag 0x0112 of the first directory; 1 when it is out of range or of a wrong type, 0
 * when there is none. */
int pc_exif_orientation(const uint8_t *exif, size_t size);
/* The same in an XMP packet: tiff:Orientation as an attribute or element. */
int pc_xmp_orientation(const uint8_t *xmp, size_t size);

/* The names of all formats, NULL after the last: index 0, 1, ... */
const char *pc_image_format(int index);

#endif
