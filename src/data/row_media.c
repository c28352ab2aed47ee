/* The pictures of a row: paths below the dataset's folder, and data: URLs. Nothing is fetched. */
#include "base/base64.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/rows.h"

#include <stdio.h>
#include <string.h>

static pc_status load_file(const pc_row *row, pc_sample *out, const char *name)
{
    if (!pc_path_is_plain(name)) {
        return pc_fail(PC_ERR_DATA, "picture %zu: expected a path below the folder of the pictures, found '%s'",
                       out->image_count + 1, name);
    }
    char *path = pc_path_join(row->folder, name);
    if (!path) {
        return pc_fail_memory(strlen(name) + 1, "a path");
    }
    pc_status status = pc_sample_load_image(out, path);
    pc_free(path);
    return status;
}

/* data:image/png;base64,.... */
static pc_status load_data(pc_sample *out, const char *url, size_t length)
{
    const char *comma = memchr(url, ',', length);
    uint8_t *bytes = NULL;
    size_t size;
    char where[40];
    snprintf(where, sizeof where, "picture %zu", out->image_count + 1);
    if (!comma || comma - url < 7 || memcmp(comma - 7, ";base64", 7) != 0) {
        return pc_fail(PC_ERR_DATA, "%s: a data: URL that is not base64", where);
    }
    if (out->texts_only) {
        return pc_sample_add_image(out, NULL);
    }
    pc_status status = pc_base64_decode(&bytes, &size, comma + 1, length - (size_t)(comma + 1 - url));
    if (status == PC_ERR_DATA) {
        return pc_fail_prefix(status, "%s", where);
    }
    status = status == PC_OK ? pc_sample_decode_image(out, bytes, size, where) : status;
    pc_free(bytes);
    return status;
}

pc_status pc_row_load_picture(const pc_row *row, pc_sample *out, const pc_json *where)
{
    const pc_json *bytes = pc_json_get(where, "bytes"); /* of a Parquet file: a data: URL */
    const pc_json *name = pc_json_is_string(bytes) ? bytes : pc_json_is_object(where) ? pc_json_get(where, "path") : where;
    const char *text = pc_json_text(name);
    if (!text || strlen(text) != pc_json_text_length(name)) {
        return pc_fail(PC_ERR_DATA, "picture %zu: expected a path, found %s", out->image_count + 1,
                       text ? "a text with a NUL character" : "no text");
    }
    if (strncmp(text, "data:", 5) == 0) {
        return load_data(out, text, pc_json_text_length(name));
    }
    if (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0) {
        return pc_fail(PC_ERR_DATA, "picture %zu: '%s': training data is not fetched from the network; give a path",
                       out->image_count + 1, text);
    }
    return load_file(row, out, strncmp(text, "file://", 7) == 0 ? text + 7 : text);
}
