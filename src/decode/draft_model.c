/* Drafts by a smaller model of the same vocabulary: greedy, while it is sure of itself.
 *
 * It reads the same request by its own template, with the pictures if it takes any, and follows the answer. Greedy drafts
 * stop at the first token less likely than LEAST (llama.cpp's rule, common/speculative.cpp).
 */
#include "decode/draft.h"

#include "base/memory.h"
#include "decode/input.h"
#include "decode/sampler.h"

#include <math.h>
#include <string.h>

static const double LEAST = 0.4;

typedef struct drafting {
    pc_model *model;
    pc_session *session;
    pc_pictures pictures;
    pc_input input;
} drafting;

static void release(void *self)
{
    drafting *d = self;
    pc_input_clear(&d->input);
    pc_pictures_clear(&d->pictures);
    pc_session_free(d->session);
    pc_model_free(d->model);
    pc_free(d);
}

/* Drafts are ids: both models must mean the same by them. */
static pc_status check_vocabulary(const pc_model *draft, const pc_model *model)
{
    int64_t count = model->llm.info.vocabulary;
    if (!draft->tokenizer || !draft->llm.type || draft->llm.info.vocabulary != count) {
        return pc_fail(PC_ERR_DATA, "%s: a draft model has to have the vocabulary of %s", draft->path, model->path);
    }
    for (int32_t id = 0; id < count; id++) {
        size_t a, b;
        const char *here = pc_tokenizer_token(draft->tokenizer, id, &a), *there = pc_tokenizer_token(model->tokenizer, id, &b);
        if (!here != !there || (here && (a != b || memcmp(here, there, a) != 0))) {
            return pc_fail(PC_ERR_DATA, "%s: a draft model has to have the vocabulary of %s; token %d is another one",
                           draft->path, model->path, id);
        }
    }
    return PC_OK;
}

static pc_status make(void **self, const pc_draft_setup *setup)
{
    drafting *d = NULL;
    pc_session_options options = {.context = setup->context, .compute = setup->compute};
    pc_status status;
    PC_TRY(PC_NEW(d, "a draft"));
    PC_GO(pc_model_load(&d->model, setup->kind));
    PC_GO(check_vocabulary(d->model, setup->model));
    PC_GO(pc_model_pack(d->model, setup->backend, setup->compute));
    PC_GO(pc_session_new(&d->session, d->model, setup->backend, &options));
    d->pictures = (pc_pictures){.session = d->session, .model = d->model};
    d->input = (pc_input){.model = d->model, .session = d->session, .pictures = &d->pictures,
                          .chat = d->model->chat ? d->model->chat : setup->model->chat,
                          .view = {.without_media = !d->model->connector.type}};
    if (!d->input.chat) {
        PC_GO(pc_template_by_name(&d->input.chat, "raw"));
    }
    PC_GO(pc_input_init(&d->input));
    *self = d;
done:
    if (status != PC_OK) {
        release(d);
    }
    return status;
}

static pc_status begin(void *self, const pc_answer_request *request)
{
    drafting *d = self;
    pc_pictures_begin(&d->pictures);
    PC_TRY(pc_input_build(&d->input, request));
    PC_TRY(pc_input_see(&d->input));
    return pc_input_read(&d->input, 1);
}

static int32_t likeliest(const drafting *d, double *probability)
{
    const float *logits = pc_session_logits(d->session);
    int32_t id = pc_sample_greedy(logits, (size_t)d->model->llm.info.vocabulary);
    *probability = exp((double)logits[id] - pc_log_sum(logits, d->model->llm.info.vocabulary));
    return id;
}

/* Catch up with the answer: what was drafted and came true is read already. */
static pc_status catch_up(drafting *d, const int32_t *answer, size_t count)
{
    size_t prompt = d->input.prompt.ids.count, have = (size_t)pc_session_length(d->session) - prompt, same = 0;
    while (same < have && same + 1 < count && d->input.read[prompt + same].id == answer[same]) {
        same++;
    }
    pc_session_rewind(d->session, (int64_t)(prompt + same));
    for (size_t i = same; i < count; i++) {
        pc_input_follow(&d->input, prompt + i, answer[i]);
    }
    return pc_session_read(d->session, answer + same, NULL, (int64_t)(count - same));
}

static pc_status guess(void *self, const pc_ids *history, size_t answer, size_t most, int32_t *out, size_t *count)
{
    drafting *d = self;
    size_t prompt = d->input.prompt.ids.count, context = (size_t)pc_session_context(d->session);
    if (!answer || prompt + answer >= context) {
        return PC_OK;
    }
    PC_TRY(catch_up(d, history->data + history->count - answer, answer));
    for (; *count < most && prompt + answer + *count < context; (*count)++) {
        double probability;
        out[*count] = likeliest(d, &probability);
        if (probability < LEAST) {
            break;
        }
        if (*count + 1 < most) {
            pc_input_follow(&d->input, prompt + answer + *count, out[*count]);
            PC_TRY(pc_session_read(d->session, out + *count, NULL, 1));
        }
    }
    return PC_OK;
}

const pc_draft_type pc_draft_model = {.make = make, .release = release, .begin = begin, .guess = guess};
