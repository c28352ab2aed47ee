/* preprocessor_config.json <-> pc_image_recipe.
 *
 * A file names the class that wrote it, and that class supplies what the file leaves out; the table below holds the
 * defaults of those whose steps are ours. Older files write "size": 224 where newer ones write an object, and what the
 * number means depends on the class, too. Source: transformers, models/<name>/image_processing_*.py and
 * image_processing_utils.py (get_size_dict).
 */
#include "base/log.h"
#include "base/memory.h"
#include "media/recipe.h"

#include <math.h>
#include <string.h>

typedef struct processor {
    const char *name; /* image_processor_type without "ImageProcessor", "FeatureExtractor", "Fast", "Pil" */
    int side;         /* default size ... */
    bool square;      /* ... of both sides, not of the shorter one */
    bool int_square;  /* a plain number as "size" means both sides */
    int crop;         /* default centre crop; 0 = none */
    bool standard;    /* mean and deviation 0.5 instead of CLIP's */
    pc_image_filter filter;
    bool pads;        /* do_pad = pad to a square before resizing */
    bool native;      /* sizes are numbers of pixels: PC_SIZE_PIXELS */
    bool cuts;        /* "size" is the longest edge, "max_image_size" the side of a tile */
    bool tiles;       /* has image_grid_pinpoints; do_pad fills up a batch and changes no picture */
} processor;

static const processor processors[] = {
    {.name = "CLIP", .side = 224, .crop = 224, .filter = PC_FILTER_BICUBIC}, /* first: when a file names none */
    {.name = "Llava", .side = 224, .crop = 224, .filter = PC_FILTER_BICUBIC, .pads = true},
    {.name = "LlavaNext", .side = 224, .crop = 224, .filter = PC_FILTER_BICUBIC, .tiles = true},
    {.name = "Qwen2VL", .side = 224, .filter = PC_FILTER_BICUBIC, .native = true},
    {.name = "Idefics3", .side = 1456, .crop = 0, .standard = true, .filter = PC_FILTER_LANCZOS, .cuts = true},
    {.name = "SmolVLM", .side = 1456, .crop = 0, .standard = true, .filter = PC_FILTER_LANCZOS, .cuts = true},
    {.name = "MplugOwl", .side = 224, .crop = 224, .filter = PC_FILTER_BICUBIC},
    {.name = "Idefics", .side = 224, .square = true, .int_square = true, .filter = PC_FILTER_BICUBIC},
    {.name = "ChineseCLIP", .side = 224, .crop = 224, .filter = PC_FILTER_BICUBIC},
    {.name = "Bit", .side = 224, .crop = 224, .filter = PC_FILTER_BICUBIC},
    {.name = "Siglip", .side = 224, .square = true, .standard = true, .filter = PC_FILTER_BICUBIC},
    {.name = "Blip", .side = 384, .square = true, .int_square = true, .filter = PC_FILTER_BICUBIC},
    {.name = "ViT", .side = 224, .square = true, .int_square = true, .standard = true, .filter = PC_FILTER_BILINEAR},
};

enum { PROCESSORS = sizeof processors / sizeof processors[0] };

/* Read below, or without effect on pixels. */
static const char *const known_keys[] = {
    "do_pad", "do_resize", "size", "default_to_square", "resample", "do_center_crop", "crop_size", "do_rescale",
    "rescale_factor", "do_normalize", "image_mean", "image_std", "do_convert_rgb", "image_processor_type",
    "feature_extractor_type", "processor_class", "auto_map", "data_format", "input_data_format", "device",
    "disable_grouping", "return_tensors", "_valid_processor_keys", "image_seq_length", "image_seq_len", "use_fast",
    "backend", "image_grid_pinpoints", "image_size", "image_num_channels", NULL,
};

/* These change pixels in ways that are not known here; fine only when null or false. So is every unknown "do_...". */
static const char *const native_keys[] = {"patch_size", "merge_size", "temporal_patch_size", "min_pixels", "max_pixels", NULL};

static const char *const cutting_keys[] = {"max_image_size", "do_image_splitting", "return_row_col_info", "video_sampling", NULL};

static const char *const refused_keys[] = {
    "pad_size", "size_divisor", "crop_pct", "rescale_offset", "offset", "patch_size",
    "merge_size", "temporal_patch_size", "min_pixels", "max_pixels", "max_image_size", "max_size", "max_patches",
    "num_image_splits", NULL,
};

static bool is_in(const char *const *list, const char *key)
{
    while (*list && strcmp(*list, key) != 0) {
        list++;
    }
    return *list != NULL;
}

static bool is_off(const pc_json *value)
{
    return pc_json_is_null(value) || (pc_json_is_bool(value) && !pc_json_bool(value, false));
}

static pc_status check_keys(const pc_json *json, const processor *p, const char *where)
{
    for (void *it = pc_json_first(json); it; it = pc_json_next(json, it)) {
        const char *key = pc_json_key(it);
        if (is_in(known_keys, key) || (p->native && is_in(native_keys, key)) ||
            (p->cuts && is_in(cutting_keys, key)) || is_off(pc_json_value(it))) {
            continue;
        }
        if (is_in(refused_keys, key) || strncmp(key, "do_", 3) == 0) {
            return pc_fail(PC_ERR_DATA, "%s: key %s asks for a step that image recipes don't have", where, key);
        }
        pc_log(PC_LOG_WARNING, "%s: key %s is not known and has no effect", where, key);
    }
    return PC_OK;
}

static size_t stem_length(const char *type)
{
    static const char *const endings[] = {"Fast", "Pil", "ImageProcessor", "FeatureExtractor"};
    size_t length = strlen(type);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t ending = strlen(endings[i]);
        if (length > ending && strncmp(type + length - ending, endings[i], ending) == 0) {
            length -= ending;
        }
    }
    return length;
}

static pc_status find_processor(const processor **out, const pc_json *json, const char *where)
{
    const char *key = "image_processor_type";
    if (pc_json_is_null(pc_json_get(json, key))) {
        key = "feature_extractor_type";
    }
    const pc_json *value = pc_json_get(json, key);
    *out = &processors[0];
    if (pc_json_is_null(value)) {
        return PC_OK;
    }
    const char *type = pc_json_text(value);
    if (!type) {
        return pc_fail(PC_ERR_DATA, "%s: key %s must be text", where, key);
    }
    size_t length = stem_length(type);
    for (int i = 0; i < PROCESSORS; i++) {
        if (strlen(processors[i].name) == length && strncmp(processors[i].name, type, length) == 0) {
            *out = &processors[i];
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_DATA, "%s: key %s: \"%.64s\" is not a known image processor", where, key, type);
}

static void take_defaults(pc_image_recipe *recipe, const processor *p)
{
    pc_image_recipe_default(recipe);
    recipe->sizing = p->square ? PC_SIZE_EXACT : PC_SIZE_SHORTEST;
    recipe->size[0] = p->side;
    recipe->size[1] = p->square ? p->side : 0;
    recipe->resample = p->filter;
    recipe->do_center_crop = p->crop > 0;
    recipe->crop_height = recipe->crop_width = p->crop > 0 ? p->crop : p->side;
    if (p->native) {
        recipe->sizing = PC_SIZE_PIXELS;
        recipe->patch = 14;
        recipe->merge = 2;
        recipe->size[0] = 56 * 56;
        recipe->size[1] = 28 * 28 * 1280;
    }
    if (p->cuts) {
        recipe->tile_side = 364;
        recipe->do_split = true;
    }
    for (int c = 0; c < 3 && p->standard; c++) {
        recipe->mean[c] = recipe->std[c] = 0.5;
    }
}

/* Absent and null leave *out as it is, in this and the next ones. */
static pc_status read_bool(bool *out, const pc_json *json, const char *key, const char *where)
{
    const pc_json *value = pc_json_get(json, key);
    if (!pc_json_is_null(value) && !pc_json_is_bool(value)) {
        return pc_fail(PC_ERR_DATA, "%s: key %s must be true or false", where, key);
    }
    *out = pc_json_bool(value, *out);
    return PC_OK;
}

static pc_status take_side(int *out, const pc_json *value, const char *key, const char *where)
{
    int64_t side = pc_json_integer(value, 0);
    if (!pc_json_is_integer(value) || side < 1 || side > PC_IMAGE_MAX_SIDE) {
        return pc_fail(PC_ERR_DATA, "%s: key %s: sides must be whole numbers from 1 to %d", where, key,
                       PC_IMAGE_MAX_SIDE);
    }
    *out = (int)side;
    return PC_OK;
}

/* The two sides of an object with exactly these keys; *fits tells whether it has them. */
static pc_status take_sides(int sides[2], bool *fits, const pc_json *object, const char *const names[2],
                            const char *key, const char *where)
{
    size_t present = 0;
    for (void *it = pc_json_first(object); it; it = pc_json_next(object, it)) {
        present += !pc_json_is_null(pc_json_value(it));
    }
    *fits = present == (names[1] ? 2 : 1);
    for (int i = 0; i < 2 && names[i]; i++) {
        *fits = *fits && !pc_json_is_null(pc_json_get(object, names[i]));
    }
    sides[0] = sides[1] = 0;
    for (int i = 0; i < 2 && names[i] && *fits; i++) {
        PC_TRY(take_side(&sides[i], pc_json_get(object, names[i]), key, where));
    }
    return PC_OK;
}

static const char *const height_width[2] = {"height", "width"};

/* "size": an object in one of four forms, [height, width], or one number. */
static pc_status read_size(pc_image_recipe *recipe, const pc_json *json, bool int_square, const char *where)
{
    static const struct { pc_image_sizing sizing; const char *names[2]; } forms[] = {
        {PC_SIZE_SHORTEST, {"shortest_edge", NULL}},
        {PC_SIZE_EXACT, {"height", "width"}},
        {PC_SIZE_RANGE, {"shortest_edge", "longest_edge"}},
        {PC_SIZE_WITHIN, {"max_height", "max_width"}},
    };
    const pc_json *size = pc_json_get(json, "size");
    size = pc_json_is_null(size) ? pc_json_get(json, "image_size") : size; /* IDEFICS */
    if (pc_json_is_null(size)) {
        return PC_OK;
    }
    if (pc_json_is_array(size) && pc_json_length(size) == 2) {
        recipe->sizing = PC_SIZE_EXACT;
        PC_TRY(take_side(&recipe->size[0], pc_json_at(size, 0), "size", where));
        return take_side(&recipe->size[1], pc_json_at(size, 1), "size", where);
    }
    if (pc_json_is_number(size)) {
        recipe->sizing = int_square ? PC_SIZE_EXACT : PC_SIZE_SHORTEST;
        PC_TRY(take_side(&recipe->size[0], size, "size", where));
        recipe->size[1] = int_square ? recipe->size[0] : 0;
        return PC_OK;
    }
    for (size_t i = 0; i < sizeof forms / sizeof forms[0] && pc_json_is_object(size); i++) {
        bool fits = false;
        int sides[2];
        PC_TRY(take_sides(sides, &fits, size, forms[i].names, "size", where));
        if (fits) {
            recipe->sizing = forms[i].sizing;
            memcpy(recipe->size, sides, sizeof sides);
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_DATA, "%s: key size must be a number or have the keys shortest_edge, shortest_edge and "
                                "longest_edge, height and width, or max_height and max_width", where);
}

/* The first of these keys that is there. */
static pc_status take_count(int *out, const pc_json *json, const char *const keys[], int64_t most, const char *where)
{
    for (; *keys; keys++) {
        const pc_json *value = pc_json_get(json, *keys);
        if (pc_json_is_null(value)) {
            continue;
        }
        int64_t number = pc_json_integer(value, 0);
        if (!pc_json_is_integer(value) || number < 1 || number > most) {
            return pc_fail(PC_ERR_DATA, "%s: key %s must be a whole number from 1 to %lld", where, *keys, (long long)most);
        }
        *out = (int)number;
        return PC_OK;
    }
    return PC_OK;
}

/* Numbers of pixels: min_pixels and max_pixels count more than "size", whatever it calls them. */
static pc_status read_native_size(pc_image_recipe *recipe, const pc_json *json, const char *where)
{
    static const int64_t MOST_PIXELS = 1 << 30;
    static const char *const low[] = {"min_pixels", NULL}, *const high[] = {"max_pixels", NULL};
    static const char *const lows[] = {"min_pixels", "shortest_edge", NULL}, *const highs[] = {"max_pixels", "longest_edge", NULL};
    static const char *const patch[] = {"patch_size", NULL}, *const merge[] = {"merge_size", NULL};
    const pc_json *size = pc_json_get(json, "size");
    PC_TRY(take_count(&recipe->patch, json, patch, 1024, where));
    PC_TRY(take_count(&recipe->merge, json, merge, 16, where));
    PC_TRY(take_count(&recipe->size[0], size, lows, MOST_PIXELS, where));
    PC_TRY(take_count(&recipe->size[1], size, highs, MOST_PIXELS, where));
    PC_TRY(take_count(&recipe->size[0], json, low, MOST_PIXELS, where));
    return take_count(&recipe->size[1], json, high, MOST_PIXELS, where);
}

/* {"longest_edge": a} */
static pc_status read_longest(int *out, const pc_json *json, const char *key, const char *where)
{
    const pc_json *size = pc_json_get(json, key);
    if (pc_json_is_null(size)) {
        return PC_OK;
    }
    return take_side(out, pc_json_get(size, "longest_edge"), key, where);
}

static pc_status read_cutting(pc_image_recipe *recipe, const pc_json *json, const char *where)
{
    PC_TRY(read_longest(&recipe->size[0], json, "size", where));
    PC_TRY(read_longest(&recipe->tile_side, json, "max_image_size", where));
    return read_bool(&recipe->do_split, json, "do_image_splitting", where);
}

static pc_status read_crop_size(pc_image_recipe *recipe, const pc_json *json, const char *where)
{
    const pc_json *size = pc_json_get(json, "crop_size");
    bool fits = false;
    int sides[2] = {0, 0};
    if (pc_json_is_null(size)) {
        return PC_OK;
    }
    if (pc_json_is_number(size)) {
        PC_TRY(take_side(&sides[0], size, "crop_size", where));
        sides[1] = sides[0];
        fits = true;
    } else if (pc_json_is_object(size)) {
        PC_TRY(take_sides(sides, &fits, size, height_width, "crop_size", where));
    }
    if (!fits) {
        return pc_fail(PC_ERR_DATA, "%s: key crop_size must be a number or have the keys height and width", where);
    }
    recipe->crop_height = sides[0];
    recipe->crop_width = sides[1];
    return PC_OK;
}

static pc_status read_resample(pc_image_recipe *recipe, const pc_json *json, const char *where)
{
    const pc_json *value = pc_json_get(json, "resample");
    if (pc_json_is_null(value)) {
        return PC_OK;
    }
    int64_t filter = pc_json_integer(value, -1);
    if (!pc_json_is_integer(value) || filter < 0 || filter >= PC_FILTER_COUNT) {
        return pc_fail(PC_ERR_DATA, "%s: key resample must be a whole number from 0 to %d", where, PC_FILTER_COUNT - 1);
    }
    recipe->resample = (pc_image_filter)filter;
    return PC_OK;
}

/* One number for all channels, or a list of three. `low`: what they must exceed. */
static pc_status read_channels(double out[3], const pc_json *json, const char *key, double low, const char *where)
{
    const pc_json *value = pc_json_get(json, key);
    if (pc_json_is_null(value)) {
        return PC_OK;
    }
    for (int c = 0; c < 3; c++) {
        const pc_json *number = pc_json_is_array(value) ? pc_json_at(value, (size_t)c) : value;
        double x = pc_json_number(number, NAN);
        if (!pc_json_is_number(number) || !(x > low) || !(fabs(x) <= 1e6) ||
            (pc_json_is_array(value) && pc_json_length(value) != 3)) {
            return pc_fail(PC_ERR_DATA, "%s: key %s must be one number or three%s", where, key,
                           low >= 0 ? ", greater than 0" : "");
        }
        out[c] = x;
    }
    return PC_OK;
}

static pc_status read_rescale_factor(pc_image_recipe *recipe, const pc_json *json, const char *where)
{
    const pc_json *value = pc_json_get(json, "rescale_factor");
    double factor = pc_json_number(value, recipe->rescale_factor);
    if (!pc_json_is_null(value) && (!pc_json_is_number(value) || !(fabs(factor) > 0 && fabs(factor) <= 1e6))) {
        return pc_fail(PC_ERR_DATA, "%s: key rescale_factor must be a number other than 0", where);
    }
    recipe->rescale_factor = factor;
    return PC_OK;
}

/* What LlavaNextImageProcessor has when its file says nothing. */
static void take_default_grids(pc_image_recipe *recipe)
{
    static const int standard[][2] = {{336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}};
    recipe->grid_count = sizeof standard / sizeof standard[0];
    memcpy(recipe->grid, standard, sizeof standard);
}

/* A list of [height, width]. */
static pc_status read_grids(pc_image_recipe *recipe, const pc_json *json, const processor *p, const char *where)
{
    static const char key[] = "image_grid_pinpoints";
    const pc_json *value = pc_json_get(json, key);
    size_t count = pc_json_length(value);
    if (p->tiles) {
        take_default_grids(recipe);
    }
    if (pc_json_is_null(value)) {
        return PC_OK;
    }
    if (!p->tiles) {
        return pc_fail(PC_ERR_DATA, "%s: key %s belongs to LlavaNextImageProcessor, not to %sImageProcessor", where, key,
                       p->name);
    }
    if (!pc_json_is_array(value) || count < 1 || count > PC_IMAGE_MAX_GRIDS) {
        return pc_fail(PC_ERR_DATA, "%s: key %s must be a list of 1 to %d pairs [height, width]", where, key,
                       PC_IMAGE_MAX_GRIDS);
    }
    for (size_t i = 0; i < count; i++) {
        const pc_json *pair = pc_json_at(value, i);
        if (!pc_json_is_array(pair) || pc_json_length(pair) != 2) {
            return pc_fail(PC_ERR_DATA, "%s: key %s: item %zu is no pair [height, width]", where, key, i);
        }
        PC_TRY(take_side(&recipe->grid[i][0], pc_json_at(pair, 0), key, where));
        PC_TRY(take_side(&recipe->grid[i][1], pc_json_at(pair, 1), key, where));
    }
    recipe->grid_count = (int)count;
    return PC_OK;
}

static pc_status read_padding(pc_image_recipe *recipe, const pc_json *json, const processor *p, const char *where)
{
    bool fills_batch = true;
    if (p->tiles || p->cuts) {
        return read_bool(&fills_batch, json, "do_pad", where);
    }
    PC_TRY(read_bool(&recipe->pad_square, json, "do_pad", where));
    if (recipe->pad_square && !p->pads) {
        return pc_fail(PC_ERR_DATA, "%s: key do_pad: only LlavaImageProcessor's padding to a square is known", where);
    }
    for (int c = 0; c < 3 && recipe->pad_square; c++) {
        if (recipe->mean[c] < 0 || recipe->mean[c] > 1) {
            return pc_fail(PC_ERR_DATA, "%s: key do_pad: the colour 255 * image_mean is outside 0..255", where);
        }
    }
    return PC_OK;
}

static pc_status read_layout(const pc_json *json, const char *where)
{
    const pc_json *value = pc_json_get(json, "data_format");
    const char *text = pc_json_text(value);
    if (!pc_json_is_null(value) && (!text || strcmp(text, "channels_first") != 0)) {
        return pc_fail(PC_ERR_DATA, "%s: key data_format must be channels_first", where);
    }
    return PC_OK;
}

pc_status pc_image_recipe_from_json(pc_image_recipe *recipe, const pc_json *json, const char *where)
{
    const processor *p = NULL;
    pc_image_recipe r;
    if (!pc_json_is_object(json)) {
        return pc_fail(PC_ERR_DATA, "%s: expected a JSON object", where);
    }
    PC_TRY(find_processor(&p, json, where));
    PC_TRY(check_keys(json, p, where));
    take_defaults(&r, p);
    bool int_square = p->int_square;
    bool convert = true; /* every picture is RGB by now: only the type is checked */
    PC_TRY(read_bool(&convert, json, "do_convert_rgb", where));
    PC_TRY(read_bool(&int_square, json, "default_to_square", where));
    PC_TRY(read_bool(&r.do_resize, json, "do_resize", where));
    PC_TRY(read_bool(&r.do_center_crop, json, "do_center_crop", where));
    PC_TRY(read_bool(&r.do_rescale, json, "do_rescale", where));
    PC_TRY(read_bool(&r.do_normalize, json, "do_normalize", where));
    PC_TRY(read_layout(json, where));
    PC_TRY(p->native ? read_native_size(&r, json, where)
           : p->cuts ? read_cutting(&r, json, where)
                     : read_size(&r, json, int_square, where));
    PC_TRY(read_crop_size(&r, json, where));
    PC_TRY(read_resample(&r, json, where));
    PC_TRY(read_rescale_factor(&r, json, where));
    PC_TRY(read_channels(r.mean, json, "image_mean", -INFINITY, where));
    PC_TRY(read_channels(r.std, json, "image_std", 0, where));
    PC_TRY(read_padding(&r, json, p, where));
    PC_TRY(read_grids(&r, json, p, where));
    *recipe = r;
    return PC_OK;
}

static pc_json *sides_json(const char *first, int a, const char *second, int b)
{
    pc_json *object = pc_json_new_object();
    pc_status status = pc_json_set(object, first, pc_json_new_integer(a));
    if (status == PC_OK && second) {
        status = pc_json_set(object, second, pc_json_new_integer(b));
    }
    if (status != PC_OK) {
        pc_json_free(object);
        return NULL;
    }
    return object;
}

static pc_json *size_json(const pc_image_recipe *recipe)
{
    const int *size = recipe->size;
    if (recipe->tile_side) {
        return sides_json("longest_edge", size[0], NULL, 0);
    }
    switch (recipe->sizing) {
    case PC_SIZE_EXACT: return sides_json("height", size[0], "width", size[1]);
    case PC_SIZE_PIXELS:
    case PC_SIZE_RANGE: return sides_json("shortest_edge", size[0], "longest_edge", size[1]);
    case PC_SIZE_WITHIN: return sides_json("max_height", size[0], "max_width", size[1]);
    case PC_SIZE_SHORTEST: break;
    }
    return sides_json("shortest_edge", size[0], NULL, 0);
}

static pc_json *channels_json(const double values[3])
{
    pc_json *array = pc_json_new_array();
    for (int c = 0; c < 3; c++) {
        if (pc_json_push(array, pc_json_new_number(values[c])) != PC_OK) {
            pc_json_free(array);
            return NULL;
        }
    }
    return array;
}

static pc_json *grids_json(const pc_image_recipe *recipe)
{
    pc_json *array = pc_json_new_array();
    for (int i = 0; i < recipe->grid_count; i++) {
        pc_json *pair = pc_json_new_array();
        pc_status status = pc_json_push(pair, pc_json_new_integer(recipe->grid[i][0]));
        if (status == PC_OK) {
            status = pc_json_push(pair, pc_json_new_integer(recipe->grid[i][1]));
        }
        if (status != PC_OK) {
            pc_json_free(pair);
            pair = NULL;
        }
        if (pc_json_push(array, pair) != PC_OK) {
            pc_json_free(array);
            return NULL;
        }
    }
    return array;
}

/* The class whose steps the recipe has. */
static const char *class_name(const pc_image_recipe *recipe)
{
    if (recipe->grid_count > 0) {
        return "LlavaNextImageProcessor";
    }
    if (recipe->tile_side > 0) {
        return "Idefics3ImageProcessor";
    }
    if (recipe->sizing == PC_SIZE_PIXELS) {
        return "Qwen2VLImageProcessor";
    }
    return recipe->pad_square ? "LlavaImageProcessor" : "CLIPImageProcessor";
}

pc_status pc_image_recipe_to_json(pc_json **out, const pc_image_recipe *recipe)
{
    pc_status status = PC_OK;
    pc_json *json = pc_json_new_object();
    if (!recipe->tile_side) {
        PC_GO(pc_json_set(json, "crop_size", sides_json("height", recipe->crop_height, "width", recipe->crop_width)));
        PC_GO(pc_json_set(json, "do_center_crop", pc_json_new_bool(recipe->do_center_crop)));
    }
    PC_GO(pc_json_set(json, "do_convert_rgb", pc_json_new_bool(true)));
    PC_GO(pc_json_set(json, "do_normalize", pc_json_new_bool(recipe->do_normalize)));
    if (recipe->pad_square) {
        PC_GO(pc_json_set(json, "do_pad", pc_json_new_bool(true)));
    }
    if (recipe->tile_side) {
        PC_GO(pc_json_set(json, "max_image_size", sides_json("longest_edge", recipe->tile_side, NULL, 0)));
        PC_GO(pc_json_set(json, "do_image_splitting", pc_json_new_bool(recipe->do_split)));
    }
    PC_GO(pc_json_set(json, "do_rescale", pc_json_new_bool(recipe->do_rescale)));
    PC_GO(pc_json_set(json, "do_resize", pc_json_new_bool(recipe->do_resize)));
    if (recipe->grid_count > 0) {
        PC_GO(pc_json_set(json, "image_grid_pinpoints", grids_json(recipe)));
    }
    PC_GO(pc_json_set(json, "image_mean", channels_json(recipe->mean)));
    PC_GO(pc_json_set(json, "image_processor_type", pc_json_new_text(class_name(recipe))));
    PC_GO(pc_json_set(json, "image_std", channels_json(recipe->std)));
    if (recipe->sizing == PC_SIZE_PIXELS) {
        PC_GO(pc_json_set(json, "patch_size", pc_json_new_integer(recipe->patch)));
        PC_GO(pc_json_set(json, "merge_size", pc_json_new_integer(recipe->merge)));
        PC_GO(pc_json_set(json, "temporal_patch_size", pc_json_new_integer(2)));
    }
    PC_GO(pc_json_set(json, "resample", pc_json_new_integer(recipe->resample)));
    PC_GO(pc_json_set(json, "rescale_factor", pc_json_new_number(recipe->rescale_factor)));
    PC_GO(pc_json_set(json, "size", size_json(recipe)));
    *out = json;
    return PC_OK;
done:
    pc_json_free(json);
    return status;
}
