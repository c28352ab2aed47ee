/* HallusionBench (Guan et al. 2024): yes or no about figures and edited figures.
 *
 *   aAcc  % of questions right
 *   fAcc  % of figures with every question right; figure 0 of a VS set is no figure
 *   qAcc  % of questions right for every figure of their set
 *   yes_difference = share of answers yes - share of truths yes
 *
 * A reference line has "references": [yes or no], "category" (VD, VS), "subcategory", "set_id", "figure_id", "question_id".
 */
#include "base/memory.h"
#include "eval/metric/yes_no.h"

#include <stdlib.h>
#include <string.h>

typedef struct answered {
    char key[256];
    bool right;
} answered;

static int by_key(const void *a, const void *b)
{
    return strcmp(((const answered *)a)->key, ((const answered *)b)->key);
}

static pc_status make_key(char out[256], const pc_metric_item *item, const char *last)
{
    const char *const fields[] = {"category", "subcategory", "set_id", last};
    size_t length = 0;
    for (int i = 0; i < 4; i++) {
        const char *text;
        PC_TRY(pc_json_need_text(&text, item->reference, fields[i], item->where));
        size_t more = strlen(text);
        if (length + more + 2 > 256) {
            return pc_fail(PC_ERR_DATA, "%s: %s: longer than expected", item->where, fields[i]);
        }
        memcpy(out + length, text, more);
        length += more;
        out[length++] = '\t';
    }
    out[length] = 0;
    return PC_OK;
}

/* The share of keys whose answers are all right, in percent. */
static double all_right(answered *list, size_t count)
{
    double keys = 0, right = 0;
    qsort(list, count, sizeof *list, by_key);
    for (size_t i = 0, end; i < count; i = end) {
        bool all = true;
        for (end = i; end < count && strcmp(list[end].key, list[i].key) == 0; end++) {
            all = all && list[end].right;
        }
        keys++;
        right += all;
    }
    return keys > 0 ? 100 * right / keys : 0;
}

static bool is_figure(const pc_metric_item *item)
{
    return strcmp(pc_json_get_text(item->reference, "category", ""), "VS") != 0 ||
           strcmp(pc_json_get_text(item->reference, "figure_id", ""), "0") != 0;
}

static pc_status hallusionbench(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    answered *figure = NULL, *question = NULL;
    size_t figures = 0;
    double right = 0, yes = 0, truly_yes = 0, n = (double)items->count;
    pc_status status;
    (void)values;
    PC_GO(PC_NEW_ARRAY(figure, items->count, "figures"));
    PC_GO(PC_NEW_ARRAY(question, items->count, "questions"));
    for (size_t i = 0; i < items->count; i++) {
        const pc_metric_item *item = &items->item[i];
        pc_yes_no truth, answer = pc_yes_no_mme(item->text);
        PC_GO(pc_yes_no_truth(&truth, item));
        question[i].right = answer == truth;
        PC_GO(make_key(question[i].key, item, "question_id"));
        if (is_figure(item)) {
            figure[figures].right = answer == truth;
            PC_GO(make_key(figure[figures++].key, item, "figure_id"));
        }
        right += answer == truth;
        yes += answer == PC_YES;
        truly_yes += truth == PC_YES;
        PC_GO(pc_metric_set_text(pc_json_at(details, i), "answer", pc_yes_no_name(answer)));
        PC_GO(pc_metric_set(pc_json_at(details, i), "hallusionbench", answer == truth));
    }
    PC_GO(pc_metric_set(corpus, "aAcc", 100 * right / n));
    PC_GO(pc_metric_set(corpus, "fAcc", all_right(figure, figures)));
    PC_GO(pc_metric_set(corpus, "qAcc", all_right(question, items->count)));
    PC_GO(pc_metric_set(corpus, "yes_difference", (yes - truly_yes) / n));
done:
    pc_free(figure);
    pc_free(question);
    return status;
}

const pc_metric pc_metric_hallusionbench = {
    .name = "hallusionbench", .help = "HallusionBench: right questions, figures, question groups", .version = "hallusionbench-1",
    .scale = 100, .corpus = hallusionbench};
