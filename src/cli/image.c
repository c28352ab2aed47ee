/* `percept image`: decode a picture or an animation, perhaps resize it, and write its pixels as .npy. */
#include "base/memory.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/options.h"
#include "media/decode.h"
#include "media/tiles.h"
#include "store/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct image_options {
    char *resize, *out, *recipe;
    int filter; /* index into filter_names */
    int64_t frames;
    bool no_orient;
    int width, height; /* of resize; 0 = keep */
} image_options;

/* In the order of pc_image_filter, but the default first. */
static const char *const filter_names[] = {"bicubic", "nearest", "bilinear", "lanczos", "box", "hamming", NULL};

#define FIELD(key, kind, standard, least, most, text)                                                             \
    {.name = #key, .type = kind, .offset = offsetof(image_options, key), .fallback = standard, .low = least, .high = most, \
     .help = text}
static const pc_field fields[] = {
    FIELD(resize, PC_FIELD_TEXT, NULL, 0, 0, "WxH: resample to W x H pixels"),
    {.name = "filter", .type = PC_FIELD_CHOICE, .offset = offsetof(image_options, filter), .choices = filter_names,
     .help = "how --resize resamples"},
    FIELD(recipe, PC_FIELD_TEXT, NULL, 0, 0,
          "instead: what a model with this preprocessor_config.json sees, f32 [3,Y,X] or tiles [N,3,Y,X]"),
    FIELD(frames, PC_FIELD_INT, "0", 0, PC_IMAGE_MAX_FRAMES,
          "read the first N pictures of an animation or pages: pixels u8 [N,Y,X,3]; 0 = only the first, [Y,X,3]"),
    FIELD(no_orient, PC_FIELD_BOOL, "false", 0, 0, "leave the picture as stored, whatever its EXIF orientation"),
    FIELD(out, PC_FIELD_TEXT, NULL, 0, 0, "write the pixels to this .npy file"),
};
#undef FIELD

static pc_status parse_size(image_options *o)
{
    char *end = NULL;
    long w = strtol(o->resize, &end, 10);
    const char *second = *end == 'x' ? end + 1 : o->resize;
    long h = strtol(second, &end, 10);
    if (second == o->resize || *end || w < 1 || h < 1 || w > PC_IMAGE_MAX_SIDE || h > PC_IMAGE_MAX_SIDE) {
        return pc_fail(PC_ERR_USAGE, "--resize: expected WxH with sides from 1 to %d, found '%s'", PC_IMAGE_MAX_SIDE,
                       o->resize);
    }
    o->width = (int)w;
    o->height = (int)h;
    return PC_OK;
}

static pc_status check_options(image_options *o)
{
    if (o->recipe && o->resize) {
        return pc_fail(PC_ERR_USAGE, "--recipe and --resize exclude each other");
    }
    return o->resize ? parse_size(o) : PC_OK;
}

static pc_status resize_frames(const image_options *o, pc_image_frames *frames)
{
    pc_image_filter filter = (pc_image_filter)pc_image_filter_from_name(filter_names[o->filter]);
    for (int i = 0; i < frames->count && o->width; i++) {
        pc_image *resized = NULL;
        PC_TRY(pc_image_resize(&resized, frames->images[i], o->width, o->height, filter));
        pc_image_free(frames->images[i]);
        frames->images[i] = resized;
    }
    return PC_OK;
}

/* One array holds pictures of one size only. */
static pc_status check_sizes(const pc_image_frames *frames)
{
    for (int i = 1; i < frames->count; i++) {
        const pc_image *a = frames->images[0];
        const pc_image *b = frames->images[i];
        if (a->width != b->width || a->height != b->height) {
            return pc_fail(PC_ERR_DATA, "picture %d is %d x %d, the first %d x %d: one array can't hold both (--resize)", i + 1,
                           b->width, b->height, a->width, a->height);
        }
    }
    return PC_OK;
}

static void print_frames(const image_options *o, const pc_image_frames *frames)
{
    for (int i = 0; i < frames->count; i++) {
        printf("%d x %d", frames->images[i]->width, frames->images[i]->height);
        if (frames->milliseconds[i] > 0 && o->frames) {
            printf(", %d ms", frames->milliseconds[i]);
        }
        putchar('\n');
    }
    if (frames->more) {
        printf("there are more\n");
    }
}

static pc_status write_pixels(const image_options *o, const pc_image_frames *frames)
{
    const pc_image *first = frames->images[0];
    const int64_t shape[4] = {frames->count, first->height, first->width, 3};
    size_t size = (size_t)first->width * (size_t)first->height * 3;
    uint8_t *all = NULL;
    print_frames(o, frames);
    if (!o->out) {
        return PC_OK;
    }
    if (!o->frames) {
        return pc_npy_write(o->out, PC_U8, shape + 1, 3, first->pixels);
    }
    PC_TRY(check_sizes(frames));
    PC_TRY(PC_NEW_ARRAY(all, size * (size_t)frames->count, "the pixels of an animation"));
    for (int i = 0; i < frames->count; i++) {
        memcpy(all + size * (size_t)i, frames->images[i]->pixels, size);
    }
    pc_status status = pc_npy_write(o->out, PC_U8, shape, 4, all);
    pc_free(all);
    return status;
}

static void print_tiling(const pc_image_tiling *plan)
{
    if (plan->rows > 0) {
        printf("%d tiles of %d x %d: the whole picture, then %d x %d\n", plan->count, plan->width, plan->height,
               plan->columns, plan->rows);
    } else {
        printf("%d x %d\n", plan->width, plan->height);
    }
}

/* Frames come as [N,3,Y,X], too; tiles of several frames would need one axis more. */
static pc_status write_recipe(const image_options *o, const pc_image_frames *frames)
{
    enum { LIMIT = 1 << 20 };
    pc_status status = PC_OK;
    pc_image_recipe recipe;
    pc_image_tiling plan;
    pc_json *json = NULL;
    float *numbers = NULL;
    PC_GO(pc_json_read(&json, o->recipe, LIMIT));
    PC_GO(pc_image_recipe_from_json(&recipe, json, o->recipe));
    if (o->frames && (recipe.grid_count || recipe.tile_side)) {
        PC_GO(pc_fail(PC_ERR_USAGE, "--frames: this recipe cuts each picture into tiles; give one picture"));
    }
    PC_GO(check_sizes(frames));
    PC_GO(pc_image_tiling_plan(&plan, &recipe, frames->images[0]->width, frames->images[0]->height));
    size_t size = (size_t)plan.count * (size_t)plan.width * (size_t)plan.height * 3;
    PC_GO(PC_NEW_ARRAY(numbers, size * (size_t)frames->count, "the numbers of a picture"));
    for (int i = 0; i < frames->count; i++) {
        PC_GO(pc_image_tiles_apply(&recipe, frames->images[i], numbers + size * (size_t)i));
        print_tiling(&plan);
    }
    if (o->out) {
        const int64_t shape[4] = {plan.count * frames->count, 3, plan.height, plan.width};
        bool one = !o->frames && !recipe.grid_count && !recipe.tile_side;
        PC_GO(pc_npy_write(o->out, PC_F32, one ? shape + 1 : shape, one ? 3 : 4, numbers));
    }
done:
    pc_free(numbers);
    pc_json_free(json);
    return status;
}

static pc_status work(image_options *o, const char *path)
{
    pc_image_frames frames = {0};
    pc_status status = PC_OK;
    const pc_image_limits limits = {.as_stored = o->no_orient, .max_frames = o->frames ? (int)o->frames : 1};
    PC_TRY(check_options(o));
    PC_GO(pc_image_load_frames(&frames, path, &limits));
    PC_GO(resize_frames(o, &frames));
    status = o->recipe ? write_recipe(o, &frames) : write_pixels(o, &frames);
done:
    pc_image_frames_clear(&frames);
    return status;
}

static pc_status describe(pc_str *usage)
{
    PC_TRY(pc_str_puts(usage, "percept image FILE [OPTION]...\n\nDecodes a picture ("));
    for (int i = 0; pc_image_format(i); i++) {
        PC_TRY(pc_str_puts(usage, i ? ", " : ""));
        PC_TRY(pc_str_puts(usage, pc_image_format(i)));
    }
    return pc_str_puts(usage, ") to upright 8-bit RGB and prints its size.");
}

static pc_status run(int argc, char **argv)
{
    image_options o = {0};
    pc_arguments arguments = {0};
    pc_str usage = {0};
    pc_options spec = {.fields = {fields, sizeof fields / sizeof fields[0]}, .min_arguments = 1, .max_arguments = 1};
    pc_status status = describe(&usage);
    if (status == PC_OK) {
        spec.usage = usage.data;
        status = pc_options_parse(&spec, &o, &arguments, argc, argv);
    }
    if (status == PC_OK && !arguments.help) {
        status = work(&o, arguments.items[0]);
    }
    pc_fields_clear(&spec.fields, &o);
    pc_str_clear(&usage);
    return status;
}

const pc_command pc_command_image = {.name = "image", .summary = "decode a picture to pixels", .run = run};
