#include "cli/adapters.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/str.h"

#include <string.h>

static pc_status open_one(pc_adapter **out, const pc_model *model, const char *text)
{
    const char *equals = strchr(text, '=');
    const char *folder = equals && !pc_path_exists(text) ? equals + 1 : text;
    PC_TRY(pc_adapter_load(out, model, folder));
    if (folder != text) {
        char *name = pc_strndup(text, (size_t)(equals - text));
        if (!name) {
            return pc_fail_memory(strlen(text), "a name");
        }
        pc_free((*out)->name);
        (*out)->name = name;
    }
    return PC_OK;
}

pc_status pc_cli_adapters_open(pc_cli_adapters *out, const pc_model *model, const pc_option_list *list)
{
    for (int i = 0; i < list->count; i++) {
        if (out->count == PC_CLI_ADAPTERS) {
            return pc_fail(PC_ERR_USAGE, "--adapter: at most %d", PC_CLI_ADAPTERS);
        }
        PC_TRY(open_one(&out->items[out->count], model, list->items[i]));
        out->count++;
    }
    return PC_OK;
}

void pc_cli_adapters_close(pc_cli_adapters *adapters)
{
    for (int i = 0; i < PC_CLI_ADAPTERS; i++) {
        pc_adapter_free(adapters->items[i]);
    }
    *adapters = (pc_cli_adapters){0};
}

pc_status pc_cli_adapters_find(const pc_cli_adapters *adapters, const char *name, int *index)
{
    pc_str names = {0};
    for (int i = 0; i < adapters->count; i++) {
        if (strcmp(adapters->items[i]->name, name) == 0) {
            *index = i;
            return PC_OK;
        }
    }
    pc_status status = PC_OK;
    for (int i = 0; i < adapters->count && status == PC_OK; i++) {
        status = pc_str_printf(&names, " %s", adapters->items[i]->name);
    }
    status = status == PC_OK ? pc_fail(PC_ERR_USAGE, "no adapter is called '%s'; there %s:%s", name,
                                       adapters->count == 1 ? "is" : "are", adapters->count ? names.data : " none")
                             : status;
    pc_str_clear(&names);
    return status;
}
