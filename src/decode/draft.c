#include "decode/draft.h"

#include "base/memory.h"

#include <string.h>

extern const pc_draft_type pc_draft_ngram, pc_draft_model;

struct pc_draft {
    const pc_draft_type *type;
    void *self;
};

pc_status pc_draft_new(pc_draft **out, const pc_draft_setup *setup)
{
    pc_draft *draft = NULL;
    *out = NULL;
    PC_TRY(PC_NEW(draft, "a draft"));
    draft->type = strcmp(setup->kind, "ngram") == 0 ? &pc_draft_ngram : &pc_draft_model;
    pc_status status = draft->type->make(&draft->self, setup);
    if (status != PC_OK) {
        pc_free(draft);
        return status;
    }
    *out = draft;
    return PC_OK;
}

void pc_draft_free(pc_draft *draft)
{
    if (draft) {
        draft->type->release(draft->self);
        pc_free(draft);
    }
}

pc_status pc_draft_begin(pc_draft *draft, const pc_answer_request *request)
{
    return draft->type->begin(draft->self, request);
}

pc_status pc_draft_guess(pc_draft *draft, const pc_ids *history, size_t answer, size_t most, int32_t *out, size_t *count)
{
    *count = 0;
    return most ? draft->type->guess(draft->self, history, answer, most, out, count) : PC_OK;
}
