/* Instructions that a model writes from what is known of pictures: LLaVA-Instruct's way (Liu et al. 2023, arXiv:2304.08485, section 3), and
 * fine-grained captions of a stronger model (ShareGPT4V's way) as one more kind.
 *
 *   picture's captions and boxes as text (or the picture itself) -> model, behind the kind's rules and examples -> questions and answers
 *
 * A text-only model sees captions one a line, then boxes as "category: [x1, y1, x2, y2]" with fractions of three digits, as LLaVA has them.
 *
 * Files: DIR/replies.jsonl (asking.h), and when all is asked DIR/instructions.json (LLaVA JSON, in the order of the pictures and kinds)
 * and DIR/apart.jsonl with every reply that is not good and why. Pictures keep the names that the annotations give them.
 */
#ifndef PC_INSTRUCT_SELF_INSTRUCT_H
#define PC_INSTRUCT_SELF_INSTRUCT_H

#include "instruct/asking.h"

typedef struct pc_self_instruct_options {
    const char *const *annotations; /* [annotation_count] files, facts.h */
    int annotation_count;
    const char *const *kind_files;  /* [kind_file_count], kinds.h */
    int kind_file_count;
    const char *kinds;              /* "conversation,detailed,reasoning" */
    const char *language, *image_name, *media_dir;
    const char *model;              /* for the settings: who writes */
    int64_t limit;                  /* pictures; 0 = all */
    int64_t seeds;                  /* examples of a kind at most; negative = all */
    pc_asking_options asking;
} pc_self_instruct_options;

typedef struct pc_self_instruct_counts {
    pc_asking_counts asking;
    int64_t pictures, rows, exchanges;
} pc_self_instruct_counts;

pc_status pc_self_instruct(const pc_self_instruct_options *options, pc_self_instruct_counts *counts);

#endif
