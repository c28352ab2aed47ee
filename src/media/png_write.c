/* Writing PNG through libpng: into memory first, then to disk in one durable step. */
#include "base/file.h"
#include "base/memory.h"
#include "base/str.h"
#include "media/image.h"

#include <png.h>
#include <setjmp.h>

typedef struct writer {
    pc_str bytes;
    pc_status status; /* of the first failure */
    bool starved;     /* an allocation failed */
} writer;

static void on_error(png_structp png, png_const_charp message)
{
    writer *w = png_get_error_ptr(png);
    if (w->status == PC_OK) {
        w->status = pc_fail(w->starved ? PC_ERR_MEMORY : PC_ERR_IO, "writing a PNG: %s",
                            w->starved ? "memory is short" : message);
    }
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_bytes(png_structp png, png_bytep bytes, size_t size)
{
    writer *w = png_get_io_ptr(png);
    if (w->status == PC_OK) {
        w->status = pc_str_add(&w->bytes, (const char *)bytes, size);
    }
    if (w->status != PC_OK) {
        png_error(png, "memory");
    }
}

static void on_flush(png_structp png)
{
    (void)png;
}

static png_voidp take_memory(png_structp png, png_alloc_size_t size)
{
    void *block = pc_calloc(size, 1);
    if (!block) {
        ((writer *)png_get_mem_ptr(png))->starved = true;
    }
    return block;
}

static void give_memory(png_structp png, png_voidp block)
{
    (void)png;
    pc_free(block);
}

/* All locals that change between setjmp and a jump live in *w or are set before it. */
static pc_status encode(writer *w, const pc_image *image)
{
    png_structp png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, w, on_error, on_warning, w, take_memory,
                                                give_memory);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_write_struct(&png, NULL);
        return w->status != PC_OK ? w->status : pc_fail(PC_ERR_MEMORY, "writing a PNG: memory is short");
    }
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        return w->status;
    }
    png_set_write_fn(png, w, on_bytes, on_flush);
    png_set_IHDR(png, info, (png_uint_32)image->width, (png_uint_32)image->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int y = 0; y < image->height; y++) {
        png_write_row(png, image->pixels + (size_t)y * (size_t)image->width * 3);
    }
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return w->starved ? pc_fail(PC_ERR_MEMORY, "writing a PNG: memory is short") : PC_OK;
}

pc_status pc_image_encode_png(const pc_image *image, pc_str *out)
{
    writer w = {0};
    pc_status status = encode(&w, image);
    if (status == PC_OK) {
        status = pc_str_add(out, w.bytes.data, w.bytes.length);
    }
    pc_str_clear(&w.bytes);
    return status;
}

pc_status pc_image_save_png(const pc_image *image, const char *path)
{
    writer w = {0};
    pc_status status = encode(&w, image);
    if (status == PC_OK) {
        status = pc_file_write(path, w.bytes.data, w.bytes.length);
    }
    pc_str_clear(&w.bytes);
    return status;
}
