/* Porter's second algorithm for English (Snowball, snowballstem.org, algorithms/english).
 *
 *   y that is a consonant becomes Y;  R1 = behind the first consonant that follows a vowel,  R2 = the same within R1
 *   0   's ' s' off      1a  plurals      1b  -ed -ing      1c  y -> i
 *   2,3 double suffixes in R1 -> simple ones        4  simple ones in R2 off        5  final e, l
 *
 * In each step the longest suffix of its list counts, also when its condition then fails.
 *
 * Easy to get wrong: "short" ends in consonant, vowel, consonant other than w, x, Y, or is vowel and consonant alone; step 1b
 * tests that behind its own cut; exceptions are looked up before step 0's cut is made.
 */
#include "eval/metric/stem.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct stemming {
    char *word;
    size_t length, r1, r2;
} stemming;

static bool is_vowel(char c)
{
    return c && strchr("aeiouy", c);
}

static bool ends(const stemming *s, const char *suffix)
{
    size_t length = strlen(suffix);
    return s->length >= length && memcmp(s->word + s->length - length, suffix, length) == 0;
}

static void cut(stemming *s, size_t letters, const char *instead)
{
    strcpy(s->word + s->length - letters, instead);
    s->length = s->length - letters + strlen(instead);
}

static bool has_vowel(const stemming *s, size_t before)
{
    for (size_t i = 0; i < before; i++) {
        if (is_vowel(s->word[i])) {
            return true;
        }
    }
    return false;
}

/* Place behind the first consonant that follows a vowel, at or after `from`. */
static size_t region(const stemming *s, size_t from)
{
    size_t i = from;
    for (; i < s->length && !is_vowel(s->word[i]); i++) {
    }
    for (; i < s->length && is_vowel(s->word[i]); i++) {
    }
    return i < s->length ? i + 1 : s->length;
}

static void find_regions(stemming *s)
{
    static const char *const starts[] = {"gener", "commun", "arsen"};
    s->r1 = 0;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        if (strncmp(s->word, starts[i], strlen(starts[i])) == 0) {
            s->r1 = strlen(starts[i]);
        }
    }
    s->r1 = s->r1 ? s->r1 : region(s, 0);
    s->r2 = region(s, s->r1);
}

/* Does word[0..length) end in a short syllable? */
static bool is_short(const stemming *s, size_t length)
{
    const char *w = s->word;
    if (length == 2) {
        return is_vowel(w[0]) && !is_vowel(w[1]);
    }
    return length > 2 && !is_vowel(w[length - 1]) && !strchr("wxY", w[length - 1]) && is_vowel(w[length - 2]) &&
           !is_vowel(w[length - 3]);
}

/* One suffix of a step, and what stands in its place. */
typedef struct rule {
    const char *suffix, *instead;
} rule;

/* The longest of the rules that fits, or NULL. */
static const rule *longest(const stemming *s, const rule *rules, size_t count)
{
    const rule *best = NULL;
    for (size_t i = 0; i < count; i++) {
        if (ends(s, rules[i].suffix) && (!best || strlen(rules[i].suffix) > strlen(best->suffix))) {
            best = &rules[i];
        }
    }
    return best;
}

#define LONGEST(s, rules) longest((s), (rules), sizeof(rules) / sizeof *(rules))

static bool replace_whole(char *word, const rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(word, rules[i].suffix) == 0) {
            strcpy(word, rules[i].instead);
            return true;
        }
    }
    return false;
}

static void plural(stemming *s)
{
    if (ends(s, "sses")) {
        cut(s, 2, "");
    } else if (ends(s, "ied") || ends(s, "ies")) {
        cut(s, 3, s->length > 4 ? "i" : "ie");
    } else if (ends(s, "s") && !ends(s, "us") && !ends(s, "ss") && s->length > 2 && has_vowel(s, s->length - 2)) {
        cut(s, 1, "");
    }
}

static void past(stemming *s)
{
    static const rule rules[] = {{"eed", "ee"}, {"eedly", "ee"}, {"ed", ""}, {"edly", ""}, {"ing", ""}, {"ingly", ""}};
    const rule *found = LONGEST(s, rules);
    size_t length = found ? strlen(found->suffix) : 0;
    if (found && *found->instead) {
        if (s->length - length >= s->r1) {
            cut(s, length, "ee");
        }
        return;
    }
    if (!found || !has_vowel(s, s->length - length)) {
        return;
    }
    cut(s, length, "");
    char last = s->length ? s->word[s->length - 1] : 0;
    if (ends(s, "at") || ends(s, "bl") || ends(s, "iz")) {
        cut(s, 0, "e");
    } else if (s->length > 1 && s->word[s->length - 2] == last && strchr("bdfgmnprt", last)) {
        cut(s, 1, "");
    } else if (s->length <= s->r1 && is_short(s, s->length)) {
        cut(s, 0, "e");
    }
}

static void final_y(stemming *s)
{
    if ((ends(s, "y") || ends(s, "Y")) && s->length > 2 && !is_vowel(s->word[s->length - 2])) {
        cut(s, 1, "i");
    }
}

static void double_suffix(stemming *s)
{
    static const rule rules[] = {
        {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"}, {"abli", "able"}, {"entli", "ent"}, {"izer", "ize"},
        {"ization", "ize"}, {"ational", "ate"}, {"ation", "ate"}, {"ator", "ate"}, {"alism", "al"}, {"aliti", "al"},
        {"alli", "al"}, {"fulness", "ful"}, {"ousli", "ous"}, {"ousness", "ous"}, {"iveness", "ive"}, {"iviti", "ive"},
        {"biliti", "ble"}, {"bli", "ble"}, {"ogi", "og"}, {"fulli", "ful"}, {"lessli", "less"}, {"li", ""}};
    const rule *found = LONGEST(s, rules);
    size_t start = found ? s->length - strlen(found->suffix) : 0;
    char before = start ? s->word[start - 1] : 0;
    if (!found || start < s->r1 || (strcmp(found->suffix, "ogi") == 0 && before != 'l') ||
        (strcmp(found->suffix, "li") == 0 && (!before || !strchr("cdeghkmnrt", before)))) {
        return;
    }
    cut(s, strlen(found->suffix), found->instead);
}

static void third(stemming *s)
{
    static const rule rules[] = {{"tional", "tion"}, {"ational", "ate"}, {"alize", "al"}, {"icate", "ic"}, {"iciti", "ic"},
                                 {"ical", "ic"}, {"ful", ""}, {"ness", ""}, {"ative", ""}};
    const rule *found = LONGEST(s, rules);
    size_t start = found ? s->length - strlen(found->suffix) : 0;
    if (found && start >= s->r1 && (strcmp(found->suffix, "ative") != 0 || start >= s->r2)) {
        cut(s, strlen(found->suffix), found->instead);
    }
}

static void simple_suffix(stemming *s)
{
    static const rule rules[] = {{"al", ""}, {"ance", ""}, {"ence", ""}, {"er", ""}, {"ic", ""}, {"able", ""}, {"ible", ""},
                                 {"ant", ""}, {"ement", ""}, {"ment", ""}, {"ent", ""}, {"ism", ""}, {"ate", ""}, {"iti", ""},
                                 {"ous", ""}, {"ive", ""}, {"ize", ""}, {"ion", ""}};
    const rule *found = LONGEST(s, rules);
    size_t start = found ? s->length - strlen(found->suffix) : 0;
    if (found && start >= s->r2 &&
        (strcmp(found->suffix, "ion") != 0 || (start && strchr("st", s->word[start - 1])))) {
        cut(s, strlen(found->suffix), "");
    }
}

static void final_letter(stemming *s)
{
    size_t start = s->length ? s->length - 1 : 0;
    if (ends(s, "e") && (start >= s->r2 || (start >= s->r1 && !is_short(s, start)))) {
        cut(s, 1, "");
    } else if (ends(s, "ll") && start >= s->r2) {
        cut(s, 1, "");
    }
}

static void mark_consonant_y(char *word)
{
    for (size_t i = 0; word[i]; i++) {
        if (word[i] == 'y' && (i == 0 || is_vowel(word[i - 1]))) {
            word[i] = 'Y';
        }
    }
}

static void run_steps(stemming *s)
{
    static const char *const kept[] = {"inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed"};
    s->length = strlen(s->word);
    mark_consonant_y(s->word);
    find_regions(s);
    static const rule possessive[] = {{"'", ""}, {"'s", ""}, {"'s'", ""}};
    const rule *found = LONGEST(s, possessive);
    if (found) {
        cut(s, strlen(found->suffix), "");
    }
    plural(s);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (strcmp(s->word, kept[i]) == 0) {
            return;
        }
    }
    past(s);
    final_y(s);
    double_suffix(s);
    third(s);
    simple_suffix(s);
    final_letter(s);
}

void pc_stem_english(char word[PC_STEM_LETTERS])
{
    static const rule whole[] = {
        {"skis", "ski"}, {"skies", "sky"}, {"dying", "die"}, {"lying", "lie"}, {"tying", "tie"}, {"idly", "idl"},
        {"gently", "gentl"}, {"ugly", "ugli"}, {"early", "earli"}, {"only", "onli"}, {"singly", "singl"}, {"sky", "sky"},
        {"news", "news"}, {"howe", "howe"}, {"atlas", "atlas"}, {"cosmos", "cosmos"}, {"bias", "bias"}, {"andes", "andes"}};
    if (strlen(word) <= 2 || replace_whole(word, whole, sizeof whole / sizeof *whole)) {
        return;
    }
    memmove(word, word + (*word == '\''), strlen(word) + (*word != '\''));
    run_steps(&(stemming){.word = word});
    for (char *c = word; *c; c++) {
        *c = *c == 'Y' ? 'y' : *c;
    }
}
