/* A small cache: a list in no order, the least lately used picture gives way when the budget is
 * spent. */
#include "decode/pictures.h"

#include "base/file.h"
#include "decode/noise.h"
#include "media/decode.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Soft tokens that are kept from one request to the next; one of LLaVA-1.5-7B takes 9 MB. */
static const size_t BUDGET = (size_t)256 << 20;

static void free_picture(pc_picture *picture)
{
    pc_free(picture->soft);
    pc_free(picture);
}

void pc_pictures_clear(pc_pictures *pictures)
{
    for (size_t i = 0; i < pictures->count; i++) {
        free_picture(pictures->items[i]);
    }
    pc_free(pictures->items);
    *pictures = (pc_pictures){0};
}

static size_t bytes_kept(const pc_pictures *pictures)
{
    size_t bytes = 0;
    for (size_t i = 0; i < pictures->count; i++) {
        const pc_bridge_dims *read = &pictures->model->bridge.dims;
        size_t details = pictures->model->detail.tower.type ? (size_t)(read->queries * read->media) : 0;
        bytes += ((size_t)pictures->items[i]->tokens * (size_t)pc_model_soft_width(pictures->model) + details) * sizeof(float);
    }
    return bytes;
}

/* Drop the least lately used picture of an earlier round; false when there is none. */
static bool drop_oldest(pc_pictures *pictures)
{
    size_t oldest = pictures->count;
    for (size_t i = 0; i < pictures->count; i++) {
        if (pictures->items[i]->used < pictures->round &&
            (oldest == pictures->count ||
             pictures->items[i]->used < pictures->items[oldest]->used)) {
            oldest = i;
        }
    }
    if (oldest == pictures->count) {
        return false;
    }
    free_picture(pictures->items[oldest]);
    pictures->items[oldest] = pictures->items[--pictures->count];
    return true;
}

void pc_pictures_begin(pc_pictures *pictures)
{
    pictures->round++;
    while (bytes_kept(pictures) > BUDGET && drop_oldest(pictures)) {
    }
}

/* --- keys --- */

static void key_of_pixels(char out[PC_PICTURE_KEY], const pc_image *image)
{
    char pixels[65], sized[128];
    pc_sha256(image->pixels, (size_t)image->width * (size_t)image->height * 3, pixels);
    int length = snprintf(sized, sizeof sized, "%dx%d %s", image->width, image->height, pixels);
    pc_sha256(sized, (size_t)length, out);
}

static pc_status key_of_file(char out[PC_PICTURE_KEY], const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return pc_fail(PC_ERR_IO, "%s: %s", path, strerror(errno));
    }
    pc_str text = {0};
    pc_status status = pc_str_printf(&text, "%llu %llu %lld %lld.%09ld %s",
                                     (unsigned long long)info.st_dev,
                                     (unsigned long long)info.st_ino, (long long)info.st_size,
                                     (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec, path);
    if (status == PC_OK) {
        pc_sha256(text.data, text.length, out);
    }
    pc_str_clear(&text);
    return status;
}

/* Another key for a picture with noise. */
static void add_noise_to_key(char key[PC_PICTURE_KEY], const pc_view *view)
{
    char noisy[PC_PICTURE_KEY + 64];
    int length = snprintf(noisy, sizeof noisy, "%s %d %llu", key, view->noise, (unsigned long long)view->seed);
    pc_sha256(noisy, (size_t)length, key);
}

/* And for one that was looked at with a question in mind. */
static void add_question_to_key(char key[PC_PICTURE_KEY], const pc_ids *question)
{
    char ids[65], asked[PC_PICTURE_KEY + 128];
    pc_sha256(question->data, question->count * sizeof *question->data, ids);
    int length = snprintf(asked, sizeof asked, "%s asked %s", key, ids);
    pc_sha256(asked, (size_t)length, key);
}

/* --- misses --- */

/* How a picture is looked at. */
typedef struct look {
    const pc_view *view;
    const pc_ids *question;
} look;

static pc_status encode(pc_pictures *pictures, const pc_image *image, const look *how, pc_picture *out)
{
    const pc_view *view = how->view;
    float *pixels = NULL;
    PC_TRY(pc_model_prepare(pictures->model, image, &pixels, &out->tiling));
    if (view && view->noise) {
        const pc_image_tiling *t = &out->tiling;
        size_t count = (size_t)t->count * 3 * (size_t)t->height * (size_t)t->width + pc_model_detail_pixels(pictures->model);
        pc_noise_add(pixels, count, view->noise - 1, view->seed);
    }
    pc_status status = pc_session_see_asked(pictures->session, pixels, &out->tiling, how->question, &out->soft, &out->tokens);
    pc_free(pixels);
    return status;
}

static pc_status load_and_encode(pc_pictures *pictures, const pc_answer_media *media, const look *how,
                                 pc_picture *out)
{
    if (media->image) {
        return encode(pictures, media->image, how, out);
    }
    pc_image *image = NULL;
    PC_TRY(pc_image_load(&image, media->path, NULL));
    pc_status status = encode(pictures, image, how, out);
    pc_image_free(image);
    return status;
}

static pc_status add(pc_pictures *pictures, const pc_answer_media *media, const look *how, const char *key,
                     const pc_picture **out)
{
    pc_picture *picture = NULL;
    PC_TRY(pc_grow(&pictures->items, &pictures->capacity, pictures->count + 1,
                   sizeof *pictures->items, "pictures"));
    PC_TRY(PC_NEW(picture, "a picture"));
    pc_status status = load_and_encode(pictures, media, how, picture);
    if (status != PC_OK) {
        pc_free(picture);
        return status;
    }
    memcpy(picture->key, key, PC_PICTURE_KEY);
    picture->serial = ++pictures->serials;
    picture->used = pictures->round;
    pictures->items[pictures->count++] = picture;
    while (bytes_kept(pictures) > BUDGET && drop_oldest(pictures)) {
    }
    *out = picture;
    return PC_OK;
}

pc_status pc_pictures_get(pc_pictures *pictures, const pc_answer_media *media, const pc_view *view,
                          const pc_ids *question, const pc_picture **out)
{
    const look how = {view, question};
    char key[PC_PICTURE_KEY] = {0};
    *out = NULL;
    if (media->image) {
        key_of_pixels(key, media->image);
    } else {
        PC_TRY(key_of_file(key, media->path));
    }
    if (view && view->noise) {
        add_noise_to_key(key, view);
    }
    if (question && question->count) {
        add_question_to_key(key, question);
    }
    for (size_t i = 0; i < pictures->count; i++) {
        if (strcmp(pictures->items[i]->key, key) == 0) {
            pictures->items[i]->used = pictures->round;
            *out = pictures->items[i];
            return PC_OK;
        }
    }
    return add(pictures, media, &how, key, out);
}
