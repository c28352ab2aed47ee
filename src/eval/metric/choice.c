/* Multiple choice: which option an answer means, by MMBench's rules (Liu et al. 2023; VLMEvalKit, matching_util.py), in this order:
 *
 *   a refusal means none
 *   letters: ". ( ) [ ] , : ; ! * # { }" become blanks; exactly one option's letter is a word, among the last five. "A" in more
 *            than three words may be the article and is not taken
 *   "answer is X"
 *   text:    the answer is at most twice as long as all options together and holds exactly one of them, in any case
 *
 * An answer that means none is wrong ("unread" counts them); no judge is asked. A reference line has "references": [letter] and
 * "choices": [text, ...] for A, B, C ...
 *
 * `choice` is the share of right answers (SEED-Bench, MMMU's multiple choice); `mmbench` CircularEval: the question is asked once
 * for every rotation of its options, "index" being base + k * 1,000,000, and counts only when all are right.
 */
#include "base/memory.h"
#include "base/str.h"
#include "eval/metric/metric.h"
#include "text/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHOICES = 26 };
static const int64_t ROTATION = 1000000;

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c && strchr(".()[],:;!*#{}", c));
}

static bool refuses(const char *text)
{
    static const char *const phrases[] = {"Sorry, I can't help with images of people yet.", "I can't process this file.",
                                          "I'm sorry, but without the image provided", "Cannot determine the answer"};
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
        if (strstr(text, phrases[i])) {
            return true;
        }
    }
    return false;
}

/* The letter that is a word of its own, or 0. */
static char find_letter(const char *text, size_t choices)
{
    size_t words = 0, first[CHOICES] = {0};
    int different = 0;
    char found = 0;
    while (*text) {
        for (; is_blank(*text); text++) {
        }
        const char *word = text;
        for (; *text && !is_blank(*text); text++) {
        }
        words += text > word;
        size_t option = (size_t)(*word - 'A');
        if (text == word + 1 && *word >= 'A' && option < choices && !first[option]) {
            first[option] = words;
            found = *word;
            different++;
        }
    }
    bool article = found == 'A' && words > 3;
    return different == 1 && !article && first[found - 'A'] + 4 > words ? found : 0;
}

static char find_phrase(const char *text, size_t choices)
{
    static const char phrase[] = "answer is ";
    const char *at = strstr(text, phrase);
    at = at ? at + strlen(phrase) + (at[strlen(phrase)] == '(') : "";
    bool alone = *at && (!at[1] || is_blank(at[1]));
    return alone && *at >= 'A' && (size_t)(*at - 'A') < choices ? *at : 0;
}

static pc_status find_text(char *out, const char *text, const pc_json *choices, const char *where)
{
    pc_str answer = {0}, option = {0};
    size_t all = 0, found = 0;
    pc_status status;
    PC_GO(pc_str_puts(&answer, ""));
    PC_GO(pc_lowercase(&answer, text, strlen(text)));
    for (size_t i = 0; i < pc_json_length(choices); i++) {
        const char *one = pc_json_text(pc_json_at(choices, i));
        if (!one) {
            status = pc_fail(PC_ERR_DATA, "%s: choices: expected texts", where);
            goto done;
        }
        pc_str_reset(&option);
        PC_GO(pc_str_puts(&option, ""));
        PC_GO(pc_lowercase(&option, one, strlen(one)));
        all += option.length;
        if (strstr(answer.data, option.data)) {
            *out = (char)('A' + i);
            found++;
        }
    }
    *out = found == 1 && answer.length <= 2 * all ? *out : 0;
done:
    pc_str_clear(&answer);
    pc_str_clear(&option);
    return status;
}

/* *out = the option's letter, 0 for none. */
static pc_status read_choice(char *out, const pc_metric_item *item)
{
    const pc_json *choices = pc_json_get(item->reference, "choices");
    size_t count = pc_json_length(choices);
    *out = 0;
    if (!pc_json_is_array(choices) || count < 2 || count > CHOICES) {
        return pc_fail(PC_ERR_DATA, "%s: choices: expected an array of 2 to %d texts", item->where, CHOICES);
    }
    if (refuses(item->text)) {
        return PC_OK;
    }
    *out = find_letter(item->text, count);
    *out = *out ? *out : find_phrase(item->text, count);
    return *out ? PC_OK : find_text(out, item->text, choices, item->where);
}

static pc_status is_right(double *value, pc_json *detail, const pc_metric_item *item)
{
    char letter, shown[2] = {0};
    const char *truth;
    PC_TRY(pc_metric_reference(&truth, item, 0));
    PC_TRY(read_choice(&letter, item));
    shown[0] = letter;
    *value = letter && truth[0] == letter && !truth[1];
    return pc_metric_set_text(detail, "answer", shown);
}

static pc_status count_unread(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    int64_t unread = 0;
    (void)values;
    for (size_t i = 0; i < items->count; i++) {
        unread += !pc_json_get_text(pc_json_at(details, i), "answer", "")[0];
    }
    return pc_json_set(corpus, "unread", pc_json_new_integer(unread));
}

/* --- CircularEval --- */

typedef struct row {
    int64_t base;
    size_t item;
} row;

static int by_base(const void *a, const void *b)
{
    const row *x = a, *y = b;
    return x->base != y->base ? (x->base < y->base ? -1 : 1) : x->item < y->item ? -1 : 1;
}

typedef struct ability {
    const char *name;
    double asked, right;
} ability;

enum { ABILITIES = 64 };

static pc_status add_ability(ability *list, int *count, const char *name, bool right, const char *where)
{
    int i = 0;
    for (; i < *count && strcmp(list[i].name, name) != 0; i++) {
    }
    if (i == ABILITIES) {
        return pc_fail(PC_ERR_DATA, "%s: category: more than %d different ones", where, ABILITIES);
    }
    list[i].name = name;
    list[i].asked++;
    list[i].right += right;
    *count = i == *count ? i + 1 : *count;
    return PC_OK;
}

static pc_status read_rows(row *rows, const pc_metric_items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        int64_t index;
        PC_TRY(pc_json_need_integer(&index, items->item[i].reference, "index", 0, INT64_MAX, items->item[i].where));
        rows[i] = (row){.base = index % ROTATION, .item = i};
    }
    qsort(rows, items->count, sizeof *rows, by_base);
    return PC_OK;
}

static pc_status set_abilities(pc_json *corpus, const ability *list, int count)
{
    pc_json *categories = pc_json_new_object();
    PC_TRY(pc_json_set(corpus, "category", categories));
    for (int i = 0; i < count; i++) {
        PC_TRY(pc_metric_set(categories, list[i].name, 100 * list[i].right / list[i].asked));
    }
    return PC_OK;
}

static pc_status circular(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    ability abilities[ABILITIES] = {{0}};
    int count = 0;
    double questions = 0, right = 0;
    row *rows = NULL;
    pc_status status;
    PC_GO(PC_NEW_ARRAY(rows, items->count, "rows"));
    PC_GO(read_rows(rows, items));
    for (size_t i = 0, end; i < items->count; i = end) {
        bool all = true;
        for (end = i; end < items->count && rows[end].base == rows[i].base; end++) {
            all = all && values[rows[end].item] == 1;
        }
        const pc_metric_item *item = &items->item[rows[i].item];
        questions++;
        right += all;
        PC_GO(add_ability(abilities, &count, pc_json_get_text(item->reference, "category", ""), all, item->where));
    }
    PC_GO(pc_metric_set(corpus, "circular", 100 * right / questions));
    PC_GO(pc_json_set(corpus, "questions", pc_json_new_integer((int64_t)questions)));
    PC_GO(set_abilities(corpus, abilities, count));
    PC_GO(count_unread(corpus, details, items, values));
done:
    pc_free(rows);
    return status;
}

static const char *const groups[] = {"category", "subject", "type", "split", NULL};

const pc_metric pc_metric_choice = {
    .name = "choice", .help = "multiple choice: the option that an answer means (SEED-Bench, MMMU)", .version = "choice-1",
    .scale = 100, .groups = groups, .item = is_right, .corpus = count_unread};
const pc_metric pc_metric_mmbench = {
    .name = "mmbench", .help = "MMBench: CircularEval, by category", .version = "mmbench-1", .scale = 100, .item = is_right,
    .corpus = circular};
