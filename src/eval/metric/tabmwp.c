/* TabMWP (Lu et al. 2023; lupantech/PromptPG): an answer and the truth are normalised and compared in lower case.
 *
 *   a "$" in front and one of , . / at the end are dropped; digits with , . / are a number: commas go, a fraction is
 *   divided, all rounded to three decimals; from any other text the problem's unit ("unit", optional) is taken out
 *
 * An answer "The answer is X." stands for X.
 */
#include "base/str.h"
#include "eval/metric/metric.h"
#include "text/unicode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_numeric(const char *text)
{
    text += *text == '-' || *text == '+';
    return *text && text[strspn(text, "0123456789,./")] == 0;
}

/* As Python prints round(value, 3), and without ".0". */
static pc_status put_number(pc_str *out, double value)
{
    PC_TRY(pc_str_printf(out, "%.3f", value));
    while (out->data[out->length - 1] == '0') {
        out->data[--out->length] = 0;
    }
    if (out->data[out->length - 1] == '.') {
        out->data[--out->length] = 0;
    }
    return PC_OK;
}

/* The digits of `text` without commas: an integer stays as it is, a malformed number too. */
static pc_status normalise_number(pc_str *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        PC_TRY(*c == ',' ? PC_OK : pc_str_putc(out, *c));
    }
    char *end, *slash = strchr(out->data, '/');
    if (!slash && !strchr(out->data, '.')) {
        return PC_OK;
    }
    double value = strtod(out->data, &end);
    bool good = end != out->data && end == (slash ? slash : out->data + out->length);
    if (good && slash) {
        double below = strtod(slash + 1, &end);
        good = end != slash + 1 && !*end && below != 0;
        value /= good ? below : 1;
    }
    if (good) {
        pc_str_reset(out);
        return put_number(out, value);
    }
    return PC_OK;
}

static pc_status take_out(pc_str *out, const char *text, const char *unit)
{
    size_t length = strlen(unit);
    while (*text) {
        if (length && strncmp(text, unit, length) == 0) {
            text += length;
        } else {
            PC_TRY(pc_str_putc(out, *text++));
        }
    }
    return PC_OK;
}

static void trim(pc_str *text)
{
    size_t start = 0;
    while (text->length && strchr(" \t\n\r", text->data[text->length - 1])) {
        text->data[--text->length] = 0;
    }
    for (; start < text->length && strchr(" \t\n\r", text->data[start]); start++) {
    }
    if (start) {
        memmove(text->data, text->data + start, text->length - start + 1);
        text->length -= start;
    }
}

static pc_status normalise(pc_str *out, const char *text, const char *unit)
{
    pc_str plain = {0}, cut = {0};
    pc_status status;
    text += *text == '$';
    size_t length = strlen(text);
    length -= length && strchr(",./", text[length - 1]) != NULL;
    PC_GO(pc_str_puts(&cut, ""));
    PC_GO(pc_str_puts(&plain, ""));
    PC_GO(pc_str_add(&cut, text, length));
    if (is_numeric(cut.data)) {
        PC_GO(normalise_number(&plain, cut.data));
    } else {
        PC_GO(take_out(&plain, cut.data, unit));
        if (*unit) {
            trim(&plain);
        }
    }
    pc_str_reset(out);
    PC_GO(pc_str_puts(out, ""));
    PC_GO(pc_lowercase(out, plain.data, plain.length));
done:
    pc_str_clear(&plain);
    pc_str_clear(&cut);
    return status;
}

static pc_status tabmwp(double *value, pc_json *detail, const pc_metric_item *item)
{
    static const char phrase[] = "The answer is ";
    const char *unit = pc_json_get_text(item->reference, "unit", ""), *truth, *text = strstr(item->text, phrase);
    pc_str a = {0}, b = {0}, bare = {0};
    pc_status status;
    PC_GO(pc_metric_reference(&truth, item, 0));
    PC_GO(pc_str_puts(&bare, text ? text + strlen(phrase) : item->text));
    if (text && bare.length && bare.data[bare.length - 1] == '.' && !pc_ends_with(bare.data, ".M.")) {
        bare.data[--bare.length] = 0;
    }
    PC_GO(normalise(&a, bare.data, unit));
    PC_GO(normalise(&b, truth, unit));
    *value = strcmp(a.data, b.data) == 0;
    PC_GO(pc_metric_set_text(detail, "compared", a.data));
done:
    pc_str_clear(&a);
    pc_str_clear(&b);
    pc_str_clear(&bare);
    return status;
}

static const char *const groups[] = {"ques_type", "ans_type", "grade", NULL};

const pc_metric pc_metric_tabmwp = {
    .name = "tabmwp", .help = "tables in words: normalised numbers and texts", .version = "tabmwp-1", .scale = 100, .groups = groups,
    .item = tabmwp};
