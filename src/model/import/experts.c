/* Experts that lie in files one by one, as Mixtral and MoE-LLaVA write them. */
#include "model/import/import.h"

#include <stdio.h>
#include <string.h>

static const char OURS[] = "block_sparse_moe.experts.";

bool pc_import_expert(const pc_param *param, const pc_import_experts *names, int i, pc_import_piece *out)
{
    const struct {
        const char *ours, *theirs;
    } layers[] = {{"gate_proj", names->gate}, {"up_proj", names->up}, {"down_proj", names->down}};
    const char *at = strstr(param->name, OURS);
    if (!at || param->shape.ndim != 3 || i >= param->shape.dim[0]) {
        return false;
    }
    for (int l = 0; l < 3; l++) {
        if (strcmp(at + sizeof OURS - 1, layers[l].ours) == 0) {
            int length = snprintf(out->tensor, sizeof out->tensor, "%.*s%s.%d.%s.weight", (int)(at - param->name), param->name,
                                  names->folder, i, layers[l].theirs);
            out->shape = pc_dims(2, param->shape.dim[1], param->shape.dim[2]);
            return length >= 0 && (size_t)length < sizeof out->tensor;
        }
    }
    return false;
}
