/* Batches for training, prepared ahead of the step by worker threads.
 *
 * Flow: datasets -> order (a pure function of seed and position) -> samples -> prompt + pixels -> packed batch.
 * What step s gets depends on (datasets, seed, options, s) alone: not on threads, and a resumed run continues with
 * pc_loader_seek in no time. Memory is bounded by `ahead` batches.
 *
 * Turns that see their history are one causal sequence. Independent turns share the rows of their prefix (what stands
 * up to the last picture): each turn sees the prefix and itself, and its positions go on from the prefix. A row predicts
 * the token behind it in the same turn; the last row of the prefix predicts the first one of every turn.
 *
 * Region labels: a soft token of a square grid that lies on a region predicts the region's words as well, at most
 * PC_REGION_IDS ids, from its own row; the token at the region's middle has one word more when the dataset gives one.
 *
 * Packs: samples are put together once, from the first epoch's draws; each epoch shuffles the packs. A sample that turns out
 * bad is left out of its pack.
 *
 * One thread at a time may use a loader.
 */
#ifndef PC_DATA_LOADER_H
#define PC_DATA_LOADER_H

#include "data/dataset.h"
#include "media/recipe.h"
#include "ops/attention.h"
#include "prompt/prompt.h"

enum { PC_BATCH_ARRAYS = 15, PC_REGION_IDS = 8 };

/* One packed micro-batch: the rows of all samples behind each other, no padding. Arrays are owned by the batch. */
typedef struct pc_batch {
    int64_t samples;     /* B */
    int64_t images;      /* N */
    float *pixels;       /* [N,3,Y,X] */
    int64_t question;    /* L, room for a question */
    int32_t *questions;  /* [N,L] of the connector's tokenizer, behind a question 0; with pc_loader_options.reader */
    int32_t *question_lengths; /* [N] */
    int64_t tokens;      /* T; 0 for PC_BATCH_REGIONS, whose target_rows count soft tokens */
    int32_t *ids;        /* [T]; 0 where a soft token stands, unless placeholders stay */
    int32_t *positions;  /* [T] */
    pc_attention_range *ranges; /* [T] */
    int64_t soft;        /* S = N * Q */
    int32_t *soft_rows;  /* [S]: row of each soft token, picture after picture */
    int64_t targets;     /* R: rows with a loss */
    int32_t *target_rows;/* [R]: the row whose hidden state predicts */
    int32_t *target_ids; /* [R]: what it should predict */
    float *target_weights; /* [R]: 1 for an answer's token; region words weigh less (pc_loader_options.region_weight) */
    int32_t *text_ends;  /* [B] PAIRS, PROMPTS: the last row of each text */
    int64_t answers;      /* A: PREFERENCES 2B, chosen and rejected in turn; LABELLED 2B, the sample's and another's in turn;
                           * PROMPTS B; a multiple of B for written ones */
    int32_t *answer_ends; /* [A]: behind the targets of each answer */
    int32_t *answer_rows; /* [A]: the row of each answer's last token */
    float *labels;        /* [B] LABELLED: 1 = the sample's answer is wanted, -1 = it is not */
    float *experience;    /* [R,PC_EXPERIENCE] of written answers (batch.h): ops/policy.h */
    size_t capacity[PC_BATCH_ARRAYS]; /* elements allocated, array after array; the loader's */
} pc_batch;

typedef enum pc_batch_kind {
    PC_BATCH_LANGUAGE, /* pt, sft: conversations with a loss on answers */
    PC_BATCH_PAIRS,    /* contrastive: one picture and one text a sample */
    PC_BATCH_PREFERENCES, /* two answers to the same: both see what stands before them; cutoff counts for each */
    PC_BATCH_PROMPTS,  /* conversations up to what a model is to write; the answer that a sample brings stands in target_ids alone */
    PC_BATCH_LABELLED, /* answers that are wanted or not; behind each the answer of the sample before (KTO) */
    PC_BATCH_REGIONS,  /* pictures and the words of their regions alone: rows are soft tokens */
} pc_batch_kind;
bool pc_batch_is_of_language(pc_batch_kind kind); /* conversations, in whatever form */

/* Which pictures are mirrored, half of them in each direction. Questions must not name sides, and regions don't follow. */
typedef enum pc_mirror { PC_MIRROR_NONE, PC_MIRROR_HORIZONTAL, PC_MIRROR_BOTH } pc_mirror;

typedef struct pc_loader_options {
    pc_batch_kind kind;
    const pc_tokenizer *tokenizer;
    const pc_template *chat;
    const pc_image_recipe *recipe; /* NULL: the model takes no pictures, samples that have some are bad */
    pc_prompt_turns turns;     /* how the turns of a sample see each other */
    int32_t image_token;
    int64_t vocabulary;        /* rows of the model's embeddings: a sample with another id is a bad one */
    int32_t image_open, image_close; /* ids before and behind a picture; 0 = none */
    bool source;               /* an encoder-decoder: the last answer is what it writes, all before it the source */
    int32_t start;             /* id between the two */
    bool bos_behind_pictures;  /* pictures that open a prompt stand before BOS */
    const pc_tokenizer *reader; /* of a connector that reads questions, or NULL */
    int64_t question_limit;    /* L: ids of a question at most, longer ones are cut */
    int64_t tokens_per_image;  /* Q; 1 where a placeholder stands for the picture */
    bool placeholders_stay;    /* and is looked up as the id it is */
    int64_t image_width, image_height; /* pixels after the recipe */
    int64_t max_images;        /* pictures of a sample at most, more make it a bad one; 0 = 1 */
    int64_t batch_size;        /* samples in a micro-batch */
    int64_t accumulation;      /* micro-batches in a step */
    int64_t cutoff;            /* tokens of a sample at most; longer ones lose their last turns (counted), or whole */
    int64_t end_token;         /* PAIRS: id that ends a text */
    double changed_weight;     /* PREFERENCES: weight of tokens that differ between the answers (segments.h); 0 = 1 */
    double region_weight;      /* weight of all region words of one picture token together; 0 = off */
    int shift;                 /* augmentation: pictures moved by up to so many of their own pixels, 0 = none */
    int mirror;                /* augmentation: pc_mirror */
    uint64_t seed;
    int workers;               /* threads that prepare batches; 0 = 1 */
    int ahead;                 /* steps prepared ahead; 0 = as many as make four micro-batches, at least 1 */
    bool strict;               /* stop at the first bad sample; else skip and count, stop above 1 % */
    bool packing;              /* LANGUAGE: batch_size packs (packs.h) of up to `cutoff` tokens make a micro-batch */
    bool group_by_length;      /* LANGUAGE: the samples of a step are about equally long (groups.h) */
    const char *sizes_file;    /* where the samples' measured sizes are kept for both (extents.h); NULL = nowhere */
} pc_loader_options;

typedef struct pc_loader pc_loader;

/* datasets[count] and what the options point to are borrowed; the options are copied. The samples form one sequence,
 * shuffled anew each epoch. weights[count] (or NULL: by size) are the shares of the datasets in an epoch, which has as
 * many samples as all datasets together; each dataset is gone through evenly, however often its share asks for it.
 * Threads start with the first pc_loader_next. */
pc_status pc_loader_new(pc_loader **out, const pc_dataset *const *datasets, const double *weights, int count,
                        const pc_loader_options *options);
void pc_loader_free(pc_loader *loader);

int64_t pc_loader_steps_per_epoch(const pc_loader *loader);
/* Continue with this step (0 = the first). */
pc_status pc_loader_seek(pc_loader *loader, int64_t step);
/* *batches = the `accumulation` micro-batches of the next step, valid until the next call. */
pc_status pc_loader_next(pc_loader *loader, const pc_batch **batches);
/* Samples seen and skipped in the steps handed out so far (skipped: bad or too long; another sample takes the place), for
 * the log and the checkpoint. Steps passed over by pc_loader_seek don't count. */
void pc_loader_counts(const pc_loader *loader, int64_t *seen, int64_t *skipped);
/* Samples that lost their last turns to the cutoff. */
int64_t pc_loader_shortened(const pc_loader *loader);

/* As they are in force, defaults filled in; borrowed. */
const pc_loader_options *pc_loader_options_of(const pc_loader *loader);

/* The largest sizes that a micro-batch can have, for planning. */
typedef struct pc_batch_limits {
    int64_t images, tokens, soft, targets, samples;
    int64_t question; /* L; 0: the connector reads none */
} pc_batch_limits;
void pc_loader_limits(const pc_loader *loader, pc_batch_limits *out);

#endif
