#include "agent/corrected.h"

#include <string.h>

static const pc_answer_media *first_picture(const pc_answer_request *request)
{
    for (size_t i = 0; i < request->media_count; i++) {
        if (request->media[i].kind == PC_MEDIA_IMAGE) {
            return &request->media[i];
        }
    }
    return NULL;
}

static pc_status answer(void *user, const pc_answer_request *request, pc_answer *out)
{
    pc_corrected *self = user;
    const pc_answer_media *picture = first_picture(request);
    pc_json *record = NULL;
    PC_TRY(self->first->answer(self->first->self, request, out));
    if (!picture || request->choices || !out->text.length) {
        return PC_OK;
    }
    pc_status status = pc_correct(&self->corrector, picture, out->text.data, &record);
    if (status == PC_OK) {
        const char *text = pc_json_get_text(record, "corrected", "");
        pc_str_reset(&out->text);
        status = pc_str_add(&out->text, text, strlen(text));
    }
    pc_json_free(record);
    return status;
}

pc_answerer pc_corrected_answerer(pc_corrected *corrected)
{
    return (pc_answerer){.self = corrected, .name = corrected->first->name, .answer = answer, .parallel = 1};
}
