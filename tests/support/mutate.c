/* Running mutants: each is loaded from a memory file and from a block of exactly its size. What is
 * done to a seed: mutant.c. */
#include "mutate.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { SLOW_SECONDS = 10 };

/* What a sanitizer's report is about. */
static char current[256];

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void tell_current(void)
{
    fprintf(stderr, "\nwhile loading: %s\n", current);
}

static void keep_bytes(const char *kind, uint64_t number, const unsigned char *bytes, size_t size,
                       char path[256])
{
    snprintf(path, 256, "/tmp/mutant-%s-%llu", kind, (unsigned long long)number);
    for (char *c = path + 5; *c != '\0'; c++) {
        *c = *c == '/' || *c == ' ' ? '_' : *c;
    }
    FILE *file = fopen(path, "wb");
    if (file != NULL) {
        fwrite(bytes, 1, size, file);
        fclose(file);
    }
}

/* Load bytes from a memory file of exactly their size (so that a sanitizer sees one byte too far).
 */
static pc_status load_bytes(pc_mutant_fn load, void *user, const unsigned char *bytes, size_t size,
                            double *seconds)
{
    char path[64];
    unsigned char *exact = malloc(size > 0 ? size : 1);
    int fd = memfd_create("mutant", MFD_CLOEXEC);
    assert_non_null(exact);
    assert_true(fd >= 0);
    memcpy(exact, bytes, size);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    pc_error_clear();
    clock_t start = clock();
    pc_status status = load(path, exact, size, user);
    *seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    close(fd);
    free(exact);
    return status;
}

static void check(const char *kind, uint64_t number, const char *edited, pc_status status,
                  double seconds, const unsigned char *bytes, size_t size)
{
    char path[256];
    const char *reason = NULL;
    if (status != PC_OK && status != PC_ERR_DATA && status != PC_ERR_USAGE) {
        reason = "not a clean refusal";
    } else if (status != PC_OK && pc_error()[0] == '\0') {
        reason = "a refusal without a message";
    } else if (status != PC_OK && strchr(pc_error(), '\n') != NULL) {
        reason = "a message of more than one line";
    } else if (seconds > SLOW_SECONDS) {
        reason = "too slow";
    }
    if (reason != NULL) {
        keep_bytes(kind, number, bytes, size, path);
        fail_msg("%s mutant %llu (%s; %zu bytes, kept in %s): %s: status %d after %.1f s, message "
                 "\"%s\"",
                 kind, (unsigned long long)number, edited, size, path, reason, (int)status, seconds,
                 pc_error());
    }
}

static uint64_t number_from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

pc_mutant_result pc_test_mutants(const char *kind, const void *seed, size_t size, pc_mutant_fn load,
                                 void *user, int count)
{
    pc_mutant_result result = {0, 0};
    double seconds;
    if (__sanitizer_set_death_callback) {
        __sanitizer_set_death_callback(tell_current);
    }
    snprintf(current, sizeof current, "%s, the seed", kind);
    pc_status status = load_bytes(load, user, seed, size, &seconds);
    if (status != PC_OK) {
        fail_msg("%s: the seed itself does not load: status %d: %s", kind, (int)status, pc_error());
    }
    uint64_t end = number_from_environment("PERCEPT_MUTANTS", (uint64_t)count);
    uint64_t from = number_from_environment("PERCEPT_MUTANT", 0);
    end = from > 0 || getenv("PERCEPT_MUTANT") != NULL ? from + 1 : end;
    for (uint64_t number = from; number < end; number++) {
        unsigned char *bytes;
        size_t mutant_size;
        const char *edited = pc_mutant_make(&bytes, &mutant_size, seed, size, number);
        snprintf(current, sizeof current, "%s mutant %llu (%s; %zu bytes)", kind,
                 (unsigned long long)number, edited, mutant_size);
        status = load_bytes(load, user, bytes, mutant_size, &seconds);
        check(kind, number, edited, status, seconds, bytes, mutant_size);
        free(bytes);
        result.accepted += status == PC_OK;
        result.refused += status != PC_OK;
    }
    print_message("%s: %d mutants, %d refused, %d loaded\n", kind, result.accepted + result.refused,
                  result.refused, result.accepted);
    return result;
}

pc_mutant_result pc_test_mutants_of_file(const char *kind, const char *path, pc_mutant_fn load,
                                         void *user, int count)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("%s: cannot be opened", path);
    }
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    unsigned char *bytes = malloc((size_t)size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)size, file), (size_t)size);
    fclose(file);
    pc_mutant_result result = pc_test_mutants(kind, bytes, (size_t)size, load, user, count);
    free(bytes);
    return result;
}
