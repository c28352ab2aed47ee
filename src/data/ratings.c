/* Dataset kind `ratings`: several answers to one prompt, each rated on several aspects (VLFeedback), as preference pairs.
 *
 *   {"prompt": "...", "image" | "img_path": ..., "completions": {"model": [...], "response": [...], "annotations": [
 *        {"Helpfulness": {"Rating": "5", "Rationale": "..."}, "Visual Faithfulness": {...}, "Ethical Considerations": {...}}, ...]}}
 *
 * in JSON, JSON Lines or Parquet; completions may also be a list of objects. An answer's score is the mean of its ratings. Every two
 * answers of a row whose scores differ are a sample, the better one chosen; equals make none (the log counts them). What can't be
 * read (a row, an answer without a number for each rating) is a sample that can't be read, so that it is counted and named. All
 * rows are gone through once when the file is opened; 16 bytes for each pair are held in memory.
 * Source: Li et al. 2023, Silkie (arXiv 2312.10665), section 3; vlf-silkie/VLFeedback.
 */
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signal.h"
#include "data/dataset.h"
#include "data/json_file.h"
#include "data/parquet_set.h"
#include "data/rows.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_ANSWERS = 64, NONE = 255, PART = 32 << 10 /* bytes looked at to recognise a file */ };

typedef struct pair {
    int64_t row;
    uint8_t chosen, rejected; /* answers; rejected NONE: what can't be read, `chosen` NONE the row itself */
} pair;

typedef struct ratings {
    bool parquet;
    pc_json_file file;
    pc_parquet_set files;
    pair *pairs;
    size_t count, capacity;
    int64_t equals;
    char *folder;
} ratings;

/* --- recognising --- */

/* Both look without asking for memory. The names of a Parquet file's columns stand in its last bytes. */
static size_t read_part(const char *path, bool last, char out[PART + 1])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    ssize_t got = fd >= 0 ? pread(fd, out, PART, last && size > PART ? size - PART : 0) : 0;
    if (fd >= 0) {
        close(fd);
    }
    out[got > 0 ? got : 0] = 0;
    return got > 0 ? (size_t)got : 0;
}

static bool has_words(const char *text, size_t size)
{
    static const char *const words[] = {"completions", "annotations", "Rating"};
    bool all = size > 0;
    for (size_t i = 0; i < 3; i++) {
        all = all && memmem(text, size, words[i], strlen(words[i]));
    }
    return all;
}

static bool parquet_has(const char *path)
{
    char text[PART + 1], full[PATH_MAX];
    DIR *folder = pc_path_is_directory(path) ? opendir(path) : NULL;
    bool found = !folder && has_words(text, read_part(path, true, text));
    for (struct dirent *entry; folder && !found && (entry = readdir(folder));) {
        int length = pc_ends_with(entry->d_name, ".parquet") ? snprintf(full, sizeof full, "%s/%s", path, entry->d_name) : 0;
        found = length > 0 && length < PATH_MAX && has_words(text, read_part(full, true, text));
    }
    if (folder) {
        closedir(folder);
    }
    return found;
}

/* *list = the file is one list of rows. */
static bool json_has(const char *path, bool *list)
{
    char text[PART + 1];
    size_t size = read_part(path, false, text);
    *list = text[strspn(text, " \t\r\n")] == '[';
    return has_words(text, size);
}

static bool matches(const char *path)
{
    bool list;
    if (pc_parquet_set_matches(path)) {
        return parquet_has(path);
    }
    return (pc_ends_with(path, ".json") || pc_ends_with(path, ".jsonl")) && !pc_path_is_directory(path) && json_has(path, &list);
}

/* --- a row's answers --- */

static const pc_json *member_of(const pc_json *completions, const char *name, size_t i)
{
    return pc_json_is_array(completions) ? pc_json_get(pc_json_at(completions, i), name)
                                         : pc_json_at(pc_json_get(completions, name), i);
}

static size_t answers_of(const pc_json *completions)
{
    return pc_json_is_array(completions) ? pc_json_length(completions) : pc_json_length(pc_json_get(completions, "response"));
}

/* A number, or a text that is one; NAN for anything else. */
static double rating_of(const pc_json *rating)
{
    const char *text = pc_json_text(rating);
    char *end = NULL;
    double value = text ? strtod(text, &end) : pc_json_number(rating, NAN);
    return text && (end == text || *end) ? NAN : value;
}

/* The mean of an answer's ratings; NAN when one is no number, or there is none. */
static double score_of(const pc_json *annotations)
{
    double sum = 0;
    size_t count = 0;
    for (void *it = pc_json_first(annotations); it; it = pc_json_next(annotations, it), count++) {
        sum += rating_of(pc_json_get(pc_json_value(it), "Rating"));
    }
    return count ? sum / (double)count : NAN;
}

static pc_status add_pair(ratings *self, int64_t row, size_t chosen, size_t rejected)
{
    PC_TRY(pc_grow(&self->pairs, &self->capacity, self->count + 1, sizeof *self->pairs, "the index of ratings"));
    self->pairs[self->count++] = (pair){row, (uint8_t)chosen, (uint8_t)rejected};
    return PC_OK;
}

static pc_status index_row(ratings *self, int64_t row, const pc_json *json)
{
    const pc_json *completions = pc_json_get(json, "completions");
    double scores[MOST_ANSWERS];
    size_t count = answers_of(completions);
    if (count == 0 || count > MOST_ANSWERS) {
        return add_pair(self, row, NONE, NONE);
    }
    for (size_t i = 0; i < count; i++) {
        scores[i] = score_of(member_of(completions, "annotations", i));
        PC_TRY(isnan(scores[i]) ? add_pair(self, row, i, NONE) : PC_OK);
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = i + 1; k < count; k++) {
            self->equals += scores[i] == scores[k];
            if (scores[i] > scores[k] || scores[i] < scores[k]) { /* neither is NAN */
                PC_TRY(scores[i] > scores[k] ? add_pair(self, row, i, k) : add_pair(self, row, k, i));
            }
        }
    }
    return PC_OK;
}

/* --- opening --- */

static pc_status read_row(const ratings *self, int64_t row, pc_json **out)
{
    return self->parquet ? pc_parquet_set_read(&self->files, row, out) : pc_json_file_read(&self->file, row, out);
}

static pc_status make_index(ratings *self, int64_t limit)
{
    int64_t rows = self->parquet ? self->files.rows : (int64_t)self->file.index.count;
    for (int64_t i = 0; i < rows && (limit <= 0 || (int64_t)self->count < limit); i++) {
        pc_json *json = NULL;
        pc_status status = read_row(self, i, &json);
        status = status == PC_OK || status == PC_ERR_DATA ? index_row(self, i, json) : status;
        pc_json_free(json);
        PC_TRY(status);
        PC_TRY(pc_signal_pending() ? pc_fail(PC_ERR_INTERRUPTED, "stopped at row %" PRId64, i) : PC_OK);
    }
    pc_log(PC_LOG_INFO, "%" PRId64 " rows of rated answers: %zu pairs, %" PRId64 " of equals left out", rows, self->count,
           self->equals);
    return PC_OK;
}

static void close_ratings(void *state)
{
    ratings *self = state;
    pc_json_file_close(&self->file);
    pc_parquet_set_close(&self->files);
    pc_free(self->pairs);
    pc_free(self->folder);
    pc_free(self);
}

static pc_status set_up(ratings *self, const char *path, const pc_dataset_options *options)
{
    pc_json_index_options how = {.folder = options->index_folder};
    bool list = false;
    self->folder = options->image_folder ? pc_strdup(options->image_folder) : pc_path_parent(path);
    PC_TRY(self->folder ? PC_OK : pc_fail_memory(strlen(path), "a path"));
    self->parquet = pc_parquet_set_matches(path);
    if (self->parquet) {
        PC_TRY(pc_parquet_set_open(&self->files, path));
    } else {
        (void)json_has(path, &list);
        how.lines = !list;
        PC_TRY(pc_json_file_open(&self->file, path, &how));
    }
    return make_index(self, options->limit);
}

static pc_status open_ratings(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    ratings *self = NULL;
    PC_TRY(PC_NEW(self, "a dataset"));
    self->file.fd = -1;
    pc_status status = set_up(self, path, options);
    if (status != PC_OK) {
        close_ratings(self);
        return status;
    }
    *state = self;
    *count = (int64_t)self->count;
    return PC_OK;
}

/* --- samples --- */

static pc_status copy_member(pc_json *to, const char *name, const pc_json *value)
{
    return value ? pc_json_set(to, name, pc_json_copy(value)) : PC_OK;
}

/* {"prompt", "chosen", "rejected", "image"} */
static pc_status make_row(const pc_json *json, const pair *at, pc_json *row)
{
    static const char *const pictures[] = {"image", "images", "img_path"};
    const pc_json *completions = pc_json_get(json, "completions"), *found = NULL;
    if (at->chosen == NONE) {
        return pc_fail(PC_ERR_DATA, "\"completions\": expected 1 to %d answers, found %zu", MOST_ANSWERS, answers_of(completions));
    }
    if (at->rejected == NONE) {
        return pc_fail(PC_ERR_DATA, "answer %d has no number for each of its ratings", at->chosen + 1);
    }
    for (size_t i = 0; i < 3 && pc_json_is_null(found); i++) {
        found = pc_json_get(json, pictures[i]);
    }
    PC_TRY(copy_member(row, "prompt", pc_json_get(json, "prompt")));
    PC_TRY(copy_member(row, "images", found));
    PC_TRY(copy_member(row, "chosen", member_of(completions, "response", at->chosen)));
    return copy_member(row, "rejected", member_of(completions, "response", at->rejected));
}

static pc_status read_sample(void *state, int64_t index, pc_sample *out)
{
    const ratings *self = state;
    const pair *at = &self->pairs[index];
    pc_json *json = NULL, *made = NULL;
    pc_status status;
    PC_GO(read_row(self, at->row, &json));
    made = pc_json_new_object();
    PC_GO(made ? PC_OK : pc_fail_memory(0, "a row"));
    PC_GO(make_row(json, at, made));
    pc_row row = {.json = made, .folder = self->folder};
    status = pc_row_read(&row, out);
done:
    pc_json_free(json);
    pc_json_free(made);
    return status == PC_ERR_DATA ? pc_fail_prefix(status, "row %" PRId64, at->row) : status;
}

static int64_t line_of(void *state, int64_t index)
{
    const ratings *self = state;
    int64_t row = self->pairs[index].row;
    return self->parquet ? row + 1 : (int64_t)self->file.index.places[row].line;
}

const pc_dataset_type pc_dataset_ratings = {
    .name = "ratings",
    .help = "several rated answers to each prompt (VLFeedback), as preference pairs",
    .matches = matches,
    .open = open_ratings,
    .read = read_sample,
    .line = line_of,
    .close = close_ratings,
};
