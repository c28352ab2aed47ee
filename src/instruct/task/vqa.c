/* Open questions with their answer; with text that stands in the picture as a further hint where it is wanted (InstructBLIP's OCR tokens). */
#include "instruct/task.h"

static const char *const plain[] = {"question", "answer", NULL}, *const with_text[] = {"question", "answer", "tokens", NULL};

static pc_status list_tokens(pc_adapting *a, const pc_known *known, const char **tokens)
{
    const char *comma = pc_pools_word(pc_adapting_pools(a), "comma");
    *tokens = NULL;
    for (size_t i = 0; i < known->legible_count; i++) {
        const char *const parts[] = {*tokens ? *tokens : "", *tokens ? (comma ? comma : ", ") : "", known->legible[i].text, NULL};
        PC_TRY(pc_adapting_join(a, tokens, parts));
    }
    return PC_OK;
}

static pc_status make(pc_adapting *a, const pc_known *known)
{
    const char *tokens = NULL;
    PC_TRY(pc_adapting_wants_tokens(a) ? list_tokens(a, known, &tokens) : PC_OK);
    for (size_t i = 0; i < known->asked_count; i++) {
        const pc_asked *asked = &known->asked[i];
        const pc_variable variables[] = {{"question", asked->question}, {"answer", asked->answer}, {"tokens", tokens}, {0}};
        if (!asked->as_is && !asked->options) {
            PC_TRY(tokens ? pc_adapt_say_as(a, "vqa_text", PC_FORM_SHORT, variables)
                          : pc_adapt_say(a, "vqa", PC_POLARITY_NONE, variables));
        }
    }
    return PC_OK;
}

const pc_adapt_task pc_adapt_vqa = {.name = "vqa", .help = "open questions with answers", .pools = {{"vqa", plain}, {"vqa_text", with_text}}, .given = true, .make = make};
