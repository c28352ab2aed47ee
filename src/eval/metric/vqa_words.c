/* Three steps, in the order of the original:
 *
 *   punctuation: a sign is deleted when the text holds it beside a blank, or a comma between digits anywhere; else it
 *                becomes a blank. Then the first 32 full stops that no digit follows are deleted.
 *   words:       lower case; "none" and "zero" ... "ten" become digits; a, an, the are dropped
 *   contractions: "dont" becomes "don't"
 *
 * Easy to get wrong: the test for a blank looks at the text before any sign was taken out; the count 32 is re.UNICODE in the
 * place of a count.
 */
#include "eval/metric/vqa_words.h"

#include "text/unicode.h"

#include <string.h>

static const char SIGNS[] = ";/[]\"{}()=+\\_-><@`,?!";
enum { STOPS_DELETED = 32 };

/* A key of the table is the word without its apostrophe. */
static const char *const contractions[] = {
    "ain't",    "aren't",   "can't",     "could've", "couldn't", "didn't",     "doesn't",     "don't",    "hadn't",   "hasn't",
    "haven't",  "he'd",     "he's",      "how'd",    "how'll",   "how's",      "isn't",       "it'd",     "it'll",    "ma'am",
    "mightn't", "might've", "mustn't",   "must've",  "needn't",  "not've",     "o'clock",     "oughtn't", "shan't",   "should've",
    "shouldn't", "somebody'll", "somebody's", "someone'd", "someone'll", "someone's", "something'd", "something'll", "that's",
    "there'd",  "there're", "there's",   "they'd",   "they'll",  "they're",    "they've",     "'twas",    "wasn't",   "we've",
    "weren't",  "what'll",  "what're",   "what's",   "what've",  "when's",     "where'd",     "where's",  "where've", "who'd",
    "who'll",   "who's",    "who've",    "why'll",   "why're",   "why's",      "won't",       "would've", "wouldn't", "y'all",
    "you'd",    "you'll",   "you're",    "you've",
};
/* Keys of these lack one apostrophe of several. */
static const char *const doubles[] = {
    "couldn't've", "hadn't've", "he'd've", "it'd've", "mightn't've", "she'd've", "shouldn't've", "somebody'd've", "someone'd've",
    "something'd've", "there'd've", "they'd've", "we'd've", "wouldn't've", "y'all'd've", "you'd've", "y'all'll", "'ow's'at",
};
static const struct {
    const char *word, *digits;
} numbers[] = {{"none", "0"}, {"zero", "0"}, {"one", "1"}, {"two", "2"},   {"three", "3"}, {"four", "4"},
               {"five", "5"}, {"six", "6"},  {"seven", "7"}, {"eight", "8"}, {"nine", "9"}, {"ten", "10"}};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool beside_blank(const char *text, char sign)
{
    for (const char *at = strchr(text, sign); at; at = strchr(at + 1, sign)) {
        if (at[1] == ' ' || (at > text && at[-1] == ' ')) {
            return true;
        }
    }
    return false;
}

static bool comma_in_number(const char *text)
{
    for (const char *at = strchr(text, ','); at; at = strchr(at + 1, ',')) {
        if (at > text && is_digit(at[-1]) && is_digit(at[1])) {
            return true;
        }
    }
    return false;
}

static pc_status strip_punctuation(pc_str *out, const char *text)
{
    bool deleted[sizeof SIGNS], number = comma_in_number(text);
    for (size_t i = 0; SIGNS[i]; i++) {
        deleted[i] = number || beside_blank(text, SIGNS[i]);
    }
    for (; *text; text++) {
        const char *sign = strchr(SIGNS, *text);
        if (!sign || !deleted[sign - SIGNS]) {
            PC_TRY(pc_str_putc(out, sign ? ' ' : *text));
        }
    }
    size_t kept = 0;
    for (size_t i = 0, stops = 0; i < out->length; i++) {
        bool stop = out->data[i] == '.' && !is_digit(out->data[i + 1]) && stops < STOPS_DELETED;
        stops += stop;
        if (!stop) {
            out->data[kept++] = out->data[i];
        }
    }
    if (out->data) {
        out->data[kept] = 0;
        out->length = kept;
    }
    return PC_OK;
}

/* True when `word` is `full` without exactly `missing` of its apostrophes (0: without all of them). */
static bool lacks_apostrophes(const char *word, const char *full, int missing)
{
    int lacking = 0, all = 0;
    for (; *full; full++) {
        all += *full == '\'';
        if (*word == *full) {
            word++;
        } else if (*full == '\'') {
            lacking++;
        } else {
            return false;
        }
    }
    return !*word && lacking == (missing ? missing : all);
}

static const char *expand(const char *word)
{
    for (size_t i = 0; i < sizeof contractions / sizeof contractions[0]; i++) {
        if (lacks_apostrophes(word, contractions[i], 0)) {
            return contractions[i];
        }
    }
    for (size_t i = 0; i < sizeof doubles / sizeof doubles[0]; i++) {
        if (lacks_apostrophes(word, doubles[i], 1)) {
            return doubles[i];
        }
    }
    return strcmp(word, "somebody'd") == 0 ? "somebodyd" : word;
}

static const char *replace(const char *word)
{
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (strcmp(word, numbers[i].word) == 0) {
            return numbers[i].digits;
        }
    }
    bool article = strcmp(word, "a") == 0 || strcmp(word, "an") == 0 || strcmp(word, "the") == 0;
    return article ? NULL : expand(word);
}

/* Cuts `text` into words in place. */
static pc_status join_words(pc_str *out, char *text)
{
    while (*text) {
        for (; is_space(*text); text++) {
        }
        char *word = text;
        for (; *text && !is_space(*text); text++) {
        }
        bool last = !*text;
        *text = 0;
        const char *shown = *word ? replace(word) : NULL;
        if (shown) {
            PC_TRY(out->length ? pc_str_putc(out, ' ') : PC_OK);
            PC_TRY(pc_str_puts(out, shown));
        }
        text += !last;
    }
    return PC_OK;
}

pc_status pc_vqa_normalise(pc_str *out, const char *text)
{
    pc_str stripped = {0}, lower = {0};
    pc_status status;
    pc_str_reset(out);
    PC_GO(pc_str_puts(out, ""));
    PC_GO(strip_punctuation(&stripped, text));
    PC_GO(pc_lowercase(&lower, stripped.data ? stripped.data : "", stripped.length));
    PC_GO(lower.length ? join_words(out, lower.data) : PC_OK);
done:
    pc_str_clear(&stripped);
    pc_str_clear(&lower);
    return status;
}
