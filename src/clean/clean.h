/* Cleaning of picture-text pairs: which samples of a dataset are worth training on, and why the others are not.
 *
 * Flow: any dataset (data/dataset.h) -> measure.h (length, language, size, hashes, scores of its metadata) -> rules.h -> seen.h
 * (duplicates) -> similarity.h -> output.h: what is kept as tar shards or as rows with pictures beside them; report.json says what was dropped, and
 * dropped.jsonl each sample with its reason.
 *
 * seen = kept + dropped + damaged, always. Damaged is what can't be read; dropped is what a rule refuses: the first one in
 * the order of rules.h. The result depends on dataset and options alone: not on threads, nor on interruptions. Memory: a block of
 * samples, and for each kept one some 32 bytes while duplicates are looked for.
 */
#ifndef PC_CLEAN_CLEAN_H
#define PC_CLEAN_CLEAN_H

#include "base/field.h"
#include "base/json.h"

/* What 0 means for a limit: it is off. */
typedef struct pc_clean_options {
    int64_t min_words, max_words;           /* of the caption */
    int64_t min_characters, max_characters; /* Unicode code points */
    double max_repeated;   /* share of words that were there before */
    char *languages;       /* "en,zh", or NULL: any */
    int unknown_language;  /* pc_clean_policy, of captions whose language can't be told */
    int64_t max_text_uses; /* samples of one caption: with more, all of them are dropped */
    int64_t min_bytes;     /* of a picture's file */
    int64_t min_side;      /* pixels of the shorter side */
    double max_aspect;     /* longer side / shorter side */
    double max_nsfw;       /* of the metadata's scores */
    char *nsfw_words;      /* the metadata's words that are kept ("UNLIKELY,UNSURE"), or NULL: any */
    double max_watermark, min_aesthetic, min_given_similarity; /* of the metadata's scores */
    int missing;           /* pc_clean_policy, of samples whose metadata lack a score that a rule asks for */
    int duplicates;        /* pc_clean_duplicates */
    int64_t near;          /* bits in which perceptual hashes of duplicates may differ; -1: files are the same byte for byte */
    char *against;         /* a dataset whose pictures must not be among what is kept, or NULL */
    char *clip;            /* a CLIP or SigLIP directory, or NULL */
    double min_similarity; /* cosine by it */
    int format;            /* pc_clean_format */
    int64_t shard;         /* samples of a tar shard */
    int64_t threads;       /* 0 = one for each processor */
} pc_clean_options;

typedef enum pc_clean_policy { PC_CLEAN_KEEP, PC_CLEAN_DROP } pc_clean_policy;
typedef enum pc_clean_duplicates { PC_DUPLICATES_OFF, PC_DUPLICATES_PICTURE, PC_DUPLICATES_PAIR } pc_clean_duplicates;
typedef enum pc_clean_format { PC_CLEAN_WEBDATASET, PC_CLEAN_JSONL, PC_CLEAN_NONE } pc_clean_format;

extern const pc_field_table pc_clean_fields;

/* Set fields from a flat YAML file of the same keys. PC_ERR_USAGE names file and line. */
pc_status pc_clean_read_options(pc_clean_options *options, const char *path);
/* Set the keys of all that changes the result: all but threads. */
pc_status pc_clean_write_options(const pc_clean_options *options, pc_json *into);
/* PC_ERR_USAGE for a combination without a meaning. */
pc_status pc_clean_check_options(const pc_clean_options *options);

typedef struct pc_clean_hooks {
    void *user;
    void (*progress)(void *user, int64_t seen, int64_t all, int64_t kept); /* NULL = not wanted */
    int (*stop)(void *user); /* non-zero ends it with PC_ERR_INTERRUPTED, so that it can be gone on with; NULL = never */
} pc_clean_hooks;

/* Clean dataset `path` into `folder`, which is made when missing. A folder that holds the state of a run with the same dataset and
 * options is gone on with from where that one was; of another run: PC_ERR_USAGE. *report (pc_json_free) as in report.json. */
pc_status pc_clean_data(pc_json **report, const char *path, const char *folder, const pc_clean_options *options,
                        const pc_clean_hooks *hooks);

#endif
