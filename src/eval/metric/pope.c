/* POPE (Li et al. 2023): is an object named that is not there? Accuracy, precision, recall, F1 and the share of yes, of all
 * questions and of each split ("split" or "kind": random, popular, adversarial). */
#include "eval/metric/yes_no.h"

#include <string.h>

enum { SPLITS = 16 };

typedef struct split {
    const char *name;
    pc_confusion counts;
} split;

static split *find_split(split *splits, int *count, const char *name)
{
    for (int i = 0; i < *count; i++) {
        if (strcmp(splits[i].name, name) == 0) {
            return &splits[i];
        }
    }
    if (*count == SPLITS) {
        return NULL;
    }
    splits[*count].name = name;
    return &splits[(*count)++];
}

static pc_status pope(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    pc_confusion all = {0};
    split splits[SPLITS] = {{0}};
    int count = 0;
    (void)values;
    for (size_t i = 0; i < items->count; i++) {
        const pc_metric_item *item = &items->item[i];
        const char *name = pc_json_get_text(item->reference, "split", pc_json_get_text(item->reference, "kind", NULL));
        pc_yes_no truth, answer = pc_yes_no_pope(item->text);
        PC_TRY(pc_yes_no_truth(&truth, item));
        pc_confusion_add(&all, answer, truth);
        split *own = name ? find_split(splits, &count, name) : NULL;
        if (own) {
            pc_confusion_add(&own->counts, answer, truth);
        } else if (name) {
            return pc_fail(PC_ERR_DATA, "%s: split: more than %d different ones", item->where, SPLITS);
        }
        PC_TRY(pc_metric_set_text(pc_json_at(details, i), "answer", pc_yes_no_name(answer)));
        PC_TRY(pc_metric_set(pc_json_at(details, i), "pope", answer == truth));
    }
    PC_TRY(pc_confusion_set(corpus, &all));
    for (int i = 0; i < count; i++) {
        pc_json *one = pc_json_new_object();
        PC_TRY(pc_json_set(corpus, splits[i].name, one));
        PC_TRY(pc_confusion_set(one, &splits[i].counts));
    }
    return PC_OK;
}

const pc_metric pc_metric_pope = {
    .name = "pope", .help = "yes or no about objects: accuracy, precision, recall, F1, share of yes; by split",
    .version = "pope-1", .scale = 100, .corpus = pope};
