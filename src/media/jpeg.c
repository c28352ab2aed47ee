/* JPEG through libjpeg(-turbo), with the settings that Pillow uses: accurate integer DCT, smooth ("fancy") upsampling,
 * block smoothing. libjpeg guesses the colour space; one component is gray, three become RGB, four become CMYK and are
 * taken as inverted (Adobe's convention), two are refused.
 *
 * libjpeg reports errors by a jump. Each call that can jump runs below run_guarded(), the only place with a setjmp, and
 * everything that must survive a jump lives in struct reader. A source that runs dry suspends the library instead of
 * inventing an end marker, so a cut file is seen.
 */
#include "base/memory.h"
#include "media/decode.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

enum { MAX_SCANS = 500 }; /* of a progressive file; encoders write about ten */
#define MAX_SCANNED_PIXELS ((int64_t)1 << 30) /* scans x pixels: what one file may cost in time */

typedef struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    const pc_image_limits *limits;
    size_t size;
    pc_image *image;
    uint8_t *row; /* [X,4] of a CMYK picture or [X] of a gray one */
    pc_status status;
} reader;

static void stop(reader *r, pc_status status)
{
    r->status = status;
    longjmp(r->escape, 1);
}

static void on_error(j_common_ptr common)
{
    reader *r = common->client_data;
    char text[JMSG_LENGTH_MAX];
    common->err->format_message(common, text);
    stop(r, pc_fail(common->err->msg_code == JERR_OUT_OF_MEMORY ? PC_ERR_MEMORY : PC_ERR_DATA, "%s", text));
}

static void on_message(j_common_ptr common)
{
    (void)common;
}

/* Warnings (corrupt data that decoding goes on after) are accepted, as Pillow accepts them. */
static void on_warning(j_common_ptr common, int level)
{
    if (level < 0) {
        common->err->num_warnings++;
    }
}

static void on_progress(j_common_ptr common)
{
    reader *r = common->client_data;
    int64_t scans = r->jpeg.input_scan_number;
    int64_t pixels = (int64_t)r->jpeg.image_width * r->jpeg.image_height;
    if (scans > MAX_SCANS || scans * pixels > MAX_SCANNED_PIXELS) {
        stop(r, pc_fail(PC_ERR_DATA, "more than %lld scans of a picture of this size are refused",
                        (long long)scans - 1));
    }
}

static void source_nothing(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

static boolean source_dry(j_decompress_ptr jpeg)
{
    (void)jpeg;
    return FALSE;
}

static void source_skip(j_decompress_ptr jpeg, long count)
{
    size_t skip = count <= 0 ? 0 : (size_t)count;
    skip = skip > jpeg->src->bytes_in_buffer ? jpeg->src->bytes_in_buffer : skip;
    jpeg->src->next_input_byte += skip;
    jpeg->src->bytes_in_buffer -= skip;
}

static void stop_truncated(reader *r)
{
    stop(r, pc_fail(PC_ERR_DATA, "the file ends after %zu bytes, in the middle of the picture (row %u of %u)", r->size,
                    r->jpeg.output_scanline, r->jpeg.image_height));
}

/* Refuse what can't be there: in Huffman-coded data every 8 x 8 block takes at least one bit of the file, so the
 * component with the fewest blocks tells the least size. */
static void check_bytes(reader *r)
{
    uint64_t fewest = UINT64_MAX;
    for (int i = 0; i < r->jpeg.num_components; i++) {
        const jpeg_component_info *c = &r->jpeg.comp_info[i];
        uint64_t columns = (uint64_t)r->jpeg.image_width * (uint64_t)c->h_samp_factor;
        uint64_t rows = (uint64_t)r->jpeg.image_height * (uint64_t)c->v_samp_factor;
        uint64_t blocks = columns / (uint64_t)(r->jpeg.max_h_samp_factor * DCTSIZE) *
                          (rows / (uint64_t)(r->jpeg.max_v_samp_factor * DCTSIZE));
        fewest = blocks < fewest ? blocks : fewest;
    }
    if (!r->jpeg.arith_code && fewest / 8 > r->size) {
        stop(r, pc_fail(PC_ERR_DATA, "%u x %u pixels can't be in a file of %zu bytes", r->jpeg.image_width,
                        r->jpeg.image_height, r->size));
    }
}

static void read_header(reader *r)
{
    r->jpeg.client_data = r;
    r->jpeg.src = &r->source;
    r->jpeg.progress = &r->progress;
    if (jpeg_read_header(&r->jpeg, TRUE) != JPEG_HEADER_OK) {
        stop(r, pc_fail(PC_ERR_DATA, "the file ends after %zu bytes, within the header", r->size));
    }
    r->status = pc_image_check_size(r->limits, r->jpeg.image_width, r->jpeg.image_height);
    if (r->status != PC_OK) {
        longjmp(r->escape, 1);
    }
    check_bytes(r);
    switch (r->jpeg.num_components) {
    case 1: r->jpeg.out_color_space = JCS_GRAYSCALE; break;
    case 3: r->jpeg.out_color_space = JCS_RGB; break;
    case 4: r->jpeg.out_color_space = JCS_CMYK; break;
    default: stop(r, pc_fail(PC_ERR_DATA, "expected 1, 3 or 4 components, found %d", r->jpeg.num_components));
    }
}

static void allocate(reader *r)
{
    r->status = pc_image_new(&r->image, (int)r->jpeg.image_width, (int)r->jpeg.image_height);
    if (r->status == PC_OK && r->jpeg.num_components != 3) {
        r->status = PC_NEW_ARRAY(r->row, (size_t)r->jpeg.image_width * 4, "a row of a JPEG");
    }
    if (r->status != PC_OK) {
        longjmp(r->escape, 1);
    }
}

static void row_from_gray(uint8_t *rgb, const uint8_t *gray, int width)
{
    for (int x = 0; x < width; x++) {
        memset(rgb + (size_t)x * 3, gray[x], 3);
    }
}

static void read_rows(reader *r)
{
    if (!jpeg_start_decompress(&r->jpeg)) {
        stop_truncated(r);
    }
    while (r->jpeg.output_scanline < r->jpeg.output_height) {
        uint8_t *target = r->image->pixels + (size_t)r->jpeg.output_scanline * (size_t)r->image->width * 3;
        JSAMPROW row = r->row ? r->row : target;
        if (jpeg_read_scanlines(&r->jpeg, &row, 1) != 1) {
            stop_truncated(r);
        }
        if (r->jpeg.num_components == 4) {
            pc_image_row_from_cmyk(target, r->row, r->image->width);
        } else if (r->jpeg.num_components == 1) {
            row_from_gray(target, r->row, r->image->width);
        }
    }
    if (!jpeg_finish_decompress(&r->jpeg)) {
        stop(r, pc_fail(PC_ERR_DATA, "the file ends after %zu bytes, without an end marker", r->size));
    }
}

static void read_all(reader *r)
{
    jpeg_create_decompress(&r->jpeg);
    read_header(r);
    allocate(r);
    read_rows(r);
}

static pc_status run_guarded(reader *r, void (*work)(reader *))
{
    if (setjmp(r->escape)) {
        return r->status;
    }
    work(r);
    return PC_OK;
}

static void set_up(reader *r, const uint8_t *bytes, size_t size)
{
    r->jpeg.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_warning;
    r->errors.output_message = on_message;
    r->source.next_input_byte = bytes;
    r->source.bytes_in_buffer = size;
    r->source.init_source = source_nothing;
    r->source.fill_input_buffer = source_dry;
    r->source.skip_input_data = source_skip;
    r->source.resync_to_restart = jpeg_resync_to_restart;
    r->source.term_source = source_nothing;
    r->progress.progress_monitor = on_progress;
    r->size = size;
}

static pc_status decode(pc_image **out, const uint8_t *bytes, size_t size, const pc_image_limits *limits)
{
    reader *r = NULL;
    PC_TRY(PC_NEW(r, "a JPEG reader"));
    r->limits = limits;
    r->jpeg.client_data = r; /* kept by jpeg_create_decompress, and there already when that fails */
    set_up(r, bytes, size);
    pc_status status = run_guarded(r, read_all);
    jpeg_destroy_decompress(&r->jpeg);
    pc_free(r->row);
    if (status == PC_OK) {
        *out = r->image;
    } else {
        pc_image_free(r->image);
    }
    pc_free(r);
    return status;
}

static bool matches(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff;
}

/* What follows `name` in the first APP1 segment that begins with it. Walks the markers before the first scan: 0xff, code,
 * then a length that counts itself. */
static const uint8_t *find_app1(const uint8_t *bytes, size_t size, const char *name, size_t name_size, size_t *found_size)
{
    enum { SOS = 0xda, EOI = 0xd9, APP1 = 0xe1 };
    size_t at = 2;
    *found_size = 0;
    while (size - at >= 4) {
        size_t length = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        int code = bytes[at + 1];
        if (bytes[at] != 0xff) { /* junk between segments */
            at += 1;
            continue;
        }
        if (code == 0xff || code == 0x00 || code == 0x01 || (code >= 0xd0 && code <= 0xd8)) { /* no length follows */
            at += code == 0xff ? 1 : 2;
            continue;
        }
        if (code == SOS || code == EOI || length < 2 || length > size - at - 2) {
            return NULL;
        }
        if (code == APP1 && length >= 2 + name_size && memcmp(bytes + at + 4, name, name_size) == 0) {
            *found_size = length - 2 - name_size;
            return bytes + at + 4 + name_size;
        }
        at += 2 + length;
    }
    return NULL;
}

static const uint8_t *find_exif(const uint8_t *bytes, size_t size, size_t *exif_size)
{
    return find_app1(bytes, size, "Exif\0", 6, exif_size);
}

static const uint8_t *find_xmp(const uint8_t *bytes, size_t size, size_t *xmp_size)
{
    static const char name[] = "http://ns.adobe.com/xap/1.0/";
    return find_app1(bytes, size, name, sizeof name, xmp_size);
}

const pc_image_decoder pc_image_decoder_jpeg = {
    .name = "JPEG",
    .matches = matches,
    .decode = decode,
    .find_exif = find_exif,
    .find_xmp = find_xmp,
};
