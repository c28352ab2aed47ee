/* Text that can be read: all of it, or what stands at a box. */
#include "instruct/task.h"

static const char *const all_known[] = {"text", NULL}, *const at_known[] = {"text", "box", NULL};

static pc_status make(pc_adapting *a, const pc_known *known)
{
    const char *all = NULL;
    for (size_t i = 0; i < known->legible_count; i++) {
        const char *const parts[] = {all ? all : "", all ? "\n" : "", known->legible[i].text, NULL};
        PC_TRY(pc_adapting_join(a, &all, parts));
    }
    PC_TRY(all ? pc_adapt_say(a, "ocr", PC_POLARITY_NONE, (const pc_variable[]){{"text", all}, {0}}) : PC_OK);
    size_t first = known->legible_count ? (size_t)pc_rng_below(pc_adapting_rng(a), known->legible_count) : 0;
    for (size_t i = 0; i < known->legible_count; i++) {
        const pc_legible *one = &known->legible[(first + i) % known->legible_count];
        const char *box = NULL;
        PC_TRY(one->placed ? pc_adapting_box(a, known, one->box, &box) : PC_OK);
        if (box) {
            PC_TRY(pc_adapt_say_as(a, "ocr_at", PC_FORM_SHORT, (const pc_variable[]){{"text", one->text}, {"box", box}, {0}}));
        }
    }
    return PC_OK;
}

const pc_adapt_task pc_adapt_ocr = {.name = "ocr", .help = "text in the picture", .pools = {{"ocr", all_known}, {"ocr_at", at_known}}, .make = make};
