/* Rows of prompt and answer: {"prompt": text | messages, "completion": ...}, or "chosen" and "rejected" in its place.
 * Source: TRL, dataset formats and types. */
#include "data/rows.h"

static bool matches(const pc_row *row)
{
    return pc_row_column(row, PC_COLUMN_PROMPT) != NULL;
}

static pc_status read(const pc_row *row, pc_sample *out)
{
    const pc_json *answer = pc_row_column(row, PC_COLUMN_RESPONSE);
    PC_TRY(pc_row_add_system(row, out));
    PC_TRY(pc_row_add_said(row, out, pc_row_column(row, PC_COLUMN_PROMPT), PC_ROLE_USER));
    if (answer) {
        return pc_row_add_said(row, out, answer, PC_ROLE_ASSISTANT);
    }
    return pc_row_column(row, PC_COLUMN_CHOSEN)
               ? PC_OK
               : pc_fail(PC_ERR_DATA, "a prompt without \"completion\", \"response\" or \"chosen\"");
}

const pc_row_shape pc_row_prompt = {.name = "prompt", .matches = matches, .read = read};
