#include "eval/metric/captions.h"

#include "base/memory.h"

static pc_status read_one(pc_caption *out, pc_word_ids *ids, const char *text)
{
    PC_TRY(pc_word_ids_read(ids, &out->text, text));
    return pc_ngrams_of(&out->grams, &out->text);
}

static pc_status read_item(pc_captions *out, const pc_metric_item *item, size_t i)
{
    size_t count = pc_metric_reference_count(item);
    if (!count) {
        return pc_fail(PC_ERR_DATA, "%s: references: expected at least one text", item->where);
    }
    if (!pc_json_is_string(item->prediction)) {
        return pc_fail(PC_ERR_DATA, "%s: the prediction of id '%.80s' is not a text", item->where, item->id);
    }
    PC_TRY(read_one(&out->candidate[i], out->ids, item->text));
    PC_TRY(PC_NEW_ARRAY(out->reference[i], count, "references"));
    out->references[i] = count;
    for (size_t k = 0; k < count; k++) {
        const char *text;
        PC_TRY(pc_metric_reference(&text, item, k));
        PC_TRY(read_one(&out->reference[i][k], out->ids, text));
    }
    return PC_OK;
}

pc_status pc_captions_read(pc_captions *out, const pc_metric_items *items)
{
    *out = (pc_captions){.count = items->count};
    PC_TRY(pc_word_ids_new(&out->ids));
    PC_TRY(PC_NEW_ARRAY(out->candidate, items->count, "captions"));
    PC_TRY(PC_NEW_ARRAY(out->reference, items->count, "references"));
    PC_TRY(PC_NEW_ARRAY(out->references, items->count, "references"));
    for (size_t i = 0; i < items->count; i++) {
        PC_TRY(read_item(out, &items->item[i], i));
    }
    return PC_OK;
}

static void clear_one(pc_caption *caption)
{
    pc_free(caption->text.id);
    pc_free(caption->grams.gram);
}

void pc_captions_clear(pc_captions *captions)
{
    for (size_t i = 0; i < captions->count; i++) {
        if (captions->candidate) {
            clear_one(&captions->candidate[i]);
        }
        for (size_t k = 0; captions->references && k < captions->references[i]; k++) {
            clear_one(&captions->reference[i][k]);
        }
        if (captions->reference) {
            pc_free(captions->reference[i]);
        }
    }
    pc_free(captions->candidate);
    pc_free(captions->reference);
    pc_free(captions->references);
    pc_word_ids_free(captions->ids);
    *captions = (pc_captions){0};
}
