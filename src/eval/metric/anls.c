/* Average normalised Levenshtein similarity (Biten et al. 2019; DocVQA, TextVQA): 1 - distance / longer length in code points,
 * both in lower case and trimmed; below 0.5 it counts 0; the best over the references. */
#include "base/memory.h"
#include "base/str.h"
#include "eval/metric/metric.h"
#include "text/unicode.h"

#include <math.h>
#include <string.h>

static const double THRESHOLD = 0.5;

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Code points of the text in lower case, trimmed; pc_free(*out). */
static pc_status code_points(unsigned **out, size_t *count, const char *text)
{
    pc_str lower = {0};
    size_t length = strlen(text);
    pc_status status;
    *out = NULL;
    *count = 0;
    for (; length && is_space(text[length - 1]); length--) {
    }
    for (; length && is_space(*text); text++, length--) {
    }
    PC_GO(pc_lowercase(&lower, text, length));
    PC_GO(PC_NEW_ARRAY(*out, lower.length + 1, "code points"));
    for (size_t at = 0; at < lower.length;) {
        int used = pc_utf8_decode(lower.data + at, lower.length - at, &(*out)[*count]);
        at += used ? (size_t)used : 1;
        ++*count;
    }
done:
    pc_str_clear(&lower);
    return status;
}

static pc_status levenshtein(size_t *out, const unsigned *a, size_t m, const unsigned *b, size_t n)
{
    size_t *row = NULL;
    PC_TRY(PC_NEW_ARRAY(row, n + 1, "a row of distances"));
    for (size_t k = 0; k <= n; k++) {
        row[k] = k;
    }
    for (size_t i = 0; i < m; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < n; k++) {
            size_t replaced = diagonal + (a[i] != b[k]), least = row[k] < row[k + 1] ? row[k] : row[k + 1];
            diagonal = row[k + 1];
            row[k + 1] = replaced < least + 1 ? replaced : least + 1;
        }
    }
    *out = row[n];
    pc_free(row);
    return PC_OK;
}

static pc_status similarity(double *out, const char *answer, const char *truth)
{
    unsigned *a = NULL, *b = NULL;
    size_t m, n, distance;
    pc_status status;
    PC_GO(code_points(&a, &m, answer));
    PC_GO(code_points(&b, &n, truth));
    PC_GO(levenshtein(&distance, a, m, b, n));
    size_t longer = m > n ? m : n;
    double s = longer ? 1 - (double)distance / (double)longer : 1;
    *out = s >= THRESHOLD ? s : 0;
done:
    pc_free(a);
    pc_free(b);
    return status;
}

static pc_status anls(double *value, pc_json *detail, const pc_metric_item *item)
{
    (void)detail;
    *value = 0;
    for (size_t i = 0; i < pc_metric_reference_count(item); i++) {
        const char *truth;
        double one;
        PC_TRY(pc_metric_reference(&truth, item, i));
        PC_TRY(similarity(&one, item->text, truth));
        *value = fmax(*value, one);
    }
    return PC_OK;
}

const pc_metric pc_metric_anls = {
    .name = "anls", .help = "similarity of characters, 0 below a half (DocVQA, TextVQA, ST-VQA)", .version = "anls-1", .scale = 1,
    .item = anls};
