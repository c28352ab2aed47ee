/* What metadata say about the way up: Orientation, 0x0112, in the first directory of an EXIF (TIFF) block, or else
 * tiff:Orientation in an XMP packet, which is searched as text, as Pillow does it.
 *
 *     "II" or "MM" (byte order), 42, offset of the directory; there: number of entries, then 12 bytes each:
 *     tag 2, type 2, count 4, value or offset 4.
 *
 * Source: EXIF 2.3, section 4.6; TIFF 6.0, section 2. Nothing in the block is trusted: whatever does not fit means 0 or 1.
 */
#include "media/decode.h"

#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TYPE_BYTE = 1, TYPE_SHORT = 3, TYPE_LONG = 4, HEADER = 8, ENTRY = 12 };

typedef struct reader {
    const uint8_t *bytes;
    size_t size;
    bool big_endian;
} reader;

/* `count` (1..4) bytes at `at`; the caller has checked that they are there. */
static uint32_t number(const reader *r, size_t at, int count)
{
    uint32_t value = 0;
    for (int i = 0; i < count; i++) {
        value = value << 8 | r->bytes[at + (size_t)(r->big_endian ? i : count - 1 - i)];
    }
    return value;
}

static int width_of_type(uint32_t type)
{
    return type == TYPE_BYTE ? 1 : type == TYPE_SHORT ? 2 : type == TYPE_LONG ? 4 : 0;
}

int pc_exif_orientation(const uint8_t *exif, size_t size)
{
    reader r = {.bytes = exif, .size = size};
    if (size < HEADER || exif[0] != exif[1] || (exif[0] != 'I' && exif[0] != 'M')) {
        return 0;
    }
    r.big_endian = exif[0] == 'M';
    size_t at = number(&r, 4, 4);
    if (number(&r, 2, 2) != 42 || at > size || size - at < 2) {
        return 0;
    }
    uint32_t entries = number(&r, at, 2);
    at += 2;
    for (uint32_t i = 0; i < entries && size - at >= ENTRY; i++, at += ENTRY) {
        int width = width_of_type(number(&r, at + 2, 2));
        if (number(&r, at, 2) != TAG_ORIENTATION) {
            continue;
        }
        if (width == 0 || number(&r, at + 4, 4) != 1) {
            return 1;
        }
        uint32_t value = number(&r, at + 8, width);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 0;
}

int pc_xmp_orientation(const uint8_t *xmp, size_t size)
{
    static const char name[] = "tiff:Orientation";
    const uint8_t *end = xmp + size;
    for (const uint8_t *at = xmp; (at = memmem(at, (size_t)(end - at), name, sizeof name - 1)) != NULL;) {
        at += sizeof name - 1;
        size_t left = (size_t)(end - at);
        const uint8_t *digit = left >= 2 && at[0] == '>' ? at + 1 : left >= 3 && at[0] == '=' && at[1] == '"' ? at + 2 : NULL;
        if (digit && *digit >= '0' && *digit <= '9') {
            return *digit >= '1' && *digit <= '8' ? *digit - '0' : 1;
        }
    }
    return 0;
}
