/* What an instruction asks to do, and with what: "describe the picture" -> describe, picture. Self-Instruct (Wang et al. 2023,
 * arXiv:2212.10560, figure 2) shows a dataset's diversity by such pairs, from a parser.
 *
 * Here is no parser: the verb is the first word of a list of verbs that open instructions, the noun the first word behind it that is in no
 * list of small words. Questions ("What colour is it?") have no such verb, and Chinese texts none either: how many texts have a pair
 * belongs to every figure made of them. */
#ifndef PC_INSTRUCT_ROOTS_H
#define PC_INSTRUCT_ROOTS_H

#include <stdbool.h>

enum { PC_ROOTS_ROOM = 96 };

/* words: as pc_wording writes them. False when there is no pair. out = "verb noun". */
bool pc_roots_find(char out[PC_ROOTS_ROOM], const char *words);

#endif
