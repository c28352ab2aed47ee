/* MMMU (Yue et al. 2024; mmmu/utils/eval_utils.py): multiple choice and open questions, each with its own way to read an answer.
 *
 * "question_type": "multiple-choice" (also when there are "choices" and no type), or anything else.
 *   choice  , . ! ? ; : ' off both ends; "(X)", else " X ", else, in more than five words, an option's text; of several the last
 *   open    of each line the shortest rest behind "could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result "
 *           (in the last one also "="), and every number in those rests; right when a reference stands in a text of them, or equals a
 *           number of them rounded to 2 decimals
 * Where the original draws an option when it can read none, the answer is wrong here and counted in "unread".
 */
#include "base/memory.h"
#include "eval/metric/metric.h"
#include "eval/metric/rewrite.h"
#include "text/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHOICES = 26 };

/* How numbers are written: with commas, scientific, simple. */
static const pc_rewrite number_forms[] = {
    {"-?\\b\\d{1,3}(?:,\\d{3})+\\b", ""}, {"-?\\d+(?:\\.\\d+)?[eE][+-]?\\d+", ""},
    {"-?(?:\\d+\\.\\d+|\\.\\d+|\\d+\\b)(?![eE][+-]?\\d+)(?![,\\d])", ""}};
enum { FORMS = sizeof number_forms / sizeof *number_forms };

static const char blanks[] = " \t\n\r\f\v";

/* text[*from .. *to) without characters of `set` at its ends */
static void trim(const char *text, size_t *from, size_t *to, const char *set)
{
    for (; *from < *to && strchr(set, text[*from]); ++*from) {
    }
    for (; *to > *from && strchr(set, text[*to - 1]); --*to) {
    }
}

static pc_status lower(pc_str *out, const char *text, size_t length)
{
    pc_str_reset(out);
    PC_TRY(pc_str_puts(out, ""));
    return pc_lowercase(out, text, length);
}

/* The last place of `part`, or -1. */
static long last_place(const char *text, const char *part)
{
    long found = -1;
    for (const char *at = text; *part && (at = strstr(at, part)); at++) {
        found = at - text;
    }
    return found;
}

/* --- multiple choice --- */

static size_t count_words(const char *text)
{
    size_t count = 0;
    for (text += strspn(text, blanks); *text; text += strspn(text, blanks)) {
        count++;
        text += strcspn(text, blanks);
    }
    return count;
}

/* The option whose letter stands last within the two texts around it, or 0. */
static char last_letter(const char *answer, size_t choices, const char *before, const char *after)
{
    long best = -1;
    char letter = 0;
    for (size_t i = 0; i < choices; i++) {
        char part[8];
        snprintf(part, sizeof part, "%s%c%s", before, (char)('A' + i), after);
        long place = last_place(answer, part);
        if (place > best) {
            best = place;
            letter = (char)('A' + i);
        }
    }
    return letter;
}

static pc_status last_text(char *letter, const char *answer, const pc_json *choices, const char *where)
{
    pc_str text = {0}, option = {0};
    long best = -1;
    pc_status status;
    PC_GO(lower(&text, answer, strlen(answer)));
    for (size_t i = 0; i < pc_json_length(choices); i++) {
        const char *one = pc_json_text(pc_json_at(choices, i));
        if (!one) {
            status = pc_fail(PC_ERR_DATA, "%s: choices: expected texts", where);
            goto done;
        }
        PC_GO(lower(&option, one, strlen(one)));
        long place = last_place(text.data, option.data);
        if (place > best) {
            best = place;
            *letter = (char)('A' + i);
        }
    }
done:
    pc_str_clear(&text);
    pc_str_clear(&option);
    return status;
}

static pc_status read_choice(char *letter, const pc_metric_item *item, const pc_json *choices)
{
    size_t from = 0, to = strlen(item->text), count = pc_json_length(choices);
    pc_str answer = {0};
    *letter = 0;
    if (count < 2 || count > CHOICES) {
        return pc_fail(PC_ERR_DATA, "%s: choices: expected 2 to %d texts", item->where, CHOICES);
    }
    for (const char *c = ",.!?;:'"; *c; c++) {
        trim(item->text, &from, &to, (char[]){*c, 0});
    }
    pc_status status = pc_str_printf(&answer, " %.*s ", (int)(to - from), item->text + from);
    if (status == PC_OK) {
        *letter = last_letter(answer.data, count, "(", ")");
        *letter = *letter ? *letter : last_letter(answer.data, count, " ", " ");
    }
    if (status == PC_OK && !*letter && count_words(answer.data) > 5) {
        status = last_text(letter, answer.data, choices, item->where);
    }
    pc_str_clear(&answer);
    return status;
}

/* --- open questions --- */

/* Is the text a number, thousands' commas aside? Rounded to 2 decimals. */
static bool is_number(const char *text, double *value)
{
    char digits[64], *end;
    size_t length = 0;
    for (; *text; text++) {
        if (*text != ',' && (length + 1 == sizeof digits || strchr("xXpP(", *text))) {
            return false;
        }
        digits[length] = *text;
        length += *text != ',';
    }
    digits[length] = 0;
    *value = strtod(digits, &end);
    if (!length || *end || end == digits) {
        return false;
    }
    char rounded[400];
    snprintf(rounded, sizeof rounded, "%.2f", *value);
    *value = strtod(rounded, NULL);
    return true;
}

/* Does `text` hold the reference? One character counts only beside a blank. */
static bool holds(const char *text, const char *reference)
{
    if (reference[0] && !reference[pc_char_size(reference, strlen(reference), 0)]) {
        char before[8], after[8];
        snprintf(before, sizeof before, " %s", reference);
        snprintf(after, sizeof after, "%s ", reference);
        return strstr(text, before) || strstr(text, after);
    }
    return strstr(text, reference) != NULL;
}

typedef struct opening {
    const pc_metric_item *item;
    const pc_rewriter *numbers;
    pc_str answer, part, reference;
    bool right;
} opening;

/* Compare one text read from the answer with every reference. */
static pc_status compare(opening *o, const char *text, size_t length)
{
    double said, wanted;
    size_t from = 0;
    trim(text, &from, &length, blanks);
    PC_TRY(lower(&o->part, text + from, length - from));
    bool number = is_number(o->part.data, &said);
    /* A single character stands as " c" and "c ": both hold it only as a whole. */
    bool single = o->part.length && !o->part.data[pc_char_size(o->part.data, o->part.length, 0)];
    for (size_t i = 0; i < pc_metric_reference_count(o->item); i++) {
        const char *reference;
        size_t start = 0;
        PC_TRY(pc_metric_reference(&reference, o->item, i));
        size_t end = strlen(reference);
        trim(reference, &start, &end, blanks);
        PC_TRY(lower(&o->reference, reference + start, end - start));
        if (is_number(o->reference.data, &wanted)) {
            o->right |= number && said == wanted;
        } else if (!number) {
            o->right |= single ? strcmp(o->part.data, o->reference.data) == 0 || !o->reference.length
                               : holds(o->part.data, o->reference.data);
        }
    }
    return PC_OK;
}

static pc_status compare_numbers(opening *o, const char *text, size_t length)
{
    pc_str copy = {0};
    pc_status status;
    PC_GO(pc_str_add(&copy, text, length));
    for (size_t form = 0; form < FORMS; form++) {
        size_t start, end;
        bool found = true;
        for (size_t at = 0; found && at <= copy.length; at = end) {
            PC_GO(pc_rewrite_find(o->numbers, form, &copy, at, &start, &end, &found));
            if (!found) {
                break;
            }
            PC_GO(compare(o, copy.data + start, end - start));
        }
    }
done:
    pc_str_clear(&copy);
    return status;
}

/* text[*from .. *to) of a line = the shortest rest behind a sign word; false when there is none. */
static bool find_key(const char *line, size_t length, bool last, size_t *from, size_t *to)
{
    static const char *const signs[] = {"could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ", "="};
    size_t best = 0;
    for (size_t i = 0; i < sizeof signs / sizeof *signs - !last; i++) {
        size_t sign = strlen(signs[i]), start = length + 1, end = length;
        for (size_t at = 0; at + sign <= length; at++) {
            if (memcmp(line + at, signs[i], sign) == 0) {
                start = at + sign;
                at += sign - 1;
            }
        }
        if (start > length) {
            continue;
        }
        trim(line, &start, &end, blanks);
        if (!best || end - start < best) {
            best = end - start;
            *from = start;
            *to = end;
        }
    }
    return best && !(best == 1 && strchr(":,.!?;'", line[*from]));
}

static pc_status read_open(opening *o)
{
    size_t from = 0, to = strlen(o->item->text), keys = 0;
    trim(o->item->text, &from, &to, blanks);
    trim(o->item->text, &from, &to, ".");
    PC_TRY(lower(&o->answer, o->item->text + from, to - from));
    for (const char *line = o->answer.data; line;) {
        size_t length = strcspn(line, "\n"), start, end;
        const char *next = line[length] ? line + length + 1 : NULL;
        if (find_key(line, length, !next, &start, &end)) {
            keys++;
            PC_TRY(compare(o, line + start, end - start));
            PC_TRY(compare_numbers(o, line + start, end - start));
        }
        line = next;
    }
    if (keys) {
        return PC_OK;
    }
    PC_TRY(compare(o, o->answer.data, o->answer.length));
    return compare_numbers(o, o->answer.data, o->answer.length);
}

static pc_status judge_open(bool *right, const pc_metric_item *item)
{
    opening o = {.item = item};
    pc_rewriter *numbers = NULL;
    pc_status status;
    PC_GO(pc_rewriter_new(&numbers, number_forms, FORMS));
    o.numbers = numbers;
    PC_GO(read_open(&o));
    *right = o.right;
done:
    pc_rewriter_free(numbers);
    pc_str_clear(&o.answer);
    pc_str_clear(&o.part);
    pc_str_clear(&o.reference);
    return status;
}

/* --- the metric --- */

static pc_status is_right(double *value, pc_json *detail, const pc_metric_item *item)
{
    const pc_json *choices = pc_json_get(item->reference, "choices");
    const char *type = pc_json_get_text(item->reference, "question_type", choices ? "multiple-choice" : "open");
    bool right = false;
    char letter[2] = {0};
    if (strcmp(type, "multiple-choice") != 0) {
        PC_TRY(judge_open(&right, item));
        *value = right;
        return PC_OK;
    }
    PC_TRY(read_choice(&letter[0], item, choices));
    for (size_t i = 0; i < pc_metric_reference_count(item); i++) {
        const char *truth;
        PC_TRY(pc_metric_reference(&truth, item, i));
        right |= letter[0] && strcmp(truth, letter) == 0;
    }
    *value = right;
    return pc_metric_set_text(detail, "answer", letter);
}

static pc_status count_unread(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    int64_t unread = 0;
    (void)values;
    for (size_t i = 0; i < items->count; i++) {
        const char *answer = pc_json_get_text(pc_json_at(details, i), "answer", NULL);
        unread += answer && !*answer;
    }
    return pc_json_set(corpus, "unread", pc_json_new_integer(unread));
}

static const char *const groups[] = {"subject", "category", "question_type", NULL};

const pc_metric pc_metric_mmmu = {
    .name = "mmmu", .help = "MMMU: multiple choice and open answers, by its own parsers", .version = "mmmu-1", .scale = 100,
    .groups = groups, .item = is_right, .corpus = count_unread};
