/* How far a cleaning came and what it found: the counts, as state.json between interruptions and as report.json at the end. */
#ifndef PC_CLEAN_PROGRESS_H
#define PC_CLEAN_PROGRESS_H

#include "clean/output.h"
#include "clean/rules.h"

enum { PC_CLEAN_BINS = 400, PC_CLEAN_EXAMPLES = 3 };

/* Initialise with {0}; pc_clean_progress_clear releases. Everything is of the samples [0, next). */
typedef struct pc_clean_progress {
    char identity[65]; /* hash of the dataset and the options */
    bool finished;
    int64_t next;      /* first sample that was not looked at */
    int64_t kept, damaged, dropped[PC_RULES], lacks[PC_RULES_ALONE];
    int64_t similarity[PC_CLEAN_BINS]; /* samples by cosine: bins of equal width from -1 to 1 */
    pc_json *examples; /* reason -> the first samples: [{"where", "found"}, ...] */
    pc_output_sizes sizes;
} pc_clean_progress;

void pc_clean_progress_clear(pc_clean_progress *progress);
/* A sample that is not kept, for the counts and the examples. rule -1: it is damaged. */
pc_status pc_clean_progress_drop(pc_clean_progress *progress, int rule, const char *where, const char *found);
const char *pc_clean_reason(int rule); /* the rule's name, or "damaged" */
void pc_clean_progress_similarity(pc_clean_progress *progress, double cosine);

/* state.json of a folder, durably. *found = false when there is none. PC_ERR_DATA when it is none of ours. */
pc_status pc_clean_progress_save(const pc_clean_progress *progress, const char *folder);
pc_status pc_clean_progress_load(pc_clean_progress *out, bool *found, const char *folder);

/* *out: pc_json_free. */
pc_status pc_clean_report(pc_json **out, const pc_clean_progress *progress, const char *dataset, const pc_clean_options *options);

#endif
