/* Rated answers as rows: VLFeedback's shape, and pairs. */
#include "instruct/judge_internal.h"

#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static double score_of(const pc_judging *j, size_t answer)
{
    double sum = 0;
    for (size_t a = 0; a < j->aspect_count; a++) {
        sum += j->ratings.rating[answer][a].value;
    }
    return sum / (double)j->aspect_count;
}

/* {"Helpfulness": {"Rating": 4, "Rationale": "..."}, ...} */
static pc_status add_annotation(const pc_judging *j, pc_json *list, size_t answer)
{
    pc_json *all = pc_json_new_object();
    PC_TRY(pc_json_push(list, all));
    for (size_t a = 0; a < j->aspect_count; a++) {
        const pc_rating *rating = &j->ratings.rating[answer][a];
        pc_json *one = pc_json_new_object();
        PC_TRY(pc_json_set(all, j->aspects[a], one));
        PC_TRY(pc_json_set(one, "Rating", pc_json_new_number(rating->value)));
        PC_TRY(rating->rationale ? pc_json_set(one, "Rationale", pc_json_new_text(rating->rationale)) : PC_OK);
    }
    return PC_OK;
}

static pc_status write_rated(pc_judging *j)
{
    pc_json *row = pc_json_new_object(), *completions, *models, *responses, *annotations;
    const pc_json *id = pc_json_get(j->row.row, "id");
    pc_status status;
    PC_GO(pc_json_set(row, "id", id ? pc_json_copy(id) : pc_json_new_integer(j->at)));
    PC_GO(j->row.image ? pc_json_set(row, "image", pc_json_new_text(j->row.image)) : PC_OK);
    PC_GO(pc_json_set(row, "prompt", pc_json_new_text(j->row.prompt)));
    PC_GO(pc_json_set(row, "completions", completions = pc_json_new_object()));
    PC_GO(pc_json_set(completions, "model", models = pc_json_new_array()));
    PC_GO(pc_json_set(completions, "response", responses = pc_json_new_array()));
    PC_GO(pc_json_set(completions, "annotations", annotations = pc_json_new_array()));
    for (size_t i = 0; i < j->row.count; i++) {
        PC_GO(pc_json_push(models, pc_json_new_text(j->row.answer[i].model)));
        PC_GO(pc_json_push(responses, pc_json_new_text(j->row.answer[i].response)));
        PC_GO(add_annotation(j, annotations, i));
    }
    status = pc_row_file_put(&j->rated, row);
done:
    pc_json_free(row);
    return status;
}

static pc_status add_prompt(const pc_judging *j, pc_json *row)
{
    pc_json *messages = pc_json_new_array(), *message, *images;
    pc_str text = {0};
    pc_status status = pc_json_set(row, "messages", messages);
    PC_TRY(status);
    PC_TRY(pc_json_push(messages, message = pc_json_new_object()));
    PC_TRY(pc_json_set(message, "role", pc_json_new_text("user")));
    status = pc_str_printf(&text, "%s%s", j->row.image ? "<image>\n" : "", j->row.prompt);
    status = status == PC_OK ? pc_json_set(message, "content", pc_json_new_text_n(text.data, text.length)) : status;
    pc_str_clear(&text);
    PC_TRY(status);
    if (!j->row.image) {
        return PC_OK;
    }
    PC_TRY(pc_json_set(row, "images", images = pc_json_new_array()));
    return pc_json_push(images, pc_json_new_text(j->row.image));
}

static pc_status write_pair(pc_judging *j, size_t chosen, size_t rejected)
{
    const pc_completion *a = &j->row.answer[chosen], *b = &j->row.answer[rejected];
    pc_json *row = pc_json_new_object();
    char id[96];
    const char *own = pc_json_get_text(j->row.row, "id", NULL);
    pc_status status;
    if (own) {
        snprintf(id, sizeof id, "%.60s-%zu-%zu", own, chosen, rejected);
        id[pc_utf8_valid_prefix(id, strlen(id))] = '\0';
    } else {
        snprintf(id, sizeof id, "%" PRId64 "-%zu-%zu", j->at, chosen, rejected);
    }
    PC_GO(pc_json_set(row, "id", pc_json_new_text(id)));
    PC_GO(add_prompt(j, row));
    PC_GO(pc_json_set(row, "chosen", pc_json_new_text(a->response)));
    PC_GO(pc_json_set(row, "rejected", pc_json_new_text(b->response)));
    PC_GO(pc_json_set(row, "chosen_score", pc_json_new_number(score_of(j, chosen))));
    PC_GO(pc_json_set(row, "rejected_score", pc_json_new_number(score_of(j, rejected))));
    PC_GO(pc_json_set(row, "chosen_model", pc_json_new_text(a->model)));
    PC_GO(pc_json_set(row, "rejected_model", pc_json_new_text(b->model)));
    j->counts->pairs++;
    status = pc_row_file_put(&j->pairs, row);
done:
    pc_json_free(row);
    return status;
}

static pc_status write_pairs(pc_judging *j)
{
    for (size_t i = 0; i < j->row.count; i++) {
        for (size_t k = i + 1; k < j->row.count; k++) {
            double difference = score_of(j, i) - score_of(j, k);
            bool same = strcmp(j->row.answer[i].response, j->row.answer[k].response) == 0;
            if (same || fabs(difference) <= j->options->margin + 1e-9) {
                j->counts->ties++;
            } else {
                PC_TRY(difference > 0 ? write_pair(j, i, k) : write_pair(j, k, i));
            }
        }
    }
    return PC_OK;
}

static void note_model(pc_judging *j, size_t answer)
{
    pc_judge_counts *c = j->counts;
    char name[64];
    int m = 0;
    snprintf(name, sizeof name, "%s", j->row.answer[answer].model);
    for (; m < c->model_count && strcmp(c->models[m].name, name) != 0; m++) {
    }
    if (m == PC_JUDGE_MODELS) {
        return;
    }
    if (m == c->model_count) {
        memcpy(c->models[c->model_count++].name, name, sizeof name);
    }
    c->models[m].answers++;
    for (size_t a = 0; a < j->aspect_count; a++) {
        c->models[m].sum[a] += j->ratings.rating[answer][a].value;
    }
}

pc_status pc_judging_write(pc_judging *j)
{
    j->counts->rows++;
    j->counts->answers += (int64_t)j->row.count;
    for (size_t i = 0; i < j->row.count; i++) {
        note_model(j, i);
    }
    PC_TRY(write_rated(j));
    return write_pairs(j);
}
