/* The .npy format, version 1.0:
 *
 *     "\x93NUMPY", 1, 0, length of the header (2 bytes, little-endian), header, elements
 *
 * The header is a Python dict literal, padded with spaces and ended by a newline so that the elements start at a
 * multiple of 64. Source: NumPy Enhancement Proposal 1 and numpy/lib/format.py.
 */
#include "store/npy.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/str.h"

#include <string.h>

enum { PREFIX = 10, ALIGNMENT = 64 };

static const char magic[8] = {(char)0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};

static const char *const descriptions[PC_DTYPE_PLAIN] = {
    [PC_F32] = "<f4", [PC_BF16] = "<V2", [PC_F16] = "<f2", [PC_F64] = "<f8",
    [PC_I32] = "<i4", [PC_I64] = "<i8",  [PC_U8] = "|u1",  [PC_BOOL] = "|b1",
};

/* *bytes = product of the sizes times the element's size; false when it can't be. */
static bool count_bytes(pc_dtype dtype, const int64_t *shape, int rank, size_t *count, size_t *bytes)
{
    *count = 1;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0 || !pc_mul_size(*count, (size_t)shape[i], count)) {
            return false;
        }
    }
    return pc_mul_size(*count, pc_dtype_size(dtype), bytes);
}

static pc_status add_header(pc_str *file, pc_dtype dtype, const int64_t *shape, int rank)
{
    PC_TRY(pc_str_add(file, magic, sizeof magic));
    PC_TRY(pc_str_add(file, "\0\0", 2)); /* length, known below */
    PC_TRY(pc_str_printf(file, "{'descr': '%s', 'fortran_order': False, 'shape': (", descriptions[dtype]));
    for (int i = 0; i < rank; i++) {
        PC_TRY(pc_str_printf(file, "%s%lld", i ? ", " : "", (long long)shape[i]));
    }
    PC_TRY(pc_str_puts(file, rank == 1 ? ",), }" : "), }"));
    while ((file->length + 1) % ALIGNMENT != 0) {
        PC_TRY(pc_str_putc(file, ' '));
    }
    PC_TRY(pc_str_putc(file, '\n'));
    size_t length = file->length - PREFIX;
    file->data[8] = (char)(length & 0xff);
    file->data[9] = (char)(length >> 8);
    return PC_OK;
}

pc_status pc_npy_write(const char *path, pc_dtype dtype, const int64_t *shape, int rank, const void *data)
{
    pc_status status = PC_OK;
    pc_str file = {0};
    size_t count, bytes;
    if ((unsigned)dtype >= PC_DTYPE_PLAIN || rank < 0 || rank > PC_NPY_MAX_RANK ||
        !count_bytes(dtype, shape, rank, &count, &bytes)) {
        return pc_fail(PC_ERR_USAGE, "%s: an array of this type and shape can't be written", path);
    }
    PC_GO(add_header(&file, dtype, shape, rank));
    if (bytes > 0) {
        PC_GO(pc_str_add(&file, data, bytes));
    }
    PC_GO(pc_file_write(path, file.data, file.length));
done:
    pc_str_clear(&file);
    return status;
}

/* A cursor in the header's text, which ends with NUL. */
typedef struct scanner {
    const char *at;
} scanner;

static void skip_space(scanner *s)
{
    s->at += strspn(s->at, " \t\n");
}

static bool take(scanner *s, const char *token)
{
    size_t length = strlen(token);
    skip_space(s);
    if (strncmp(s->at, token, length) != 0) {
        return false;
    }
    s->at += length;
    return true;
}

/* 'text' or "text" of at most 15 bytes, without escapes. */
static bool take_text(scanner *s, char out[16])
{
    skip_space(s);
    char quote = *s->at;
    const char *end = quote == '\'' || quote == '"' ? strchr(s->at + 1, quote) : NULL;
    if (!end || end - s->at - 1 > 15) {
        return false;
    }
    size_t length = (size_t)(end - s->at - 1);
    memcpy(out, s->at + 1, length);
    out[length] = '\0';
    s->at = end + 1;
    return true;
}

static bool take_number(scanner *s, int64_t *out)
{
    int digits = 0;
    skip_space(s);
    for (*out = 0; *s->at >= '0' && *s->at <= '9'; s->at++) {
        if (++digits > 18) { /* below 10^18 nothing overflows */
            return false;
        }
        *out = *out * 10 + (*s->at - '0');
    }
    return digits > 0;
}

static bool take_shape(scanner *s, pc_npy *out)
{
    out->rank = 0;
    if (!take(s, "(")) {
        return false;
    }
    while (!take(s, ")")) {
        if (out->rank == PC_NPY_MAX_RANK || !take_number(s, &out->shape[out->rank])) {
            return false;
        }
        out->rank++;
        if (!take(s, ",")) {
            return take(s, ")");
        }
    }
    return true;
}

static bool take_type(scanner *s, pc_dtype *out)
{
    char text[16];
    if (!take_text(s, text)) {
        return false;
    }
    if (strcmp(text, "|V2") == 0) {
        *out = PC_BF16;
        return true;
    }
    for (int i = 0; i < PC_DTYPE_PLAIN; i++) {
        if (strcmp(descriptions[i], text) == 0) {
            *out = (pc_dtype)i;
            return true;
        }
    }
    return false;
}

static pc_status parse_header(pc_npy *out, char *text, const char *path)
{
    scanner s = {text};
    unsigned seen = 0;
    bool good = take(&s, "{");
    while (good && !take(&s, "}")) {
        char key[16];
        good = take_text(&s, key) && take(&s, ":");
        if (good && strcmp(key, "descr") == 0) {
            if (!take_type(&s, &out->dtype)) {
                return pc_fail(PC_ERR_DATA, "%s: key descr: expected a little-endian number type, found %.20s", path,
                               s.at);
            }
            seen |= 1;
        } else if (good && strcmp(key, "fortran_order") == 0) {
            if (!take(&s, "False")) {
                return pc_fail(PC_ERR_DATA, "%s: key fortran_order: only row-major arrays are read", path);
            }
            seen |= 2;
        } else if (good && strcmp(key, "shape") == 0) {
            good = take_shape(&s, out);
            seen |= 4;
        } else {
            good = false;
        }
        good = good && (take(&s, ",") || *s.at == '}' || *s.at == ' ');
    }
    skip_space(&s);
    if (!good || seen != 7 || *s.at) {
        return pc_fail(PC_ERR_DATA, "%s: the header is malformed at byte %zu", path, PREFIX + (size_t)(s.at - text));
    }
    return PC_OK;
}

static pc_status parse(pc_npy *out, const char *file, size_t size, char *text, const char *path)
{
    size_t bytes;
    size_t length = (size_t)(uint8_t)file[8] | (size_t)(uint8_t)file[9] << 8;
    memcpy(text, file + PREFIX, length);
    text[length] = '\0';
    PC_TRY(parse_header(out, text, path));
    if (!count_bytes(out->dtype, out->shape, out->rank, &out->count, &bytes) || bytes != size - PREFIX - length) {
        return pc_fail(PC_ERR_DATA, "%s: the shape needs another number of bytes than the %zu behind the header", path,
                       size - PREFIX - length);
    }
    PC_TRY(pc_new_array(&out->data, bytes, 1, "an array"));
    memcpy(out->data, file + PREFIX + length, bytes);
    return PC_OK;
}

pc_status pc_npy_read(pc_npy *out, const char *path, size_t limit)
{
    pc_status status = PC_OK;
    char *file = NULL;
    char *text = NULL;
    size_t size = 0;
    memset(out, 0, sizeof *out);
    PC_GO(pc_file_read(&file, &size, path, limit));
    if (size < PREFIX || memcmp(file, magic, sizeof magic) != 0 ||
        ((size_t)(uint8_t)file[8] | (size_t)(uint8_t)file[9] << 8) > size - PREFIX) {
        status = pc_fail(PC_ERR_DATA, "%s: not a .npy file of version 1.0", path);
        goto done;
    }
    PC_GO(PC_NEW_ARRAY(text, 0x10000, "the header of an array"));
    PC_GO(parse(out, file, size, text, path));
done:
    pc_free(file);
    pc_free(text);
    if (status != PC_OK) {
        pc_npy_clear(out);
    }
    return status;
}

void pc_npy_clear(pc_npy *array)
{
    pc_free(array->data);
    memset(array, 0, sizeof *array);
}
