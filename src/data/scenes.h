/* The built-in generator of labelled pictures: coloured shapes, digits and letters on a background, with captions,
 * questions and answers.
 *
 * Flow: (version, seed, index) -> pc_scene_draw -> pc_scene -> pc_scene_render -> pixels
 *                                                           -> pc_scene_caption, pc_scene_questions -> text
 *
 * Everything is a pure function of (PC_SCENE_VERSION, seed, index, options): a trainer draws scenes while it trains
 * and needs no files, and a resumed run sees the same ones. All functions are thread safe; none allocates except
 * pc_scene_image. The generator uses only + - * / and square roots on floats, so the pictures are the same
 * on every machine; a test holds their hash.
 *
 * Coordinates are in 1/96 of the picture's side: x to the right, y downwards, (0, 0) the top left corner.
 */
#ifndef PC_DATA_SCENES_H
#define PC_DATA_SCENES_H

#include "base/status.h"
#include "media/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Changes with every change of pictures or texts, together with the frozen hash in tests/data. */
#define PC_SCENE_VERSION "scenes-1"

enum {
    PC_SCENE_SHAPES = 8,
    PC_SCENE_COLOURS = 10,
    PC_SCENE_SIZES = 3,
    PC_SCENE_TEXTURES = 3,
    PC_SCENE_OBJECTS = 8,    /* at most, in one scene */
    PC_SCENE_QUESTIONS = 12, /* at most, for one scene */
    PC_SCENE_FACES = 5,      /* of digits and letters */
    PC_SCENE_UNIT = 96,      /* coordinate of the right and lower edge */
    PC_SCENE_MIN_SIDE = 96,
    PC_SCENE_MAX_SIDE = 1024,
    PC_SCENE_TEXT = 256, /* bytes of a question or an answer, NUL included */
    PC_SCENE_LANGUAGES = 2,
};

/* What an object is; the first PC_SCENE_SHAPES are shapes in the order of the word tables. */
enum { PC_SCENE_LETTER = PC_SCENE_SHAPES, PC_SCENE_DIGIT, PC_SCENE_NOUNS };

typedef struct pc_scene_object {
    int noun;    /* shape, PC_SCENE_LETTER or PC_SCENE_DIGIT */
    int colour;  /* 0..9: red orange yellow green cyan blue purple pink brown gray */
    int size;    /* 0 small, 1 medium, 2 large; letters and digits are never small */
    int texture; /* 0 solid, 1 striped, 2 dotted; letters and digits are solid */
    int face;    /* of a letter or digit: light, bold, slanted, serif, pixels */
    char glyph;  /* 'A' or '7'; 0 for shapes */
    float x, y;  /* centre */
    float radius; /* half of the extent; shapes reach from centre - radius to centre + radius at most */
} pc_scene_object;

typedef struct pc_scene_background {
    int style;                /* 0 plain, 1 gradient, 2 noise, 3 gradient with noise */
    bool dark;
    uint8_t from[3], to[3];   /* RGB at the two ends of the gradient */
    float across, down;       /* its direction: share of x and of y */
    uint32_t noise;           /* seed of the noise */
} pc_scene_background;

typedef struct pc_scene {
    uint64_t seed, index;
    int side; /* pixels */
    int count;
    pc_scene_background background;
    pc_scene_object objects[PC_SCENE_OBJECTS]; /* drawn in this order: later ones cover earlier ones */
} pc_scene;

typedef struct pc_scene_options {
    int side;                     /* pixels, PC_SCENE_MIN_SIDE..PC_SCENE_MAX_SIDE; 0 = 96 */
    int min_objects, max_objects; /* 1..8; 0, 0 = the usual mix. A crowded picture may hold fewer than drawn. */
} pc_scene_options;

/* *out = scene number `index` of `seed`. options NULL = defaults. PC_ERR_USAGE when an option is out of range. */
pc_status pc_scene_draw(pc_scene *out, uint64_t seed, uint64_t index, const pc_scene_options *options);

/* Write pixels u8 [side,side,3] of the scene. */
void pc_scene_render(const pc_scene *scene, uint8_t *pixels);
/* The same as an image; free with pc_image_free. */
pc_status pc_scene_image(pc_image **out, const pc_scene *scene);
/* mask u8 [side,side] = how much of each pixel the object covers, 0..255, as if it were alone. */
void pc_scene_mask(const pc_scene *scene, int object, uint8_t *mask);
/* The object's extent left, top, right, bottom. */
void pc_scene_box(const pc_scene_object *object, float box[4]);
/* Column and row (0, 1, 2) of the third of the picture that holds the centre. */
int pc_scene_column(const pc_scene_object *object);
int pc_scene_row(const pc_scene_object *object);

/* The words of one language; a new language is a new table. */
typedef struct pc_scene_language pc_scene_language;
const pc_scene_language *pc_scene_language_find(const char *code); /* "en", "zh"; NULL when unknown */
const char *pc_scene_colour_word(const pc_scene_language *language, int colour);
const char *pc_scene_noun_word(const pc_scene_language *language, int noun); /* one of them: "circle" */

typedef enum pc_scene_kind {
    PC_SCENE_EXISTENCE, PC_SCENE_COLOUR, PC_SCENE_SHAPE, PC_SCENE_COUNT, PC_SCENE_SIZE, PC_SCENE_TEXTURE,
    PC_SCENE_RELATION, PC_SCENE_COMPARISON, PC_SCENE_READING, PC_SCENE_POSITION,
    PC_SCENE_SHARING, /* which colour two objects share, or none: asked only by pc_scene_questions_of, to train on */
    PC_SCENE_KINDS
} pc_scene_kind;
const char *pc_scene_kind_name(pc_scene_kind kind); /* "existence", ... */

typedef struct pc_scene_question {
    pc_scene_kind kind;
    int pattern;   /* which phrasing: equal numbers have the same words around the blanks */
    bool sentence; /* the answer is a sentence, and the question asks for one */
    char question[PC_SCENE_TEXT];
    char answer[PC_SCENE_TEXT];
} pc_scene_question;

/* Fill out[PC_SCENE_QUESTIONS] with different questions of mixed kinds; returns how many (8 to 11 as a rule). */
int pc_scene_questions(const pc_scene *scene, const pc_scene_language *language,
                       pc_scene_question out[PC_SCENE_QUESTIONS]);

/* As many different questions as there are, PC_SCENE_QUESTIONS at most, of the kinds whose bit (1 << pc_scene_kind) is set. */
int pc_scene_questions_of(const pc_scene *scene, const pc_scene_language *language, unsigned kinds,
                          pc_scene_question out[PC_SCENE_QUESTIONS]);

/* A request for a caption and the caption. The detailed one names every object with size, texture, colour, shape and
 * place, row by row from the top and from left to right. */
typedef struct pc_scene_caption {
    char request[PC_SCENE_TEXT];
    char text[8 * PC_SCENE_TEXT];
} pc_scene_caption;
void pc_scene_caption_write(pc_scene_caption *out, const pc_scene *scene, const pc_scene_language *language,
                            bool detailed);

/* out = every word that is true of the object, place included: "large striped red circle top left". For dense labels
 * of the soft tokens that lie inside its box. */
void pc_scene_object_words(char *out, size_t size, const pc_scene_object *object, const pc_scene_language *language);

/* out_hex = SHA-256 over objects, pixels and texts of the first 64 scenes of seed 1: identifies what this program draws
 * and says in that language. */
pc_status pc_scene_hash(const pc_scene_language *language, char out_hex[65]);

#endif
