/* Objects that a text names. Easy to get wrong: "red" stands in no word but its own ("striped", "orange-red"); a plural is
 * the same object once; words without spaces between them have no ends to look for. */
#include "data/scenes_claims.h"

#include "data/scenes_internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const char *const codes[] = {"en", "zh"};

static bool is_letter(char c)
{
    return isalpha((unsigned char)c) != 0; /* of ASCII: bytes of other scripts are none */
}

/* How long the word is when it stands at `at`, 0 when it doesn't. */
static size_t word_at(const char *text, const char *at, const char *word, bool may_go_on)
{
    size_t length = strlen(word);
    bool ascii = is_letter(word[0]);
    if (strncasecmp(at, word, length) != 0 || (ascii && at > text && is_letter(at[-1]))) {
        return 0;
    }
    return ascii && !may_go_on && is_letter(at[length]) ? 0 : length;
}

/* Which of the words stands there, the longest; -1 when none does. */
static int find_word(const char *text, const char *at, const char *const *words, int count, bool may_go_on, size_t *length)
{
    int found = -1;
    *length = 0;
    for (int i = 0; i < count; i++) {
        size_t here = word_at(text, at, words[i], may_go_on);
        if (here > *length) {
            *length = here;
            found = i;
        }
    }
    return found;
}

static void read_language(pc_scene_claims *out, const char *text, const pc_scene_language *language)
{
    for (const char *at = text; *at; at++) {
        size_t length, noun_length;
        int colour = find_word(text, at, language->colours, PC_SCENE_COLOURS, false, &length);
        size_t space = strlen(language->space);
        if (colour < 0 || strncmp(at + length, language->space, space) != 0) {
            continue;
        }
        int noun = find_word(text, at + length + space, language->nouns, PC_SCENE_NOUNS, true, &noun_length);
        if (noun >= 0) {
            out->named[colour][noun]++;
            out->count++;
        }
    }
    out->caption = out->caption || strstr(text, language->background);
}

void pc_scene_claims_read(pc_scene_claims *out, const char *text)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        read_language(out, text, pc_scene_language_find(codes[i]));
    }
}

pc_scene_agreement pc_scene_claims_compare(const pc_scene_claims *said, const pc_scene_claims *truth)
{
    pc_scene_agreement out = {.named = said->count, .there = truth->count};
    for (int c = 0; c < PC_SCENE_COLOURS; c++) {
        for (int n = 0; n < PC_SCENE_NOUNS; n++) {
            int both = said->named[c][n] < truth->named[c][n] ? said->named[c][n] : truth->named[c][n];
            out.found += both;
        }
    }
    out.wrong = out.named - out.found;
    return out;
}

pc_scene_agreement pc_scene_compare(const char *said, const char *truth)
{
    pc_scene_claims a, b;
    pc_scene_claims_read(&a, said);
    pc_scene_claims_read(&b, truth);
    return pc_scene_claims_compare(&a, &b);
}
