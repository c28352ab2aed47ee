#include "instruct/replies.h"

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BEGINNING = 200 /* bytes in which a refusal shows */ };

void pc_turns_clear(pc_turns *turns)
{
    pc_free(turns->turn);
    pc_arena_free(&turns->texts);
    *turns = (pc_turns){0};
}

static void empty(pc_turns *turns)
{
    turns->count = 0;
    pc_arena_free(&turns->texts);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void trim(const char **text, size_t *length)
{
    for (; *length && is_blank(**text); ++*text, --*length) {
    }
    for (; *length && is_blank((*text)[*length - 1]); --*length) {
    }
}

static pc_status keep(pc_turns *turns, const char **out, const char *text, size_t length)
{
    trim(&text, &length);
    char *copy = pc_arena_alloc(&turns->texts, length + 1, 1);
    PC_TRY(copy ? PC_OK : pc_fail_memory(length, "a reply"));
    memcpy(copy, text, length);
    *out = copy;
    return PC_OK;
}

static pc_status add_turn(pc_turns *turns, const char *question)
{
    PC_TRY(pc_grow(&turns->turn, &turns->room, turns->count + 1, sizeof *turns->turn, "turns"));
    turns->turn[turns->count++] = (pc_turn){.question = question};
    return PC_OK;
}

/* --- questions and answers --- */

typedef enum label { LABEL_NONE, LABEL_QUESTION, LABEL_ANSWER, LABEL_RULE } label;

/* "Question:", "**Answer:**", "问题：" at the beginning of a line; *behind = what follows it. A rule is a line of "=". */
static label label_of(const char *line, size_t length, const char **behind)
{
    static const struct {
        const char *text;
        label kind;
    } labels[] = {{"question", LABEL_QUESTION}, {"answer", LABEL_ANSWER}, {"问题", LABEL_QUESTION}, {"回答", LABEL_ANSWER}, {"答案", LABEL_ANSWER}};
    const char *end = line + length;
    for (; line < end && strchr("*# \t", *line); line++) {
    }
    size_t rule = strspn(line, "=");
    if (rule >= 3 && line + rule <= end && line + rule + strspn(line + rule, " \t\r*") >= end) {
        return LABEL_RULE;
    }
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        size_t own = strlen(labels[i].text);
        if ((size_t)(end - line) < own || strncasecmp(line, labels[i].text, own) != 0) {
            continue;
        }
        const char *at = line + own;
        for (; at < end && (*at == '*' || *at == ' '); at++) {
        }
        size_t colon = pc_starts_with(at, ":") ? 1 : pc_starts_with(at, "：") ? strlen("：") : 0;
        if (colon) {
            *behind = at + colon;
            for (; *behind < end && **behind == '*'; ++*behind) {
            }
            return labels[i].kind;
        }
    }
    return LABEL_NONE;
}

/* The block that has just ended belongs to `kind`. */
static pc_status end_block(pc_turns *out, label kind, const char *text, size_t length, bool *good, char *reason)
{
    const char *copy;
    if (kind == LABEL_NONE || !*good) {
        return PC_OK;
    }
    PC_TRY(keep(out, &copy, text, length));
    bool open = out->count && !out->turn[out->count - 1].answer;
    if (!*copy) {
        *good = false;
        snprintf(reason, PC_REPLY_REASON, "%s %zu is empty", kind == LABEL_QUESTION ? "question" : "answer", out->count + (kind == LABEL_QUESTION));
    } else if (kind == LABEL_QUESTION && open) {
        *good = false;
        snprintf(reason, PC_REPLY_REASON, "question %zu has no answer", out->count);
    } else if (kind == LABEL_ANSWER && !open) {
        *good = false;
        snprintf(reason, PC_REPLY_REASON, "an answer without a question behind %zu turns", out->count);
    } else if (kind == LABEL_QUESTION) {
        PC_TRY(add_turn(out, copy));
    } else {
        out->turn[out->count - 1].answer = copy;
    }
    return PC_OK;
}

pc_status pc_reply_turns(pc_turns *out, const char *reply, bool *good, char reason[PC_REPLY_REASON])
{
    label kind = LABEL_NONE;
    const char *text = reply;
    empty(out);
    *good = true;
    reason[0] = '\0';
    for (const char *line = reply; *line;) {
        size_t length = strcspn(line, "\n");
        const char *behind = line;
        label found = label_of(line, length, &behind);
        if (found != LABEL_NONE) {
            PC_TRY(end_block(out, kind, text, (size_t)(line - text), good, reason));
            kind = found == LABEL_RULE ? LABEL_NONE : found;
            text = behind;
        }
        line += length + (line[length] == '\n');
    }
    PC_TRY(end_block(out, kind, text, strlen(text), good, reason));
    if (*good && (!out->count || !out->turn[out->count - 1].answer)) {
        *good = false;
        snprintf(reason, PC_REPLY_REASON, out->count ? "question %zu has no answer" : "no question with an answer", out->count);
    }
    return PC_OK;
}

/* --- numbered texts --- */

/* "[12]" at the beginning of a line; 0 when it is none. */
static size_t number_of(const char *line, const char **behind)
{
    char *end;
    line += strspn(line, " \t*");
    if (*line != '[') {
        return 0;
    }
    unsigned long number = strtoul(line + 1, &end, 10);
    *behind = end + 1;
    return end > line + 1 && *end == ']' && number < 1000000 ? number : 0;
}

pc_status pc_reply_numbered(pc_turns *out, const char *reply, size_t count, bool *good, char reason[PC_REPLY_REASON])
{
    const char *text = NULL, *line = reply;
    empty(out);
    *good = true;
    reason[0] = '\0';
    for (;; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *behind = line;
        size_t number = *line ? number_of(line, &behind) : 0;
        if (*line && !number) {
            continue;
        }
        if (text) {
            PC_TRY(keep(out, &out->turn[out->count - 1].answer, text, (size_t)(line - text)));
            *good = *good && *out->turn[out->count - 1].answer;
        }
        if (!*line) {
            break;
        }
        *good = *good && number == out->count + 1;
        PC_TRY(add_turn(out, NULL));
        text = behind;
    }
    if (!*good || out->count != count) {
        *good = false;
        snprintf(reason, PC_REPLY_REASON, "expected the texts [1] to [%zu], found %zu, or one out of order or empty", count, out->count);
    }
    return PC_OK;
}

bool pc_reply_begins_with_any(const char *reply, const char *const *phrases)
{
    char begin[BEGINNING + 1];
    snprintf(begin, sizeof begin, "%s", reply);
    for (; *phrases; phrases++) {
        if (strcasestr(begin, *phrases)) {
            return true;
        }
    }
    return false;
}
