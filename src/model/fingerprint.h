/* The fingerprint of what stands between a user and the weights: tokenizer, chat template, picture recipe.
 *
 * Takes a loaded model, gives hexadecimal digests of what these parts *do*, not of how their files are spelled: a
 * tokenizer.model and the tokenizer.json made from it agree. Training writes it as percept.json into what it saves;
 * loading compares and warns, so that a model is never asked through another tokenizer, template or processor than it
 * was trained with without anybody being told.
 */
#ifndef PC_MODEL_FINGERPRINT_H
#define PC_MODEL_FINGERPRINT_H

#include "model/model.h"

enum { PC_FINGERPRINT_PARTS = 3, PC_FINGERPRINT_DIGITS = 32 };

typedef struct pc_fingerprint {
    char part[PC_FINGERPRINT_PARTS][PC_FINGERPRINT_DIGITS + 1]; /* "" = the model has no such part */
    char whole[PC_FINGERPRINT_DIGITS + 1];                      /* of all parts */
} pc_fingerprint;

/* "tokenizer", "template", "processor". */
const char *pc_fingerprint_part(int part);

pc_status pc_fingerprint_of(pc_fingerprint *out, const pc_model *model);

/* Write / compare `folder`/percept.json. Checking: no such file is fine; a part that differs is logged as a warning and
 * counted in *differing (may be NULL); a malformed file is PC_ERR_DATA. */
pc_status pc_fingerprint_save(const pc_model *model, const char *folder);
pc_status pc_fingerprint_check(const pc_model *model, const char *folder, int *differing);

#endif
