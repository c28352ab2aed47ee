#include "encoder/encoder.h"

#include <string.h>

#define PC_ENCODER(name) extern const pc_encoder_type pc_encoder_##name;
#include "encoder/list.h"
#undef PC_ENCODER

#define PC_ENCODER(name) &pc_encoder_##name,
static const pc_encoder_type *const encoders[] = {
#include "encoder/list.h"
};
#undef PC_ENCODER

#define PC_ENCODER(name) " " #name
static const char names[] =
#include "encoder/list.h"
    ;
#undef PC_ENCODER

const pc_encoder_type *pc_encoder_find(const char *model_type)
{
    for (size_t i = 0; i < sizeof encoders / sizeof encoders[0]; i++) {
        if (strcmp(encoders[i]->model_type, model_type) == 0) {
            return encoders[i];
        }
    }
    return NULL;
}

const char *pc_encoder_names(void)
{
    return names + 1;
}

pc_status pc_encoder_resolve_layers(pc_encoder_select *select, int64_t layers, const char *where)
{
    select->count = select->count > 0 ? select->count : 1;
    for (int64_t i = 0; i < select->count; i++) {
        int64_t *layer = &select->layer[i], resolved = *layer < 0 ? layers + 1 + *layer : *layer;
        if (resolved < 0 || resolved > layers) {
            return pc_fail(PC_ERR_DATA, "%s: vision_feature_layer %lld is outside the encoder's %lld layers", where,
                           (long long)*layer, (long long)layers);
        }
        *layer = resolved;
    }
    return PC_OK;
}
