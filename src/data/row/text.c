/* Rows of plain text or a caption: {"text": ...}, with or without a picture. All of it is the answer to a question of no
 * words, so that stage pt learns every token of it. */
#include "data/rows.h"

static bool matches(const pc_row *row)
{
    return pc_json_is_string(pc_row_column(row, PC_COLUMN_TEXT));
}

static pc_status read(const pc_row *row, pc_sample *out)
{
    PC_TRY(pc_conversation_begin(&out->conversation, PC_ROLE_USER));
    return pc_row_add_text(row, out, pc_row_column(row, PC_COLUMN_TEXT), PC_ROLE_ASSISTANT);
}

const pc_row_shape pc_row_text = {.name = "text", .matches = matches, .read = read};
