/* What is known of pictures: captions, things with boxes, questions with answers, classes, text that can be read. What instructions are
 * made from.
 *
 * Flow: annotation files -> pc_facts (an index: which record of which file belongs to which picture) -> pc_known, picture by picture.
 *
 * A file is a JSON list or JSON Lines of rows, or an object as COCO and VQA v2 have it ("images", "annotations", "categories",
 * "questions"). A row names its picture (image, images, image_path, img_path, image_name or file_name) and holds any of
 *   caption, captions, human_captions   a text or a list
 *   objects, boxes, annotations, regions   a list of {name | category | label | class | shape | phrase, a box, colour | color}
 *   question with answer | answers | multiple_choice_answer, options | choices
 *   label | class | category            what the whole picture shows
 *   ocr, texts                          a text, or a list of texts or {text, a box}
 *   conversations                       LLaVA's turns, which stay as they are
 * A box is box or xyxy [left, top, right, bottom], bbox or xywh [left, top, width, height], cxcywh [middle x, middle y, width, height]; pixels,
 * or fractions when no number is above 1. Records of all files that name one picture are put together, in the order of files and rows.
 *
 * Memory: 16 bytes for each record and the names of the pictures; objects of COCO's kind are held whole.
 */
#ifndef PC_INSTRUCT_FACTS_H
#define PC_INSTRUCT_FACTS_H

#include "base/json.h"
#include "base/memory.h"

typedef struct pc_thing {
    const char *name;   /* "dog"; a letter or digit of the scenes: "digit 3" */
    const char *colour; /* NULL = not known */
    bool crowd;         /* more than one, not counted (COCO's iscrowd) */
    float box[4];       /* left, top, right, bottom as fractions of the picture */
} pc_thing;

typedef struct pc_asked {
    const char *question, *answer;
    const pc_json *options; /* list of texts, or NULL */
    bool as_is;             /* a turn of a conversation, no bare question */
} pc_asked;

typedef struct pc_legible {
    const char *text;
    bool placed; /* box is known */
    float box[4];
} pc_legible;

/* Texts are borrowed from the records, which belong to it. Initialise with {0}; reusable; release with pc_known_clear. */
typedef struct pc_known {
    const char *image; /* as the files name it */
    int64_t width, height; /* pixels; 0 = not said */
    const char **captions, **labels;
    pc_thing *things;
    pc_asked *asked;
    pc_legible *legible;
    size_t caption_count, label_count, thing_count, asked_count, legible_count;
    size_t caption_room, label_room, thing_room, asked_room, legible_room;
    int64_t bad_boxes; /* that are no boxes, or in pixels of a picture whose size is not known */
    pc_json **rows;    /* that the texts stand in */
    size_t row_count, row_room;
    pc_arena texts;
} pc_known;

void pc_known_clear(pc_known *known);

typedef struct pc_facts_options {
    const char *image_name; /* for files that number their pictures: "COCO_val2014_{12}.jpg", {12} = that many digits; NULL = none */
    const char *media_dir;  /* where pictures lie whose size no file says; NULL = the first file's folder */
    int64_t limit;          /* pictures at most; 0 = all */
} pc_facts_options;

typedef struct pc_facts pc_facts;

/* PC_ERR_DATA names file and row of what can't be read; rows without a picture's name are counted. */
pc_status pc_facts_open(pc_facts **out, const char *const *paths, int count, const pc_facts_options *options);
void pc_facts_close(pc_facts *facts); /* NULL is fine */
int64_t pc_facts_count(const pc_facts *facts);   /* pictures */
int64_t pc_facts_skipped(const pc_facts *facts); /* records that name no picture */
/* Picture i in the order in which the files name them. */
pc_status pc_facts_read(const pc_facts *facts, int64_t i, pc_known *out);

#endif
