/* What cleaning writes, in one folder, so that a run that breaks off can be gone on with.
 *
 *   webdataset   00000.tar ...  KEY.jpg (KEY.0.jpg, KEY.1.jpg), KEY.txt of a caption, KEY.json; the shard at hand is NAME.part
 *   jsonl        data.jsonl     a row in each line; images/00000/000000042.jpg
 *   always       dropped.jsonl  {"sample", "where", "reason", "found"} of each sample that is not kept
 *
 * Files grow at their end alone. pc_output_sync brings them to the disk and says how long they are; opened with these sizes, what
 * was written behind them is cut off. The same samples give the same bytes.
 */
#ifndef PC_CLEAN_OUTPUT_H
#define PC_CLEAN_OUTPUT_H

#include "clean/measure.h"

#include <stdio.h>

/* A file that grows. */
typedef struct pc_output_file {
    FILE *file; /* NULL: none */
    char *path; /* owned */
    int64_t size;
} pc_output_file;

typedef struct pc_output {
    char *folder;
    int format;          /* pc_clean_format */
    int64_t per_shard;
    int64_t shard, in_shard; /* number of the shard at hand, and samples in it */
    pc_output_file rows; /* the shard, or data.jsonl */
    pc_output_file dropped;
    pc_output_file hashes; /* records of what was kept, while duplicates are looked for */
} pc_output;

/* How far a run came. */
typedef struct pc_output_sizes {
    int64_t shard, in_shard, rows, dropped, hashes;
} pc_output_sizes;

/* The folder is there. Cuts files to `sizes` ({0}: a new run). Close also after a failure. */
pc_status pc_output_open(pc_output *out, const char *folder, const pc_clean_options *options, const pc_output_sizes *sizes);
void pc_output_close(pc_output *out);

/* index: number of the sample in the dataset, its key. */
pc_status pc_output_keep(pc_output *out, int64_t index, const pc_sample *sample, const pc_clean_measures *measures);
pc_status pc_output_drop(pc_output *out, int64_t index, const char *where, const char *reason, const char *found);
pc_status pc_output_hash(pc_output *out, const void *record, size_t size);
/* The records so far, in the order they were given. *out: pc_free. */
pc_status pc_output_read_hashes(const pc_output *out, void **records);

pc_status pc_output_sync(pc_output *out, pc_output_sizes *sizes);
/* Files under their names. A run that breaks off behind this can still be gone on with, until hashes.bin goes. */
pc_status pc_output_finish(pc_output *out);
void pc_output_forget_hashes(pc_output *out);

#endif
