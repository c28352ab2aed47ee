/* Which words mean the same: WordNet's sets of synonyms, as METEOR's resources hold them.
 *
 * english.synsets: two lines for each word, the word and the numbers of its sets. english.exceptions: two lines for each
 * base form, it and its irregular forms.
 */
#ifndef PC_EVAL_METRIC_SYNONYMS_H
#define PC_EVAL_METRIC_SYNONYMS_H

#include "base/status.h"

#include <stddef.h>

typedef struct pc_synonyms pc_synonyms;

/* PC_ERR_IO or PC_ERR_DATA names the file, and the line that is no number. */
pc_status pc_synonyms_load(pc_synonyms **out, const char *folder);
void pc_synonyms_free(pc_synonyms *synonyms); /* NULL is fine */

/* *sets = sorted numbers of the sets of the word and of its base forms; pc_free. */
pc_status pc_synonyms_of(const pc_synonyms *synonyms, const char *word, int **sets, size_t *count);

#endif
