/* Rendering by a descriptor, and the registry of descriptors. */
#include "prompt/template.h"

#include <string.h>

#define PC_TEMPLATE(name) extern const pc_template pc_template_##name;
#include "prompt/list.h"
#undef PC_TEMPLATE

static const pc_template *const templates[] = {
#define PC_TEMPLATE(name) &pc_template_##name,
#include "prompt/list.h"
#undef PC_TEMPLATE
};
#define PC_TEMPLATE_COUNT (sizeof templates / sizeof templates[0])

pc_status pc_template_render(const pc_template *self, const pc_conversation *conversation,
                             bool invite,
                             pc_segments *out)
{
    pc_segments_reset(out);
    if (conversation->count == 0) {
        pc_segments_refuse(out, "the conversation has no message");
    }
    if (self->begin != NULL && conversation->count > 0) {
        self->begin(out, self, conversation);
    }
    for (size_t i = 0; i < conversation->count && out->status == PC_OK; i++) {
        pc_role role = conversation->messages[i].role;
        if (role == PC_ROLE_USER &&
            (i == 0 || conversation->messages[i - 1].role != PC_ROLE_USER)) {
            out->turn++;
        }
        self->message(out, self, conversation, i);
    }
    if (invite && self->invite != NULL) {
        self->invite(out, self);
    }
    return out->status;
}

const pc_template *pc_template_at(size_t i)
{
    return i < PC_TEMPLATE_COUNT ? templates[i] : NULL;
}

pc_status pc_template_by_name(const pc_template **out, const char *name)
{
    const char *names[PC_TEMPLATE_COUNT];
    for (size_t i = 0; i < PC_TEMPLATE_COUNT; i++) {
        names[i] = templates[i]->name;
        if (strcmp(name, names[i]) == 0) {
            *out = templates[i];
            return PC_OK;
        }
    }
    const char *near = pc_nearest_name(name, names, PC_TEMPLATE_COUNT, sizeof names[0]);
    if (near != NULL) {
        return pc_fail(PC_ERR_USAGE, "no chat template is named \"%.60s\": did you mean %s?", name,
                       near);
    }
    pc_str all = {0};
    for (size_t i = 0; i < PC_TEMPLATE_COUNT; i++) {
        if (pc_str_printf(&all, "%s%s", i == 0 ? "" : ", ", names[i]) != PC_OK) {
            break;
        }
    }
    pc_status status = pc_fail(PC_ERR_USAGE, "no chat template is named \"%.60s\"; there are %s",
                               name,
                               all.data == NULL ? "others" : all.data);
    pc_str_clear(&all);
    return status;
}

static pc_status means_same(const pc_template *self, const char *fingerprint, bool *out)
{
    *out = false;
    for (size_t i = 0; self->known != NULL && self->known[i] != NULL; i++) {
        *out = *out || strcmp(self->known[i], fingerprint) == 0;
    }
    char own[33];
    if (!*out && self->jinja != NULL) {
        PC_TRY(pc_jinja_fingerprint(self->jinja, strlen(self->jinja), own));
        *out = strcmp(own, fingerprint) == 0;
    }
    return PC_OK;
}

pc_status pc_template_find(const pc_template **out, const char *jinja, size_t length)
{
    char fingerprint[33];
    PC_TRY(pc_jinja_fingerprint(jinja, length, fingerprint));
    for (size_t i = 0; i < PC_TEMPLATE_COUNT; i++) {
        bool same;
        PC_TRY(means_same(templates[i], fingerprint, &same));
        if (same) {
            *out = templates[i];
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_DATA,
                   "the chat template (fingerprint %s) is none that is known; choose one by name",
                   fingerprint);
}
