/* Letters are counted by script; the script with most of them decides, letters that only some of its languages have decide further.
 *
 *   Latin: each word that a language's list has counts 2 for it, each letter that speaks for it 1; the one language with most points.
 */
#include "clean/language.h"

#include "base/str.h"

#include <string.h>
#include <utf8proc.h>

typedef struct script {
    const char *code;
    unsigned first, last; /* code points */
} script;

enum { LATIN, CYRILLIC, ARABIC, HAN, KANA, WORD = 48 };

/* The first five in the order of the names above. */
static const script scripts[] = {
    {"und", 0x0041, 0x024F}, {"ru", 0x0400, 0x052F}, {"ar", 0x0600, 0x06FF}, {"zh", 0x4E00, 0x9FFF}, {"ja", 0x3040, 0x30FF},
    {"ko", 0xAC00, 0xD7A3},  {"hi", 0x0900, 0x097F}, {"bn", 0x0980, 0x09FF}, {"ta", 0x0B80, 0x0BFF}, {"te", 0x0C00, 0x0C7F},
    {"th", 0x0E00, 0x0E7F},  {"el", 0x0370, 0x03FF}, {"he", 0x0590, 0x05FF}, {"hy", 0x0530, 0x058F}, {"ka", 0x10A0, 0x10FF},
    {"und", 0x1E00, 0x1EFF}, {"zh", 0x3400, 0x4DBF}, {"zh", 0x20000, 0x2FFFF},
};
enum { SCRIPTS = sizeof scripts / sizeof scripts[0], LATIN_MORE = 15 };

/* Letters that decide between languages of one script. */
static const struct hint {
    int script;
    const char *code, *letters;
} hints[] = {
    {CYRILLIC, "uk", "іїєґІЇЄҐ"}, {CYRILLIC, "be", "ўЎ"}, {CYRILLIC, "sr", "ђјљњћџЂЈЉЊЋЏ"}, {ARABIC, "fa", "پچژگکی"}, {ARABIC, "ur", "ٹڈڑںے"},
};

static bool is_letter(unsigned c)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_MC;
}

static int script_of(unsigned c)
{
    for (int i = 0; i < SCRIPTS; i++) {
        if (c >= scripts[i].first && c <= scripts[i].last) {
            return i == LATIN_MORE ? LATIN : i;
        }
    }
    return -1;
}

static bool holds(const char *letters, const char *at, size_t size)
{
    return memmem(letters, strlen(letters), at, size) != NULL;
}

/* Letters of each script. */
static void count_scripts(size_t counts[SCRIPTS], const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        unsigned c;
        int used = pc_utf8_decode(text + i, length - i, &c);
        int found = used > 0 && is_letter(c) ? script_of(c) : -1;
        if (found >= 0) {
            counts[found]++;
        }
        i += used > 0 ? (size_t)used : 1;
    }
}

static const char *by_hints(int kind, const char *text, size_t length)
{
    for (size_t h = 0; h < sizeof hints / sizeof hints[0]; h++) {
        for (size_t i = 0; hints[h].script == kind && i < length;) {
            unsigned c;
            int used = pc_utf8_decode(text + i, length - i, &c);
            if (used > 1 && holds(hints[h].letters, text + i, (size_t)used)) {
                return hints[h].code;
            }
            i += used > 0 ? (size_t)used : 1;
        }
    }
    return scripts[kind].code;
}

/* --- Latin letters --- */

static void score_word(int *scores, const char *word, size_t length)
{
    char spaced[WORD + 3];
    if (length == 0 || length > WORD) {
        return;
    }
    spaced[0] = ' ';
    memcpy(spaced + 1, word, length);
    spaced[length + 1] = ' ';
    spaced[length + 2] = 0;
    for (size_t i = 0; i < pc_latin_language_count; i++) {
        scores[i] += strstr(pc_latin_languages[i].words, spaced) ? 2 : 0;
    }
}

static void score_text(int *scores, const char *text, size_t length)
{
    char word[WORD + 4];
    size_t size = 0;
    for (size_t i = 0; i < length;) {
        unsigned c;
        int used = pc_utf8_decode(text + i, length - i, &c);
        bool letter = used > 0 && is_letter(c);
        for (size_t k = 0; letter && used > 1 && k < pc_latin_language_count; k++) {
            scores[k] += holds(pc_latin_languages[k].letters, text + i, (size_t)used);
        }
        if (letter) {
            size += size <= WORD ? (size_t)pc_utf8_encode((unsigned)utf8proc_tolower((utf8proc_int32_t)c), word + size) : 0;
        } else {
            score_word(scores, word, size);
            size = 0;
        }
        i += used > 0 ? (size_t)used : 1;
    }
    score_word(scores, word, size);
}

static const char *guess_latin(const char *text, size_t length)
{
    int scores[32] = {0}, best = 0, equals = 0;
    score_text(scores, text, length);
    for (size_t i = 0; i < pc_latin_language_count; i++) {
        if (scores[i] > scores[best]) {
            best = (int)i;
            equals = 0;
        } else {
            equals += (int)i != best && scores[i] == scores[best];
        }
    }
    return scores[best] == 0 || equals > 0 ? "und" : pc_latin_languages[best].code;
}

const char *pc_language_guess(const char *text, size_t length)
{
    size_t counts[SCRIPTS] = {0};
    int best = 0;
    count_scripts(counts, text, length);
    for (int i = 1; i < SCRIPTS; i++) {
        best = counts[i] > counts[best] ? i : best;
    }
    if (counts[best] == 0) {
        return "und";
    }
    if (best == LATIN) {
        return guess_latin(text, length);
    }
    if (counts[KANA] > 0 && best == HAN) {
        return scripts[KANA].code; /* Chinese has none */
    }
    return by_hints(best, text, length);
}
