/* The packed form of a model in a file: the panels that products read, mapped and used as they lie (docs/formats/packed.md).
 *
 * model + backend -> pc_packed_write -> file; model + backend + file -> pc_packed_open -> pc_packed_apply in place of
 * pc_model_pack. A file serves a model whose weights are those it was made of, and backends of the same layout.
 */
#ifndef PC_MODEL_PACKED_H
#define PC_MODEL_PACKED_H

#include "model/model.h"

typedef struct pc_packed pc_packed;

/* *path = where the packed form lies unless told otherwise, beside the weights: of backend's level, for products in compute;
 * pc_free. */
pc_status pc_packed_path(char **path, const pc_model *model, const pc_backend *backend, pc_dtype compute);

typedef struct pc_packed_report {
    size_t parameters, bytes; /* of panels */
} pc_packed_report;

/* The panels of a model that pc_model_pack has laid out. Without any (all weights in blocks) no file is written. */
pc_status pc_packed_write(pc_packed_report *report, const pc_model *model, const pc_backend *backend, pc_dtype compute,
                          const char *path);

/* PC_ERR_DATA when it is no such file, was made of other weights, or for another layout: the message says which. */
pc_status pc_packed_open(pc_packed **out, const char *path, const pc_model *model, const pc_backend *backend, pc_dtype compute);
void pc_packed_free(pc_packed *packed); /* behind the model, which borrows from it; NULL is fine */

/* pc_model_pack, but for what the file has. Both are borrowed until the model is freed. */
pc_status pc_packed_apply(const pc_packed *packed, pc_model *model, const pc_backend *backend, pc_dtype compute);

/* What lies beside the model (pc_packed_path), when it fits, else pc_model_pack; one that does not fit is told by a warning. *out
 * may be NULL. */
pc_status pc_packed_lay_out(pc_packed **out, pc_model *model, const pc_backend *backend, pc_dtype compute);

#endif
