#include "instruct/coverage.h"

#include "base/str.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum { PHRASES = 26, LOOKED_AT = 4096 /* bytes of a text */ };

/* Phrases in lower case. One that begins and ends with a letter is met as whole words; Chinese ones anywhere. */
typedef struct rule {
    const char *name;
    bool (*shape)(const pc_exchange *exchange); /* NULL = any; the task fits when a phrase does or the shape */
    const char *phrases[PHRASES];               /* of the question */
} rule;

/* "[0.12, 0.3, 0.5, 0.9]", also "(12,30),(50,90)" and <box>: four numbers with nothing but separators between them. */
static bool has_box(const char *text)
{
    if (strstr(text, "<box>")) {
        return true;
    }
    for (const char *at = text; (at = strpbrk(at, "[(")); at++) {
        int numbers = 0;
        for (const char *c = at; *c && strchr("[](), .0123456789", *c); c++) {
            numbers += isdigit((unsigned char)*c) && (c == at || !strchr(".0123456789", c[-1]));
        }
        if (numbers == 4) {
            return true;
        }
    }
    return false;
}

static bool is_text_only(const pc_exchange *exchange)
{
    return exchange->pictures == 0;
}

static bool is_grounded(const pc_exchange *exchange)
{
    return has_box(exchange->answer) || has_box(exchange->question);
}

/* Options on lines of their own, or between parentheses: "A." and "B.", "(A)" and "(B)". */
static bool has_options(const pc_exchange *exchange)
{
    const char *q = exchange->question;
    return (strstr(q, "\nA.") && strstr(q, "\nB.")) || (strstr(q, "(A)") && strstr(q, "(B)")) ||
           (strstr(q, "\nA:") && strstr(q, "\nB:")) || (strstr(q, "\nA)") && strstr(q, "\nB)"));
}

static bool begins_with_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    return strncasecmp(text, word, length) == 0 && !isalnum((unsigned char)text[length]);
}

/* "Is there a dog?", also behind another sentence; not "Is it red or blue?". */
static bool asks_yes_or_no(const char *question)
{
    static const char *const openings[] = {"is", "are", "was", "were", "do", "does", "did", "can", "could", "has", "have", "had", "will"};
    bool begins = true;
    for (const char *at = question; *at; at++) {
        for (size_t i = 0; begins && i < sizeof openings / sizeof *openings; i++) {
            if (begins_with_word(at, openings[i])) {
                return !strstr(at, " or ") || strstr(at, "yes or no");
            }
        }
        begins = strchr(".?!:\n", *at) || (begins && *at == ' ');
    }
    return false;
}

static bool is_yes_or_no(const pc_exchange *exchange)
{
    static const char *const chinese[] = {"是", "否", "不是", "没有", "有。", "对", "不对"};
    const char *answer = exchange->answer;
    if (begins_with_word(answer, "yes") || begins_with_word(answer, "no") || asks_yes_or_no(exchange->question)) {
        return true;
    }
    for (size_t i = 0; i < sizeof chinese / sizeof *chinese; i++) {
        if (pc_starts_with(answer, chinese[i])) {
            return true;
        }
    }
    return false;
}

static const rule rules[PC_COVERAGE_TASKS] = {
    {"text only", is_text_only, {NULL}},
    {"grounding", is_grounded, {"bounding box", "coordinates", "边界框", "坐标"}},
    {"choice", has_options, {"option's letter", "which option", "选项"}},
    {"text reading", NULL, {"read", "written", "what text", "the text", "what word", "what does the sign say", "what letter", "transcribe",
                            "ocr", "文字", "写着", "写了", "读出"}},
    {"counting", NULL, {"how many", "number of", "count", "多少", "几个", "几只", "几种", "数量", "数一数"}},
    {"reasoning", NULL, {"why", "how could", "how might", "what might", "what could", "infer", "reason", "explain", "purpose",
                         "what would", "what should", "suggest", "likely", "imply", "为什么", "推断", "原因", "推理", "解释"}},
    {"yes or no", is_yes_or_no, {NULL}},
    {"action", NULL, {"doing", "action", "activity", "happening", "holding", "playing", "wearing", "在做", "动作", "发生"}},
    {"place", NULL, {"where", "position", "located", "location", "left of", "right of", "above", "below", "which side", "哪里", "位置", "左边",
                     "右边", "上方", "下方"}},
    {"attribute", NULL, {"color", "colour", "colors", "colours", "size", "shape", "shapes", "material", "texture", "pattern", "颜色", "大小",
                         "形状", "材质", "纹理"}},
    {"comparison", NULL, {"compare", "comparison", "difference", "same", "larger", "bigger", "smaller", "more than", "比较", "区别",
                          "相同", "更大", "更多"}},
    {"description", NULL, {"describe", "description", "caption", "summarize", "summarise", "depict", "detail", "what do you see",
                           "what is in the", "what does the picture show", "what does the image show", "描述", "说明", "标题", "概括"}},
    {"object", NULL, {"what", "which", "who", "name", "identify", "classify", "label", "什么", "哪", "谁", "识别", "名称"}},
    {"other", NULL, {NULL}},
};

const char *pc_coverage_name(int task)
{
    return rules[task].name;
}

static bool is_letter(char c)
{
    return isalpha((unsigned char)c) != 0;
}

/* `low` is the text in lower case. */
static bool has_phrase(const char *low, const char *phrase)
{
    size_t length = strlen(phrase);
    for (const char *at = low; (at = strstr(at, phrase)); at++) {
        bool begins = !is_letter(phrase[0]) || at == low || !is_letter(at[-1]);
        if (begins && (!is_letter(phrase[length - 1]) || !is_letter(at[length]))) {
            return true;
        }
    }
    return false;
}

int pc_coverage_task(const pc_exchange *exchange)
{
    char low[LOOKED_AT + 1];
    size_t length = 0;
    for (; length < LOOKED_AT && exchange->question[length]; length++) {
        low[length] = (char)tolower((unsigned char)exchange->question[length]);
    }
    low[length] = '\0';
    for (int task = 0; task + 1 < PC_COVERAGE_TASKS; task++) {
        if (rules[task].shape && rules[task].shape(exchange)) {
            return task;
        }
        for (int i = 0; i < PHRASES && rules[task].phrases[i]; i++) {
            if (has_phrase(low, rules[task].phrases[i])) {
                return task;
            }
        }
    }
    return PC_COVERAGE_TASKS - 1;
}
