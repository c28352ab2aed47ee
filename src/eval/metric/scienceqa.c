/* ScienceQA (Lu et al. 2022): the letter in the last "The answer is X." of the answer, a bare letter, or "X. ..."; LLaVA's
 * evaluation. No such letter is wrong. Breakdown by subject, context and grade where the reference line has them:
 * "subject" (natural, social or language science), "hint", "image", "grade" ("grade7"). */
#include "eval/metric/metric.h"

#include <stdlib.h>
#include <string.h>

static bool is_letter(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* 0 when there is none. */
static char extract(const char *text)
{
    static const char phrase[] = "The answer is ";
    char found = 0;
    if (is_letter(text[0]) && (!text[1] || strncmp(text + 1, ". ", 2) == 0 || strcmp(text + 1, ".") == 0)) {
        return text[0];
    }
    for (const char *at = strstr(text, phrase); at; at = strstr(at + 1, phrase)) {
        char letter = at[strlen(phrase)];
        /* the original's pattern asks for any character behind the letter but a newline */
        char behind = is_letter(letter) ? at[strlen(phrase) + 1] : 0;
        found = behind && behind != '\n' ? letter : found;
    }
    return found;
}

static pc_status scienceqa(double *value, pc_json *detail, const pc_metric_item *item)
{
    char letter = extract(item->text), shown[2] = {letter, 0};
    const char *truth;
    PC_TRY(pc_metric_reference(&truth, item, 0));
    *value = letter && truth[0] == letter && !truth[1];
    return pc_metric_set_text(detail, "answer", shown);
}

static const char *const classes[] = {"NAT", "SOC", "LAN", "TXT", "IMG", "NO", "G1-6", "G7-12"};
enum { CLASSES = sizeof classes / sizeof *classes };

static void classify(bool in[CLASSES], const pc_json *line)
{
    const char *subject = pc_json_get_text(line, "subject", ""), *hint = pc_json_get_text(line, "hint", "");
    const char *grade = pc_json_get_text(line, "grade", "");
    bool image = pc_json_text_length(pc_json_get(line, "image")) > 0;
    int year = strncmp(grade, "grade", 5) == 0 ? atoi(grade + 5) : 0;
    in[0] = strncmp(subject, "natural", 7) == 0;
    in[1] = strncmp(subject, "social", 6) == 0;
    in[2] = strncmp(subject, "language", 8) == 0;
    in[3] = *hint;
    in[4] = image;
    in[5] = !*hint && !image;
    in[6] = year >= 1 && year <= 6;
    in[7] = year >= 7;
}

static pc_status breakdown(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    double right[CLASSES] = {0}, asked[CLASSES] = {0};
    (void)details;
    for (size_t i = 0; i < items->count; i++) {
        bool in[CLASSES];
        if (!pc_json_get(items->item[i].reference, "subject")) {
            continue;
        }
        classify(in, items->item[i].reference);
        for (int c = 0; c < CLASSES; c++) {
            asked[c] += in[c];
            right[c] += in[c] ? values[i] : 0;
        }
    }
    for (int c = 0; c < CLASSES; c++) {
        PC_TRY(asked[c] > 0 ? pc_metric_set(corpus, classes[c], 100 * right[c] / asked[c]) : PC_OK);
    }
    return PC_OK;
}

const pc_metric pc_metric_scienceqa = {
    .name = "scienceqa", .help = "the letter behind the last \"The answer is\", by subject, context and grade",
    .version = "scienceqa-1", .scale = 100, .item = scienceqa, .corpus = breakdown};
