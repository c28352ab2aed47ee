/* The class of the whole picture, from all classes of the set where they are few enough to be named. */
#include "instruct/task.h"

static const char *const variables_known[] = {"label", "a_label", "labels", NULL};

static pc_status make(pc_adapting *a, const pc_known *known)
{
    const char *labels = pc_adapting_labels(a);
    for (size_t i = 0; i < known->label_count; i++) {
        const char *name = pc_pools_name(pc_adapting_pools(a), known->labels[i]), *label = name ? name : known->labels[i], *with_article;
        PC_TRY(pc_adapting_with_article(a, label, &with_article));
        const pc_variable variables[] = {{"label", label}, {"a_label", with_article}, {"labels", labels ? labels : ""}, {0}};
        PC_TRY(labels ? pc_adapt_say(a, "classify", PC_POLARITY_NONE, variables)
                      : pc_adapt_say_as(a, "classify", PC_FORM_LONG, variables));
    }
    return PC_OK;
}

const pc_adapt_task pc_adapt_classify = {.name = "classify", .help = "classes of whole pictures", .pools = {{"classify", variables_known}}, .given = true, .make = make};
