/* Questions with options. The answer is an option's text, its letter or its number from 0. The options are shown in a drawn order, so that
 * no letter is right more often (LLaVA-1.5 rotates those of A-OKVQA). */
#include "instruct/task.h"

#include <string.h>

enum { OPTIONS_MAX = 26 };

static const char *const variables_known[] = {"question", "options", "answer", "letter", NULL};

/* Which option is right; -1 when none is. */
static int find_right(const pc_asked *asked)
{
    size_t count = pc_json_length(asked->options);
    for (size_t i = 0; i < count; i++) {
        const char *text = pc_json_text(pc_json_at(asked->options, i));
        if (text && strcmp(text, asked->answer) == 0) {
            return (int)i;
        }
    }
    char c = asked->answer[0];
    int number = asked->answer[1] ? -1 : c >= 'A' && c <= 'Z' ? c - 'A' : c >= '0' && c <= '9' ? c - '0' : -1;
    return number >= 0 && (size_t)number < count ? number : -1;
}

/* The options on lines of their own, in a drawn order; *place = where the right one stands. */
static pc_status list_options(pc_adapting *a, const pc_asked *asked, int right, const char **text, int *place)
{
    size_t order[OPTIONS_MAX], count = pc_json_length(asked->options);
    *text = "";
    for (size_t i = 0; i < count; i++) {
        size_t k = (size_t)pc_rng_below(pc_adapting_rng(a), i + 1);
        order[i] = order[k];
        order[k] = i;
    }
    for (size_t i = 0; i < count; i++) {
        const char letter[] = {(char)('A' + i), '.', ' ', '\0'};
        const char *option = pc_json_text(pc_json_at(asked->options, order[i]));
        const char *const parts[] = {*text, i ? "\n" : "", letter, option ? option : "", NULL};
        PC_TRY(pc_adapting_join(a, text, parts));
        *place = (int)order[i] == right ? (int)i : *place;
    }
    return PC_OK;
}

static pc_status make(pc_adapting *a, const pc_known *known)
{
    for (size_t i = 0; i < known->asked_count; i++) {
        const pc_asked *asked = &known->asked[i];
        size_t count = pc_json_is_array(asked->options) ? pc_json_length(asked->options) : 0;
        int right = count > 1 && count <= OPTIONS_MAX ? find_right(asked) : -1, place = 0;
        const char *options;
        if (right < 0) {
            continue;
        }
        PC_TRY(list_options(a, asked, right, &options, &place));
        const char letter[] = {(char)('A' + place), '\0'};
        const char *answer = pc_json_text(pc_json_at(asked->options, (size_t)right));
        const pc_variable variables[] = {
            {"question", asked->question}, {"options", options}, {"letter", letter}, {"answer", answer ? answer : ""}, {0}};
        PC_TRY(pc_adapt_say(a, "choice", PC_POLARITY_NONE, variables));
    }
    return PC_OK;
}

const pc_adapt_task pc_adapt_choice = {.name = "choice", .help = "questions with options", .pools = {{"choice", variables_known}}, .given = true, .make = make};
