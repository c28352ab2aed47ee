#include "llm/llm.h"

#include <string.h>

#define PC_LLM(name) extern const pc_llm_type pc_llm_##name;
#include "llm/list.h"
#undef PC_LLM

#define PC_LLM(name) &pc_llm_##name,
static const pc_llm_type *const models[] = {
#include "llm/list.h"
};
#undef PC_LLM

#define PC_LLM(name) " " #name
static const char names[] =
#include "llm/list.h"
    ;
#undef PC_LLM

const pc_llm_type *pc_llm_find(const char *model_type)
{
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        if (strcmp(models[i]->model_type, model_type) == 0) {
            return models[i];
        }
    }
    return NULL;
}

const char *pc_llm_names(void)
{
    return names + 1;
}

