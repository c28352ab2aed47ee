/* Three thousand real, odd and broken pictures against Pillow's verdict on them (data tier).
 *
 * Needs PERCEPT_DATA, the folder with decoders/EXPECTED-pillow.tsv, and PERCEPT_DECODERS, a folder where each archive
 * named there is unpacked below its own name; tests/media/data_decoders.sh prepares both. What differs on purpose is
 * listed with its reason in decoders_allow.tsv; an entry that is no longer needed fails.
 *
 * A file in a format without decoder passes when Pillow refuses it, too, and counts as skipped otherwise.
 */
#include "base/str.h"
#include "media/golden.h"

#include <math.h>
#include <stdlib.h>

enum { COLUMNS = 10, ARCHIVE = 0, MEMBER = 1, RESULT = 2, WIDTH = 4, HEIGHT = 5, MODE = 6, HASH = 8, MEANS = 9 };

typedef struct counts {
    int passed, failed, skipped;
    int exact, by_mean, by_size, refused, allowed;
} counts;

typedef struct row {
    char *column[COLUMNS];
} row;

/* Cuts one line (changed in place) at its tabs; missing columns are "". */
static char *next_row(row *out, char *text)
{
    static char empty[1] = "";
    char *end = strchr(text, '\n');
    char *next = end ? end + 1 : text + strlen(text);
    if (end) {
        *end = '\0';
    }
    for (int i = 0; i < COLUMNS; i++) {
        out->column[i] = text ? text : empty;
        char *tab = text ? strchr(text, '\t') : NULL;
        if (tab) {
            *tab = '\0';
        }
        text = tab ? tab + 1 : NULL;
    }
    return next;
}

static bool is_allowed(const char *list, const row *r)
{
    char line[1024];
    snprintf(line, sizeof line, "\n%s\t%s\t", r->column[ARCHIVE], r->column[MEMBER]);
    return strstr(list, line) != NULL;
}

static void hash_rgba(const pc_image *image, char hex[65])
{
    size_t area = (size_t)image->width * (size_t)image->height;
    uint8_t *rgba = NULL;
    OK(PC_NEW_ARRAY(rgba, area * 4, "RGBA"));
    for (size_t i = 0; i < area; i++) {
        memcpy(rgba + i * 4, image->pixels + i * 3, 3);
        rgba[i * 4 + 3] = 255;
    }
    pc_sha256(rgba, area * 4, hex);
    hex[32] = '\0';
    pc_free(rgba);
}

/* The largest difference of a channel's mean; *alpha = the mean of alpha. */
static double mean_error(const pc_image *image, const char *means, double *alpha)
{
    double expected[4];
    double worst = 0;
    size_t area = (size_t)image->width * (size_t)image->height;
    if (sscanf(means, "%lf/%lf/%lf/%lf", &expected[0], &expected[1], &expected[2], &expected[3]) != 4) {
        return INFINITY;
    }
    for (int c = 0; c < 3; c++) {
        double sum = 0;
        for (size_t i = 0; i < area; i++) {
            sum += image->pixels[i * 3 + (size_t)c];
        }
        worst = fmax(worst, fabs(sum / (double)area - expected[c]));
    }
    *alpha = expected[3];
    return worst;
}

/* Pixels against hash or mean. The table has RGBA: where alpha is not full, its hash can't be had from RGB. */
static const char *compare(const pc_image *image, const row *r, bool is_jpeg, counts *n)
{
    char hex[65];
    double alpha = 255;
    if (image->width != atoi(r->column[WIDTH]) || image->height != atoi(r->column[HEIGHT])) {
        return "another size";
    }
    if (pc_starts_with(r->column[HASH], "raw:")) { /* 16-bit gray, hashed before conversion */
        n->by_size++;
        return NULL;
    }
    hash_rgba(image, hex);
    if (strcmp(hex, r->column[HASH]) == 0) {
        n->exact++;
        return NULL;
    }
    double error = mean_error(image, r->column[MEANS], &alpha);
    if (is_jpeg ? error < 0.5 : error < 0.0051 && alpha < 255) { /* means are rounded to two digits */
        n->by_mean++;
        return NULL;
    }
    return "other pixels";
}

static const char *judge(const row *r, const char *bytes, size_t size, counts *n, bool *skip)
{
    pc_image *image = NULL;
    const char *problem = NULL;
    bool expected = strcmp(r->column[RESULT], "ok") == 0;
    pc_status status = pc_image_decode(&image, bytes, size, &(pc_image_limits){.as_stored = true}, r->column[MEMBER]);
    if (status != PC_OK && status != PC_ERR_DATA) {
        return "refused with another code than PC_ERR_DATA";
    }
    *skip = strcmp(r->column[RESULT], "skip-large") == 0 ||
            (status != PC_OK && expected && strstr(pc_error(), "no known picture format"));
    if (*skip) {
        problem = NULL;
    } else if (expected != (status == PC_OK)) {
        problem = expected ? pc_error() : "accepted";
    } else if (expected) {
        problem = compare(image, r, (uint8_t)bytes[0] == 0xff, n);
    } else {
        n->refused++;
    }
    pc_image_free(image);
    return problem;
}

static void check_row(const row *r, const char *folder, const char *allow, counts *n)
{
    char path[2048];
    char *bytes = NULL;
    size_t size = 0;
    bool skip = false;
    snprintf(path, sizeof path, "%s/%s/%s", folder, r->column[ARCHIVE], r->column[MEMBER]);
    OK(pc_file_read(&bytes, &size, path, PC_IMAGE_MAX_FILE));
    const char *problem = judge(r, bytes, size, n, &skip);
    bool allowed = is_allowed(allow, r);
    if (allowed && !problem) {
        problem = "stands in decoders_allow.tsv without need";
        allowed = false;
    }
    if (problem && !allowed) {
        print_message("%s %s: %s\n", r->column[ARCHIVE], r->column[MEMBER], problem);
    }
    n->failed += problem && !allowed;
    n->allowed += problem && allowed;
    n->skipped += skip || (problem && allowed);
    n->passed += !problem && !skip;
    pc_free(bytes);
}

static void test_decoders(void **state)
{
    (void)state;
    const char *data = getenv("PERCEPT_DATA");
    const char *folder = getenv("PERCEPT_DECODERS");
    char path[2048];
    char *table = NULL;
    char *allow = NULL;
    size_t size = 0;
    counts n = {0};
    row r;
    if (!data || !folder) {
        print_message("skipped: no data\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/decoders/EXPECTED-pillow.tsv", data);
    OK(pc_file_read(&table, &size, path, 1 << 24));
    OK(pc_file_read(&allow, &size, PERCEPT_TESTS_DIR "/media/decoders_allow.tsv", 1 << 20));
    for (char *at = next_row(&r, table); *at;) { /* the first line has the names of the columns */
        at = next_row(&r, at);
        check_row(&r, folder, allow, &n);
    }
    print_message("pixels: %d exact, %d by their mean, %d by size only; %d refused as Pillow does; "
                  "%d differ for a known reason\n", n.exact, n.by_mean, n.by_size, n.refused, n.allowed);
    print_message("%d passed, %d failed, %d skipped\n", n.passed, n.failed, n.skipped);
    pc_free(table);
    pc_free(allow);
    assert_true(n.passed > 1000);
    assert_int_equal(n.failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_decoders)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
