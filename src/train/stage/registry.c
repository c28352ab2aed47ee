#include "train/stage.h"

#include <string.h>

#define PC_STAGE(name) extern const pc_stage pc_stage_##name;
#include "train/stage/list.h"
#undef PC_STAGE

#define PC_STAGE(name) &pc_stage_##name,
static const pc_stage *const stages[] = {
#include "train/stage/list.h"
};
#undef PC_STAGE

#define PC_STAGE(name) " " #name
static const char names[] =
#include "train/stage/list.h"
    ;
#undef PC_STAGE

const pc_stage *pc_stage_find(const char *name)
{
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
        if (strcmp(stages[i]->name, name) == 0) {
            return stages[i];
        }
    }
    return NULL;
}

const char *pc_stage_names(void)
{
    return names + 1;
}
