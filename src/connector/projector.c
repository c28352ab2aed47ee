/* The projectors of LLaVA's own checkpoints, by mm_projector_type: one linear layer, or N of them with GELU between.
 *
 *   linear        W x + b
 *   mlpNx_gelu    linear, then N - 1 times (gelu, linear); the first maps D to D', the others D' to D'
 *   identity      x
 *
 * Source: LLaVA, multimodal_projector/builder.py. Easy to get wrong: the layers of an MLP are numbered with the activations
 * between them (0, 2, 4 ...), and a single linear layer has no number.
 */
#include "connector/connector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 16 };

typedef struct projector_config {
    char *mm_projector_type;
} projector_config;

typedef struct projector_weights {
    pc_linear_weights layers[MAX_DEPTH];
    int depth;
} projector_weights;

static const pc_field fields[] = {
    {.name = "mm_projector_type", .type = PC_FIELD_TEXT, .offset = offsetof(projector_config, mm_projector_type),
     .fallback = "linear", .help = "linear, identity, or mlpNx_gelu: N linear layers"},
};

/* Linear layers; -1 for another type. */
static int depth_of(const projector_config *config)
{
    const char *type = config->mm_projector_type ? config->mm_projector_type : "linear";
    char *end;
    if (strcmp(type, "linear") == 0) {
        return 1;
    }
    if (strcmp(type, "identity") == 0) {
        return 0;
    }
    if (strncmp(type, "mlp", 3) != 0 || type[3] < '1' || type[3] > '9') {
        return -1;
    }
    long depth = strtol(type + 3, &end, 10);
    return strcmp(end, "x_gelu") == 0 && depth <= MAX_DEPTH ? (int)depth : -1;
}

static pc_status check(const void *any, const pc_connector_dims *dims, const char *where)
{
    const projector_config *config = any;
    int depth = depth_of(config);
    if (depth < 0) {
        return pc_fail(PC_ERR_DATA, "%s: mm_projector_type '%s' is not supported; known: linear, identity, mlpNx_gelu with N up "
                                    "to %d", where, config->mm_projector_type, MAX_DEPTH);
    }
    if (depth == 0 && dims->in != dims->out) {
        return pc_fail(PC_ERR_DATA, "%s: mm_projector_type identity: features have %lld numbers, tokens %lld", where,
                       (long long)dims->in, (long long)dims->out);
    }
    return PC_OK;
}

static int64_t tokens(const void *any, const pc_connector_dims *dims)
{
    (void)any;
    return dims->tokens;
}

static void declare(pc_scope *scope, const void *any, const pc_connector_dims *dims, void *any_weights)
{
    const projector_config *config = any;
    projector_weights *weights = any_weights;
    bool numbered = config->mm_projector_type && strncmp(config->mm_projector_type, "mlp", 3) == 0;
    weights->depth = depth_of(config);
    for (int i = 0; i < weights->depth; i++) {
        char name[16] = "";
        if (numbered) {
            snprintf(name, sizeof name, "%d", 2 * i);
        }
        pc_linear_declare(scope, &weights->layers[i], dims->out, i ? dims->out : dims->in, true, 1, name);
    }
}

static pc_tensor *forward(const pc_build *build, const void *any, const void *any_weights,
                          const pc_connector_input *in)
{
    pc_tensor *x = in->features; /* [N,P,D] */
    const projector_weights *weights = any_weights;
    (void)any;
    for (int i = 0; i < weights->depth; i++) {
        x = i ? pc_activate(build->graph, x, PC_ACT_GELU) : x;
        x = pc_linear_forward(build, &weights->layers[i], x, NULL); /* [N,P,D'] */
    }
    return x;
}

const pc_connector_type pc_connector_projector = {
    .name = "projector",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .config_size = sizeof(projector_config),
    .weights_size = sizeof(projector_weights),
    .check = check,
    .tokens = tokens,
    .declare = declare,
    .forward = forward,
};
