/* Rows of a question and its answer: {"question": ..., "answer": text | number | [text, ...]}, or "chosen" and "rejected" in its place;
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

/* A number as its file writes it: VQA-RAD has some. */
static pc_status add_number(const pc_row *row, pc_sample *out, const pc_json *number)
{
    pc_str text = {0};
    pc_json *written = NULL;
    pc_status status;
    PC_GO(pc_json_write(&text, number, 0));
    written = pc_json_new_text_n(text.data, text.length);
    status = written ? pc_row_add_text(row, out, written, PC_ROLE_ASSISTANT) : pc_fail_memory(text.length, "an answer");
done:
    pc_json_free(written);
    pc_str_clear(&text);
    return status;
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
    if (pc_json_is_number(answer)) {
        return add_number(row, out, answer);
    }
    return pc_json_is_string(answer)
               ? pc_row_add_text(row, out, answer, PC_ROLE_ASSISTANT)
               : pc_fail(PC_ERR_DATA, "'%s' is no text, number or list of texts", pc_row_column_name(row, PC_COLUMN_ANSWER));
}

const pc_row_shape pc_row_question = {.name = "question", .matches = matches, .read = read};
