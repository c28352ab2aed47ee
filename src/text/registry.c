#include "text/kind.h"

#define PC_TEXT_KIND(name) extern const pc_text_kind pc_text_kind_##name;
#include "text/list.h"
#undef PC_TEXT_KIND

#define PC_TEXT_KIND(name) &pc_text_kind_##name,
static const pc_text_kind *const kinds[] = {
#include "text/list.h"
};
#undef PC_TEXT_KIND

const pc_text_kind *pc_text_kind_of(const char *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i]->recognise(bytes, size)) {
            return kinds[i];
        }
    }
    return NULL;
}
