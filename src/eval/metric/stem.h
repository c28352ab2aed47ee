/* Stems of English words: Porter's second algorithm ("English" of Snowball, Porter 2001). "walking" and "walks" -> "walk". */
#ifndef PC_EVAL_METRIC_STEM_H
#define PC_EVAL_METRIC_STEM_H

enum { PC_STEM_LETTERS = 64 };

/* Stem a word in place: lower-case, NUL-terminated, in a buffer of PC_STEM_LETTERS bytes. The stem is never longer than the
 * word and one letter. Bytes beyond ASCII count as consonants; longer words stay as they are by not being given. */
void pc_stem_english(char word[PC_STEM_LETTERS]);

#endif
