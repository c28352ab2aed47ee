#include "instruct/completions.h"

#include "instruct/facts_internal.h"

#include <string.h>

/* The first thing a person says. */
static const char *first_turn(const pc_json *row)
{
    static const char *const lists[] = {"conversations", "messages"};
    for (size_t l = 0; l < 2; l++) {
        const pc_json *turns = pc_json_get(row, lists[l]);
        for (size_t i = 0; i < pc_json_length(turns); i++) {
            const pc_json *turn = pc_json_at(turns, i);
            const char *who = pc_json_get_text(turn, "from", pc_json_get_text(turn, "role", ""));
            if (strcmp(who, "human") == 0 || strcmp(who, "user") == 0) {
                return pc_json_get_text(turn, "value", pc_json_get_text(turn, "content", NULL));
            }
        }
    }
    return NULL;
}

static pc_status take_prompt(pc_completions *out, const char *where)
{
    static const char mark[] = "<image>";
    const char *text = pc_json_get_text(out->row, "prompt", pc_json_get_text(out->row, "question", first_turn(out->row)));
    if (!text) {
        return pc_fail(PC_ERR_DATA, "%s: expected a text \"prompt\" or \"question\", or a human turn of \"conversations\" or \"messages\"", where);
    }
    out->prompt = pc_strdup(text);
    PC_TRY(out->prompt ? PC_OK : pc_fail_memory(strlen(text), "a prompt"));
    for (char *at; (at = strstr(out->prompt, mark));) {
        memmove(at, at + sizeof mark - 1, strlen(at + sizeof mark - 1) + 1);
    }
    size_t blank = strspn(out->prompt, " \n\t\r"), length = strlen(out->prompt);
    memmove(out->prompt, out->prompt + blank, length - blank + 1);
    for (length -= blank; length && strchr(" \n\t\r", out->prompt[length - 1]); length--) {
        out->prompt[length - 1] = '\0';
    }
    return length ? PC_OK : pc_fail(PC_ERR_DATA, "%s: the prompt is empty", where);
}

static const char *member_of(const pc_json *completions, const char *name, size_t i)
{
    return pc_json_text(pc_json_is_array(completions) ? pc_json_get(pc_json_at(completions, i), name)
                                                      : pc_json_at(pc_json_get(completions, name), i));
}

static pc_status take_answers(pc_completions *out, const char *where)
{
    const pc_json *completions = pc_json_get(out->row, "completions");
    size_t count = pc_json_is_array(completions) ? pc_json_length(completions) : pc_json_length(pc_json_get(completions, "response"));
    if (count > PC_COMPLETIONS_MOST) {
        return pc_fail(PC_ERR_DATA, "%s: %zu answers; at most %d", where, count, PC_COMPLETIONS_MOST);
    }
    for (size_t i = 0; i < count; i++) {
        const char *model = member_of(completions, "model", i);
        out->answer[i] = (pc_completion){.model = model ? model : "", .response = member_of(completions, "response", i)};
        if (!out->answer[i].response) {
            return pc_fail(PC_ERR_DATA, "%s: completions: answer %zu has no text \"response\"", where, i + 1);
        }
    }
    out->count = count;
    return PC_OK;
}

pc_status pc_completions_read(pc_completions *out, pc_json *row, const char *where)
{
    pc_completions_clear(out);
    out->row = row;
    out->image = pc_facts_image_of(row);
    PC_TRY(take_prompt(out, where));
    return take_answers(out, where);
}

void pc_completions_clear(pc_completions *completions)
{
    pc_json_free(completions->row);
    pc_free(completions->prompt);
    *completions = (pc_completions){0};
}
