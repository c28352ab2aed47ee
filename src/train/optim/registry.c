#include "train/optimizer.h"

#include <string.h>

#define PC_OPTIMIZER(name) &pc_optimizer_##name,
static const pc_optimizer *const optimizers[] = {
#include "train/optim/list.h"
};
#undef PC_OPTIMIZER

#define PC_OPTIMIZER(name) " " #name
static const char names[] =
#include "train/optim/list.h"
    ;
#undef PC_OPTIMIZER

const pc_optimizer *pc_optimizer_find(const char *name)
{
    for (size_t i = 0; i < sizeof optimizers / sizeof optimizers[0]; i++) {
        if (strcmp(optimizers[i]->name, name) == 0) {
            return optimizers[i];
        }
    }
    return NULL;
}

const char *pc_optimizer_names(void)
{
    return names + 1;
}
