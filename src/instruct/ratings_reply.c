#include "instruct/ratings_reply.h"

#include "instruct/replies.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct parse {
    pc_ratings *out;
    const char *const *aspects;
    size_t aspect_count, answers;
    long answer, aspect; /* at hand; -1 = none */
    pc_rating *open;     /* whose rationale goes on */
    const char *text;    /* that it began at */
    bool *good;
    char *reason;
} parse;

void pc_ratings_clear(pc_ratings *ratings)
{
    pc_arena_free(&ratings->texts);
    memset(ratings->rating, 0, sizeof ratings->rating);
}

static const char *past_marks(const char *line)
{
    return line + strspn(line, " \t*#->");
}

/* Behind the label when the line begins with it as whole words. */
static const char *past_label(const char *line, const char *label)
{
    size_t length = strlen(label);
    line = past_marks(line);
    return strncasecmp(line, label, length) == 0 && !isalpha((unsigned char)line[length]) ? line + length : NULL;
}

static void refuse(parse *p, const char *what)
{
    if (*p->good) {
        *p->good = false;
        if (p->answer >= 0 && p->aspect >= 0) {
            snprintf(p->reason, PC_REPLY_REASON, "response %ld, %s: %s", p->answer + 1, p->aspects[p->aspect], what);
        } else {
            snprintf(p->reason, PC_REPLY_REASON, "%s", what);
        }
    }
}

/* " 4", ": 4 of 5", also in bold; nothing else may stand in front of the number. */
static void take_rating(parse *p, const char *text)
{
    char *end;
    text += strspn(text, " \t:*");
    double value = strtod(text, &end);
    if (p->answer < 0 || p->aspect < 0) {
        refuse(p, "a rating of no response or no aspect");
        return;
    }
    pc_rating *rating = &p->out->rating[p->answer][p->aspect];
    if (end == text || !(value >= PC_RATING_LEAST && value <= PC_RATING_MOST)) {
        refuse(p, "no rating from 1 to 5");
    } else if (rating->value > 0) {
        refuse(p, "rated twice");
    } else {
        rating->value = value;
    }
}

static pc_status end_rationale(parse *p, const char *end)
{
    if (!p->open) {
        return PC_OK;
    }
    while (end > p->text && isspace((unsigned char)end[-1])) {
        end--;
    }
    while (p->text < end && isspace((unsigned char)*p->text)) {
        p->text++;
    }
    size_t length = (size_t)(end - p->text);
    char *copy = pc_arena_alloc(&p->out->texts, length + 1, 1);
    PC_TRY(copy ? PC_OK : pc_fail_memory(length, "a rationale"));
    memcpy(copy, p->text, length);
    p->open->rationale = copy;
    p->open = NULL;
    return PC_OK;
}

/* A line's number behind "Response". */
static void take_response(parse *p, const char *behind)
{
    long number = strtol(behind + strspn(behind, " \t*#:"), NULL, 10);
    p->aspect = -1;
    p->answer = number >= 1 && (size_t)number <= p->answers ? number - 1 : -1;
    if (p->answer < 0) {
        refuse(p, "a response that is none");
    }
}

static void take_aspect(parse *p, size_t aspect, const char *behind, size_t left)
{
    p->aspect = (long)aspect;
    if (memchr(behind, ':', left) && strcspn(behind, "0123456789") < left) { /* "Helpfulness: 4" */
        take_rating(p, behind);
    }
}

/* "Response 2:" is a label, "Response 2 is better" a sentence. */
static bool is_number_alone(const char *behind)
{
    static const char *const marks = " \t*#:.";
    const char *digits = behind + strspn(behind, marks), *rest = digits + strspn(digits, "0123456789");
    rest += strspn(rest, marks);
    return isdigit((unsigned char)*digits) && (!*rest || *rest == '\n' || *rest == '\r');
}

static pc_status take_line(parse *p, const char *line, size_t length)
{
    const char *behind = past_label(line, "Rationale");
    if (behind) {
        PC_TRY(end_rationale(p, line));
        p->text = behind + strspn(behind, " \t:*");
        p->open = p->answer >= 0 && p->aspect >= 0 ? &p->out->rating[p->answer][p->aspect] : NULL;
        return PC_OK;
    }
    const char *response = past_label(line, "Response"), *rating = past_label(line, "Rating");
    if (response && is_number_alone(response)) {
        PC_TRY(end_rationale(p, line));
        take_response(p, response);
        return PC_OK;
    }
    if (rating && strchr(":*0123456789\n", rating[strspn(rating, " \t")])) { /* no sentence that begins so */
        PC_TRY(end_rationale(p, line));
        take_rating(p, rating);
        return PC_OK;
    }
    for (size_t i = 0; i < p->aspect_count; i++) {
        const char *aspect = past_label(line, p->aspects[i]);
        size_t left = aspect ? (size_t)(line + length - aspect) : 0;
        if (aspect && strspn(aspect, " \t:*#0123456789./") >= left) { /* a line of its own, no sentence that begins so */
            PC_TRY(end_rationale(p, line));
            take_aspect(p, i, aspect, left);
            break;
        }
    }
    return PC_OK;
}

pc_status pc_reply_ratings(pc_ratings *out, const char *reply, const char *const *aspects, size_t aspect_count, size_t answers, bool *good,
                           char reason[160])
{
    parse p = {.out = out, .aspects = aspects, .aspect_count = aspect_count, .answers = answers, .answer = answers == 1 ? 0 : -1, .aspect = -1,
               .good = good, .reason = reason};
    pc_ratings_clear(out);
    *good = true;
    reason[0] = '\0';
    for (const char *line = reply; *line;) {
        size_t length = strcspn(line, "\n");
        PC_TRY(take_line(&p, line, length));
        line += length + (line[length] == '\n');
    }
    PC_TRY(end_rationale(&p, reply + strlen(reply)));
    for (p.answer = 0; p.answer < (long)answers; p.answer++) {
        for (p.aspect = 0; p.aspect < (long)aspect_count; p.aspect++) {
            if (!(out->rating[p.answer][p.aspect].value > 0)) {
                refuse(&p, "not rated");
            }
        }
    }
    return PC_OK;
}
