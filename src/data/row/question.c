/* Rows of a question and its answer: {"question": ..., "answer": text | [text, ...]}, or "chosen" and "rejected" in its place;
 * BLIP's and InstructBLIP's VQA files, VQA-RAD, RLAIF-V, RLHF-V. Of several answers the one that most people gave counts, the
 * first of equals. */
#include "data/rows.h"

#include <string.h>

static bool matches(const pc_row *row)
{
    const pc_json *question = pc_row_column(row, PC_COLUMN_QUESTION);
    return pc_json_is_string(question) &&
           (pc_row_column(row, PC_COLUMN_ANSWER) || pc_row_column(row, PC_COLUMN_CHOSEN));
}

static size_t count_same(const pc_json *list, const pc_json *text)
{
    size_t same = 0;
    for (size_t i = 0; i < pc_json_length(list); i++) {
        const char *other = pc_json_text(pc_json_at(list, i));
        same += other && strcmp(other, pc_json_text(text)) == 0;
    }
    return same;
}

static const pc_json *most_given(const pc_json *list)
{
    const pc_json *best = NULL;
    size_t most = 0;
    for (size_t i = 0; i < pc_json_length(list); i++) {
        const pc_json *answer = pc_json_at(list, i);
        size_t same = pc_json_is_string(answer) ? count_same(list, answer) : 0;
        if (same > most) {
            best = answer;
            most = same;
        }
    }
    return best;
}

static pc_status read(const pc_row *row, pc_sample *out)
{
    const pc_json *answer = pc_row_column(row, PC_COLUMN_ANSWER);
    PC_TRY(pc_row_add_system(row, out));
    PC_TRY(pc_row_add_text(row, out, pc_row_column(row, PC_COLUMN_QUESTION), PC_ROLE_USER));
    if (pc_row_column(row, PC_COLUMN_CHOSEN)) {
        return PC_OK; /* the preference adds it */
    }
    answer = pc_json_is_array(answer) ? most_given(answer) : answer;
    return pc_json_is_string(answer)
               ? pc_row_add_text(row, out, answer, PC_ROLE_ASSISTANT)
               : pc_fail(PC_ERR_DATA, "'%s' is neither a text nor a list of texts", pc_row_column_name(row, PC_COLUMN_ANSWER));
}

const pc_row_shape pc_row_question = {.name = "question", .matches = matches, .read = read};
