#include "connector/connector.h"

#include <string.h>

#define PC_CONNECTOR(name) extern const pc_connector_type pc_connector_##name;
#include "connector/list.h"
#undef PC_CONNECTOR

#define PC_CONNECTOR(name) &pc_connector_##name,
static const pc_connector_type *const connectors[] = {
#include "connector/list.h"
};
#undef PC_CONNECTOR

#define PC_CONNECTOR(name) " " #name
static const char names[] =
#include "connector/list.h"
    ;
#undef PC_CONNECTOR

const pc_connector_type *pc_connector_find(const char *name)
{
    for (size_t i = 0; i < sizeof connectors / sizeof connectors[0]; i++) {
        if (strcmp(connectors[i]->name, name) == 0) {
            return connectors[i];
        }
    }
    return NULL;
}

const char *pc_connector_names(void)
{
    return names + 1;
}

pc_status pc_connector_need_grid(const pc_connector_dims *dims, const char *who, const char *where)
{
    if (dims->rows < 1 || dims->columns < 1) {
        return pc_fail(PC_ERR_DATA, "%s: the connector '%s' needs the patches of a picture in a grid; the encoder gives %lld "
                                    "features that form none", where, who, (long long)dims->tokens);
    }
    return PC_OK;
}

pc_status pc_connector_need_activation(const char *name, const char *key, const char *where)
{
    return pc_activation_from_name(name) < 0 ? pc_fail(PC_ERR_DATA, "%s: %s '%s' is unknown", where, key, name) : PC_OK;
}
