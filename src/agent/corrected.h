/* An answerer whose answers about a picture are corrected before anybody sees them (correct.h). */
#ifndef PC_AGENT_CORRECTED_H
#define PC_AGENT_CORRECTED_H

#include "agent/correct.h"

/* {0}, then both set; all borrowed. */
typedef struct pc_corrected {
    const pc_answerer *first; /* answers */
    pc_corrector corrector;
} pc_corrected;

/* Borrows `corrected`. Answers without a picture, and those chosen from given texts, stay as they are; the first picture counts. */
pc_answerer pc_corrected_answerer(pc_corrected *corrected);

#endif
