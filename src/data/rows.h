/* A row of a dataset file, parsed as JSON, becomes a sample. One file and one line in row/ for each shape of row.
 *
 * Flow: json_index.h (a row's bytes) -> JSON -> pc_row_read -> pc_sample.
 *
 * A row is read by what it holds: its text by the first shape that knows one of its columns, then the answers of a
 * preference ("chosen", "rejected", "rejected_response", "label"), then its pictures. Columns that percept can't use
 * yet (videos, audios, tools) are refused where they hold something; columns it does not know are left alone.
 */
#ifndef PC_DATA_ROWS_H
#define PC_DATA_ROWS_H

#include "base/json.h"
#include "data/dataset.h"

typedef enum pc_column {
    PC_COLUMN_MESSAGES, PC_COLUMN_SYSTEM, PC_COLUMN_TOOLS, PC_COLUMN_IMAGES, PC_COLUMN_VIDEOS, PC_COLUMN_AUDIOS,
    PC_COLUMN_CHOSEN, PC_COLUMN_REJECTED, PC_COLUMN_LABEL, PC_COLUMN_PROMPT, PC_COLUMN_QUERY, PC_COLUMN_RESPONSE,
    PC_COLUMN_HISTORY, PC_COLUMN_TEXT, PC_COLUMN_QUESTION, PC_COLUMN_ANSWER, PC_COLUMNS
} pc_column;

typedef enum pc_tag {
    PC_TAG_ROLE, PC_TAG_CONTENT, PC_TAG_USER, PC_TAG_ASSISTANT, PC_TAG_OBSERVATION, PC_TAG_FUNCTION, PC_TAG_SYSTEM, PC_TAGS
} pc_tag;

/* How the columns and tags of a dataset are called; "" = by the usual names. A plain value, copied freely. */
struct pc_row_format {
    char columns[PC_COLUMNS][64];
    char tags[PC_TAGS][64];
};

/* A picture's file that a reader has at hand. */
typedef struct pc_row_picture {
    const void *bytes;
    size_t size;
} pc_row_picture;

/* A row at hand; everything borrowed. */
typedef struct pc_row {
    const pc_json *json;
    const pc_row_format *format; /* NULL = usual names */
    const char *folder;          /* where picture paths start */
    const pc_row_picture *pictures; /* [picture_count]: they stand in place of the column of pictures */
    size_t picture_count;
    const pc_json *about; /* what pc_sample.about is taken from; NULL = json */
} pc_row;

typedef struct pc_row_shape {
    const char *name;
    bool (*matches)(const pc_row *row);
    /* Append the messages to out->conversation; pictures that stand in the messages themselves to out->images. */
    pc_status (*read)(const pc_row *row, pc_sample *out);
} pc_row_shape;

/* True for a name that a row's reader gives a meaning to (a usual name of a column). */
bool pc_row_is_column(const char *name);

/* Fill an empty sample. PC_ERR_DATA for a row that can't be read, PC_ERR_IO for a picture that isn't there. */
pc_status pc_row_read(const pc_row *row, pc_sample *out);

/* --- for the shapes --- */

const pc_json *pc_row_column(const pc_row *row, pc_column column); /* NULL when absent or null */
/* The name of a column or tag, for messages. */
const char *pc_row_column_name(const pc_row *row, pc_column column);
/* A message object; the first answers of a conversation that a model opens are left out: *asked says whether somebody
 * has asked. */
pc_status pc_row_add_message(const pc_row *row, pc_sample *out, const pc_json *message, bool *asked);
/* A text, a message object or a list of them as further messages; a text speaks as `role`. */
pc_status pc_row_add_said(const pc_row *row, pc_sample *out, const pc_json *said, pc_role role);
/* A text by `role` whose marks ("<image>") become pictures when a user says it. */
pc_status pc_row_add_text(const pc_row *row, pc_sample *out, const pc_json *text, pc_role role);
/* The system column as the first message, when there is one. */
pc_status pc_row_add_system(const pc_row *row, pc_sample *out);
/* A path below the folder, or a data: URL. */
pc_status pc_row_load_picture(const pc_row *row, pc_sample *out, const pc_json *where);

#endif
