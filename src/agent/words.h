/* Plain English descriptions taken apart without a language model: sentences, the items of their lists, and what an item names.
 *
 *   "A large red circle at the top left, two dogs, and a cat. The sky is blue."
 *    `------ item 0 -----------------'  `item 1'      `item 2'  (no item: it names nothing that begins with a number or "a")
 *
 * An item names a thing when it begins with "a", "an" or a number; the thing's words go up to a preposition or a verb. Its concept is
 * the last two of them, a name of one letter or digit left out: "red circle", "green letter", "dogs".
 */
#ifndef PC_AGENT_WORDS_H
#define PC_AGENT_WORDS_H

#include <stdbool.h>
#include <stddef.h>

enum { PC_WORDS_CONCEPT = 96, PC_WORDS_ITEMS = 64, PC_WORDS_THING = 8 };

typedef struct pc_words_item {
    size_t begin, end;  /* bytes of the text, without the comma or "and" behind */
    size_t sentence;    /* which */
    int count;          /* of things: 1 for "a" */
    char concept[PC_WORDS_CONCEPT]; /* in the singular; "" = the item names nothing */
    struct {
        size_t begin, end;
    } words[PC_WORDS_THING]; /* of the thing, bytes of the text */
    int word_count;
    size_t place_begin, place_end; /* "top left" behind "at the"; both 0: none */
} pc_words_item;

typedef struct pc_words {
    pc_words_item items[PC_WORDS_ITEMS];
    size_t count;
    size_t sentences;
} pc_words;

/* More than PC_WORDS_ITEMS items: the rest is left alone. */
void pc_words_read(pc_words *out, const char *text);

/* A kind of attribute whose words exclude each other ("small", "medium", "large") and the question for it; NULL = the word at
 * text[begin, end) is of no such kind. */
const char *pc_words_question(const char *text, size_t begin, size_t end);
/* True when `answer` is one word of the same kind as that at text[begin, end), and another one. */
bool pc_words_contradict(const char *text, size_t begin, size_t end, const char *answer);

/* "red circles" of "red circle". */
void pc_words_plural(const char *concept, char *out, size_t size);

#endif
