/* Datasets: samples by number, whatever they are stored in. One file and one line in list.h for each kind.
 *
 * Flow: path -> pc_dataset_open -> pc_dataset_read(i) -> pc_sample (conversation + pictures) -> loader.h (batches).
 * Memory is bounded: an open dataset keeps at most a position of some bytes for each sample.
 */
#ifndef PC_DATA_DATASET_H
#define PC_DATA_DATASET_H

#include "base/json.h"
#include "base/str.h"
#include "media/image.h"
#include "prompt/conversation.h"

/* What a part of a picture shows, in words: a dense label for the soft tokens whose patch lies there. */
typedef struct pc_region {
    int image;      /* which of the sample's pictures */
    float box[4];   /* left, top, right, bottom as fractions of the picture; later regions cover earlier ones */
    char words[96]; /* separated by spaces: "large red circle" */
    char middle[32]; /* what the token at the region's middle says besides, so that things can be counted; may be empty */
} pc_region;

/* Initialise with {0}; reusable; pc_sample_clear releases. */
typedef struct pc_sample {
    pc_conversation conversation;
    pc_image **images; /* the conversation's pictures, decoded, in order; owned */
    size_t image_count, image_capacity;
    bool texts_only; /* pictures are counted, not decoded: images holds NULLs */
    bool keep_source; /* the next two are wanted; also the pictures in `images` */
    pc_str *encoded;  /* the pictures' files as they are stored; none for pictures that are drawn */
    size_t encoded_count, encoded_capacity;
    pc_json *about;   /* what the row says in numbers, truth values and texts; NULL where there are no rows */
    pc_region *regions; /* may be none */
    size_t region_count, region_capacity;
    /* Preferences: `conversation` ends with the chosen answer, `rejected` has the one that lost (answers alone, no
     * messages when there is none); label 1 = wanted, -1 = not wanted, 0 = not said. */
    pc_conversation rejected;
    int label;
    size_t unmarked;   /* pictures that no mark places: they were put in front */
    char *where;       /* "train.json:97: sample 12" for messages; owned */
} pc_sample;

void pc_sample_clear(pc_sample *sample);
pc_status pc_sample_add_image(pc_sample *sample, pc_image *image); /* takes ownership, also on failure */
/* The picture in file `path`; with texts_only its place alone. */
pc_status pc_sample_load_image(pc_sample *sample, const char *path);
/* The same for a file's bytes; `where` names it in messages. */
pc_status pc_sample_decode_image(pc_sample *sample, const void *bytes, size_t size, const char *where);
/* A caption for one picture in front: the answer to a question of no words. The picture itself is for the caller to add. */
pc_status pc_sample_caption(pc_sample *sample, const char *text, size_t length);
pc_status pc_sample_add_region(pc_sample *sample, const pc_region *region); /* copies */

typedef struct pc_dataset pc_dataset;
typedef struct pc_row_format pc_row_format; /* rows.h */

typedef struct pc_dataset_options {
    const char *image_folder; /* where picture paths start; NULL = the file's folder */
    uint64_t seed;            /* of generated datasets */
    uint64_t first;           /* first index of generated datasets */
    int64_t limit;            /* at most so many samples; 0 = all */
    int side;                 /* scenes: pixels; 0 = 96 */
    int min_objects, max_objects; /* scenes: 0 = the usual mix */
    int turns;                /* scenes: questions of a sample, chosen by its number; 0 = all */
    /* scenes: "questions" (also NULL), "captions" (detailed), "brief", "mixed" (detailed caption and questions);
     * easy_vqa: "questions" (also NULL), "captions" (a caption where one is known, and questions). */
    const char *content;
    const char *kinds;        /* scenes: "count+comparison" = several questions of these kinds alone, where a
                               * scene has any; NULL = the usual mix */
    const char *lang;         /* scenes: "en" or "zh" */
    const char *split;        /* scienceqa: a list of pid_splits.json; NULL = "train" */
    const char *rationales;   /* scienceqa: a file of steps that a model wrote, in the order of the split; NULL = the true ones */
    const char *index_folder; /* where the index of a large file may be kept; NULL = nowhere */
    const pc_row_format *rows; /* names of columns and tags; NULL = the usual ones */
} pc_dataset_options;

typedef struct pc_dataset_type {
    const char *name; /* "llava_json", "easy_vqa", "scenes" */
    const char *help; /* one line */
    /* True when `path` looks like this kind. */
    bool (*matches)(const char *path);
    pc_status (*open)(void **state, int64_t *count, const char *path, const pc_dataset_options *options);
    /* Thread safe. */
    pc_status (*read)(void *state, int64_t index, pc_sample *out);
    /* Line of the file where a sample begins, from 1; NULL when there are no lines. */
    int64_t (*line)(void *state, int64_t index);
    void (*close)(void *state);
} pc_dataset_type;

/* True when this is a generated dataset, whatever stands behind its name. */
bool pc_dataset_is_generated(const char *path);
/* `format` names a kind or is NULL ("by looking"). Options may also stand behind the path, where they win:
 * "scenes?seed=1&n=1000&content=mixed" (pc_dataset_fields has the keys). options NULL = defaults. PC_ERR_USAGE for an
 * unknown kind, key or value. Free with pc_dataset_close. */
pc_status pc_dataset_open(pc_dataset **out, const char *path, const char *format, const pc_dataset_options *options);
void pc_dataset_close(pc_dataset *dataset); /* NULL is fine */
const char *pc_dataset_kinds(void); /* "scenes easy_vqa llava_json jsonl", for messages and help */
int64_t pc_dataset_count(const pc_dataset *dataset);
/* Thread safe; `out` is emptied first. PC_ERR_DATA names file and sample. */
pc_status pc_dataset_read(const pc_dataset *dataset, int64_t index, pc_sample *out);
/* The same with texts_only, for measuring: kinds whose pictures lie in files don't open them. */
pc_status pc_dataset_read_texts(const pc_dataset *dataset, int64_t index, pc_sample *out);
/* The same with keep_source: what the sample was made of as well. */
pc_status pc_dataset_read_source(const pc_dataset *dataset, int64_t index, pc_sample *out);
/* Append what changes when the dataset does: path, samples, and the size and time of change of what lies at the path. */
pc_status pc_dataset_describe(const pc_dataset *dataset, pc_str *out);

#endif
