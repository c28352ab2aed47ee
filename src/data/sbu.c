/* Dataset kind `sbu`: SBU Captions as it is published, one object of parallel lists.
 *
 *   {"image_urls": ["http://static.flickr.com/2723/4385058960_b0f291553e.jpg", ...], "captions": ["A cat.", ...]}
 *
 * Nothing is fetched: a picture is the file of the address's last part, below media_dir or beside the file (images, too). Lists of
 * unequal length are refused; a picture that isn't there makes a bad sample. Source: rom1504/img2dataset,
 * dataset_examples/SBUcaptions.md.
 */
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/json_lists.h"
#include "data/picture_folder.h"

#include <inttypes.h>
#include <string.h>

enum { URLS, CAPTIONS, LISTS };
static const char *const list_names[LISTS] = {"image_urls", "captions"};

typedef struct sbu {
    pc_json_lists file;
    char *folder;
} sbu;

static bool matches(const char *path)
{
    return pc_ends_with(path, ".json") && pc_path_exists(path) && !pc_path_is_directory(path) &&
           pc_json_begins_with_list(path, "image_urls", NULL);
}

/* The file of an address: its last part up to a '?'. */
static pc_status name_picture(const pc_json *url, pc_str *out)
{
    const char *text = pc_json_text(url), *base = text ? pc_path_base(text) : "";
    size_t length = strcspn(base, "?#");
    PC_TRY(pc_str_add(out, base, length));
    return length > 0 && pc_path_is_plain(out->data) ? PC_OK : pc_fail(PC_ERR_DATA, "the address of the picture names no file");
}

static pc_status set_up(sbu *self, const char *path, const pc_dataset_options *options)
{
    pc_json *url = NULL;
    pc_str name = {0};
    pc_status status;
    PC_GO(pc_json_lists_open(&self->file, path, list_names, LISTS));
    const pc_json_list *lists = self->file.lists;
    PC_GO(lists[URLS].count == lists[CAPTIONS].count
              ? PC_OK
              : pc_fail(PC_ERR_DATA, "%s: %zu addresses and %zu captions", path, lists[URLS].count, lists[CAPTIONS].count));
    if (lists[URLS].count > 0) {
        status = pc_json_lists_read(&self->file, URLS, 0, &url);
        status = status == PC_OK ? name_picture(url, &name) : status;
        PC_GO(status == PC_ERR_DATA ? PC_OK : status); /* named when it is read */
    }
    status = pc_picture_folder_find(&self->folder, options->image_folder, path, NULL, name.data ? name.data : "");
done:
    pc_json_free(url);
    pc_str_clear(&name);
    return status;
}

static void close_sbu(void *state)
{
    sbu *self = state;
    pc_json_lists_close(&self->file);
    pc_free(self->folder);
    pc_free(self);
}

static pc_status open_sbu(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    sbu *self = NULL;
    PC_TRY(PC_NEW(self, "a dataset"));
    self->file.fd = -1;
    pc_status status = set_up(self, path, options);
    if (status != PC_OK) {
        close_sbu(self);
        return status;
    }
    *state = self;
    *count = (int64_t)self->file.lists[URLS].count;
    return PC_OK;
}

static pc_status read_sample(void *state, int64_t index, pc_sample *out)
{
    const sbu *self = state;
    pc_json *url = NULL, *caption = NULL;
    pc_str name = {0};
    char *path = NULL;
    pc_status status;
    PC_GO(pc_json_lists_read(&self->file, CAPTIONS, index, &caption));
    PC_GO(pc_json_is_string(caption) && pc_json_text_length(caption) > 0 ? PC_OK : pc_fail(PC_ERR_DATA, "there is no caption"));
    PC_GO(pc_json_lists_read(&self->file, URLS, index, &url));
    PC_GO(name_picture(url, &name));
    PC_GO(pc_sample_caption(out, pc_json_text(caption), pc_json_text_length(caption)));
    path = pc_path_join(self->folder, name.data);
    status = path ? pc_sample_load_image(out, path) : pc_fail_memory(name.length, "a path");
done:
    pc_free(path);
    pc_str_clear(&name);
    pc_json_free(url);
    pc_json_free(caption);
    return status == PC_ERR_DATA ? pc_fail_prefix(status, "the caption at byte %" PRId64,
                                                  self->file.lists[CAPTIONS].places[index].offset)
                                 : status;
}

const pc_dataset_type pc_dataset_sbu = {
    .name = "sbu",
    .help = "SBU Captions: lists of addresses and captions, pictures as files",
    .matches = matches,
    .open = open_sbu,
    .read = read_sample,
    .close = close_sbu,
};
