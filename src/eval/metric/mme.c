/* MME (Fu et al. 2023): two questions about each picture. Of each of the 14 subtasks acc = share of right questions, acc+ = share
 * of pictures with both right, score = acc + acc+ in percent (at most 200); perception and cognition are sums of scores.
 *
 * A reference line has "task" and "image"; the two questions about a picture stand behind each other within their task.
 */
#include "eval/metric/yes_no.h"

#include <string.h>

static const char *const perception[] = {"existence", "count",    "position", "color",   "posters",
                                         "celebrity", "scene",    "landmark", "artwork", "OCR"};
static const char *const cognition[] = {"commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning"};
enum { PERCEPTION = sizeof perception / sizeof *perception, COGNITION = sizeof cognition / sizeof *cognition,
       SUBTASKS = PERCEPTION + COGNITION };

typedef struct subtask {
    int64_t asked, right, pairs;
    const char *image; /* of the first of a pair that waits for its second; NULL */
    bool first_right;
} subtask;

static const char *subtask_name(int i)
{
    return i < PERCEPTION ? perception[i] : cognition[i - PERCEPTION];
}

static pc_status find_subtask(int *out, const pc_metric_item *item)
{
    const char *name;
    PC_TRY(pc_json_need_text(&name, item->reference, "task", item->where));
    for (*out = 0; *out < SUBTASKS; ++*out) {
        if (strcmp(name, subtask_name(*out)) == 0) {
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_DATA, "%s: task: '%.40s' is not a subtask of MME", item->where, name);
}

static pc_status count(subtask *task, const pc_metric_item *item, bool right)
{
    const char *image;
    PC_TRY(pc_json_need_text(&image, item->reference, "image", item->where));
    task->asked++;
    task->right += right;
    if (!task->image) {
        task->image = image;
        task->first_right = right;
        return PC_OK;
    }
    if (strcmp(task->image, image) != 0) {
        return pc_fail(PC_ERR_DATA, "%s: image: expected the second question about %.80s", item->where, task->image);
    }
    task->pairs += right && task->first_right;
    task->image = NULL;
    return PC_OK;
}

static pc_status set_subtasks(pc_json *corpus, const subtask *tasks)
{
    double sum[2] = {0};
    for (int i = 0; i < SUBTASKS; i++) {
        if (!tasks[i].asked) {
            continue;
        }
        pc_json *one = pc_json_new_object();
        double n = (double)tasks[i].asked;
        double acc = 100 * (double)tasks[i].right / n, plus = 100 * (double)tasks[i].pairs / (n / 2);
        PC_TRY(pc_json_set(corpus, subtask_name(i), one));
        PC_TRY(pc_metric_set(one, "score", acc + plus));
        PC_TRY(pc_metric_set(one, "acc", acc));
        PC_TRY(pc_metric_set(one, "acc_plus", plus));
        PC_TRY(pc_json_set(one, "n", pc_json_new_integer(tasks[i].asked)));
        sum[i >= PERCEPTION] += acc + plus;
    }
    PC_TRY(pc_metric_set(corpus, "perception", sum[0]));
    return pc_metric_set(corpus, "cognition", sum[1]);
}

static pc_status mme(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    subtask tasks[SUBTASKS] = {{0}};
    (void)values;
    for (size_t i = 0; i < items->count; i++) {
        const pc_metric_item *item = &items->item[i];
        pc_yes_no truth, answer = pc_yes_no_mme(item->text);
        int task;
        PC_TRY(pc_yes_no_truth(&truth, item));
        PC_TRY(find_subtask(&task, item));
        PC_TRY(count(&tasks[task], item, answer == truth));
        PC_TRY(pc_metric_set_text(pc_json_at(details, i), "answer", pc_yes_no_name(answer)));
        PC_TRY(pc_metric_set(pc_json_at(details, i), "mme", answer == truth));
    }
    return set_subtasks(corpus, tasks);
}

const pc_metric pc_metric_mme = {
    .name = "mme", .help = "MME: acc + acc+ of 14 subtasks, perception, cognition", .version = "mme-1", .scale = 100, .corpus = mme};
