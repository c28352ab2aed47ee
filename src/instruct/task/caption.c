/* Captions: brief requests for short ones, detailed requests for long ones. Of several captions of a picture a drawn one answers. */
#include "instruct/task.h"
#include "instruct/wording.h"

#include <string.h>

enum { SHORT_WORDS = 20 /* COCO's captions have 10 in the mean, descriptions 100 and more */ };

static const char *const variables_known[] = {"caption", NULL};

static pc_status make(pc_adapting *a, const pc_known *known)
{
    size_t words;
    pc_str counted = {0};
    if (!known->caption_count) {
        return PC_OK;
    }
    const char *caption = known->captions[pc_rng_below(pc_adapting_rng(a), known->caption_count)];
    pc_status status = pc_wording(&counted, caption, strlen(caption), &words);
    pc_str_clear(&counted);
    PC_TRY(status);
    return pc_adapt_say_as(a, "caption", words <= SHORT_WORDS ? PC_FORM_SHORT : PC_FORM_LONG, (const pc_variable[]){{"caption", caption}, {0}});
}

const pc_adapt_task pc_adapt_caption = {.name = "caption", .help = "captions, asked for by their length", .pools = {{"caption", variables_known}}, .given = true, .make = make};
