#include "clean/progress.h"

#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { STATE_LIMIT = 16 << 20 };

void pc_clean_progress_clear(pc_clean_progress *progress)
{
    pc_json_free(progress->examples);
    *progress = (pc_clean_progress){0};
}

const char *pc_clean_reason(int rule)
{
    return rule < 0 ? "damaged" : pc_clean_rule_name(rule);
}

static pc_status add_example(pc_json *list, const char *where, const char *found)
{
    pc_json *example = pc_json_new_object();
    pc_status status = example ? pc_json_set(example, "where", pc_json_new_text(where)) : pc_fail_memory(0, "a report");
    /* A message that quotes a damaged file need not be UTF-8. */
    size_t length = pc_utf8_valid_prefix(found, strlen(found));
    status = status == PC_OK ? pc_json_set(example, "found", pc_json_new_text_n(found, length)) : status;
    if (status != PC_OK) {
        pc_json_free(example);
        return status;
    }
    return pc_json_push(list, example);
}

pc_status pc_clean_progress_drop(pc_clean_progress *progress, int rule, const char *where, const char *found)
{
    const char *reason = pc_clean_reason(rule);
    int64_t *count = rule < 0 ? &progress->damaged : &progress->dropped[rule];
    if (++*count > PC_CLEAN_EXAMPLES) {
        return PC_OK;
    }
    progress->examples = progress->examples ? progress->examples : pc_json_new_object();
    PC_TRY(progress->examples ? PC_OK : pc_fail_memory(0, "a report"));
    if (!pc_json_get(progress->examples, reason)) {
        PC_TRY(pc_json_set(progress->examples, reason, pc_json_new_array()));
    }
    return add_example(pc_json_get(progress->examples, reason), where, found);
}

void pc_clean_progress_similarity(pc_clean_progress *progress, double cosine)
{
    int bin = (int)floor((cosine + 1) / 2 * PC_CLEAN_BINS);
    progress->similarity[bin < 0 ? 0 : bin < PC_CLEAN_BINS ? bin : PC_CLEAN_BINS - 1]++;
}

/* --- state.json --- */

static pc_status set_counts(pc_json *into, const char *key, const int64_t *counts, size_t count)
{
    pc_json *list = pc_json_new_array();
    pc_status status = list ? PC_OK : pc_fail_memory(0, "a state");
    for (size_t i = 0; i < count && status == PC_OK; i++) {
        status = pc_json_push(list, pc_json_new_integer(counts[i]));
    }
    if (status != PC_OK) {
        pc_json_free(list);
        return status;
    }
    return pc_json_set(into, key, list);
}

static pc_status read_counts(const pc_json *from, const char *key, int64_t *counts, size_t count)
{
    const pc_json *list = pc_json_get(from, key);
    bool good = pc_json_length(list) == count;
    for (size_t i = 0; i < count && good; i++) {
        counts[i] = pc_json_integer(pc_json_at(list, i), -1);
        good = counts[i] >= 0;
    }
    return good ? PC_OK : pc_fail(PC_ERR_DATA, "\"%s\" is no list of %zu counts", key, count);
}

/* Each number of the state and where it is. */
#define NUMBERS(p)                                                                                            \
    {                                                                                                         \
        {"next", &(p)->next}, {"kept", &(p)->kept}, {"damaged", &(p)->damaged}, {"shard", &(p)->sizes.shard}, \
        {"in_shard", &(p)->sizes.in_shard}, {"rows_bytes", &(p)->sizes.rows},                                 \
        {"dropped_bytes", &(p)->sizes.dropped}, {"hashes_bytes", &(p)->sizes.hashes},                         \
    }

static pc_status fill_state(pc_json *state, const pc_clean_progress *progress)
{
    const struct {
        const char *key;
        const int64_t *value;
    } numbers[] = NUMBERS(progress);
    PC_TRY(pc_json_set(state, "identity", pc_json_new_text(progress->identity)));
    PC_TRY(pc_json_set(state, "finished", pc_json_new_bool(progress->finished)));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        PC_TRY(pc_json_set(state, numbers[i].key, pc_json_new_integer(*numbers[i].value)));
    }
    PC_TRY(set_counts(state, "dropped", progress->dropped, PC_RULES));
    PC_TRY(set_counts(state, "lacks", progress->lacks, PC_RULES_ALONE));
    PC_TRY(set_counts(state, "similarity", progress->similarity, PC_CLEAN_BINS));
    return progress->examples ? pc_json_set(state, "examples", pc_json_copy(progress->examples)) : PC_OK;
}

pc_status pc_clean_progress_save(const pc_clean_progress *progress, const char *folder)
{
    pc_json *state = pc_json_new_object();
    char *path = pc_path_join(folder, "state.json");
    pc_status status = state && path ? fill_state(state, progress) : pc_fail_memory(0, "a state");
    status = status == PC_OK ? pc_json_write_file(path, state, 0) : status;
    pc_json_free(state);
    pc_free(path);
    return status;
}

static pc_status take_state(pc_clean_progress *out, const pc_json *state)
{
    const struct {
        const char *key;
        int64_t *value;
    } numbers[] = NUMBERS(out);
    const char *identity = pc_json_get_text(state, "identity", "");
    PC_TRY(strlen(identity) == 64 ? PC_OK : pc_fail(PC_ERR_DATA, "no \"identity\" of a run"));
    memcpy(out->identity, identity, 65);
    out->finished = pc_json_get_bool(state, "finished", false);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        PC_TRY(pc_json_need_integer(numbers[i].value, state, numbers[i].key, 0, INT64_MAX, "a state"));
    }
    PC_TRY(read_counts(state, "dropped", out->dropped, PC_RULES));
    PC_TRY(read_counts(state, "lacks", out->lacks, PC_RULES_ALONE));
    PC_TRY(read_counts(state, "similarity", out->similarity, PC_CLEAN_BINS));
    const pc_json *examples = pc_json_get(state, "examples");
    out->examples = examples ? pc_json_copy(examples) : NULL;
    return PC_OK;
}

pc_status pc_clean_progress_load(pc_clean_progress *out, bool *found, const char *folder)
{
    pc_json *state = NULL;
    char *path = pc_path_join(folder, "state.json");
    pc_status status = path ? PC_OK : pc_fail_memory(0, "a path");
    *found = status == PC_OK && pc_path_exists(path);
    if (*found) {
        status = pc_json_read(&state, path, STATE_LIMIT);
        status = status == PC_OK ? take_state(out, state) : status;
        status = status == PC_ERR_DATA ? pc_fail_prefix(status, "%s", path) : status;
    }
    pc_json_free(state);
    pc_free(path);
    return status;
}

/* --- report.json --- */

static int64_t sum_of(const int64_t *counts, size_t count)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += counts[i];
    }
    return sum;
}

/* {"rule", "dropped", "lacking", "examples"} of each rule that dropped samples or lacked scores. */
static pc_status add_rule(pc_json *list, const pc_clean_progress *progress, int rule)
{
    const pc_json *examples = pc_json_get(progress->examples, pc_clean_reason(rule));
    int64_t lacking = rule < PC_RULES_ALONE ? progress->lacks[rule] : 0;
    if (progress->dropped[rule] == 0 && lacking == 0) {
        return PC_OK;
    }
    pc_json *object = pc_json_new_object();
    pc_status status;
    PC_GO(object ? PC_OK : pc_fail_memory(0, "a report"));
    PC_GO(pc_json_set(object, "rule", pc_json_new_text(pc_clean_rule_name(rule))));
    PC_GO(pc_json_set(object, "dropped", pc_json_new_integer(progress->dropped[rule])));
    PC_GO(lacking ? pc_json_set(object, "lacking", pc_json_new_integer(lacking)) : PC_OK);
    PC_GO(examples ? pc_json_set(object, "examples", pc_json_copy(examples)) : PC_OK);
    status = pc_json_push(list, object);
    object = NULL;
done:
    pc_json_free(object);
    return status;
}

/* The cosine below which a share of the samples lies, to the width of a bin. */
static double quantile(const int64_t *bins, double share)
{
    int64_t all = sum_of(bins, PC_CLEAN_BINS), below = 0;
    int bin = 0;
    while (bin < PC_CLEAN_BINS - 1 && (double)(below + bins[bin]) < share * (double)all) {
        below += bins[bin++];
    }
    return 2.0 * (bin + 1) / PC_CLEAN_BINS - 1;
}

static pc_status add_similarity(pc_json *report, const int64_t *bins)
{
    static const int shares[] = {5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95};
    pc_json *object = pc_json_new_object();
    pc_status status = object ? PC_OK : pc_fail_memory(0, "a report");
    for (size_t i = 0; i < sizeof shares / sizeof shares[0] && status == PC_OK; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d %%", shares[i]);
        status = pc_json_set(object, key, pc_json_new_number(round(1000 * quantile(bins, shares[i] / 100.0)) / 1000));
    }
    if (status != PC_OK) {
        pc_json_free(object);
        return status;
    }
    return pc_json_set(report, "similarity_below", object);
}

static pc_status fill_report(pc_json *report, const pc_clean_progress *progress, const char *dataset, const pc_clean_options *options)
{
    pc_json *rules = pc_json_new_array(), *given = pc_json_new_object();
    const pc_json *damaged = pc_json_get(progress->examples, "damaged");
    pc_status status;
    PC_GO(rules && given ? PC_OK : pc_fail_memory(0, "a report"));
    PC_GO(pc_json_set(report, "dataset", pc_json_new_text(dataset)));
    PC_GO(pc_json_set(report, "finished", pc_json_new_bool(progress->finished)));
    PC_GO(pc_json_set(report, "seen", pc_json_new_integer(progress->next)));
    PC_GO(pc_json_set(report, "kept", pc_json_new_integer(progress->kept)));
    PC_GO(pc_json_set(report, "dropped", pc_json_new_integer(sum_of(progress->dropped, PC_RULES))));
    PC_GO(pc_json_set(report, "damaged", pc_json_new_integer(progress->damaged)));
    for (int rule = 0; rule < PC_RULES; rule++) {
        PC_GO(add_rule(rules, progress, rule));
    }
    status = pc_json_set(report, "rules", rules);
    rules = NULL;
    PC_GO(status);
    PC_GO(damaged ? pc_json_set(report, "damaged_examples", pc_json_copy(damaged)) : PC_OK);
    PC_GO(sum_of(progress->similarity, PC_CLEAN_BINS) ? add_similarity(report, progress->similarity) : PC_OK);
    PC_GO(pc_clean_write_options(options, given));
    status = pc_json_set(report, "options", given);
    given = NULL;
done:
    pc_json_free(rules);
    pc_json_free(given);
    return status;
}

pc_status pc_clean_report(pc_json **out, const pc_clean_progress *progress, const char *dataset, const pc_clean_options *options)
{
    *out = pc_json_new_object();
    PC_TRY(*out ? PC_OK : pc_fail_memory(0, "a report"));
    pc_status status = fill_report(*out, progress, dataset, options);
    if (status != PC_OK) {
        pc_json_free(*out);
        *out = NULL;
    }
    return status;
}
