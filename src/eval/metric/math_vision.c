/* MATH-Vision (Wang et al. 2024; mathllm/MATH-V, evaluation/): the answer is taken out of the text (a letter at its end, what stands
 * in the last \boxed{}, behind "the answer is", or behind the last "="), its LaTeX is cleaned, and it is right when it equals the
 * true letter or the value of that option: as a text, as a tuple, or as a number to two decimals.
 *
 * A reference line has "references": [answer] and "options": [...] (empty for free answers); "level" and "subject" are groups.
 */
#include "base/str.h"
#include "eval/metric/latex_number.h"
#include "eval/metric/metric.h"
#include "text/unicode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- editing a text in place: none of these makes it longer --- */

static void set(pc_str *text, const char *from, size_t length)
{
    memmove(text->data, from, length);
    text->data[length] = 0;
    text->length = length;
}

static void replace(pc_str *text, const char *old, const char *new)
{
    size_t long_old = strlen(old), long_new = strlen(new);
    char *to = text->data;
    for (const char *from = text->data; *from;) {
        if (strncmp(from, old, long_old) == 0) {
            memcpy(to, new, long_new);
            to += long_new;
            from += long_old;
        } else {
            *to++ = *from++;
        }
    }
    *to = 0;
    text->length = (size_t)(to - text->data);
}

/* Keep what stands behind the last / before the first `mark`. */
static void keep_behind(pc_str *text, const char *mark)
{
    const char *last = NULL;
    for (const char *at = strstr(text->data, mark); at; at = strstr(at + strlen(mark), mark)) {
        last = at + strlen(mark);
    }
    if (last) {
        set(text, last, text->length - (size_t)(last - text->data));
    }
}

static void keep_before(pc_str *text, const char *mark)
{
    char *at = strstr(text->data, mark);
    if (at) {
        set(text, text->data, (size_t)(at - text->data));
    }
}

static void trim(pc_str *text)
{
    size_t start = strspn(text->data, " \t\n\r\f\v");
    size_t end = text->length;
    for (; end > start && strchr(" \t\n\r\f\v", text->data[end - 1]); end--) {
    }
    set(text, text->data + start, end - start);
}

static void drop_end(pc_str *text, char sign)
{
    while (text->length && text->data[text->length - 1] == sign) {
        text->data[--text->length] = 0;
    }
}

/* --- taking the answer out --- */

static pc_status take_letter(pc_str *text)
{
    for (char c = 'A'; c <= 'E'; c++) {
        char end[2][8], start[3][8];
        snprintf(end[0], 8, " %c.", c);
        snprintf(end[1], 8, " (%c).", c);
        snprintf(start[0], 8, "%c\n", c);
        snprintf(start[1], 8, "(%c)\n", c);
        snprintf(start[2], 8, "(%c) %c\n", c, c);
        bool found = pc_ends_with(text->data, end[0]) || pc_ends_with(text->data, end[1]);
        for (int i = 0; i < 3; i++) {
            found = found || pc_starts_with(text->data, start[i]);
        }
        if (found) {
            pc_str_reset(text);
            PC_TRY(pc_str_putc(text, c));
        }
    }
    return PC_OK;
}

static bool is_number(const char *text)
{
    char *end;
    strtod(text, &end);
    return end != text && !end[strspn(end, " \n\t")];
}

/* "... is 12." -> "12" */
static pc_status take_number(pc_str *text)
{
    pc_str behind = {0};
    pc_status status;
    PC_GO(pc_str_puts(&behind, text->data));
    keep_behind(&behind, "is ");
    drop_end(&behind, '.');
    if (is_number(behind.data)) {
        pc_str_reset(text);
        PC_GO(pc_str_puts(text, behind.data));
    }
done:
    pc_str_clear(&behind);
    return status;
}

static void take_behind_phrase(pc_str *text)
{
    static const char *const phrases[] = {"the final answer is", "The final answer is", "the answer is", "The answer is",
                                          "the correct answer is", "The correct answer is", "the answer should be",
                                          "The answer should be"};
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
        bool has = strstr(text->data, phrases[i]) != NULL;
        keep_behind(text, phrases[i]);
        trim(text);
        if (has) {
            keep_before(text, "\n");
            keep_before(text, ". ");
        }
    }
}

/* What stands within the last "oxed{" up to the last brace, as the original's greedy pattern. */
static void take_boxed(pc_str *text)
{
    char *open = strstr(text->data, "oxed{");
    char *close = open ? strrchr(open, '}') : NULL;
    if (close && close >= open + 5) {
        set(text, open + 5, (size_t)(close - open) - 5);
    }
}

/* --- LaTeX --- */

static void clean_latex(pc_str *text)
{
    static const char *const gone[] = {" ", "\\,", "\n", "\\text", "\\mbox", "\\left", "\\right", "^{\\circ}", "^\\circ", "{m}^3",
                                       "m^3", "{units}", "units", "{km}", "km", "\\!", "\\$", "\\%", "$"};
    keep_behind(text, "=");
    keep_behind(text, "\\approx");
    replace(text, "\\\\", "\\");
    replace(text, "tfrac", "frac");
    replace(text, "dfrac", "frac");
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        replace(text, gone[i], "");
    }
}

/* \frac12 -> \frac{1}{2}, \sqrt3 -> \sqrt{3} */
static pc_status brace_arguments(pc_str *text)
{
    pc_str out = {0};
    pc_status status;
    PC_GO(pc_str_puts(&out, ""));
    for (const char *at = text->data; *at;) {
        int arguments = strncmp(at, "\\frac", 5) == 0 ? 2 : strncmp(at, "\\sqrt", 5) == 0 ? 1 : 0;
        PC_GO(pc_str_add(&out, at, arguments ? 5 : 1));
        at += arguments ? 5 : 1;
        for (; arguments && *at && *at != '{' && *at != '['; arguments--) {
            PC_GO(pc_str_printf(&out, "{%c}", *at++));
        }
    }
    pc_str_clear(text);
    *text = out;
    return PC_OK;
done:
    pc_str_clear(&out);
    return status;
}

/* "3/4" -> \frac{3}{4}; only where nothing else stands beside it, not even a full stop. */
static pc_status slash_to_fraction(pc_str *text)
{
    size_t above = strspn(text->data, "0123456789"), below = 0;
    if (above && text->data[above] == '/') {
        below = strspn(text->data + above + 1, "0123456789");
    }
    if (!below || text->data[above + 1 + below]) {
        return PC_OK;
    }
    pc_str out = {0};
    pc_status status = pc_str_printf(&out, "\\frac{%.*s}{%s}", (int)above, text->data, text->data + above + 1);
    if (status == PC_OK) {
        pc_str_clear(text);
        *text = out;
    }
    return status;
}

static pc_status find_math_answer(pc_str *text)
{
    pc_str lower = {0};
    pc_status status;
    PC_GO(pc_str_puts(&lower, ""));
    PC_GO(pc_lowercase(&lower, text->data, text->length));
    replace(&lower, "{}", "");
    take_boxed(&lower);
    const char *close = strchr(lower.data, '}'), *open = strchr(lower.data, '{');
    if (close && (!open || close < open)) {
        keep_before(&lower, "}");
    }
    clean_latex(&lower);
    PC_GO(brace_arguments(&lower));
    PC_GO(slash_to_fraction(&lower));
    for (char c = 'a'; c <= 'e'; c++) {
        char round[4] = {'(', c, ')', 0}, brace[4] = {'{', c, '}', 0}, plain[2] = {c, 0};
        replace(&lower, round, plain);
        replace(&lower, brace, plain);
    }
    drop_end(&lower, '.');
    set(&lower, lower.data + strspn(lower.data, ":"), strlen(lower.data + strspn(lower.data, ":")));
    pc_str swapped = *text;
    *text = lower;
    lower = swapped;
    trim(text);
done:
    pc_str_clear(&lower);
    return status;
}

static pc_status extract(pc_str *out, const char *answer)
{
    PC_TRY(pc_str_puts(out, answer));
    trim(out);
    PC_TRY(take_letter(out));
    PC_TRY(take_number(out));
    if (!strstr(out->data, "oxed{")) {
        take_behind_phrase(out);
    } else {
        char *last = NULL;
        for (char *at = strstr(out->data, "oxed{"); at; at = strstr(at + 1, "oxed{")) {
            last = at;
        }
        set(out, last, strlen(last));
    }
    return find_math_answer(out);
}

/* --- comparing --- */

/* The truth may be "4/3"; of the answer it is no number, since cleaning has made \frac of what it takes for a fraction (so the
 * recorded verdicts have it). */
static bool near(const char *truth, const char *answer)
{
    double x, y;
    return !strchr(answer, '/') && pc_latex_number(&x, truth) && pc_latex_number(&y, answer) && rint(x * 100) == rint(y * 100);
}

static size_t cut_tuple(char *text, char *part[8])
{
    size_t length = strlen(text), count = 0;
    if (length < 2 || !((text[0] == '(' && text[length - 1] == ')') || (text[0] == '[' && text[length - 1] == ']'))) {
        return 0;
    }
    text[length - 1] = 0;
    for (char *rest = text + 1, *one; count < 8 && (one = strsep(&rest, ","));) {
        part[count++] = one;
    }
    return count;
}

static bool same_tuple(char *a, char *b)
{
    char *x[8], *y[8], kind = a[0];
    if (kind != b[0]) {
        return false;
    }
    size_t m = cut_tuple(a, x), n = cut_tuple(b, y);
    bool same = m == n && m > 1;
    for (size_t i = 0; same && i < m; i++) {
        same = strcmp(x[i], y[i]) == 0 || near(x[i], y[i]);
    }
    return same;
}

static pc_status is_equal(bool *out, const char *truth, const char *answer)
{
    pc_str a = {0}, b = {0};
    pc_status status;
    *out = false;
    PC_GO(pc_str_puts(&a, ""));
    PC_GO(pc_lowercase(&a, truth, strlen(truth)));
    PC_GO(pc_str_puts(&b, answer));
    trim(&a);
    if (a.length && b.length) {
        *out = strcmp(a.data, b.data) == 0 || near(a.data, b.data) || same_tuple(a.data, b.data);
    }
done:
    pc_str_clear(&a);
    pc_str_clear(&b);
    return status;
}

static pc_status math_vision(double *value, pc_json *detail, const pc_metric_item *item)
{
    pc_str answer = {0};
    const pc_json *options = pc_json_get(item->reference, "options");
    const char *truth;
    bool right;
    pc_status status;
    PC_GO(pc_metric_reference(&truth, item, 0));
    PC_GO(extract(&answer, item->text));
    PC_GO(is_equal(&right, truth, answer.data));
    if (!right && pc_json_length(options) && truth[0] >= 'A' && truth[0] <= 'Z') {
        const char *option = pc_json_text(pc_json_at(options, (size_t)(truth[0] - 'A')));
        PC_GO(is_equal(&right, option ? option : "", answer.data));
    }
    *value = right;
    PC_GO(pc_metric_set_text(detail, "answer", answer.data));
done:
    pc_str_clear(&answer);
    return status;
}

static const char *const groups[] = {"level", "subject", NULL};

const pc_metric pc_metric_math_vision = {
    .name = "math_vision", .help = "MATH-Vision: the final answer, as letter, option, LaTeX or number", .version = "math_vision-1",
    .scale = 100, .groups = groups, .item = math_vision};
