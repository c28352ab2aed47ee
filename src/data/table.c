/* Dataset kind `table`: CSV and TSV files with a caption, or a question and its answer, in each record.
 *
 *   caption \t picture        or the other way round, without a header: CC3M, CC12M (pictures as paths; nothing is fetched)
 *   index \t image \t question \t A \t B \t C \t D \t answer      with a header: VLMEvalKit, pictures as base64
 *
 *   ... \t base64 of a picture \t base64 of ["question", "chosen", "rejected"]    without a header: RLHF-V
 *
 * A first record that has one of the known names is a header; then records may quote fields as RFC 4180 does, and the columns
 * are those of rows.h, beside question, hint, A ... Z and answer, image_path, and base64 in the column of pictures. A TSV
 * without a header quotes nothing. Source: VLMEvalKit, vlmeval/dataset/image_mcq.py (columns, layout of the question).
 */
#include "base/base64.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/str.h"
#include "data/dataset.h"
#include "data/rows.h"
#include "data/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 20, RECORD_LIMIT = 64 << 20, MOST_FIELDS = 256, LEAST_BASE64 = 64 };

typedef struct record {
    int64_t offset, line;
    uint32_t size;
} record;

typedef struct fields {
    char *text; /* the record, changed in place */
    char *at[MOST_FIELDS];
    size_t size[MOST_FIELDS];
    int count;
} fields;

typedef struct table {
    int fd;
    char separator;
    bool quotes, header;
    record *records;
    size_t count, capacity;
    fields names; /* of the header */
    char *folder;
    pc_row_format format;
    bool formatted;
} table;

static bool matches(const char *path)
{
    return (pc_ends_with(path, ".tsv") || pc_ends_with(path, ".csv")) && pc_path_exists(path) && !pc_path_is_directory(path);
}

/* --- records --- */

typedef struct scan {
    int64_t start, at, line, first_line;
    bool quoted;
} scan;

/* One more than the limit: the header counts as well. */
static bool is_enough(const table *self, int64_t limit)
{
    return limit > 0 && (int64_t)self->count > limit;
}

static pc_status end_record(table *self, const scan *s, int64_t limit)
{
    int64_t size = s->at - s->start;
    if (size == 0 || is_enough(self, limit)) {
        return PC_OK; /* a blank line, or enough */
    }
    if (size > RECORD_LIMIT) {
        return pc_fail(PC_ERR_DATA, "byte %" PRId64 ": a record of %" PRId64 " bytes", s->start, size);
    }
    PC_TRY(pc_grow(&self->records, &self->capacity, self->count + 1, sizeof *self->records, "the index of a table"));
    self->records[self->count++] = (record){s->start, s->first_line, (uint32_t)size};
    return PC_OK;
}

static pc_status scan_bytes(table *self, scan *s, const char *bytes, size_t count, int64_t limit)
{
    for (size_t i = 0; i < count; i++, s->at++) {
        s->quoted ^= self->quotes && bytes[i] == '"';
        if (bytes[i] != '\n') {
            continue;
        }
        s->line++;
        if (!s->quoted) {
            PC_TRY(end_record(self, s, limit));
            s->start = s->at + 1;
            s->first_line = s->line;
        }
    }
    return PC_OK;
}

static pc_status scan_file(table *self, int64_t limit)
{
    scan s = {.line = 1, .first_line = 1};
    char *chunk = NULL;
    PC_TRY(PC_NEW_ARRAY(chunk, CHUNK, "a table"));
    pc_status status = PC_OK;
    self->count = 0;
    for (ssize_t got = 1; got > 0 && status == PC_OK && !is_enough(self, limit);) {
        got = pread(self->fd, chunk, CHUNK, s.at);
        status = got >= 0 ? scan_bytes(self, &s, chunk, (size_t)got, limit)
                          : pc_fail(PC_ERR_IO, "byte %" PRId64 ": %s", s.at, strerror(errno));
    }
    pc_free(chunk);
    return status == PC_OK ? end_record(self, &s, limit) : status;
}

/* --- fields --- */

/* A field that begins at *from, quotes taken off; *from moves behind its separator, or becomes NULL at the end. */
static void take_field(const table *self, fields *out, char **from, char *end)
{
    char *read = *from, *write = *from;
    bool quoted = self->quotes && read < end && *read == '"';
    out->at[out->count] = write;
    read += quoted;
    while (read < end && (quoted || *read != self->separator)) {
        if (quoted && *read == '"') {
            quoted = read + 1 < end && read[1] == '"';
            read++;
            if (!quoted) {
                continue;
            }
        }
        *write++ = *read++;
    }
    out->size[out->count] = (size_t)(write - out->at[out->count]);
    out->count++;
    *from = read < end ? read + 1 : NULL;
}

static pc_status read_record(const table *self, size_t index, fields *out)
{
    const record *at = &self->records[index];
    out->count = 0;
    PC_TRY(PC_NEW_ARRAY(out->text, (size_t)at->size + 1, "a record"));
    PC_TRY(pc_read_exactly(self->fd, out->text, at->size, at->offset));
    size_t size = at->size - (at->size > 0 && out->text[at->size - 1] == '\r');
    if (pc_utf8_valid_prefix(out->text, size) < size || memchr(out->text, 0, size)) {
        return pc_fail(PC_ERR_DATA, "byte %" PRId64 ": no UTF-8", at->offset);
    }
    for (char *from = out->text; from && out->count < MOST_FIELDS;) {
        take_field(self, out, &from, out->text + size);
    }
    return PC_OK;
}

static bool field_is(const fields *f, int i, const char *name)
{
    return f->size[i] == strlen(name) && strncasecmp(f->at[i], name, f->size[i]) == 0;
}

static bool is_header(const fields *f)
{
    static const char *const known[] = {"image", "images", "image_path", "caption", "text", "question", "answer", "index",
                                        "url", "instruction", "prompt", "messages", "title", "label"};
    for (int i = 0; i < f->count; i++) {
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
            if (field_is(f, i, known[k])) {
                return true;
            }
        }
    }
    return false;
}

/* --- opening --- */

static void close_table(void *state)
{
    table *self = state;
    if (self->fd >= 0) {
        close(self->fd);
    }
    pc_free(self->records);
    pc_free(self->names.text);
    pc_free(self->folder);
    pc_free(self);
}

static pc_status read_header(table *self)
{
    if (self->count == 0) {
        return PC_OK;
    }
    pc_status status = read_record(self, 0, &self->names);
    self->header = status == PC_OK && is_header(&self->names);
    return status == PC_ERR_DATA ? PC_OK : status; /* a bad record that is no header is counted when it is read */
}

static pc_status set_up(table *self, const char *path, const pc_dataset_options *options)
{
    struct stat about;
    self->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (self->fd < 0 || fstat(self->fd, &about) != 0) {
        return pc_fail(PC_ERR_IO, "%s: %s", path, strerror(errno));
    }
    self->separator = pc_ends_with(path, ".csv") ? ',' : '\t';
    self->folder = options->image_folder ? pc_strdup(options->image_folder) : pc_path_parent(path);
    if (!self->folder) {
        return pc_fail_memory(strlen(path), "a path");
    }
    self->formatted = options->rows != NULL;
    if (self->formatted) {
        self->format = *options->rows;
    }
    self->quotes = self->separator == ',';
    PC_TRY(scan_file(self, 1));
    PC_TRY(read_header(self));
    self->quotes = self->quotes || self->header;
    return scan_file(self, options->limit);
}

static pc_status open_table(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    table *self = NULL;
    PC_TRY(PC_NEW(self, "a dataset"));
    self->fd = -1;
    pc_status status = set_up(self, path, options);
    if (status != PC_OK) {
        close_table(self);
        return status == PC_ERR_DATA ? pc_fail_prefix(status, "%s", path) : status;
    }
    *state = self;
    *count = (int64_t)self->count - self->header;
    return PC_OK;
}

/* --- rows --- */

static pc_status set_text(pc_json *row, const char *name, const char *text, size_t length)
{
    pc_json *value = pc_json_new_text_n(text, length);
    return value ? pc_json_set(row, name, value) : pc_fail_memory(length, "a field");
}

static bool is_base64(const char *text, size_t length, size_t least)
{
    return length >= least && length % 4 == 0 && !memchr(text, '.', length) &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") >= length;
}

static pc_status set_picture(pc_json *row, const char *text, size_t length)
{
    pc_str url = {0};
    pc_status status;
    if (!is_base64(text, length, LEAST_BASE64)) {
        return set_text(row, "image", text, length);
    }
    PC_GO(pc_str_puts(&url, "data:application/octet-stream;base64,"));
    PC_GO(pc_str_add(&url, text, length));
    status = set_text(row, "image", url.data, url.length);
done:
    pc_str_clear(&url);
    return status;
}

/* hint, question, "A. ...", and what is asked for. */
static pc_status add_question(pc_str *out, const fields *names, const fields *f)
{
    bool options = false;
    for (int part = 0; part < 2; part++) {
        for (int i = 0; i < names->count && i < f->count; i++) {
            if (f->size[i] && field_is(names, i, part ? "question" : "hint")) {
                PC_TRY(pc_str_printf(out, "%s%.*s", out->length ? "\n" : "", (int)f->size[i], f->at[i]));
            }
        }
    }
    for (int i = 0; i < names->count && i < f->count; i++) {
        if (f->size[i] && names->size[i] == 1 && names->at[i][0] >= 'A' && names->at[i][0] <= 'Z') {
            PC_TRY(pc_str_printf(out, "\n%c. %.*s", names->at[i][0], (int)f->size[i], f->at[i]));
            options = true;
        }
    }
    return options ? pc_str_puts(out, "\nAnswer with the option's letter from the given choices directly.") : PC_OK;
}

static pc_status named_row(const table *self, const fields *f, pc_json *row)
{
    const fields *names = &self->names;
    pc_str question = {0};
    char name[64];
    pc_status status = PC_OK;
    if (f->count != names->count) {
        return pc_fail(PC_ERR_DATA, "%d fields; the header has %d", f->count, names->count);
    }
    for (int i = 0; i < f->count && status == PC_OK; i++) {
        size_t length = names->size[i] < sizeof name ? names->size[i] : sizeof name - 1;
        bool picture = field_is(names, i, "image") || field_is(names, i, "image_path");
        memcpy(name, names->at[i], length);
        name[pc_utf8_valid_prefix(name, length)] = 0;
        status = f->size[i] == 0                        ? PC_OK
                 : picture                              ? set_picture(row, f->at[i], f->size[i])
                 : field_is(names, i, "answer")         ? set_text(row, "output", f->at[i], f->size[i])
                 : name[0] == 0 || field_is(names, i, "hint") ? PC_OK
                                                        : set_text(row, name, f->at[i], f->size[i]);
    }
    if (status == PC_OK && pc_json_get(row, "question")) {
        status = add_question(&question, names, f);
        status = status == PC_OK ? set_text(row, "instruction", question.data, question.length) : status;
    }
    pc_str_clear(&question);
    return status;
}

static bool is_address(const char *text, size_t length)
{
    static const char *const ends[] = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"};
    bool found = memmem(text, length, "://", 3) && !memchr(text, ' ', length);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t size = strlen(ends[i]);
        found = found || (length > size && strncasecmp(text + length - size, ends[i], size) == 0);
    }
    return found;
}

static bool is_picture(const char *text, size_t length)
{
    return is_address(text, length) || is_base64(text, length, LEAST_BASE64);
}

/* RLHF-V's records: among other fields a picture in base64, and in base64 the JSON list [question, chosen, rejected]. *found =
 * it is one. */
static pc_status pair_row(const fields *f, pc_json *row, bool *found)
{
    static const char *const names[] = {"question", "chosen", "rejected"};
    pc_json *list = NULL;
    pc_status status = PC_OK;
    *found = false;
    for (int i = 0; i < f->count && !*found && status == PC_OK; i++) {
        uint8_t *bytes = NULL;
        size_t size = 0;
        if (is_base64(f->at[i], f->size[i], 8) && strncmp(f->at[i], "Wy", 2) == 0) { /* '[' in base64 */
            status = pc_base64_decode(&bytes, &size, f->at[i], f->size[i]);
            status = status == PC_OK ? pc_json_parse(&list, (char *)bytes, size, "the pair") : status;
            status = status == PC_ERR_DATA ? PC_OK : status;
        }
        pc_free(bytes);
        *found = pc_json_length(list) == 3;
        for (size_t k = 0; k < 3 && *found && status == PC_OK; k++) {
            status = pc_json_set(row, names[k], pc_json_copy(pc_json_at(list, k)));
        }
        for (int k = 0; k < f->count && *found && status == PC_OK; k++) {
            status = k != i && is_base64(f->at[k], f->size[k], LEAST_BASE64) ? set_picture(row, f->at[k], f->size[k]) : PC_OK;
        }
        pc_json_free(list);
        list = NULL;
    }
    return status;
}

static pc_status plain_row(const fields *f, pc_json *row)
{
    bool pair = false;
    PC_TRY(pair_row(f, row, &pair));
    if (pair) {
        return PC_OK;
    }
    if (f->count != 2) {
        return pc_fail(PC_ERR_DATA, "%d fields; without a header a caption and a picture are expected", f->count);
    }
    int picture = is_picture(f->at[0], f->size[0]) && !is_picture(f->at[1], f->size[1]) ? 0 : 1;
    PC_TRY(f->size[1 - picture] ? set_text(row, "text", f->at[1 - picture], f->size[1 - picture])
                                : pc_fail(PC_ERR_DATA, "there is no caption"));
    return set_picture(row, f->at[picture], f->size[picture]);
}

static pc_status make_sample(const table *self, size_t index, fields *f, pc_json *json, pc_sample *out)
{
    PC_TRY(read_record(self, index, f));
    PC_TRY(self->header ? named_row(self, f, json) : plain_row(f, json));
    pc_row row = {.json = json, .format = self->formatted ? &self->format : NULL, .folder = self->folder};
    return pc_row_read(&row, out);
}

static pc_status read_sample(void *state, int64_t index, pc_sample *out)
{
    const table *self = state;
    fields *f = NULL;
    pc_json *json = pc_json_new_object();
    pc_status status = json ? PC_NEW(f, "a record") : pc_fail_memory(0, "a row");
    if (status == PC_OK) {
        status = make_sample(self, (size_t)index + self->header, f, json, out);
        pc_free(f->text);
    }
    pc_free(f);
    pc_json_free(json);
    return status;
}

static int64_t line_of(void *state, int64_t index)
{
    const table *self = state;
    return self->records[(size_t)index + self->header].line;
}

const pc_dataset_type pc_dataset_table = {
    .name = "table",
    .help = "CSV and TSV: captions (CC3M, CC12M), questions with base64 pictures (VLMEvalKit)",
    .matches = matches,
    .open = open_table,
    .read = read_sample,
    .line = line_of,
    .close = close_table,
};
