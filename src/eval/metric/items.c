/* Predictions and references, joined by id. */
#include "base/memory.h"
#include "eval/metric/lines.h"
#include "eval/metric/metric.h"

#include <inttypes.h>
#include <stdio.h>

static void fill(pc_metric_item *item, const pc_json_lines *truths, size_t i, const pc_json *answer)
{
    const pc_json_line *truth = &truths->line[i];
    const pc_json *prediction = answer ? pc_json_get(answer, "prediction") : NULL;
    *item = (pc_metric_item){
        .id = truth->id,
        .text = pc_json_is_string(prediction) ? pc_json_text(prediction) : "",
        .prediction = prediction,
        .predicted = answer,
        .reference = truth->json,
    };
    snprintf(item->where, sizeof item->where, "%.280s:%" PRId64, truths->path, truth->line);
}

static pc_status join(pc_metric_items *out, bool missing_allowed)
{
    const pc_json_lines *truths = out->truths, *answers = out->answers;
    PC_TRY(PC_NEW_ARRAY(out->item, truths->count, "items to score"));
    size_t matched = 0;
    for (size_t i = 0; i < truths->count; i++) {
        const pc_json_line *answer = pc_json_lines_find(answers, truths->line[i].id);
        const pc_json *prediction = answer ? pc_json_get(answer->json, "prediction") : NULL;
        if (answer && !prediction) {
            return pc_fail(PC_ERR_DATA, "%s:%" PRId64 ": prediction is missing", answers->path, answer->line);
        }
        if (!answer && !missing_allowed) {
            return pc_fail(PC_ERR_DATA, "%s: no prediction for id '%.80s' of %s:%" PRId64, answers->path,
                           truths->line[i].id, truths->path, truths->line[i].line);
        }
        matched += answer != NULL;
        fill(&out->item[out->count++], truths, i, answer ? answer->json : NULL);
    }
    for (size_t i = 0; matched < answers->count && i < answers->count; i++) {
        if (!pc_json_lines_find(truths, answers->line[i].id)) {
            return pc_fail(PC_ERR_DATA, "%s:%" PRId64 ": id '%.80s' is not in %s", answers->path, answers->line[i].line,
                           answers->line[i].id, truths->path);
        }
    }
    return PC_OK;
}

static pc_status need_items(const pc_metric_items *items, const char *path)
{
    return items->count ? PC_OK : pc_fail(PC_ERR_DATA, "%s: no line to score", path);
}

pc_status pc_metric_read(pc_metric_items *out, const pc_metric *metric, const char *predictions, const char *references)
{
    *out = (pc_metric_items){0};
    PC_TRY(pc_json_lines_read(&out->answers, predictions, true));
    PC_TRY(pc_json_lines_read(&out->truths, references, true));
    PC_TRY(join(out, metric->missing_allowed));
    return need_items(out, references);
}

pc_status pc_metric_take_samples(pc_metric_items *out, const pc_json *samples, const char *where)
{
    *out = (pc_metric_items){0};
    PC_TRY(PC_NEW_ARRAY(out->item, pc_json_length(samples), "items to score"));
    for (size_t i = 0; i < pc_json_length(samples); i++) {
        const pc_json *sample = pc_json_at(samples, i), *answer = pc_json_get(sample, "answer");
        pc_metric_item *item = &out->item[out->count++];
        *item = (pc_metric_item){.id = pc_json_get_text(sample, "id", ""), .text = pc_json_get_text(sample, "answer", ""),
                                 .prediction = answer, .predicted = sample, .reference = sample};
        snprintf(item->where, sizeof item->where, "%.200s: sample %.80s", where, item->id);
    }
    return PC_OK;
}

void pc_metric_items_clear(pc_metric_items *items)
{
    pc_json_lines_free(items->answers);
    pc_json_lines_free(items->truths);
    pc_free(items->item);
    *items = (pc_metric_items){0};
}

/* --- what metrics ask of an item --- */

static const pc_json *references_of(const pc_metric_item *item)
{
    const pc_json *references = pc_json_get(item->reference, "references");
    return references ? references : pc_json_get(item->reference, "truth");
}

size_t pc_metric_reference_count(const pc_metric_item *item)
{
    const pc_json *references = references_of(item);
    return pc_json_is_string(references) ? 1 : pc_json_is_array(references) ? pc_json_length(references) : 0;
}

pc_status pc_metric_reference(const char **out, const pc_metric_item *item, size_t i)
{
    const pc_json *references = references_of(item);
    *out = pc_json_text(pc_json_is_string(references) && i == 0 ? references : pc_json_at(references, i));
    return *out ? PC_OK : pc_fail(PC_ERR_DATA, "%s: references: expected a text at %zu", item->where, i);
}

pc_status pc_metric_set(pc_json *into, const char *key, double value)
{
    return pc_json_set(into, key, pc_json_new_number(value));
}

pc_status pc_metric_set_text(pc_json *into, const char *key, const char *text)
{
    return pc_json_set(into, key, pc_json_new_text(text));
}
