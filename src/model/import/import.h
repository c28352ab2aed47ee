/* What the import files share: renaming by prefixes, and keys that several families spell alike. */
#ifndef PC_MODEL_IMPORT_IMPORT_H
#define PC_MODEL_IMPORT_IMPORT_H

#include "model/model.h"

/* Names that begin with `ours` may begin with `theirs` in a file. */
typedef struct pc_import_rename {
    const char *ours, *theirs;
} pc_import_rename;

bool pc_import_replace_prefix(const char *name, const char *prefix, const char *other, char *out, size_t size);
/* pc_import.alias over a table: 0 = the name itself, then each rename that fits, in order. */
bool pc_import_alias_of(const char *name, int i, const pc_import_rename *renames, int count, char *out, size_t size);

/* PC_ERR_DATA for a rotary scaling that is not the plain one. */
pc_status pc_import_rope(const pc_json *json, const char *where);
/* The same, and lift rope_parameters.rope_theta (transformers 5) to rope_theta. */
pc_status pc_import_flatten_rope(pc_json *json, const char *where);

#endif
