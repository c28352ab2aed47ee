/* Soft tokens of the pictures seen lately, so that a picture is decoded and encoded once
 * however often it is asked about.
 *
 * Flow: pc_answer_media -> key -> (miss: file -> pixels -> pc_session_see) -> soft tokens
 * [Q,D'].
 *
 * The key of decoded pixels is their SHA-256, that of a file its path with device, inode, size
 * and time of change: what counts is the content, so memory that is used again for another
 * picture, or a file written anew, is not mistaken. Noise that a view adds is part of the key.
 */
#ifndef PC_DECODE_PICTURES_H
#define PC_DECODE_PICTURES_H

#include "decode/method.h"
#include "model/session.h"
#include "prompt/answer.h"

enum { PC_PICTURE_KEY = 72 };

typedef struct pc_picture {
    char key[PC_PICTURE_KEY];
    /* from 1, never given twice: names the content where a pointer could be reused */
    uint64_t serial;
    uint64_t used;   /* the round in which it was last wanted */
    float *soft;     /* [tokens,D'] */
    int64_t tokens;
    pc_image_tiling tiling; /* size and tiles */
} pc_picture;

/* Initialise with {0} and set `session` and `model`; release with pc_pictures_clear. */
typedef struct pc_pictures {
    pc_session *session;
    const pc_model *model;
    pc_picture **items;
    size_t count, capacity;
    uint64_t serials, round;
} pc_pictures;

void pc_pictures_clear(pc_pictures *pictures);

/* Begin a new round: pictures wanted in the present round stay, older ones may give way to new
 * ones. */
void pc_pictures_begin(pc_pictures *pictures);

/* *out = the picture's soft tokens as `view` (NULL: as it is) sees it, and as the connector sees it that was asked
 * `question` (NULL, or no ids: nothing), borrowed until the next pc_pictures_begin. Failures are those of reading, decoding, preparing and encoding it. */
pc_status pc_pictures_get(pc_pictures *pictures, const pc_answer_media *media, const pc_view *view,
                          const pc_ids *question, const pc_picture **out);

#endif
