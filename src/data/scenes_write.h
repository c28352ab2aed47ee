/* Writes scenes as a dataset directory, for training from files, for evaluation and for looking at.
 *
 *   DIR/images/000000.png   the pictures, named by index
 *   DIR/train.json          LLaVA JSON: all questions of a picture as turns of one conversation
 *   DIR/captions.json       LLaVA JSON: one turn, brief for every other picture and detailed for the rest
 *   DIR/questions.jsonl     {"id","image","question","answer","kind","form"}: one line a question, for evaluation
 *   DIR/scenes.jsonl        the objects with attributes and boxes [left, top, right, bottom] in pixels
 *   DIR/VERSION             generator version, hash of what it draws, seed and range
 */
#ifndef PC_DATA_SCENES_WRITE_H
#define PC_DATA_SCENES_WRITE_H

#include "base/pool.h"
#include "data/scenes.h"

typedef struct pc_scene_set {
    uint64_t seed;
    int64_t first, count; /* indices first .. first + count - 1 */
    const pc_scene_language *languages[PC_SCENE_LANGUAGES];
    int language_count;   /* scene i speaks languages[i % language_count] */
    pc_scene_options options;
} pc_scene_set;

/* Make the directory (it may exist; files of the same names are replaced). pool NULL = this thread alone. The files
 * don't depend on the number of threads. PC_ERR_INTERRUPTED when a signal asks to stop. */
pc_status pc_scene_set_write(const char *directory, const pc_scene_set *set, pc_pool *pool);

#endif
