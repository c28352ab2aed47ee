/* Answers that a search finds whole, before they are said. */
#include "base/memory.h"
#include "decode/local_internal.h"

/* Say what a search has found. */
static pc_status say_found(pc_answering *a, const pc_found *found)
{
    a->out->end = PC_ANSWER_LENGTH;
    bool end = false;
    for (size_t i = 0; i < found->ids.count && !end; i++) {
        int32_t id = found->ids.data[i];
        if (a->local->probabilities) {
            PC_TRY(pc_local_note(a->local, NULL, id, (double)found->log_probabilities[i]));
        }
        PC_TRY(pc_local_add_id(a->local, id));
        if (pc_is_end(&a->local->end_ids, id)) {
            a->out->end = PC_ANSWER_STOP;
            return PC_OK;
        }
        PC_TRY(pc_local_say(a, id, &end));
    }
    (void)pc_local_stopped(a);
    return PC_OK;
}

static pc_search make_search(pc_answering *a, const int64_t *lengths)
{
    pc_local *local = a->local;
    return (pc_search){.lanes = &local->lanes,
                       .sampling = &local->sampling,
                       .how = &local->decoding,
                       .lengths = lengths,
                       .prompt = &local->inputs[0].prompt.ids,
                       .ends = &local->end_ids,
                       .most = pc_local_most_tokens(a),
                       .draws = a->request->temperature > 0,
                       .slots = local->inputs[0].prompt.slots,
                       .slot_count = local->inputs[0].prompt.slot_count};
}

pc_status pc_local_beams(pc_answering *a, const int64_t *lengths)
{
    const pc_search search = make_search(a, lengths);
    PC_TRY(pc_search_beams(&search, &a->local->found));
    return say_found(a, &a->local->found);
}

pc_status pc_local_choose(pc_answering *a, const int64_t *lengths)
{
    pc_local *local = a->local;
    const char *const *texts = a->request->choices;
    const pc_search search = make_search(a, lengths);
    pc_ids *choices = NULL;
    double *sums = NULL;
    size_t count = 0, best = 0;
    pc_status status;
    while (texts[count]) {
        count++;
    }
    PC_GO(PC_NEW_ARRAY(choices, count, "choices"));
    PC_GO(PC_NEW_ARRAY(sums, count, "choices"));
    PC_GO(pc_grow(&local->report.choices, &local->choice_capacity, count, sizeof *local->report.choices, "choices"));
    for (size_t i = 0; i < count; i++) {
        PC_GO(pc_input_continue(&local->inputs[0], texts[i], &choices[i]));
        for (; a->request->open_choices && choices[i].count > 1 &&
               pc_is_end(&local->end_ids, choices[i].data[choices[i].count - 1]);
             choices[i].count--) {
        }
        if (choices[i].count > search.most && !a->request->max_tokens) {
            PC_GO(pc_fail(PC_ERR_DATA, "the choice \"%.60s\" doesn't fit into the context", texts[i]));
        }
    }
    PC_GO(pc_search_choices(&search, choices, count, sums));
    for (size_t i = 0; i < count; i++) {
        local->report.choices[i] = (pc_choice_probability){texts[i], sums[i], choices[i].count};
        best = sums[i] > sums[best] ? i : best;
    }
    local->report.choice_count = count;
    PC_GO(PC_NEW_ARRAY(a->out->choices, count, "choices"));
    for (size_t i = 0; i < count; i++) {
        a->out->choices[i] = (pc_answer_choice){sums[i], choices[i].count};
    }
    PC_GO(pc_ids_add(&local->report.ids, choices[best].data, choices[best].count));
    PC_GO(pc_str_puts(&a->ready, texts[best]));
    bool on;
    status = pc_local_emit(a, &on);
    a->out->end = PC_ANSWER_STOP;
    (void)pc_local_stopped(a);
done:
    for (size_t i = 0; choices && i < count; i++) {
        pc_ids_clear(&choices[i]);
    }
    pc_free(choices);
    pc_free(sums);
    return status;
}
