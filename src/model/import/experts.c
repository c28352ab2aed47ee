/* Experts that lie in files one by one, as Mixtral and MoE-LLaVA write them. */
#include "model/import/import.h"

#include <stdio.h>
#include <string.h>

static const char OURS[] = "block_sparse_moe.experts.";

bool pc_import_expert(const pc_param *param, const pc_import_experts *names, int i, pc_import_piece *out)
{
    const struct {
        const char *ours, *theirs;
        bool bias;
    } layers[] = {
        {"gate_proj", names->gate, false}, {"up_proj", names->up, false}, {"down_proj", names->down, false},
        {"up_bias", names->up, true},      {"down_bias", names->down, true},
    };
    const char *at = strstr(param->name, OURS);
    if (!at || i >= param->shape.dim[0]) {
        return false;
    }
    for (size_t l = 0; l < sizeof layers / sizeof layers[0]; l++) {
        if (strcmp(at + sizeof OURS - 1, layers[l].ours) == 0 && param->shape.ndim == (layers[l].bias ? 2 : 3)) {
            int length = snprintf(out->tensor, sizeof out->tensor, "%.*s%s.%d.%s.%s", (int)(at - param->name), param->name,
                                  names->folder, i, layers[l].theirs, layers[l].bias ? "bias" : "weight");
            out->shape = layers[l].bias ? pc_dims(1, param->shape.dim[1]) : pc_dims(2, param->shape.dim[1], param->shape.dim[2]);
            return length >= 0 && (size_t)length < sizeof out->tensor;
        }
    }
    return false;
}
