/* A row with a prompt and several answers to it, in VLFeedback's shape (Li et al. 2023, arXiv:2312.10665):
 *
 *   {"id", "image" | "img_path", "prompt", "completions": {"model": [...], "response": [...], "annotations": [...]}}
 *
 * The prompt may also be "question", or the first human turn of "conversations" or "messages"; completions may be a list of objects.
 * data/ratings.c reads rows with annotations as preference pairs.
 */
#ifndef PC_INSTRUCT_COMPLETIONS_H
#define PC_INSTRUCT_COMPLETIONS_H

#include "base/json.h"
#include "base/memory.h"

enum { PC_COMPLETIONS_MOST = 64 };

typedef struct pc_completion {
    const char *model, *response; /* borrowed from the row */
} pc_completion;

/* Initialise with {0}; release with pc_completions_clear. */
typedef struct pc_completions {
    pc_json *row;      /* owned */
    const char *image; /* NULL: none */
    char *prompt;      /* without marks of pictures */
    pc_completion answer[PC_COMPLETIONS_MOST];
    size_t count;
} pc_completions;

/* Takes row. PC_ERR_DATA when there is no prompt, or more answers than PC_COMPLETIONS_MOST; `where` opens messages. */
pc_status pc_completions_read(pc_completions *out, pc_json *row, const char *where);
void pc_completions_clear(pc_completions *completions);

#endif
