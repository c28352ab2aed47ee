/* How an answer is looked for: a decoding method and the search, as one text says it.
 *
 *   "beams=4,length_penalty=0.8"     beam search
 *   "vcd,alpha=1"                    a method with its settings, sampled or greedy
 *   "dola,layers=high,beams=3"       both
 *   "opera,beams=3"                  beam search that distrusts
 *   "draft=ngram"                    speculative decoding: the same answer, sooner
 */
#ifndef PC_DECODE_DECODING_H
#define PC_DECODE_DECODING_H

#include "decode/method.h"

typedef enum pc_beam_end {
    PC_BEAM_LIKELY, /* when no open beam is likely to become better, by its length so far */
    PC_BEAM_FIRST,  /* as soon as there are as many ended answers as beams */
    PC_BEAM_NEVER,  /* when none can become better at any length */
} pc_beam_end;

/* Initialise with pc_decoding_parse; release with pc_decoding_clear. */
typedef struct pc_decoding {
    int64_t beams;  /* 1 = no beam search */
    int64_t groups; /* that search on their own, held apart by `diversity`; divides beams */
    double diversity;      /* taken from a token's log-probability for each beam of an earlier group that took it */
    double length_penalty; /* the score of an ended answer is its log-probability / tokens ^ this */
    int early_stopping;    /* pc_beam_end */
    int64_t votes;         /* chains that are drawn and vote on the answer; 1 = none */
    char *draft;           /* what guesses ahead: "ngram" or a model's folder; NULL = nothing */
    int64_t draft_tokens;  /* most tokens of a guess */
    const pc_method *method; /* NULL = the model's own logits */
    void *config;            /* of the method */
} pc_decoding;

/* text NULL or "": greedy or sampled, one sequence. PC_ERR_USAGE names what is wrong and what there is. */
pc_status pc_decoding_parse(pc_decoding *out, const char *text);
void pc_decoding_clear(pc_decoding *decoding);
/* Append a line for each setting and method. */
pc_status pc_decoding_help(pc_str *out);

#endif
