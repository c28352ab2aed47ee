/* manifest.json of a checkpoint: what must be in the folder, sealed by a hash of the manifest's own
 * text. */
#ifndef PC_STORE_MANIFEST_H
#define PC_STORE_MANIFEST_H

#include "base/json.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct pc_manifest_file {
    const char *name; /* plain, relative to the folder */
    uint64_t bytes;
    char sha256[65];
} pc_manifest_file;

typedef struct pc_manifest {
    pc_json *root;           /* owns the texts that are read */
    const char *config_hash; /* borrowed */
    int64_t step;
    pc_manifest_file *files;
    size_t file_count;
    size_t file_capacity;
} pc_manifest;

/* Parse and check the text of a manifest; `where` opens messages. Clear *out afterwards, also on
 * failure. */
pc_status pc_manifest_parse(pc_manifest *out, const char *text, size_t size, const char *where);
/* The text: step, config_hash, files and the members of `extra` (an object, or NULL), then the
 * seal. */
pc_status pc_manifest_print(pc_str *out, const pc_manifest *manifest, const pc_json *extra);
void pc_manifest_clear(pc_manifest *manifest);

#endif
