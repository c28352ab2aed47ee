/* Comparing a model, stage by stage, with golden vectors that the original implementation computed.
 *
 * Takes a model and golden cases; gives the largest deviation of each stage: pixels, ids, features, soft tokens, logits.
 * A case is a safetensors file with the tensors of one forward pass (the names of trace.h: pixel_values, input_ids,
 * image_sizes, encoder.features, connector.tokens, logits ...) and, as far as it names them, the pictures and the messages
 * that they came from. tools/make_golden.py makes them for a checkpoint; percept brings some for each family.
 */
#ifndef PC_MODEL_VERIFY_H
#define PC_MODEL_VERIFY_H

#include "model/model.h"

/* One stage of one case. */
typedef struct pc_verify_stage {
    const char *name;  /* of the tensor */
    bool exact;        /* compared for equality (ids) */
    double deviation;  /* largest |found - golden|; for ids the number that differ */
    double largest;    /* largest |golden|; for ids their number */
    double limit;      /* of deviation / largest */
    bool good;
    char why[160];     /* when there was nothing to compare with: what is missing; else "" */
} pc_verify_stage;

typedef struct pc_verify {
    const pc_model *model;
    const pc_backend *backend; /* NULL = the references */
    pc_dtype compute;
    double tolerance;          /* of features and logits, relative to the largest magnitude */
    void (*stage)(void *user, const pc_verify_stage *stage);
    void *user;
    int stages, bad;           /* counted */
} pc_verify;

/* The relative deviation allowed for products in `compute`: 1e-4 for f32, 2e-2 for bf16. */
double pc_verify_tolerance(pc_dtype compute);

/* One case: `json` = {"tensors": FILE, "images": [FILE ...], "messages": [...] or "text": "..."}, file names beside
 * `folder`. A stage that deviates is reported and counted, not a failure; PC_ERR_IO and PC_ERR_DATA are for cases that
 * cannot be read. */
pc_status pc_verify_case(pc_verify *verify, const pc_json *json, const char *folder);

#endif
