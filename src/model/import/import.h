/* What the import files share: renaming by prefixes, and keys that several families spell alike. */
#ifndef PC_MODEL_IMPORT_IMPORT_H
#define PC_MODEL_IMPORT_IMPORT_H

#include "model/model.h"

/* Families that another one turns into. */
extern const pc_import pc_import_clip, pc_import_llava_original, pc_import_qwen;

/* Names that begin with `ours` may begin with `theirs` in a file. */
typedef struct pc_import_rename {
    const char *ours, *theirs;
} pc_import_rename;

bool pc_import_replace_prefix(const char *name, const char *prefix, const char *other, char *out, size_t size);
/* pc_import.alias over a table: 0 = the name itself, then each rename that fits, in order. */
bool pc_import_alias_of(const char *name, int i, const pc_import_rename *renames, int count, char *out, size_t size);

/* Where rope_scaling or rope_parameters (transformers 5) has a rope_theta, it becomes the one at the top, which counts
 * less. */
pc_status pc_import_rope(pc_json *json, const char *where);

/* image_grid_pinpoints of a model's config -> the recipe's grids; pairs are height first, or width first. */
pc_status pc_import_grids(pc_image_recipe *recipe, const pc_json *config, bool width_first, const char *where);

/* The layers whose features are taken: a number, or a list of 1 to PC_ENCODER_STATES; null or NULL = `usual`. */
pc_status pc_import_layers(pc_encoder_select *select, const pc_json *node, int64_t usual, const char *key, const char *where);

/* How files name one expert's linear layers: `folder` in place of ours, then <expert>.<layer>.weight and .bias. */
typedef struct pc_import_experts {
    const char *folder; /* "block_sparse_moe.experts" */
    const char *gate, *up, *down; /* gate may be NULL where experts are plain */
} pc_import_experts;

/* pc_import.piece for the experts of nn/moe.h, an array each. */
bool pc_import_expert(const pc_param *param, const pc_import_experts *names, int i, pc_import_piece *out);

/* describe of LLaVA's own layout. */
pc_status pc_import_describe_llava_original(const pc_model *model, pc_json *config);

/* For describe. Add the keys of a part's configuration that its object lacks; 0 and false, which mean "the usual", stay
 * out. `model_type` (or NULL) is added as well. json may be NULL: then nothing happens. */
pc_status pc_import_complete(pc_json *json, const pc_field_table *table, const void *config, const char *model_type);
/* The same for the language model; the rotary base in the old spelling and in the new one. */
pc_status pc_import_complete_llm(pc_json *json, const pc_model *model);

#endif
