/* What a text says to be in a scene: the objects that it names, against those of a true description.
 *
 * Flow: caption -> pc_scene_claims_read -> counts by colour and shape -> pc_scene_claims_compare with the true caption's.
 * Made for drawn scenes, whose detailed caption names every object once: rewards (train/reward/), captions' evaluation
 * (eval/metric/), pairs of a model's own answers.
 */
#ifndef PC_DATA_SCENES_CLAIMS_H
#define PC_DATA_SCENES_CLAIMS_H

#include "data/scenes.h"

typedef struct pc_scene_claims {
    int named[PC_SCENE_COLOURS][PC_SCENE_NOUNS]; /* "red circle", "blue letter" */
    int count;
    bool caption; /* it speaks of the background, as captions do and answers don't */
} pc_scene_claims;

/* An object is a colour's word with a shape's word right behind it, in any language of the scenes; other words don't count. */
void pc_scene_claims_read(pc_scene_claims *out, const char *text);

typedef struct pc_scene_agreement {
    int named; /* objects that the text names */
    int wrong; /* of them, those that aren't there, or not so often */
    int there; /* objects that are there */
    int found; /* of them, those that the text names */
} pc_scene_agreement;

pc_scene_agreement pc_scene_claims_compare(const pc_scene_claims *said, const pc_scene_claims *truth);
/* The same for two texts. */
pc_scene_agreement pc_scene_compare(const char *said, const char *truth);

#endif
