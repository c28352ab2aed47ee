/* Dataset kind `image_folder`: pictures in folders.
 *
 *   FOLDER/a.jpg a.txt b.png b.txt ...        a caption in a text file beside each picture
 *   FOLDER/cat/1.jpg  FOLDER/big_dog/2.jpg    no picture has one: the name of its folder, '_' as a blank, is the caption
 *
 * Folders in it are gone through, hidden files left out. With captions, a picture without one and a text without a picture are
 * samples that can't be read, so that they are counted and named; so is a picture outside of all folders when their names count.
 * The path of each picture is held in memory.
 */
#include "base/file.h"
#include "base/memory.h"
#include "base/str.h"
#include "data/dataset.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEPTH = 16, TEXT_LIMIT = 1 << 20 };

typedef struct image_folder {
    char *root;
    char **paths; /* [count] below root, sorted: pictures, and texts that have none */
    size_t count, capacity;
    bool captions;
} image_folder;

static bool is_picture(const char *name)
{
    static const char *const kinds[] = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".avif"};
    const char *dot = strrchr(name, '.');
    bool found = false;
    for (size_t i = 0; dot && i < sizeof kinds / sizeof kinds[0]; i++) {
        found = found || strcasecmp(dot, kinds[i]) == 0;
    }
    return found;
}

/* --- recognising --- */

/* No memory is asked for here: a kind that can't tell for lack of it would be taken for another one. */

/* Whether the folder itself has a picture, and one with a text beside it. */
static void look_into(const char *path, bool *pictures, bool *captions)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && !*captions && (entry = readdir(folder));) {
        bool picture = is_picture(entry->d_name);
        *pictures = *pictures || picture;
        if (picture) {
            char text[PATH_MAX];
            int stem = (int)(strrchr(entry->d_name, '.') - entry->d_name);
            int length = snprintf(text, sizeof text, "%s/%.*s.txt", path, stem, entry->d_name);
            *captions = length > 0 && length < PATH_MAX && pc_path_exists(text);
        }
    }
    if (folder) {
        closedir(folder);
    }
}

/* Names count only where there are several and no annotations say something else. */
static bool matches(const char *path)
{
    bool pictures = false, captions = false, annotated = false;
    int named = 0;
    DIR *folder = pc_path_is_directory(path) ? opendir(path) : NULL;
    look_into(path, &pictures, &captions);
    for (struct dirent *entry; folder && !captions && (entry = readdir(folder));) {
        char inside[PATH_MAX];
        int length = entry->d_name[0] == '.' ? 0 : snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
        bool below = false;
        if (length > 0 && length < PATH_MAX && pc_path_is_directory(inside)) {
            look_into(inside, &below, &captions);
        }
        named += below;
        annotated = annotated || pc_ends_with(entry->d_name, ".json") || pc_ends_with(entry->d_name, ".jsonl");
    }
    if (folder) {
        closedir(folder);
    }
    return captions || (named > 1 && !pictures && !annotated);
}

/* --- opening --- */

static pc_status add_path(image_folder *self, const char *path)
{
    PC_TRY(pc_grow(&self->paths, &self->capacity, self->count + 1, sizeof *self->paths, "a list of pictures"));
    self->paths[self->count] = pc_strdup(path);
    return self->paths[self->count++] ? PC_OK : pc_fail_memory(strlen(path), "a path");
}

static pc_status list_folder(image_folder *self, const char *below, int depth);

static pc_status list_entry(image_folder *self, const char *below, const char *name, int depth)
{
    pc_str path = {0};
    char *full = NULL;
    pc_status status;
    PC_GO(pc_str_printf(&path, "%s%s%s", below, *below ? "/" : "", name));
    full = pc_path_join(self->root, path.data);
    PC_GO(full ? PC_OK : pc_fail_memory(path.length, "a path"));
    if (pc_path_is_directory(full)) {
        PC_GO(depth < DEPTH ? PC_OK : pc_fail(PC_ERR_DATA, "%s: folders deeper than %d", full, DEPTH));
        PC_GO(list_folder(self, path.data, depth + 1));
    } else if (is_picture(name) || pc_ends_with(name, ".txt")) {
        PC_GO(add_path(self, path.data));
    }
done:
    pc_free(full);
    pc_str_clear(&path);
    return status;
}

static pc_status list_folder(image_folder *self, const char *below, int depth)
{
    char *path = *below ? pc_path_join(self->root, below) : pc_strdup(self->root);
    DIR *folder = path ? opendir(path) : NULL;
    pc_status status = folder ? PC_OK : path ? pc_fail(PC_ERR_IO, "%s: %s", path, strerror(errno)) : pc_fail_memory(0, "a path");
    for (struct dirent *entry; status == PC_OK && (entry = readdir(folder));) {
        status = entry->d_name[0] == '.' ? PC_OK : list_entry(self, below, entry->d_name, depth);
    }
    if (folder) {
        closedir(folder);
    }
    pc_free(path);
    return status;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t stem_of(const char *path)
{
    return (size_t)(strrchr(path, '.') - path);
}

/* A text that a picture stands beside is no sample of its own: the two follow each other, with other pictures of that name at most
 * between them. */
static bool has_picture(const image_folder *self, size_t text)
{
    size_t stem = stem_of(self->paths[text]);
    for (int step = -1; step <= 1; step += 2) {
        for (size_t at = text + (size_t)step; at < self->count; at += (size_t)step) {
            const char *other = self->paths[at];
            if (strncmp(other, self->paths[text], stem) != 0 || other[stem] != '.') {
                break;
            }
            if (stem_of(other) == stem && is_picture(other)) {
                return true;
            }
        }
    }
    return false;
}

/* Without any such text, texts are none of ours. */
static pc_status drop_texts(image_folder *self)
{
    size_t kept = 0;
    bool *drop;
    PC_TRY(PC_NEW_ARRAY(drop, self->count + 1, "a list of pictures"));
    for (size_t i = 0; i < self->count; i++) {
        drop[i] = pc_ends_with(self->paths[i], ".txt") && has_picture(self, i);
        self->captions = self->captions || drop[i];
    }
    for (size_t i = 0; i < self->count; i++) {
        if (drop[i] || (!self->captions && pc_ends_with(self->paths[i], ".txt"))) {
            pc_free(self->paths[i]);
        } else {
            self->paths[kept++] = self->paths[i];
        }
    }
    self->count = kept;
    pc_free(drop);
    return PC_OK;
}

static void close_folder(void *state)
{
    image_folder *self = state;
    for (size_t i = 0; i < self->count; i++) {
        pc_free(self->paths[i]);
    }
    pc_free(self->paths);
    pc_free(self->root);
    pc_free(self);
}

static pc_status set_up(image_folder *self, const char *path)
{
    self->root = pc_strdup(path);
    PC_TRY(self->root ? PC_OK : pc_fail_memory(strlen(path), "a path"));
    PC_TRY(list_folder(self, "", 0));
    if (self->count > 1) {
        qsort(self->paths, self->count, sizeof *self->paths, by_path);
    }
    return drop_texts(self);
}

static pc_status open_folder(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    image_folder *self = NULL;
    (void)options;
    PC_TRY(PC_NEW(self, "a dataset"));
    pc_status status = set_up(self, path);
    if (status != PC_OK) {
        close_folder(self);
        return status;
    }
    *state = self;
    *count = (int64_t)self->count;
    return PC_OK;
}

/* --- samples --- */

/* The text beside the picture, white space round it taken off. */
static pc_status beside(const image_folder *self, const char *path, pc_str *out)
{
    pc_str name = {0};
    char *text = NULL;
    size_t size = 0, from;
    pc_status status;
    PC_GO(pc_str_printf(&name, "%s/%.*s.txt", self->root, (int)stem_of(path), path));
    PC_GO(pc_path_exists(name.data) ? PC_OK : pc_fail(PC_ERR_DATA, "%s has no text beside it", path));
    PC_GO(pc_file_read(&text, &size, name.data, TEXT_LIMIT));
    PC_GO(pc_utf8_valid_prefix(text, size) == size && !memchr(text, 0, size) ? PC_OK : pc_fail(PC_ERR_DATA, "%s: no UTF-8", name.data));
    from = strspn(text, " \t\r\n");
    while (size > from && strchr(" \t\r\n", text[size - 1])) {
        size--;
    }
    PC_GO(size > from ? PC_OK : pc_fail(PC_ERR_DATA, "%s: there is no caption", name.data));
    status = pc_str_add(out, text + from, size - from);
done:
    pc_free(text);
    pc_str_clear(&name);
    return status;
}

/* The folder that the picture lies in. */
static pc_status label_of(const char *path, pc_str *out)
{
    const char *base = pc_path_base(path), *from = base;
    if (base == path) {
        return pc_fail(PC_ERR_DATA, "%s lies in no folder that names it", path);
    }
    for (from -= 1; from > path && from[-1] != '/'; from--) {
    }
    PC_TRY(pc_str_add(out, from, (size_t)(base - 1 - from)));
    for (size_t i = 0; i < out->length; i++) {
        out->data[i] = out->data[i] == '_' ? ' ' : out->data[i];
    }
    return pc_utf8_valid_prefix(out->data, out->length) == out->length ? PC_OK : pc_fail(PC_ERR_DATA, "%s: no UTF-8", path);
}

static pc_status read_sample(void *state, int64_t index, pc_sample *out)
{
    const image_folder *self = state;
    const char *path = self->paths[index];
    pc_str caption = {0};
    char *full = NULL;
    pc_status status;
    PC_GO(is_picture(path) ? PC_OK : pc_fail(PC_ERR_DATA, "%s has no picture beside it", path));
    PC_GO(self->captions ? beside(self, path, &caption) : label_of(path, &caption));
    PC_GO(pc_sample_caption(out, caption.data, caption.length));
    full = pc_path_join(self->root, path);
    status = full ? pc_sample_load_image(out, full) : pc_fail_memory(strlen(path), "a path");
done:
    pc_free(full);
    pc_str_clear(&caption);
    return status;
}

const pc_dataset_type pc_dataset_image_folder = {
    .name = "image_folder",
    .help = "pictures with a text file beside each, or in folders that name them",
    .matches = matches,
    .open = open_folder,
    .read = read_sample,
    .close = close_folder,
};
