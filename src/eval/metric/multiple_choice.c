/* Multiple choice by likelihood, as the language model harness (EleutherAI/lm-evaluation-harness, api/task.py) scores it:
 *
 *   acc       the choice of the largest log-probability is right
 *   acc_norm  the choice of the largest log-probability / characters of the choice
 *
 * A prediction is the array of log-probabilities, in a sample of `percept eval` "log_probabilities"; a reference line has "choices":
 * [text ...] and "references": [the right one's text]. Of equal values the first counts.
 */
#include "eval/metric/metric.h"
#include "text/unicode.h"

#include <math.h>
#include <string.h>

static double characters(const char *text)
{
    double count = 0;
    size_t length = strlen(text);
    for (size_t at = 0; at < length; count++) {
        at += (size_t)pc_char_size(text, length, at);
    }
    return count;
}

static pc_status judge(double *value, pc_json *detail, const pc_metric_item *item)
{
    const pc_json *found = pc_json_is_array(item->prediction) ? item->prediction : pc_json_get(item->predicted, "log_probabilities");
    const pc_json *choices = pc_json_get(item->reference, "choices");
    const char *truth;
    double best = -INFINITY, best_norm = -INFINITY;
    size_t at = 0, at_norm = 0, count = pc_json_length(choices);
    PC_TRY(pc_metric_reference(&truth, item, 0));
    if (!count || pc_json_length(found) != count) {
        return pc_fail(PC_ERR_DATA, "%s: expected as many log-probabilities as choices: %zu and %zu", item->where, pc_json_length(found),
                       count);
    }
    for (size_t i = 0; i < count; i++) {
        const char *text = pc_json_text(pc_json_at(choices, i));
        const pc_json *number = pc_json_at(found, i);
        if (!text || !pc_json_is_number(number)) {
            return pc_fail(PC_ERR_DATA, "%s: choice %zu: expected a text and a number", item->where, i);
        }
        double sum = pc_json_number(number, 0), mean = sum / characters(text);
        at = sum > best ? i : at;
        best = sum > best ? sum : best;
        at_norm = mean > best_norm ? i : at_norm;
        best_norm = mean > best_norm ? mean : best_norm;
    }
    *value = strcmp(pc_json_text(pc_json_at(choices, at)), truth) == 0;
    return pc_metric_set(detail, "acc_norm", strcmp(pc_json_text(pc_json_at(choices, at_norm)), truth) == 0);
}

static pc_status set_both(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    double acc = 0, norm = 0, n = (double)items->count;
    for (size_t i = 0; i < items->count; i++) {
        acc += values[i];
        norm += pc_json_get_number(pc_json_at(details, i), "acc_norm", 0);
    }
    acc /= n;
    norm /= n;
    PC_TRY(pc_metric_set(corpus, "acc", acc));
    PC_TRY(pc_metric_set(corpus, "acc_stderr", n > 1 ? sqrt(acc * (1 - acc) / (n - 1)) : 0));
    PC_TRY(pc_metric_set(corpus, "acc_norm", norm));
    return pc_metric_set(corpus, "acc_norm_stderr", n > 1 ? sqrt(norm * (1 - norm) / (n - 1)) : 0);
}

static const char *const groups[] = {"kind", "category", "subject", "split", NULL};

const pc_metric pc_metric_multiple_choice = {
    .name = "multiple_choice", .help = "multiple choice by log-probabilities: acc and acc_norm (language model harness)",
    .version = "multiple_choice-1", .scale = 100, .groups = groups, .item = judge, .corpus = set_both};
