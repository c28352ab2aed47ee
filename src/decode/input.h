/* What an answer is made from: one view of a request as tokens and soft tokens, and the row of the session that reads it.
 *
 * Flow: request -> chat template and tokenizer (ids + slots) -> pictures (soft tokens) -> the row, behind what it shares
 * with the prompt before.
 *
 *   read so far   a b c [picture 1] d e f g
 *   new prompt    a b c [picture 1] d x y
 *                 `--- stays ------'  `--- read now, behind a rewind
 *
 * Easy to get wrong: the logits belong to the last token read, so at least one token of a prompt is always read anew; a
 * placeholder's id doesn't tell which picture stands there, so the comparison goes by the picture's serial number and row.
 */
#ifndef PC_DECODE_INPUT_H
#define PC_DECODE_INPUT_H

#include "decode/method.h"
#include "decode/pictures.h"
#include "prompt/prompt.h"

/* What stands at one position of a row. */
typedef struct pc_read_token {
    int32_t id;
    int32_t row;      /* of the picture's soft tokens; -1: a text token from which on the picture is read in detail */
    uint64_t picture; /* serial; 0 = a text token */
} pc_read_token;

/* Set the first group, {0} for the rest; release with pc_input_clear. */
typedef struct pc_input {
    const pc_model *model;
    const pc_template *chat;
    pc_session *session;
    pc_pictures *pictures;
    int64_t row;
    pc_view view;

    pc_prompt prompt;    /* placeholders stand once for each soft token */
    pc_read_token *read, *wanted; /* [context]: what the row holds, what it shall read */
    pc_ids question;     /* as the connector reads it */
    const float **soft;  /* [context], NULL where a text token stands */
    const float **detail; /* [context] as pc_session_piece has it */
    int32_t *positions;  /* [context,A] */
    size_t reused;       /* tokens of the prompt that the row had read before */
    size_t media_tokens; /* soft tokens of the prompt */
    const pc_answer_request *request; /* while it is built */
} pc_input;

pc_status pc_input_init(pc_input *input);
void pc_input_clear(pc_input *input);

/* Lay the request out as ids and slots. PC_ERR_DATA when it doesn't fit or speaks of pictures that are not there. */
pc_status pc_input_build(pc_input *input, const pc_answer_request *request);
/* *ids = what the model would have to write behind the built prompt to say `text` and end. PC_ERR_DATA when the text's
 * tokens don't begin where the prompt ends. */
pc_status pc_input_continue(pc_input *input, const char *text, pc_ids *ids);
/* Encode the pictures and find every token's place. Stops early at a signal. */
pc_status pc_input_see(pc_input *input);
/* Bring the rows of `count` <= 64 inputs to their whole prompts, in common runs. Stops early at a signal. */
pc_status pc_input_read(pc_input *inputs, int count);
/* The row reads `id` at `place`, too: told by whoever lets it. */
void pc_input_follow(pc_input *input, size_t place, int32_t id);

#endif
