/* The text ends in
 *
 *     ,
 *       "manifest_sha256": "<hash of every byte before the comma>"
 *     }
 *
 * and is compared byte by byte with that form before the JSON is parsed: so a flipped bit anywhere,
 * also in white space, or an edit by hand is seen, and no canonical form of JSON is needed.
 */
#include "store/manifest.h"

#include "base/file.h"
#include "base/memory.h"
#include "store/names.h"

#include <string.h>

static const char FORMAT[] = "percept-checkpoint-1";
static const char SEAL_BEFORE[] = ",\n  \"manifest_sha256\": \"";
static const char SEAL_AFTER[] = "\"\n}\n";
enum { SEAL_LENGTH = sizeof SEAL_BEFORE - 1 + 64 + sizeof SEAL_AFTER - 1 };

static pc_status check_seal(const char *text, size_t size, const char *where)
{
    char hash[65];
    if (size < SEAL_LENGTH) {
        return pc_fail(PC_ERR_DATA, "%s: %zu bytes are too few for a manifest", where, size);
    }
    const char *seal = text + size - SEAL_LENGTH, *stored = seal + sizeof SEAL_BEFORE - 1;
    pc_sha256(text, size - SEAL_LENGTH, hash);
    if (memcmp(seal, SEAL_BEFORE, sizeof SEAL_BEFORE - 1) != 0 ||
        memcmp(stored + 64, SEAL_AFTER, sizeof SEAL_AFTER - 1) != 0 ||
        memcmp(stored, hash, 64) != 0) {
        return pc_fail(PC_ERR_DATA, "%s: its last field is not the SHA-256 of the text before it",
                       where);
    }
    return PC_OK;
}

static pc_status read_file_entry(pc_manifest_file *out, const pc_json *node, const char *where)
{
    const char *hash;
    int64_t bytes;
    PC_TRY(pc_json_need_text(&out->name, node, "name", where));
    PC_TRY(pc_json_need_integer(&bytes, node, "bytes", 0, INT64_MAX, where));
    PC_TRY(pc_json_need_text(&hash, node, "sha256", where));
    if (strlen(out->name) != pc_json_text_length(pc_json_get(node, "name")) ||
        !pc_path_is_plain(out->name)) {
        return pc_fail(PC_ERR_DATA, "%s: files: a name leaves the folder", where);
    }
    if (strlen(hash) != 64 || strspn(hash, "0123456789abcdef") != 64) {
        return pc_fail(PC_ERR_DATA, "%s: files: sha256 has not 64 hexadecimal digits", where);
    }
    out->bytes = (uint64_t)bytes;
    memcpy(out->sha256, hash, 65);
    return PC_OK;
}

static pc_status read_files(pc_manifest *out, const char *where)
{
    char shown[96];
    pc_names names;
    const pc_json *files = pc_json_get(out->root, "files");
    size_t count = pc_json_length(files);
    if (!pc_json_is_array(files)) {
        return pc_fail(PC_ERR_DATA, "%s: files is missing or no array", where);
    }
    PC_TRY(PC_NEW_ARRAY(out->files, count, "files of a manifest"));
    PC_TRY(pc_names_init(&names, count, "files of a manifest"));
    pc_status status = PC_OK;
    for (size_t i = 0; i < count; i++) {
        PC_GO(read_file_entry(&out->files[i], pc_json_at(files, i), where));
        out->file_count = i + 1;
        if (pc_names_add(&names, out->files, sizeof *out->files, i) != PC_NAMES_NONE) {
            status = pc_fail(PC_ERR_DATA, "%s: files lists %s twice", where,
                             pc_name_text(out->files[i].name, shown));
            goto done;
        }
    }
done:
    pc_names_clear(&names);
    return status;
}

pc_status pc_manifest_parse(pc_manifest *out, const char *text, size_t size, const char *where)
{
    const char *format;
    memset(out, 0, sizeof *out);
    PC_TRY(check_seal(text, size, where));
    PC_TRY(pc_json_parse(&out->root, text, size, where));
    PC_TRY(pc_json_need_text(&format, out->root, "format", where));
    if (strcmp(format, FORMAT) != 0) {
        return pc_fail(PC_ERR_DATA, "%s: format is not %s", where, FORMAT);
    }
    PC_TRY(pc_json_need_integer(&out->step, out->root, "step", 0, INT64_MAX, where));
    PC_TRY(pc_json_need_text(&out->config_hash, out->root, "config_hash", where));
    return read_files(out, where);
}

static pc_json *new_file_entry(const pc_manifest_file *file)
{
    pc_json *node = pc_json_new_object();
    pc_status status =
        node == NULL ? PC_ERR_MEMORY : pc_json_set(node, "name", pc_json_new_text(file->name));
    if (status == PC_OK) {
        status = pc_json_set(node, "bytes", pc_json_new_integer((int64_t)file->bytes));
    }
    if (status == PC_OK) {
        status = pc_json_set(node, "sha256", pc_json_new_text(file->sha256));
    }
    if (status != PC_OK) {
        pc_json_free(node);
        return NULL;
    }
    return node;
}

static pc_status fill(pc_json *root, const pc_manifest *manifest, const pc_json *extra)
{
    PC_TRY(pc_json_set(root, "format", pc_json_new_text(FORMAT)));
    PC_TRY(pc_json_set(root, "step", pc_json_new_integer(manifest->step)));
    PC_TRY(pc_json_set(root, "config_hash", pc_json_new_text(manifest->config_hash)));
    for (void *it = pc_json_first(extra); it != NULL; it = pc_json_next(extra, it)) {
        PC_TRY(pc_json_set(root, pc_json_key(it), pc_json_copy(pc_json_value(it))));
    }
    pc_json *files = pc_json_new_array();
    PC_TRY(pc_json_set(root, "files", files)); /* root owns it from here on */
    for (size_t i = 0; i < manifest->file_count; i++) {
        PC_TRY(pc_json_push(files, new_file_entry(&manifest->files[i])));
    }
    return PC_OK;
}

pc_status pc_manifest_print(pc_str *out, const pc_manifest *manifest, const pc_json *extra)
{
    char hash[65];
    pc_json *root = pc_json_new_object();
    if (root == NULL) {
        return pc_fail_memory(0, "manifest");
    }
    pc_status status;
    PC_GO(fill(root, manifest, extra));
    PC_GO(pc_json_write(out, root, 2));
    while (out->length > 0 && memchr("\n }", out->data[out->length - 1], 3) != NULL) {
        out->data[--out->length] = '\0'; /* the object is opened again for the seal */
    }
    pc_sha256(out->data, out->length, hash);
    PC_GO(pc_str_printf(out, "%s%s%s", SEAL_BEFORE, hash, SEAL_AFTER));
done:
    pc_json_free(root);
    return status;
}

void pc_manifest_clear(pc_manifest *manifest)
{
    pc_json_free(manifest->root);
    pc_free(manifest->files);
    memset(manifest, 0, sizeof *manifest);
}
