#include "data/regions.h"

#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void pc_region_labels_clear(pc_region_labels *labels)
{
    pc_free(labels->words);
    pc_free(labels->owner);
    pc_free(labels->middle);
    pc_ids_clear(&labels->ids);
    pc_ids_clear(&labels->other);
    memset(labels, 0, sizeof *labels);
}

int64_t pc_region_grid(int64_t tokens)
{
    int64_t side = (int64_t)llround(sqrt((double)tokens));
    return side * side == tokens ? side : 0;
}

/* From pixels of the picture to fractions of what the encoder sees: x' = x * scale + offset. */
typedef struct mapping {
    double scale[2], offset[2]; /* x, y */
} mapping;

static pc_status make_mapping(mapping *out, const pc_loader_options *options, const pc_image *picture, int dx, int dy)
{
    pc_image_recipe uncropped = *options->recipe;
    int size[2] = {picture->width, picture->height};
    int resized[2], shift[2] = {dx, dy};
    int64_t seen[2] = {options->image_width, options->image_height};
    int longer = size[0] > size[1] ? size[0] : size[1];
    uncropped.do_center_crop = false;
    PC_TRY(pc_image_recipe_size(&uncropped, size[0], size[1], &resized[0], &resized[1]));
    for (int axis = 0; axis < 2; axis++) {
        int padded = uncropped.pad_square ? longer : size[axis];
        double scale = (double)resized[axis] / padded;
        double origin = shift[axis] + (padded - size[axis]) / 2; /* whole pixels, as pc_image_pad_square */
        double cropped = floor((double)(resized[axis] - seen[axis]) / 2);
        out->scale[axis] = scale / (double)seen[axis];
        out->offset[axis] = (origin * scale - cropped) / (double)seen[axis];
    }
    return PC_OK;
}

static void map_box(double out[4], const mapping *map, const pc_image *picture, const float box[4])
{
    int size[2] = {picture->width, picture->height};
    for (int edge = 0; edge < 4; edge++) {
        int axis = edge % 2;
        out[edge] = (double)box[edge] * size[axis] * map->scale[axis] + map->offset[axis];
    }
}

/* Give the tokens on a box to `region`: those whose middle is in it, or with `middle` the one that holds its middle. */
static void paint(pc_region_labels *labels, int64_t grid, const double box[4], int region, bool middle)
{
    if (middle) {
        int64_t x = (int64_t)floor((box[0] + box[2]) / 2 * (double)grid);
        int64_t y = (int64_t)floor((box[1] + box[3]) / 2 * (double)grid);
        if (x >= 0 && x < grid && y >= 0 && y < grid) {
            labels->owner[y * grid + x] = region;
            labels->middle[y * grid + x] = region;
        }
        return;
    }
    for (int64_t token = 0; token < grid * grid; token++) {
        double x = ((double)(token % grid) + 0.5) / (double)grid;
        double y = ((double)(token / grid) + 0.5) / (double)grid;
        if (x >= box[0] && x < box[2] && y >= box[1] && y < box[3]) {
            labels->owner[token] = region;
        }
    }
}

/* The ids that the words have inside an answer. With most tokenizers that is with the space in front of them, except
 * where the tokenizer writes one itself; the shorter spelling is the usual one. */
static pc_status spell(pc_region_labels *labels, const pc_loader_options *options, const char *words,
                       struct pc_region_words *out)
{
    const pc_tokenizer *tokenizer = options->tokenizer;
    int64_t vocabulary = options->vocabulary;
    char spaced[sizeof((pc_region *)0)->words + 1] = " ";
    size_t length = strlen(words);
    memcpy(spaced + 1, words, length);
    pc_ids_reset(&labels->ids);
    pc_ids_reset(&labels->other);
    PC_TRY(pc_tokenizer_encode(tokenizer, spaced, length + 1, PC_TOKENIZE_CONTINUE, &labels->ids));
    PC_TRY(pc_tokenizer_encode(tokenizer, words, length, PC_TOKENIZE_CONTINUE, &labels->other));
    const pc_ids *best = labels->other.count < labels->ids.count ? &labels->other : &labels->ids;
    for (size_t i = 0; i < best->count && out->all < PC_REGION_IDS; i++) {
        if (best->data[i] < 0 || best->data[i] >= vocabulary) {
            return pc_fail(PC_ERR_DATA, "token id %d of a region's words is outside the model's vocabulary of %" PRId64,
                           best->data[i], vocabulary);
        }
        out->ids[out->all++] = best->data[i];
    }
    return PC_OK;
}

static pc_status spell_region(pc_region_labels *labels, const pc_loader_options *options, const pc_region *region, int at)
{
    struct pc_region_words *out = &labels->words[at];
    char words[sizeof region->words];
    snprintf(words, sizeof words, "%s", region->words);
    out->all = 0;
    PC_TRY(spell(labels, options, words, out));
    out->shared = out->all;
    snprintf(words, sizeof words, "%s", region->middle);
    return words[0] ? spell(labels, options, words, out) : PC_OK;
}

static pc_status make_room(pc_region_labels *labels, size_t regions, size_t tokens)
{
    PC_TRY(pc_grow(&labels->words, &labels->words_capacity, regions, sizeof *labels->words, "region labels"));
    PC_TRY(pc_grow(&labels->middle, &labels->middle_capacity, tokens, sizeof *labels->middle, "region labels"));
    return pc_grow(&labels->owner, &labels->owner_capacity, tokens, sizeof *labels->owner, "region labels");
}

pc_status pc_region_label(pc_region_labels *labels, const pc_loader_options *options, const pc_sample *sample,
                          int image, int dx, int dy)
{
    int64_t grid = pc_region_grid(options->tokens_per_image);
    const pc_image *picture = sample->images[image];
    mapping map;
    PC_TRY(make_room(labels, sample->region_count, (size_t)options->tokens_per_image));
    PC_TRY(make_mapping(&map, options, picture, dx, dy));
    for (int64_t token = 0; token < options->tokens_per_image; token++) {
        labels->owner[token] = labels->middle[token] = -1;
    }
    for (int middle = 0; middle < 2; middle++) {
        for (size_t i = 0; i < sample->region_count; i++) {
            const pc_region *region = &sample->regions[i];
            double box[4];
            if (region->image != image) {
                continue;
            }
            map_box(box, &map, picture, region->box);
            paint(labels, grid, box, (int)i, middle);
        }
    }
    for (size_t i = 0; i < sample->region_count; i++) {
        if (sample->regions[i].image == image) {
            PC_TRY(spell_region(labels, options, &sample->regions[i], (int)i));
        }
    }
    return PC_OK;
}
