/* Paints a scene. Each object is a signed distance d (pixels of the 96-unit canvas scaled to the side; negative
 * inside); coverage of a pixel is 0.5 - d, cut to [0, 1]: that is the antialiasing.
 *
 *   background (plain, gradient, noise) -> for each object: halo or rim, fill with texture -> u8 RGB
 *
 * Shapes have a rim in a shade of their own colour; digits and letters have a faint halo, because their strokes are thin.
 */
#include "base/memory.h"
#include "data/scenes_internal.h"

#include <math.h>
#include <string.h>

typedef struct point {
    float x, y;
} point;

static const uint8_t palette[PC_SCENE_COLOURS][3] = {
    {224, 40, 40},   /* red */
    {245, 130, 20},  /* orange */
    {248, 212, 30},  /* yellow */
    {40, 160, 60},   /* green */
    {30, 200, 215},  /* cyan */
    {40, 85, 225},   /* blue */
    {135, 50, 185},  /* purple */
    {248, 120, 185}, /* pink */
    {125, 75, 35},   /* brown */
    {128, 130, 134}, /* gray */
};

static const point triangle[] = {{0, -0.9f}, {1, 0.85f}, {-1, 0.85f}};
static const point diamond[] = {{0, -1}, {0.8f, 0}, {0, 1}, {-0.8f, 0}};
static const point star[] = {{0.0000f, -0.9511f},  {0.2843f, -0.2909f}, {1.0000f, -0.2245f},  {0.4600f, 0.2499f},
                             {0.6180f, 0.9511f},   {0.0000f, 0.5841f},  {-0.6180f, 0.9511f},  {-0.4600f, 0.2499f},
                             {-1.0000f, -0.2245f}, {-0.2843f, -0.2909f}};
static const point cross[] = {{-0.36f, -1},   {0.36f, -1}, {0.36f, -0.36f}, {1, -0.36f}, {1, 0.36f},   {0.36f, 0.36f},
                              {0.36f, 1},     {-0.36f, 1}, {-0.36f, 0.36f}, {-1, 0.36f}, {-1, -0.36f}, {-0.36f, -0.36f}};
/* x = sin^3 t, y = -(13 cos t - 5 cos 2t - 2 cos 3t - cos 4t) / 16, centred. */
static const point heart[] = {
    {0.0000f, -0.4712f},  {0.0110f, -0.5326f},  {0.0817f, -0.6820f},  {0.2424f, -0.8350f},  {0.4779f, -0.9038f},
    {0.7314f, -0.8419f},  {0.9267f, -0.6600f},  {1.0000f, -0.4087f},  {0.9267f, -0.1426f},  {0.7314f, 0.1069f},
    {0.4779f, 0.3346f},   {0.2424f, 0.5440f},   {0.0817f, 0.7264f},   {0.0000f, 0.9038f},   {-0.0817f, 0.7264f},
    {-0.2424f, 0.5440f},  {-0.4779f, 0.3346f},  {-0.7314f, 0.1069f},  {-0.9267f, -0.1426f}, {-1.0000f, -0.4087f},
    {-0.9267f, -0.6600f}, {-0.7314f, -0.8419f}, {-0.4779f, -0.9038f}, {-0.2424f, -0.8350f}, {-0.0817f, -0.6820f},
    {-0.0110f, -0.5326f}};

typedef struct polygon {
    const point *points;
    int count;
} polygon;

/* By noun; shapes without points (circle, square, ring) have a formula. */
static const polygon polygons[PC_SCENE_SHAPES] = {
    {NULL, 0}, {NULL, 0}, {triangle, 3}, {diamond, 4}, {star, 10}, {cross, 12}, {heart, 26}, {NULL, 0}};
enum { CIRCLE = 0, SQUARE = 1, RING = 7 };
static const float SQUARE_HALF = 0.88f, RING_MIDDLE = 0.76f, RING_HALF = 0.24f; /* in radii */

/* A stroke with round ends, or a filled rectangle; in radii, centre at 0. */
typedef struct mark {
    point from, to;
    float half; /* of a stroke's width; below 0: rectangle from..to */
} mark;
enum { MARKS = 48 };

/* An object made ready for painting, in pixels. */
typedef struct outline {
    const pc_scene_object *object;
    float x, y, radius;
    int marks;
    mark mark[MARKS];
} outline;

static float clamp01(float value)
{
    return value < 0 ? 0 : value > 1 ? 1 : value;
}

static float absolute(float value)
{
    return value < 0 ? -value : value;
}

static float largest(float a, float b)
{
    return a > b ? a : b;
}

static float smallest(float a, float b)
{
    return a < b ? a : b;
}

static float segment_distance_squared(float x, float y, point a, point b)
{
    float dx = b.x - a.x, dy = b.y - a.y, px = x - a.x, py = y - a.y;
    float length = dx * dx + dy * dy;
    float t = length > 0 ? clamp01((px * dx + py * dy) / length) : 0;
    float ex = px - t * dx, ey = py - t * dy;
    return ex * ex + ey * ey;
}

static float box_distance(float x, float y, float half_x, float half_y)
{
    float dx = absolute(x) - half_x, dy = absolute(y) - half_y;
    float ox = largest(dx, 0), oy = largest(dy, 0);
    return sqrtf(ox * ox + oy * oy) + smallest(largest(dx, dy), 0);
}

static float polygon_distance(float x, float y, const polygon *shape)
{
    float best = 1e9f;
    bool inside = false;
    point a = shape->points[shape->count - 1];
    for (int i = 0; i < shape->count; i++) {
        point b = shape->points[i];
        best = smallest(best, segment_distance_squared(x, y, a, b));
        if ((a.y > y) != (b.y > y) && x < a.x + (y - a.y) * (b.x - a.x) / (b.y - a.y)) {
            inside = !inside;
        }
        a = b;
    }
    float distance = sqrtf(best);
    return inside ? -distance : distance;
}

static float marks_distance(float x, float y, const outline *glyph)
{
    float best = 1e9f;
    for (int i = 0; i < glyph->marks; i++) {
        const mark *m = &glyph->mark[i];
        float distance = m->half >= 0
                             ? sqrtf(segment_distance_squared(x, y, m->from, m->to)) - m->half
                             : box_distance(x - (m->from.x + m->to.x) / 2, y - (m->from.y + m->to.y) / 2,
                                            (m->to.x - m->from.x) / 2, (m->to.y - m->from.y) / 2);
        best = smallest(best, distance);
    }
    return best;
}

/* Signed distance in pixels of a point given in pixels. */
static float distance_at(const outline *shape, float px, float py)
{
    float x = (px - shape->x) / shape->radius, y = (py - shape->y) / shape->radius;
    int noun = shape->object->noun;
    float distance;
    if (noun >= PC_SCENE_SHAPES) {
        distance = marks_distance(x, y, shape);
    } else if (noun == SQUARE) {
        distance = box_distance(x, y, SQUARE_HALF, SQUARE_HALF);
    } else if (noun == CIRCLE) {
        distance = sqrtf(x * x + y * y) - 1;
    } else if (noun == RING) {
        distance = absolute(sqrtf(x * x + y * y) - RING_MIDDLE) - RING_HALF;
    } else {
        distance = polygon_distance(x, y, &polygons[noun]);
    }
    return distance * shape->radius;
}

/* Faces of digits and letters: half stroke width, half width of the character, slant. */
typedef struct face {
    float half_stroke, half_width, slant;
    bool serif, pixels;
} face;
static const face faces[PC_SCENE_FACES] = {
    {0.085f, 0.62f, 0, false, false},    /* light */
    {0.17f, 0.66f, 0, false, false},     /* bold */
    {0.115f, 0.56f, 0.22f, false, false}, /* slanted */
    {0.105f, 0.55f, 0, true, false},     /* serif */
    {0, 0.71f, 0, false, true},          /* pixels */
};

static void add_mark(outline *out, point from, point to, float half)
{
    if (out->marks < MARKS) {
        out->mark[out->marks++] = (mark){from, to, half};
    }
}

static point glyph_point(const face *f, int column, int row)
{
    float reach = 1 - f->half_stroke;
    float x = ((float)column / 4 - 1) * (f->half_width - f->half_stroke), y = ((float)row / 6 - 1) * reach;
    return (point){x - f->slant * y, y};
}

/* A short bar across a stroke's end on the base line or the top line. */
static void add_serif(outline *out, const face *f, int column, int row)
{
    if (f->serif && (row == 0 || row == 12)) {
        point end = glyph_point(f, column, row);
        add_mark(out, (point){end.x - 0.2f, end.y}, (point){end.x + 0.2f, end.y}, f->half_stroke);
    }
}

static void add_strokes(outline *out, const face *f, const char *strokes)
{
    int last_column = -1, last_row = -1;
    for (const char *s = strokes; *s;) {
        int column = s[0] - '0', row = s[1] <= '9' ? s[1] - '0' : s[1] - 'a' + 10;
        bool first = last_column < 0, last = s[2] != ' ';
        if (!first) {
            add_mark(out, glyph_point(f, last_column, last_row), glyph_point(f, column, row), f->half_stroke);
        }
        if (first || last) {
            add_serif(out, f, column, row);
        }
        last_column = last ? -1 : column;
        last_row = row;
        s += s[2] ? 3 : 2;
    }
}

static void add_cells(outline *out, float half_width, int from_column, int from_row, int to_column, int to_row)
{
    float cell_x = 2 * half_width / 5, cell_y = 2.0f / 7;
    add_mark(out, (point){(float)from_column * cell_x - half_width, (float)from_row * cell_y - 1},
             (point){(float)(to_column + 1) * cell_x - half_width, (float)(to_row + 1) * cell_y - 1}, -1);
}

/* Longest runs of set cells across and down: their union has no seam inside. */
static void add_pixels(outline *out, const face *f, const uint8_t rows[7])
{
    for (int row = 0; row < 7; row++) {
        for (int column = 0; column < 5; column++) {
            int end = column;
            while (end < 5 && rows[row] >> (4 - end) & 1) {
                end++;
            }
            if (end > column) {
                add_cells(out, f->half_width, column, row, end - 1, row);
                column = end;
            }
        }
    }
    for (int column = 0; column < 5; column++) {
        for (int row = 0; row < 7; row++) {
            int end = row;
            while (end < 7 && rows[end] >> (4 - column) & 1) {
                end++;
            }
            if (end > row + 1) {
                add_cells(out, f->half_width, column, row, column, end - 1);
            }
            row = end > row ? end : row;
        }
    }
}

static void outline_init(outline *out, const pc_scene *scene, const pc_scene_object *object)
{
    float scale = (float)scene->side / PC_SCENE_UNIT;
    out->object = object;
    out->x = object->x * scale;
    out->y = object->y * scale;
    out->radius = object->radius * scale;
    out->marks = 0;
    if (object->noun >= PC_SCENE_SHAPES) {
        const pc_scene_glyph *glyph = pc_scene_glyph_find(object->glyph);
        const face *f = &faces[object->face];
        if (f->pixels) {
            add_pixels(out, f, glyph->rows);
        } else {
            add_strokes(out, f, glyph->strokes);
        }
    }
}

void pc_scene_box(const pc_scene_object *object, float box[4])
{
    float half_x = object->radius, half_y = object->radius;
    if (object->noun == SQUARE) {
        half_x = half_y = SQUARE_HALF * object->radius;
    } else if (object->noun >= PC_SCENE_SHAPES) {
        const face *f = &faces[object->face];
        half_x *= f->half_width + (f->serif || f->slant > 0 ? 0.2f : 0);
    } else if (polygons[object->noun].count) {
        half_x = half_y = 0;
        const polygon *shape = &polygons[object->noun];
        for (int i = 0; i < shape->count; i++) {
            half_x = largest(half_x, absolute(shape->points[i].x) * object->radius);
            half_y = largest(half_y, absolute(shape->points[i].y) * object->radius);
        }
    }
    box[0] = object->x - half_x;
    box[1] = object->y - half_y;
    box[2] = object->x + half_x;
    box[3] = object->y + half_y;
}

/* Pixels that an object and its halo may touch: left, top, right, bottom, the last two excluded. */
static void pixel_box(const outline *shape, int side, int box[4])
{
    float reach = shape->radius + 3;
    box[0] = (int)largest(shape->x - reach, 0);
    box[1] = (int)largest(shape->y - reach, 0);
    box[2] = (int)smallest(shape->x + reach + 1, (float)side);
    box[3] = (int)smallest(shape->y + reach + 1, (float)side);
}

/* Share of the second colour of a texture at a point relative to the centre; unit = pixels in 1/96 of the side. */
static float texture_share(int texture, float x, float y, float unit)
{
    if (texture == 0) {
        return 0;
    }
    if (texture == 1) { /* diagonal stripes, period 5.6 across */
        float along = (x + y) * 0.70710678f / (5.2f * unit);
        float phase = along - floorf(along);
        return clamp01(0.5f - (absolute(phase - 0.5f) - 0.23f) * 5.2f * unit);
    }
    float cell = 5.0f * unit; /* dots on a square grid with one at the centre */
    float u = x / cell + 0.5f, v = y / cell + 0.5f;
    u = (u - floorf(u) - 0.5f) * cell;
    v = (v - floorf(v) - 0.5f) * cell;
    return clamp01(0.5f - (sqrtf(u * u + v * v) - 1.45f * unit));
}

/* colour, second colour of the texture, rim */
static void object_colours(const pc_scene *scene, const pc_scene_object *object, float colours[3][3])
{
    for (int c = 0; c < 3; c++) {
        float value = palette[object->colour][c];
        colours[0][c] = value;
        colours[1][c] = value + (252 - value) * 0.88f;
        colours[2][c] = scene->background.dark ? value + (255 - value) * 0.35f : value * 0.62f;
    }
}

static uint8_t to_byte(float value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5f);
}

static void blend(uint8_t *pixel, const float colour[3], float share)
{
    for (int c = 0; c < 3; c++) {
        pixel[c] = to_byte((float)pixel[c] + (colour[c] - (float)pixel[c]) * share);
    }
}

static void paint(const pc_scene *scene, const outline *shape, uint8_t *pixels)
{
    float unit = (float)scene->side / PC_SCENE_UNIT, colours[3][3];
    bool glyph = shape->object->noun >= PC_SCENE_SHAPES;
    float rim = glyph ? 0 : 0.9f * unit;
    int box[4];
    object_colours(scene, shape->object, colours);
    pixel_box(shape, scene->side, box);
    for (int py = box[1]; py < box[3]; py++) {
        for (int px = box[0]; px < box[2]; px++) {
            float x = (float)px + 0.5f, y = (float)py + 0.5f;
            float distance = distance_at(shape, x, y);
            uint8_t *pixel = pixels + 3 * ((size_t)py * (size_t)scene->side + (size_t)px);
            if (glyph && distance < 1.5f * unit) {
                blend(pixel, colours[2], 0.45f * clamp01(0.5f + 0.9f * unit - distance));
            }
            if (distance >= 0.5f) {
                continue;
            }
            float second = texture_share(shape->object->texture, x - shape->x, y - shape->y, unit);
            float edge = clamp01(0.5f + distance + rim) * (rim > 0 ? 1.0f : 0.0f), colour[3];
            for (int c = 0; c < 3; c++) {
                float fill = colours[0][c] + (colours[1][c] - colours[0][c]) * second;
                colour[c] = fill + (colours[2][c] - fill) * edge;
            }
            blend(pixel, colour, clamp01(0.5f - distance));
        }
    }
}

/* A hash of 32 bits (two multiply-and-fold rounds) gives each pixel its noise. */
static uint32_t fold(uint32_t value)
{
    value = (value ^ value >> 16) * 0x7feb352du;
    value = (value ^ value >> 15) * 0x846ca68bu;
    return value ^ value >> 16;
}

static void paint_background(const pc_scene *scene, uint8_t *pixels)
{
    const pc_scene_background *back = &scene->background;
    int side = scene->side;
    bool noisy = back->style >= 2;
    for (int y = 0; y < side; y++) {
        for (int x = 0; x < side; x++) {
            float across = ((float)x + 0.5f) / (float)side, down = ((float)y + 0.5f) / (float)side;
            float t = clamp01(back->across * across + (back->down < 0 ? -back->down * (1 - down) : back->down * down));
            uint32_t bits = noisy ? fold(back->noise + (uint32_t)(y * side + x)) : 0;
            float noise = noisy ? (float)(bits & 15) - 7.5f : 0;
            uint8_t *pixel = pixels + 3 * ((size_t)y * (size_t)side + (size_t)x);
            for (int c = 0; c < 3; c++) {
                float from = back->from[c];
                pixel[c] = to_byte(from + ((float)back->to[c] - from) * t + noise);
            }
        }
    }
}

void pc_scene_render(const pc_scene *scene, uint8_t *pixels)
{
    outline shape;
    paint_background(scene, pixels);
    for (int i = 0; i < scene->count; i++) {
        outline_init(&shape, scene, &scene->objects[i]);
        paint(scene, &shape, pixels);
    }
}

void pc_scene_mask(const pc_scene *scene, int object, uint8_t *mask)
{
    outline shape;
    int box[4];
    outline_init(&shape, scene, &scene->objects[object]);
    pixel_box(&shape, scene->side, box);
    memset(mask, 0, (size_t)scene->side * (size_t)scene->side);
    for (int py = box[1]; py < box[3]; py++) {
        for (int px = box[0]; px < box[2]; px++) {
            float coverage = clamp01(0.5f - distance_at(&shape, (float)px + 0.5f, (float)py + 0.5f));
            mask[(size_t)py * (size_t)scene->side + (size_t)px] = to_byte(255 * coverage);
        }
    }
}

pc_status pc_scene_image(pc_image **out, const pc_scene *scene)
{
    PC_TRY(pc_image_new(out, scene->side, scene->side));
    pc_scene_render(scene, (*out)->pixels);
    return PC_OK;
}
