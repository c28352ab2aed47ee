#include "agent/words.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const numbers[] = {"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", NULL};
/* Behind these a thing is over. */
static const char *const ends[] = {"at", "in", "on", "of", "with", "to", "near", "by", "under", "above", "below", "behind", "beside",
                                   "between", "is", "are", "was", "were", "that", "which", "who", "wearing", "holding", "standing",
                                   "sitting", "and", "or", "from", "next", "over", "inside", "against", NULL};

static const struct {
    const char *question, *words[12];
} kinds[] = {
    {"What size is the %s?", {"small", "medium", "large", NULL}},
    {"What pattern does the %s have?", {"solid", "striped", "dotted", NULL}},
    {"What color is the %s?",
     {"red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown", "gray", "black", NULL}},
};

static bool same(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

static bool among(const char *text, size_t length, const char *const *words)
{
    for (size_t i = 0; words[i]; i++) {
        if (same(text, length, words[i])) {
            return true;
        }
    }
    return false;
}

static size_t word_end(const char *text, size_t at, size_t end)
{
    while (at < end && text[at] != ' ') {
        at++;
    }
    return at;
}

static size_t skip_blanks(const char *text, size_t at, size_t end)
{
    while (at < end && text[at] == ' ') {
        at++;
    }
    return at;
}

/* How many things a word announces: "a" one, "three" three; 0 = none. */
static int announced(const char *text, size_t length)
{
    if (same(text, length, "a") || same(text, length, "an")) {
        return 1;
    }
    for (int i = 1; numbers[i]; i++) {
        if (same(text, length, numbers[i])) {
            return i;
        }
    }
    return length == 1 && isdigit((unsigned char)*text) ? *text - '0' : 0;
}

/* A name such as the H of "letter H". */
static bool is_name(const char *text, size_t length)
{
    return length == 1 && (isdigit((unsigned char)*text) || isupper((unsigned char)*text));
}

static void drop_plural(char *word)
{
    const size_t length = strlen(word);
    const bool es = length > 4 && (strcmp(word + length - 4, "sses") == 0 || strcmp(word + length - 4, "xes") == 0 ||
                                   strcmp(word + length - 4, "ches") == 0 || strcmp(word + length - 4, "shes") == 0);
    if (length > 2 && word[length - 1] == 's' && word[length - 2] != 's') {
        word[length - (es ? 2 : 1)] = '\0';
    }
}

/* The concept: the last two words of a thing. */
static void name_concept(pc_words_item *item, const char *text)
{
    int last = item->word_count - 1;
    if (last > 0 && is_name(text + item->words[last].begin, item->words[last].end - item->words[last].begin)) {
        last--;
    }
    const int first = last > 0 ? last - 1 : last;
    if (last < 0) {
        return;
    }
    snprintf(item->concept, sizeof item->concept, "%.*s", (int)(item->words[last].end - item->words[first].begin),
             text + item->words[first].begin);
    if (item->count > 1) {
        drop_plural(item->concept);
    }
}

static void find_place(pc_words_item *item, const char *text)
{
    for (size_t at = item->begin; at + 8 < item->end; at++) {
        if (strncmp(text + at, " at the ", 8) == 0) {
            item->place_begin = at + 8;
            item->place_end = item->end;
            return;
        }
    }
}

static void read_thing(pc_words_item *item, const char *text)
{
    size_t at = item->begin, end = word_end(text, at, item->end);
    item->count = announced(text + at, end - at);
    while (item->count && item->word_count < PC_WORDS_THING && (at = skip_blanks(text, end, item->end)) < item->end) {
        end = word_end(text, at, item->end);
        if (among(text + at, end - at, ends)) {
            break;
        }
        item->words[item->word_count].begin = at;
        item->words[item->word_count++].end = end;
    }
    name_concept(item, text);
    find_place(item, text);
}

/* Where an item ends that begins at `at`: before ", ", " and ", "." or the end; *next = where the next begins. */
static size_t item_end(const char *text, size_t at, size_t *next, bool *sentence_over)
{
    *sentence_over = false;
    for (; text[at]; at++) {
        if (strncmp(text + at, ", and ", 6) == 0) {
            *next = at + 6;
            return at;
        }
        if (strncmp(text + at, ", ", 2) == 0) {
            *next = at + 2;
            return at;
        }
        if (strncmp(text + at, " and ", 5) == 0) {
            *next = at + 5;
            return at;
        }
        if (text[at] == '.' && (!text[at + 1] || text[at + 1] == ' ' || text[at + 1] == '\n')) {
            *next = at + 1 + strspn(text + at + 1, " \n");
            *sentence_over = true;
            return at;
        }
    }
    *next = at;
    *sentence_over = true;
    return at;
}

void pc_words_read(pc_words *out, const char *text)
{
    *out = (pc_words){0};
    for (size_t at = strspn(text, " \n"), next; text[at] && out->count < PC_WORDS_ITEMS; at = next) {
        bool over;
        pc_words_item *item = &out->items[out->count++];
        *item = (pc_words_item){.begin = at, .end = item_end(text, at, &next, &over), .sentence = out->sentences};
        read_thing(item, text);
        out->sentences += over;
    }
}

static int kind_of(const char *text, size_t length)
{
    for (int i = 0; i < (int)(sizeof kinds / sizeof kinds[0]); i++) {
        if (among(text, length, kinds[i].words)) {
            return i;
        }
    }
    return -1;
}

const char *pc_words_question(const char *text, size_t begin, size_t end)
{
    const int kind = kind_of(text + begin, end - begin);
    return kind < 0 ? NULL : kinds[kind].question;
}

bool pc_words_contradict(const char *text, size_t begin, size_t end, const char *answer)
{
    const int kind = kind_of(text + begin, end - begin);
    return kind >= 0 && kind_of(answer, strlen(answer)) == kind && !same(text + begin, end - begin, answer);
}

void pc_words_plural(const char *concept, char *out, size_t size)
{
    const size_t length = strlen(concept);
    const bool hisses = length > 1 && (concept[length - 1] == 's' || concept[length - 1] == 'x' ||
                                       (concept[length - 1] == 'h' && strchr("cs", concept[length - 2])));
    snprintf(out, size, "%s%s", concept, hisses ? "es" : "s");
}
