#include "decode/vote.h"

#include "base/memory.h"
#include "base/signal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* The place behind the last `mark` in text; 0 = there is none. */
static size_t behind_last(const char *text, const char *mark)
{
    size_t found = 0, length = strlen(mark);
    for (size_t i = 0; text[i]; i++) {
        if (strncasecmp(text + i, mark, length) == 0) {
            found = i + length;
        }
    }
    return found;
}

/* Bytes of the white space or punctuation that text begins with; 0 = it begins with none. */
static size_t edge_at(const char *text)
{
    static const char *const wide[] = {"。", "，", "：", "！", "？"};
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        if (strncmp(text, wide[i], strlen(wide[i])) == 0) {
            return strlen(wide[i]);
        }
    }
    return isspace((unsigned char)text[0]) || (text[0] && strchr(".,;:!?*\"'`", text[0]));
}

/* The same of what text[0..length) ends with. */
static size_t edge_before(const char *text, size_t length)
{
    enum { WIDE = 3 };
    size_t wide = length >= WIDE ? edge_at(text + length - WIDE) : 0;
    return wide == WIDE ? WIDE : length ? edge_at(text + length - 1) : 0;
}

/* Where the answer begins: behind the last mark, in any of the ways to announce it; 0 = there is none. */
static size_t find_answer(const char *text)
{
    static const char *const marks[] = {"answer is", "answer:", "答案是", "答案："};
    size_t last = 0;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        size_t at = behind_last(text, marks[i]);
        last = at > last ? at : last;
    }
    return last;
}

pc_status pc_extract_answer(pc_str *out, const char *text)
{
    size_t mark = find_answer(text);
    const char *from = text + mark;
    while (edge_at(from)) {
        from += edge_at(from);
    }
    size_t length = mark ? strcspn(from, "\n") : strlen(from);
    while (edge_before(from, length)) {
        length -= edge_before(from, length);
    }
    if (length > 2 && from[0] == '(' && memchr(from, ')', length) == from + length - 1) {
        from++;
        length -= 2;
    }
    pc_str_reset(out);
    PC_TRY(pc_str_puts(out, ""));
    PC_TRY(pc_str_add(out, from, length));
    for (size_t i = 0; i < length; i++) {
        out->data[i] = (char)tolower((unsigned char)out->data[i]);
    }
    return PC_OK;
}

void pc_votes_clear(pc_votes *votes)
{
    for (size_t i = 0; i < votes->count; i++) {
        pc_str_clear(&votes->items[i].answer);
    }
    pc_free(votes->items);
    *votes = (pc_votes){0};
}

/* Hands `answer` over to the list. */
static pc_status find_or_add(pc_votes *votes, pc_str *answer, pc_vote **out)
{
    for (size_t i = 0; i < votes->count; i++) {
        if (strcmp(votes->items[i].answer.data, answer->data) == 0) {
            *out = &votes->items[i];
            return PC_OK;
        }
    }
    PC_TRY(pc_grow(&votes->items, &votes->capacity, votes->count + 1, sizeof *votes->items, "votes"));
    *out = &votes->items[votes->count++];
    **out = (pc_vote){.answer = *answer};
    *answer = (pc_str){0};
    return PC_OK;
}

pc_status pc_votes_add(pc_votes *votes, const char *text, double mean)
{
    pc_str answer = {0};
    pc_vote *vote;
    size_t chain = votes->chains++;
    pc_status status;
    PC_GO(pc_extract_answer(&answer, text));
    if (answer.length) {
        PC_GO(find_or_add(votes, &answer, &vote));
        if (!vote->chains || mean > vote->best) {
            vote->best = mean;
            vote->best_chain = chain;
        }
        vote->chains++;
        vote->sum += mean;
    }
done:
    pc_str_clear(&answer);
    return status;
}

const pc_vote *pc_votes_winner(const pc_votes *votes)
{
    const pc_vote *best = NULL;
    for (size_t i = 0; i < votes->count; i++) {
        const pc_vote *v = &votes->items[i];
        if (!best || v->chains > best->chains || (v->chains == best->chains && v->sum > best->sum)) {
            best = v;
        }
    }
    return best;
}

/* --- asking --- */

static uint64_t seed_of(const pc_answer_request *request, size_t chain)
{
    return request->seed ^ chain * 0x9e3779b97f4a7c15u;
}

pc_status pc_vote_answer(pc_votes *votes, const pc_answerer *answerer, const pc_answer_request *request, size_t chains,
                         double (*mean)(void *user), void *user, pc_answer *out)
{
    pc_answer_request silent = *request;
    silent.on_text = NULL;
    pc_votes_clear(votes);
    if (!(request->temperature > 0)) {
        return pc_fail(PC_ERR_USAGE, "votes: chains that are not drawn are all the same; set a temperature above 0");
    }
    for (size_t i = 0; i < chains && !pc_signal_pending(); i++) {
        silent.seed = seed_of(request, i);
        PC_TRY(answerer->answer(answerer->self, &silent, out));
        PC_TRY(pc_votes_add(votes, out->text.data ? out->text.data : "", mean(user)));
    }
    /* The winner speaks once more, so that listener and report have its tokens. */
    const pc_vote *winner = pc_votes_winner(votes);
    pc_answer_request chosen = *request;
    chosen.seed = seed_of(request, winner ? winner->best_chain : 0);
    return answerer->answer(answerer->self, &chosen, out);
}
