/* Dataset kind `webdataset`: tar shards whose neighbouring members with one key make a sample (img2dataset, LAION, COYO).
 *
 *   00000.tar: 000000000.jpg 000000000.txt 000000000.json 000000001.jpg ...
 *
 * The path is a shard, a folder of shards, or shards{00000..00127}.tar. The key of a member is its path up to the first dot
 * of the last part, the rest in lower case is what it is: a picture (jpg, jpeg, png, webp, gif, bmp, tif, tiff, heic, avif; several
 * as 0.jpg, 1.jpg), a caption (txt), or a JSON object: a row as in rows.h, or img2dataset's, whose "caption" stands for a txt
 * that isn't there. Source: webdataset, tariterators.py (grouping); img2dataset, writer.py.
 *
 * Whatever is damaged stays a sample that can't be read, so that it is counted and named: a torn shard, a header, a picture
 * without a caption, members of one sample that do not stand together.
 */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/rows.h"
#include "data/tar.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_SHARDS = 1 << 20, MOST_PICTURES = 64, TEXT_LIMIT = 64 << 20 };

typedef struct shard {
    char *path;
    int64_t bytes;
} shard;

typedef struct place {
    int64_t offset; /* of the first member's header */
    uint32_t shard;
    uint32_t members; /* 0 = damaged */
} place;

typedef struct webdataset {
    shard *shards;
    size_t shard_count, shard_capacity;
    place *places;
    size_t place_count, place_capacity;
    pc_row_format format;
    bool formatted;
    char *folder;
} webdataset;

/* --- shards --- */

static pc_status add_shard(webdataset *self, const char *path)
{
    PC_TRY(pc_grow(&self->shards, &self->shard_capacity, self->shard_count + 1, sizeof *self->shards, "the list of shards"));
    char *copy = pc_strdup(path);
    if (!copy) {
        return pc_fail_memory(strlen(path), "a path");
    }
    self->shards[self->shard_count++] = (shard){.path = copy};
    return PC_OK;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const shard *)a)->path, ((const shard *)b)->path);
}

static pc_status list_folder(webdataset *self, const char *path)
{
    DIR *folder = opendir(path);
    pc_status status = folder ? PC_OK : pc_fail(PC_ERR_IO, "%s: %s", path, strerror(errno));
    for (struct dirent *entry; status == PC_OK && (entry = readdir(folder));) {
        char *full = pc_ends_with(entry->d_name, ".tar") ? pc_path_join(path, entry->d_name) : NULL;
        status = full ? add_shard(self, full) : PC_OK;
        pc_free(full);
    }
    if (folder) {
        closedir(folder);
    }
    if (self->shard_count > 1) {
        qsort(self->shards, self->shard_count, sizeof *self->shards, by_path);
    }
    return status;
}

/* NAME{FIRST..LAST}REST with FIRST and LAST of equally many digits or none that are zeros in front. */
static bool find_range(const char *path, const char **open, const char **close, long long *first, long long *last, int *digits)
{
    char *end;
    *open = strchr(path, '{');
    *close = *open ? strchr(*open, '}') : NULL;
    if (!*close) {
        return false;
    }
    *first = strtoll(*open + 1, &end, 10);
    *digits = (int)(end - *open - 1);
    if (*digits < 1 || *digits > 18 || strncmp(end, "..", 2) != 0) {
        return false;
    }
    *last = strtoll(end + 2, &end, 10);
    return end == *close && *first >= 0 && *last >= *first;
}

static pc_status list_range(webdataset *self, const char *path)
{
    const char *open, *close;
    long long first, last;
    int digits;
    char full[4096];
    if (!find_range(path, &open, &close, &first, &last, &digits)) {
        return pc_fail(PC_ERR_USAGE, "%s: expected shards as {00000..00127}", path);
    }
    if (last - first >= MOST_SHARDS) {
        return pc_fail(PC_ERR_USAGE, "%s: more than %d shards", path, MOST_SHARDS);
    }
    for (long long i = first; i <= last; i++) {
        int length = snprintf(full, sizeof full, "%.*s%0*lld%s", (int)(open - path), path, digits, i, close + 1);
        PC_TRY(length > 0 && length < (int)sizeof full ? add_shard(self, full) : pc_fail(PC_ERR_USAGE, "%s: too long", path));
    }
    return PC_OK;
}

static bool folder_has_shards(const char *path)
{
    DIR *folder = opendir(path);
    bool found = false;
    for (struct dirent *entry; folder && !found && (entry = readdir(folder));) {
        found = pc_ends_with(entry->d_name, ".tar");
    }
    if (folder) {
        closedir(folder);
    }
    return found;
}

static bool matches(const char *path)
{
    const char *open, *close;
    long long first, last;
    int digits;
    if (pc_path_is_directory(path)) {
        return folder_has_shards(path);
    }
    return pc_ends_with(path, ".tar") &&
           (pc_path_exists(path) || find_range(path, &open, &close, &first, &last, &digits));
}

/* --- keys --- */

/* Length of the key; 0 when the member belongs to no sample. */
static size_t key_length(const char *name)
{
    const char *base = pc_path_base(name), *dot = strchr(base, '.');
    bool hidden = strncmp(base, "__", 2) == 0 && pc_ends_with(base, "__");
    return !dot || hidden || dot == base ? 0 : (size_t)(dot - name);
}

static bool is_one_of(const char *word, const char *const *list)
{
    for (; *list; list++) {
        if (strcasecmp(*list, word) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_picture(const char *suffix)
{
    static const char *const kinds[] = {"jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "heic", "avif", NULL};
    size_t digits = strspn(suffix, "0123456789");
    return is_one_of(digits > 0 && suffix[digits] == '.' ? suffix + digits + 1 : suffix, kinds);
}

/* --- the index --- */

static pc_status add_place(webdataset *self, uint32_t number, int64_t offset, uint32_t members)
{
    PC_TRY(pc_grow(&self->places, &self->place_capacity, self->place_count + 1, sizeof *self->places,
                   "the index of a webdataset"));
    self->places[self->place_count++] = (place){offset, number, members};
    return PC_OK;
}

static pc_status index_shard(webdataset *self, uint32_t number, pc_tar *tar)
{
    pc_tar_member member = {{0}, 0, 0, 0};
    char key[PC_TAR_NAME] = "";
    pc_tar_found found;
    while ((found = pc_tar_next(tar, &member)) != PC_TAR_END) {
        size_t length = found == PC_TAR_MEMBER ? key_length(member.name) : 0;
        if (found == PC_TAR_DAMAGED) {
            PC_TRY(add_place(self, number, member.start, 0));
            key[0] = 0;
        } else if (length == 0) {
            key[0] = 0; /* what follows does not stand beside what was before */
        } else if (strlen(key) == length && memcmp(key, member.name, length) == 0) {
            self->places[self->place_count - 1].members++;
        } else {
            memcpy(key, member.name, length);
            key[length] = 0;
            PC_TRY(add_place(self, number, member.start, 1));
        }
    }
    return PC_OK;
}

static pc_status open_shard(const shard *at, pc_tar *tar)
{
    struct stat about;
    *tar = (pc_tar){.fd = open(at->path, O_RDONLY | O_CLOEXEC)};
    if (tar->fd < 0 || fstat(tar->fd, &about) != 0) {
        pc_status status = pc_fail(PC_ERR_IO, "%s: %s", at->path, strerror(errno));
        if (tar->fd >= 0) {
            close(tar->fd);
        }
        return status;
    }
    tar->bytes = about.st_size;
    return PC_OK;
}

static pc_status make_index(webdataset *self, int64_t limit)
{
    for (size_t i = 0; i < self->shard_count && (limit <= 0 || (int64_t)self->place_count < limit); i++) {
        pc_tar tar;
        PC_TRY(open_shard(&self->shards[i], &tar));
        self->shards[i].bytes = tar.bytes;
        pc_status status = index_shard(self, (uint32_t)i, &tar);
        close(tar.fd);
        PC_TRY(status);
    }
    return PC_OK;
}

static void close_webdataset(void *state)
{
    webdataset *self = state;
    for (size_t i = 0; i < self->shard_count; i++) {
        pc_free(self->shards[i].path);
    }
    pc_free(self->shards);
    pc_free(self->places);
    pc_free(self->folder);
    pc_free(self);
}

static pc_status set_up(webdataset *self, const char *path, const pc_dataset_options *options)
{
    self->folder = options->image_folder ? pc_strdup(options->image_folder) : pc_path_parent(path);
    if (!self->folder) {
        return pc_fail_memory(strlen(path), "a path");
    }
    self->formatted = options->rows != NULL;
    if (self->formatted) {
        self->format = *options->rows;
    }
    PC_TRY(pc_path_is_directory(path) ? list_folder(self, path)
           : pc_path_exists(path)     ? add_shard(self, path)
                                      : list_range(self, path));
    return make_index(self, options->limit);
}

static pc_status open_webdataset(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    webdataset *self = NULL;
    PC_TRY(PC_NEW(self, "a dataset"));
    pc_status status = set_up(self, path, options);
    if (status != PC_OK) {
        close_webdataset(self);
        return status;
    }
    *state = self;
    *count = (int64_t)self->place_count;
    return PC_OK;
}

/* --- a sample --- */

typedef struct parts {
    pc_row_picture pictures[MOST_PICTURES];
    size_t picture_count;
    char *caption;
    size_t caption_size;
    pc_json *json;
} parts;

static void clear_parts(parts *p)
{
    for (size_t i = 0; i < p->picture_count; i++) {
        pc_free((void *)p->pictures[i].bytes);
    }
    pc_free(p->caption);
    pc_json_free(p->json);
}

static pc_status load_member(const pc_tar *tar, const pc_tar_member *member, void **out)
{
    char *bytes = pc_calloc((size_t)member->size + 1, 1);
    if (!bytes) {
        return pc_fail_memory((size_t)member->size, "a member of a shard");
    }
    pc_status status = pc_read_exactly(tar->fd, bytes, (size_t)member->size, member->data);
    if (status != PC_OK) {
        pc_free(bytes);
        return status;
    }
    *out = bytes;
    return PC_OK;
}

static pc_status take_json(parts *p, const pc_tar *tar, const pc_tar_member *member)
{
    void *bytes = NULL;
    PC_TRY(p->json ? pc_fail(PC_ERR_DATA, "%s: the sample has another one", member->name) : PC_OK);
    PC_TRY(load_member(tar, member, &bytes));
    pc_status status = pc_json_parse(&p->json, bytes, (size_t)member->size, member->name);
    pc_free(bytes);
    return status;
}

static pc_status take_member(parts *p, const pc_tar *tar, const pc_tar_member *member)
{
    const char *suffix = member->name + key_length(member->name) + 1;
    bool json = strcasecmp(suffix, "json") == 0, text = strcasecmp(suffix, "txt") == 0;
    if ((json || text) && member->size > TEXT_LIMIT) {
        return pc_fail(PC_ERR_DATA, "%s: a text of %" PRId64 " bytes", member->name, member->size);
    }
    if (json) {
        return take_json(p, tar, member);
    }
    if (text) {
        p->caption_size = (size_t)member->size;
        return p->caption ? pc_fail(PC_ERR_DATA, "%s: the sample has another one", member->name)
                          : load_member(tar, member, (void **)&p->caption);
    }
    if (is_picture(suffix)) {
        if (p->picture_count == MOST_PICTURES) {
            return pc_fail(PC_ERR_DATA, "%s: more than %d pictures", member->name, MOST_PICTURES);
        }
        void *bytes = NULL;
        PC_TRY(load_member(tar, member, &bytes));
        p->pictures[p->picture_count++] = (pc_row_picture){bytes, (size_t)member->size};
    }
    return PC_OK;
}

static bool is_row(const pc_json *json)
{
    static const char *const columns[] = {"conversations", "messages", "instruction", "prompt", "question", "chosen"};
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        if (!pc_json_is_null(pc_json_get(json, columns[i]))) {
            return true;
        }
    }
    return false;
}

/* {"text": caption}, from the txt or img2dataset's JSON. */
static pc_status make_caption(pc_json **out, const parts *p)
{
    const pc_json *said = pc_json_get(p->json, "caption");
    said = said ? said : pc_json_get(p->json, "text");
    const char *text = p->caption ? p->caption : pc_json_text(said);
    size_t length = p->caption ? p->caption_size : text ? pc_json_text_length(said) : 0;
    if (length == 0 || p->picture_count == 0) {
        return pc_fail(PC_ERR_DATA, "the sample has no %s", length == 0 ? "caption" : "picture");
    }
    pc_json *value = pc_json_new_text_n(text, length);
    if (!value) {
        return pc_fail(PC_ERR_DATA, "the caption is not UTF-8");
    }
    *out = pc_json_new_object();
    return *out ? pc_json_set(*out, "text", value) : pc_fail_memory(length, "a caption");
}

static pc_status make_sample(const webdataset *self, const parts *p, pc_sample *out)
{
    pc_json *own = NULL;
    bool row_given = self->formatted || is_row(p->json);
    PC_TRY(row_given ? PC_OK : make_caption(&own, p));
    pc_row row = {
        .json = row_given ? p->json : own,
        .format = self->formatted ? &self->format : NULL,
        .folder = self->folder,
        .about = p->json,
        .pictures = p->pictures,
        .picture_count = p->picture_count,
    };
    pc_status status = pc_row_read(&row, out);
    pc_json_free(own);
    return status;
}

static pc_status gather(const place *at, pc_tar *tar, parts *p)
{
    pc_tar_member member = {{0}, 0, 0, 0};
    for (uint32_t i = 0; i < (at->members ? at->members : 1);) {
        pc_tar_found found = pc_tar_next(tar, &member);
        if (found != PC_TAR_MEMBER) {
            return pc_fail(PC_ERR_DATA, "byte %" PRId64 ": %s", at->offset,
                           found == PC_TAR_DAMAGED ? tar->why : "the shard is shorter than it was");
        }
        if (key_length(member.name) > 0) {
            PC_TRY(take_member(p, tar, &member));
            i++;
        }
    }
    return PC_OK;
}

static pc_status read_sample(void *state, int64_t index, pc_sample *out)
{
    const webdataset *self = state;
    const place *at = &self->places[index];
    const shard *in = &self->shards[at->shard];
    pc_tar tar;
    parts p = {.picture_count = 0};
    PC_TRY(open_shard(in, &tar));
    tar.at = at->offset;
    pc_status status = gather(at, &tar, &p);
    status = status == PC_OK ? make_sample(self, &p, out) : status;
    close(tar.fd);
    clear_parts(&p);
    return status == PC_ERR_DATA ? pc_fail_prefix(status, "%s: the sample at byte %" PRId64, pc_path_base(in->path), at->offset)
                                 : status;
}

const pc_dataset_type pc_dataset_webdataset = {
    .name = "webdataset",
    .help = "tar shards of pictures with captions or rows: img2dataset, LAION, COYO",
    .matches = matches,
    .open = open_webdataset,
    .read = read_sample,
    .close = close_webdataset,
};
