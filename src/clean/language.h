/* Which language a text is in, guessed without a model: by its script, and for Latin letters by frequent words and by letters
 * that few languages have. A guess about a caption of a few words is often "und" (not known), sometimes wrong; docs/training/cleaning.md says how
 * often. */
#ifndef PC_CLEAN_LANGUAGE_H
#define PC_CLEAN_LANGUAGE_H

#include <stddef.h>

/* ISO 639-1 code ("en", "zh"), or "und" where nothing speaks for one language more than for all others. UTF-8; a constant. */
const char *pc_language_guess(const char *text, size_t length);

/* Internal: for Latin letters (language_words.c). */
typedef struct pc_language_words {
    const char *code;
    const char *words;   /* frequent ones in lower case, a blank before and behind each */
    const char *letters; /* that speak for it, UTF-8 */
} pc_language_words;
extern const pc_language_words pc_latin_languages[];
extern const size_t pc_latin_language_count;

#endif
