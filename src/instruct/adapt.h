/* Annotations -> instruction conversations by templates: InstructBLIP's way to adapt datasets (Dai et al. 2023), with positive and
 * negative instructions from boxes as LRV-Instruction has them (Liu et al. 2023), without a model.
 *
 *   facts -> each picture: every task says what it can, by templates drawn for it -> all in one conversation (as LLaVA-1.5 puts the
 *   questions of one picture together) -> LLaVA JSON
 *
 * A row is a pure function of (seed, number of the picture, files, options).
 *
 * LRV's negatives: of things that are not there (its level 1) and of things that are there with another number, colour or place (its
 * level 2). Its level 3, wrong knowledge, takes a model that writes.
 */
#ifndef PC_INSTRUCT_ADAPT_H
#define PC_INSTRUCT_ADAPT_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum { PC_ADAPT_TASKS = 16 };

typedef enum pc_answer_form { PC_ANSWERS_SHORT, PC_ANSWERS_LONG, PC_ANSWERS_BOTH } pc_answer_form;
typedef enum pc_box_form {
    PC_BOX_UNIT,     /* [0.12, 0.30, 0.51, 0.94]: LLaVA-1.5 */
    PC_BOX_THOUSAND, /* [120, 300, 510, 940] */
    PC_BOX_QWEN,     /* <box>(120,300),(510,940)</box>: Qwen-VL */
} pc_box_form;

typedef struct pc_adapt_options {
    const char *const *annotations; /* [annotation_count] files, facts.h */
    int annotation_count;
    const char *const *templates;   /* [template_count] files, pools.h */
    int template_count;
    const char *const *texts;       /* [text_count] datasets whose rows without pictures go among the others */
    int text_count;
    double text_share;              /* of all rows, 0 <= share < 1 */
    const char *tasks;              /* "vqa,caption"; NULL = all */
    const char *language;           /* of the templates */
    const char *image_name, *media_dir; /* pc_facts_options */
    int form, box;                  /* pc_answer_form, pc_box_form */
    bool square;                    /* boxes in the square that LLaVA pads pictures to, not in the picture */
    bool balance;                   /* as many negative exchanges as positive ones, picture by picture */
    bool ocr_tokens;                /* text that stands in the picture goes with questions */
    int64_t most;                   /* exchanges of a task for a picture, where they are made from boxes or read text */
    int64_t turns;                  /* exchanges of a row; 0 = all of the picture */
    int64_t limit;                  /* pictures; 0 = all */
    uint64_t seed;
    void (*progress)(void *user, int64_t done, int64_t all); /* NULL = not wanted */
    int (*stop)(void *user);                                 /* NULL = never */
    void *user;
} pc_adapt_options;

typedef struct pc_adapt_counts {
    int64_t pictures, rows, text_rows, exchanges;
    int64_t of_task[PC_ADAPT_TASKS]; /* as pc_adapt_task_name numbers them */
    int64_t positive, negative;
    int64_t empty;     /* pictures that give nothing */
    int64_t unnamed;   /* things that the language has no name for, met at pictures */
    int64_t bad_boxes; /* no boxes, or in pixels of a picture of unknown size */
    int64_t marked;    /* exchanges left out because a text says "<image>" itself */
    int64_t skipped;   /* records that name no picture */
} pc_adapt_counts;

/* Write `path`: a list (LLaVA JSON) when it ends in .json, else JSON Lines. The file appears when it is whole. PC_ERR_USAGE for an unknown
 * task, PC_ERR_DATA for templates that don't fit and when nothing comes out. */
pc_status pc_adapt(const char *path, const pc_adapt_options *options, pc_adapt_counts *counts);

int pc_adapt_task_count(void);
const char *pc_adapt_task_name(int task);
const char *pc_adapt_task_help(int task);

#endif
