/* Rows of one question: {"instruction": ..., "input": ..., "output": ..., "system": ..., "history": [[q, a], ...]}. The
 * question is instruction and input with a line feed between them. Source: LLaMA-Factory, data/README.md, alpaca format.
 */
#include "data/rows.h"

#include <string.h>

static bool matches(const pc_row *row)
{
    if (row->format && row->format->columns[PC_COLUMN_PROMPT][0]) {
        return pc_json_is_string(pc_row_column(row, PC_COLUMN_PROMPT));
    }
    return pc_json_is_string(pc_json_get(row->json, "instruction"));
}

static pc_status add_history(const pc_row *row, pc_sample *out)
{
    const pc_json *history = pc_row_column(row, PC_COLUMN_HISTORY);
    for (size_t i = 0; i < pc_json_length(history); i++) {
        const pc_json *pair = pc_json_at(history, i);
        if (pc_json_length(pair) != 2) {
            return pc_fail(PC_ERR_DATA, "'%s' is no list of pairs", pc_row_column_name(row, PC_COLUMN_HISTORY));
        }
        PC_TRY(pc_row_add_text(row, out, pc_json_at(pair, 0), PC_ROLE_USER));
        PC_TRY(pc_row_add_text(row, out, pc_json_at(pair, 1), PC_ROLE_ASSISTANT));
    }
    return PC_OK;
}

/* instruction, or instruction + LF + input */
static pc_status add_question(const pc_row *row, pc_sample *out)
{
    const pc_json *instruction = pc_row_column(row, PC_COLUMN_PROMPT), *input = pc_row_column(row, PC_COLUMN_QUERY);
    pc_str text = {0};
    pc_status status;
    if (!pc_json_is_string(input) || pc_json_text_length(input) == 0) {
        return pc_row_add_text(row, out, instruction, PC_ROLE_USER);
    }
    PC_GO(pc_str_add(&text, pc_json_text(instruction), pc_json_text_length(instruction)));
    PC_GO(text.length > 0 ? pc_str_putc(&text, '\n') : PC_OK);
    PC_GO(pc_str_add(&text, pc_json_text(input), pc_json_text_length(input)));
    pc_json *joined = pc_json_new_text_n(text.data, text.length);
    status = joined ? pc_row_add_text(row, out, joined, PC_ROLE_USER) : pc_fail_memory(text.length, "a question");
    pc_json_free(joined);
done:
    pc_str_clear(&text);
    return status;
}

static pc_status read(const pc_row *row, pc_sample *out)
{
    const pc_json *answer = pc_row_column(row, PC_COLUMN_RESPONSE);
    PC_TRY(pc_row_add_system(row, out));
    PC_TRY(add_history(row, out));
    PC_TRY(add_question(row, out));
    if (!answer && pc_row_column(row, PC_COLUMN_CHOSEN)) {
        return PC_OK;
    }
    if (!answer) {
        return pc_fail(PC_ERR_DATA, "no answer \"%s\"", pc_row_column_name(row, PC_COLUMN_RESPONSE));
    }
    return pc_row_add_said(row, out, answer, PC_ROLE_ASSISTANT);
}

const pc_row_shape pc_row_alpaca = {.name = "alpaca", .matches = matches, .read = read};
