/* What the files of the scenes generator share: glyph tables, word tables, descriptions of objects. */
#ifndef PC_DATA_SCENES_INTERNAL_H
#define PC_DATA_SCENES_INTERNAL_H

#include "base/rng.h"
#include "data/scenes_problems.h"

#include <stddef.h>

/* One character: strokes on a grid 8 wide and 12 high (text "xy xy|xy xy": polylines, y in hexadecimal), and the same
 * as 7 rows of 5 pixels. */
typedef struct pc_scene_glyph {
    char name;
    const char *strokes;
    uint8_t rows[7];
} pc_scene_glyph;

extern const pc_scene_glyph pc_scene_glyphs[]; /* digits first */
enum { PC_SCENE_GLYPH_DIGITS = 10, PC_SCENE_GLYPHS = 28 };
const pc_scene_glyph *pc_scene_glyph_find(char name);

/* Streams of random numbers that one scene uses, so that layout, questions and captions are drawn independently. */
enum { PC_SCENE_STREAM_LAYOUT, PC_SCENE_STREAM_QUESTIONS, PC_SCENE_STREAM_BRIEF, PC_SCENE_STREAM_DETAILED,
       PC_SCENE_STREAM_KINDS, PC_SCENE_STREAM_PROBLEMS, PC_SCENE_STREAM_WORDS };
void pc_scene_rng(pc_rng *rng, uint64_t seed, uint64_t index, int stream);

/* A description that objects may fit: the attributes whose bit is in `mask` count. */
enum { PC_SAY_SIZE = 1, PC_SAY_TEXTURE = 2, PC_SAY_COLOUR = 4, PC_SAY_NOUN = 8, PC_SAY_NAME = 16 };
typedef struct pc_scene_description {
    int mask;
    pc_scene_object object;
} pc_scene_description;
bool pc_scene_fits(const pc_scene_description *description, const pc_scene_object *object);
int pc_scene_fitting(const pc_scene *scene, const pc_scene_description *description); /* how many objects fit */
pc_scene_description pc_scene_describe(const pc_scene_object *object); /* every word that good language allows */
/* order[] = the objects row by row from the top, in a row from left to right. */
void pc_scene_reading_order(const pc_scene *scene, int order[PC_SCENE_OBJECTS]);

/* What a question asks: one row of phrasings each. */
typedef enum pc_scene_ask {
    PC_ASK_EXIST, PC_ASK_COLOUR, PC_ASK_COLOUR_AT, PC_ASK_SHAPE, PC_ASK_SHAPE_AT, PC_ASK_COUNT_ALL, PC_ASK_COUNT,
    PC_ASK_SIZE, PC_ASK_TEXTURE, PC_ASK_RELATION, PC_ASK_SIDE_X, PC_ASK_SIDE_Y, PC_ASK_MORE, PC_ASK_SAME_COLOUR,
    PC_ASK_LARGER, PC_ASK_READ, PC_ASK_READ_ONLY, PC_ASK_WHERE, PC_ASK_ROW, PC_ASK_COLUMN, PC_ASK_SHARED_COLOUR, PC_ASKS
} pc_scene_ask;

enum { PC_SCENE_PHRASINGS = 5 };

/* Patterns hold blanks: {one} "a red circle", {many} "red circles", {many2}, {the} "the red circle", {the2},
 * {relation} "left of", {at} "top left", {answer} the short answer, {be} the word for one or many. */
typedef struct pc_scene_ask_words {
    pc_scene_kind kind;
    const char *questions[PC_SCENE_PHRASINGS]; /* NULL behind the last */
    const char *sentence;                      /* the answer as a sentence ("yes" for yes/no questions) */
    const char *denial;                        /* the sentence for "no" */
} pc_scene_ask_words;

struct pc_scene_problem_language;
extern const struct pc_scene_problem_language pc_scene_problems_english, pc_scene_problems_chinese;

struct pc_scene_language {
    const char *code;
    const char *sizes[PC_SCENE_SIZES], *textures[PC_SCENE_TEXTURES], *colours[PC_SCENE_COLOURS];
    const char *nouns[PC_SCENE_NOUNS + 1]; /* the last stands for any object */
    const char *plurals[PC_SCENE_NOUNS + 1];
    const char *phrase;            /* order of the words: {size} {texture} {colour} {noun}; spaces shrink round empty ones */
    const char *phrase_named;      /* the same for one letter or digit, with {name} behind the noun */
    const char *space;             /* between words */
    const char *article, *article_vowel, *definite; /* put in front, with their space */
    const char *yes, *no;
    const char *none; /* no colour is shared */
    const char *numbers[PC_SCENE_OBJECTS + 1];       /* answers to counts */
    const char *number_words[PC_SCENE_OBJECTS + 1];  /* in captions */
    const char *relations[4][2];  /* left of, right of, above, below: two phrasings each */
    const char *sides[4];         /* left, right, above, below as short answers */
    const char *rows[3], *columns[3];
    const char *place;            /* {row} {column} */
    const char *be_one, *be_many;
    const char *ask_short[2], *ask_sentence[3]; /* put behind a question, with their space */
    const char *backgrounds[2];   /* light, dark */
    const char *background;       /* the word for it, which captions alone have */
    const char *separator, *last_separator; /* ", " and " and " */
    const char *brief_requests[4], *detailed_requests[4];
    const char *brief, *brief_many; /* {list} {background}; {count} {many} {background} */
    const char *detailed_item;      /* {one} {at} */
    const char *detailed_end;       /* {background} */
    pc_scene_ask_words asks[PC_ASKS];
    const struct pc_scene_problem_language *problems;
};

extern const pc_scene_language pc_scene_english, pc_scene_chinese;

/* Questions of several steps (scenes_problems.h). Of their rationale: what is said first; of each listed object; in place of an
 * empty list; behind the list. */
enum { PC_PROBLEM_PHRASINGS = 3 };
typedef struct pc_scene_problem_words {
    const char *questions[PC_PROBLEM_PHRASINGS]; /* NULL behind the last */
    const char *before, *item, *none, *after;
} pc_scene_problem_words;

struct pc_scene_problem_language {
    const char *extremes[4];  /* leftmost, rightmost, topmost, lowest */
    const char *aspects[2];   /* colour, shape */
    const char *conclusion;   /* {answer} */
    pc_scene_problem_words problems[PC_PROBLEMS];
};

/* Values for the blanks of a pattern. */
enum { PC_BLANK_TEXT = 160, PC_SCENE_BLANKS = 12 };
typedef struct pc_scene_blank {
    const char *name;
    char text[PC_BLANK_TEXT];
} pc_scene_blank;
typedef struct pc_scene_blanks {
    int count;
    pc_scene_blank items[PC_SCENE_BLANKS];
} pc_scene_blanks;

void pc_scene_blank_set(pc_scene_blanks *blanks, const char *name, const char *text);
/* Expand pattern into out[size]; blanks that were not set vanish together with one space behind them. */
void pc_scene_expand(char *out, size_t size, const char *pattern, const pc_scene_blanks *blanks);
/* out[PC_BLANK_TEXT] = "red circle" / "red circles". */
void pc_scene_phrase(char *out, const pc_scene_language *language, const pc_scene_description *description, bool many);
void pc_scene_phrase_one(char *out, const pc_scene_language *language, const pc_scene_description *description);
void pc_scene_phrase_the(char *out, const pc_scene_language *language, const pc_scene_description *description);
void pc_scene_place(char *out, const pc_scene_language *language, int row, int column);

#endif
