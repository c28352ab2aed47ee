#include "eval/metric/yes_no.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

pc_yes_no pc_yes_no_pope(const char *text)
{
    char word[8];
    size_t length = 0;
    for (;; text++) {
        if (*text == ',') {
            continue;
        }
        bool end = !*text || *text == '.';
        if (end || *text == ' ') {
            word[length < sizeof word ? length : 0] = 0;
            if (length < sizeof word && (strcmp(word, "No") == 0 || strcmp(word, "no") == 0 || strcmp(word, "not") == 0)) {
                return PC_NO;
            }
            length = 0;
        } else {
            if (length < sizeof word) {
                word[length] = *text;
            }
            length++;
        }
        if (end) {
            return PC_YES;
        }
    }
}

pc_yes_no pc_yes_no_mme(const char *text)
{
    char start[5] = {0};
    for (int i = 0; i < 4 && text[i]; i++) {
        start[i] = (char)tolower((unsigned char)text[i]);
    }
    return strstr(start, "yes") ? PC_YES : strstr(start, "no") ? PC_NO : PC_NEITHER;
}

pc_status pc_yes_no_truth(pc_yes_no *out, const pc_metric_item *item)
{
    static const char *const names[2][3] = {{"no", "false", "0"}, {"yes", "true", "1"}};
    const char *text;
    PC_TRY(pc_metric_reference(&text, item, 0));
    for (int value = 0; value < 2; value++) {
        for (int i = 0; i < 3; i++) {
            if (strcasecmp(text, names[value][i]) == 0) {
                *out = value ? PC_YES : PC_NO;
                return PC_OK;
            }
        }
    }
    return pc_fail(PC_ERR_DATA, "%s: references: expected yes or no, found '%.40s'", item->where, text);
}

const char *pc_yes_no_name(pc_yes_no answer)
{
    return answer == PC_YES ? "yes" : answer == PC_NO ? "no" : "neither";
}

void pc_confusion_add(pc_confusion *counts, pc_yes_no answer, pc_yes_no truth)
{
    if (truth == PC_YES) {
        ++*(answer == PC_YES ? &counts->tp : &counts->fn);
    } else {
        ++*(answer == PC_NO ? &counts->tn : &counts->fp);
    }
}

static double percent(int64_t part, int64_t whole)
{
    return whole ? 100 * (double)part / (double)whole : 0;
}

pc_status pc_confusion_set(pc_json *into, const pc_confusion *c)
{
    int64_t n = c->tp + c->fp + c->tn + c->fn;
    PC_TRY(pc_metric_set(into, "accuracy", percent(c->tp + c->tn, n)));
    PC_TRY(pc_metric_set(into, "precision", percent(c->tp, c->tp + c->fp)));
    PC_TRY(pc_metric_set(into, "recall", percent(c->tp, c->tp + c->fn)));
    PC_TRY(pc_metric_set(into, "f1", percent(2 * c->tp, 2 * c->tp + c->fp + c->fn)));
    PC_TRY(pc_metric_set(into, "yes_ratio", percent(c->tp + c->fp, n)));
    return pc_json_set(into, "n", pc_json_new_integer(n));
}
