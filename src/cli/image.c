/* `percept image`: decode a picture, perhaps resize it, and write its pixels as .npy. */
#include "base/memory.h"
#include "base/str.h"
#include "cli/command.h"
#include "media/decode.h"
#include "media/recipe.h"
#include "store/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: percept image FILE [OPTION]...\n\n"
    "Decodes a picture (JPEG, PNG) to 8-bit RGB and prints its size.\n\n"
    "  --resize WxH      resample to W x H pixels\n"
    "  --filter NAME     nearest, bilinear, bicubic (default), lanczos, box, hamming\n"
    "  --recipe F        instead: what a model with this preprocessor_config.json sees, f32 [3,Y,X]\n"
    "  --no-orient       leave the picture as stored, whatever its EXIF orientation\n"
    "  --out F.npy       write the pixels, u8 [Y,X,3]\n";

typedef struct options {
    const char *input, *out, *recipe;
    int width, height; /* 0 = keep */
    pc_image_filter filter;
    bool as_stored, help;
} options;

/* '-' and '_' are equal in option names. */
static bool is_option(const char *argument, const char *name)
{
    while (*argument && (*argument == '_' ? '-' : *argument) == *name) {
        argument++;
        name++;
    }
    return !*argument && !*name;
}

static bool parse_size(const char *text, int *width, int *height)
{
    char *end = NULL;
    long w = strtol(text, &end, 10);
    if (end == text || *end != 'x') {
        return false;
    }
    const char *second = end + 1;
    long h = strtol(second, &end, 10);
    if (end == second || *end || w < 1 || h < 1 || w > PC_IMAGE_MAX_SIDE || h > PC_IMAGE_MAX_SIDE) {
        return false;
    }
    *width = (int)w;
    *height = (int)h;
    return true;
}

static pc_status set_option(options *o, const char *name, const char *value)
{
    if (is_option(name, "--out")) {
        o->out = value;
    } else if (is_option(name, "--recipe")) {
        o->recipe = value;
    } else if (is_option(name, "--resize")) {
        if (!parse_size(value, &o->width, &o->height)) {
            return pc_fail(PC_ERR_USAGE, "--resize: expected WxH with sides from 1 to %d, found '%s'",
                           PC_IMAGE_MAX_SIDE, value);
        }
    } else {
        int filter = pc_image_filter_from_name(value);
        if (filter < 0) {
            return pc_fail(PC_ERR_USAGE, "--filter: '%s' is none of nearest, bilinear, bicubic, lanczos, box, hamming",
                           value);
        }
        o->filter = (pc_image_filter)filter;
    }
    return PC_OK;
}

static pc_status parse_options(options *o, int argc, char **argv)
{
    static const char *const with_value[] = {"--out", "--recipe", "--resize", "--filter"};
    for (int i = 1; i < argc; i++) {
        const char *name = NULL;
        for (size_t k = 0; k < sizeof with_value / sizeof with_value[0]; k++) {
            name = is_option(argv[i], with_value[k]) ? with_value[k] : name;
        }
        if (name) {
            if (i + 1 == argc) {
                return pc_fail(PC_ERR_USAGE, "%s needs a value", name);
            }
            PC_TRY(set_option(o, name, argv[++i]));
        } else if (is_option(argv[i], "--no-orient")) {
            o->as_stored = true;
        } else if (is_option(argv[i], "--help") || is_option(argv[i], "-h")) {
            o->help = true;
        } else if (argv[i][0] == '-' && argv[i][1]) {
            return pc_fail(PC_ERR_USAGE, "there is no option %s; `percept image --help` lists them", argv[i]);
        } else if (o->input) {
            return pc_fail(PC_ERR_USAGE, "one picture at a time: found '%s' and '%s'", o->input, argv[i]);
        } else {
            o->input = argv[i];
        }
    }
    if (!o->help && !o->input) {
        return pc_fail(PC_ERR_USAGE, "which picture? usage: percept image FILE --out F.npy");
    }
    if (o->recipe && o->width) {
        return pc_fail(PC_ERR_USAGE, "--recipe and --resize exclude each other");
    }
    return PC_OK;
}

static pc_status write_pixels(const options *o, const pc_image *image)
{
    const int64_t shape[3] = {image->height, image->width, 3};
    printf("%d x %d\n", image->width, image->height);
    return o->out ? pc_npy_write(o->out, PC_U8, shape, 3, image->pixels) : PC_OK;
}

static pc_status write_recipe(const options *o, const pc_image *image)
{
    enum { LIMIT = 1 << 20 };
    pc_status status = PC_OK;
    pc_image_recipe recipe;
    pc_json *json = NULL;
    float *numbers = NULL;
    int width, height;
    PC_GO(pc_json_read(&json, o->recipe, LIMIT));
    PC_GO(pc_image_recipe_from_json(&recipe, json, o->recipe));
    PC_GO(pc_image_recipe_size(&recipe, image->width, image->height, &width, &height));
    PC_GO(PC_NEW_ARRAY(numbers, (size_t)width * (size_t)height * 3, "the numbers of a picture"));
    PC_GO(pc_image_recipe_apply(&recipe, image, numbers));
    printf("%d x %d\n", width, height);
    if (o->out) {
        PC_GO(pc_npy_write(o->out, PC_F32, (const int64_t[3]){3, height, width}, 3, numbers));
    }
done:
    pc_free(numbers);
    pc_json_free(json);
    return status;
}

static pc_status run(int argc, char **argv)
{
    options o = {.filter = PC_FILTER_BICUBIC};
    pc_status status = PC_OK;
    pc_image *image = NULL;
    pc_image *resized = NULL;
    PC_TRY(parse_options(&o, argc, argv));
    if (o.help) {
        fputs(help, stdout);
        return PC_OK;
    }
    PC_GO(pc_image_load(&image, o.input, &(pc_image_limits){.as_stored = o.as_stored}));
    if (o.recipe) {
        PC_GO(write_recipe(&o, image));
    } else if (o.width) {
        PC_GO(pc_image_resize(&resized, image, o.width, o.height, o.filter));
        PC_GO(write_pixels(&o, resized));
    } else {
        PC_GO(write_pixels(&o, image));
    }
done:
    pc_image_free(image);
    pc_image_free(resized);
    return status;
}

const pc_command pc_command_image = {.name = "image", .summary = "decode a picture to pixels", .run = run};
