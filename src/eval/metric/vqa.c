/* VQA accuracy: for each human answer, how many of the others agree with the prediction, a third of a point each up to one;
 * the mean over the human answers.
 *
 * The official evaluation normalises only where the people did not all say the same (metric `vqa`); lmms-eval and
 * OpenFlamingo always do (`vqa_normalised`, used for VizWiz). With a single reference, an equal answer counts 1.
 */
#include "base/memory.h"
#include "eval/metric/metric.h"
#include "eval/metric/vqa_words.h"

#include <string.h>

/* "references" holds texts, or objects with "answer" as the annotation files do. */
static pc_status human_answer(const char **out, const pc_metric_item *item, size_t i)
{
    const pc_json *node = pc_json_at(pc_json_get(item->reference, "references"), i);
    if (pc_json_is_object(node)) {
        return pc_json_need_text(out, node, "answer", item->where);
    }
    return pc_metric_reference(out, item, i);
}

/* Newlines and tabs become blanks, outer white space goes. */
static pc_status clean(pc_str *out, const char *text)
{
    size_t length = strlen(text);
    pc_str_reset(out);
    PC_TRY(pc_str_puts(out, ""));
    for (; length && strchr(" \t\n\r\v\f", text[length - 1]); length--) {
    }
    for (; length && strchr(" \t\n\r\v\f", *text); text++, length--) {
    }
    for (size_t i = 0; i < length; i++) {
        PC_TRY(pc_str_putc(out, text[i] == '\n' || text[i] == '\t' ? ' ' : text[i]));
    }
    return PC_OK;
}

typedef struct compared {
    pc_str prediction, raw;
    pc_str *answer;
    size_t count;
} compared;

static pc_status read_answers(compared *c, const pc_metric_item *item)
{
    c->count = pc_metric_reference_count(item);
    if (!c->count) {
        return pc_fail(PC_ERR_DATA, "%s: references: expected at least one answer", item->where);
    }
    PC_TRY(PC_NEW_ARRAY(c->answer, c->count, "human answers"));
    for (size_t i = 0; i < c->count; i++) {
        const char *text;
        PC_TRY(human_answer(&text, item, i));
        PC_TRY(clean(&c->answer[i], text));
    }
    return clean(&c->prediction, item->text);
}

static bool unanimous(const compared *c)
{
    for (size_t i = 1; i < c->count; i++) {
        if (strcmp(c->answer[i].data, c->answer[0].data) != 0) {
            return false;
        }
    }
    return true;
}

static pc_status normalise_in_place(pc_str *text, pc_str *scratch)
{
    PC_TRY(pc_vqa_normalise(scratch, text->data));
    pc_str swapped = *text;
    *text = *scratch;
    *scratch = swapped;
    return PC_OK;
}

static pc_status normalise_all(compared *c)
{
    PC_TRY(normalise_in_place(&c->prediction, &c->raw));
    for (size_t i = 0; i < c->count; i++) {
        PC_TRY(normalise_in_place(&c->answer[i], &c->raw));
    }
    return PC_OK;
}

static double agreement(const compared *c)
{
    size_t equal = 0;
    double sum = 0;
    for (size_t i = 0; i < c->count; i++) {
        equal += strcmp(c->prediction.data, c->answer[i].data) == 0;
    }
    if (c->count == 1) {
        return (double)equal;
    }
    for (size_t i = 0; i < c->count; i++) {
        size_t others = equal - (strcmp(c->prediction.data, c->answer[i].data) == 0);
        sum += others >= 3 ? 1 : (double)others / 3;
    }
    return sum / (double)c->count;
}

static pc_status accuracy(double *value, pc_json *detail, const pc_metric_item *item, bool always)
{
    compared c = {0};
    pc_status status;
    PC_GO(read_answers(&c, item));
    PC_GO(always || !unanimous(&c) ? normalise_all(&c) : PC_OK);
    *value = agreement(&c);
    PC_GO(pc_metric_set_text(detail, "compared", c.prediction.data));
done:
    for (size_t i = 0; c.answer && i < c.count; i++) {
        pc_str_clear(&c.answer[i]);
    }
    pc_free(c.answer);
    pc_str_clear(&c.prediction);
    pc_str_clear(&c.raw);
    return status;
}

static pc_status vqa(double *value, pc_json *detail, const pc_metric_item *item)
{
    return accuracy(value, detail, item, false);
}

static pc_status vqa_normalised(double *value, pc_json *detail, const pc_metric_item *item)
{
    return accuracy(value, detail, item, true);
}

static const char *const groups[] = {"answer_type", "question_type", NULL};

const pc_metric pc_metric_vqa = {
    .name = "vqa", .help = "VQA accuracy over 10 human answers (VQA, TextVQA)", .version = "vqa-a013f00-1", .scale = 100,
    .groups = groups, .item = vqa};
const pc_metric pc_metric_vqa_normalised = {
    .name = "vqa_normalised", .help = "the same, always normalised (VizWiz, OK-VQA in lmms-eval)", .version = "vqa-always-1",
    .scale = 100, .groups = groups, .item = vqa_normalised};
