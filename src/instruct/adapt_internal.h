/* What adapt keeps while it goes over the pictures. Internal to instruct/. */
#ifndef PC_INSTRUCT_ADAPT_INTERNAL_H
#define PC_INSTRUCT_ADAPT_INTERNAL_H

#include "data/row_file.h"
#include "eval/metric/words.h"
#include "instruct/adapt.h"
#include "instruct/task.h"

/* What one exchange says; texts lie in the arena. */
typedef struct pc_said {
    const char *question, *answer;
    int task;
    pc_polarity polarity;
    bool ordered; /* part of a conversation: stays in its place */
} pc_said;

/* Classes of things over all pictures: how often each is there, and which are there together. */
typedef struct pc_classes {
    pc_word_ids *names;
    int64_t *pictures; /* [classes]: that hold it */
    int32_t *together; /* [classes,classes] */
    size_t count, room;
    bool *held, *asked; /* [classes]: by the picture at hand */
} pc_classes;

struct pc_adapting {
    const pc_adapt_options *options;
    pc_adapt_counts *counts;
    pc_facts *facts;
    pc_pools *pools;
    bool wanted[PC_ADAPT_TASKS];
    pc_classes classes;
    pc_word_ids *labels;
    char *label_list;
    pc_known known;
    pc_rng rng;
    pc_arena arena;
    pc_str text;
    int task;         /* that is asked */
    size_t said_before; /* exchanges before this task */
    int sampling;     /* of the next absent class */
    pc_said *said;
    size_t said_count, said_room;
    pc_row_file rows;
};

/* --- classes (adapt_absent.c): names of all pictures are counted, then the numbers are made, then pictures are noted --- */
pc_status pc_classes_count(pc_classes *classes, const pc_known *known, const pc_pools *pools);
pc_status pc_classes_finish(pc_classes *classes);
void pc_classes_note(pc_classes *classes, const pc_known *known);
void pc_classes_clear(pc_classes *classes);

#endif
