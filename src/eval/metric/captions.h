/* Captions and their references as words of one dictionary: what BLEU, ROUGE-L and CIDEr start from. Words are what white
 * space separates; the texts come lower-cased and without punctuation (coco-caption's PTB tokenizer). */
#ifndef PC_EVAL_METRIC_CAPTIONS_H
#define PC_EVAL_METRIC_CAPTIONS_H

#include "eval/metric/metric.h"
#include "eval/metric/words.h"

typedef struct pc_caption {
    pc_words text;
    pc_ngrams grams;
} pc_caption;

typedef struct pc_captions {
    size_t count;           /* items */
    pc_caption *candidate;  /* one for each item */
    pc_caption **reference; /* [item][k] */
    size_t *references;     /* of each item, at least one */
    pc_word_ids *ids;
} pc_captions;

/* pc_captions_clear also after a failure. */
pc_status pc_captions_read(pc_captions *out, const pc_metric_items *items);
void pc_captions_clear(pc_captions *captions);

#endif
