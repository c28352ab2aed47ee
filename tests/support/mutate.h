/* Bad files by the hundred: structure-aware mutants of a good file, the same ones on every run.
 *
 *     static pc_status load(const char *path, const void *bytes, size_t size, void *user) { ... }
 *     pc_test_mutants("tokenizer.json", seed, seed_size, load, NULL, 500);
 *
 * Must be called inside a cmocka test; a mutant that breaks the promise fails the test, prints its
 * number and leaves the bytes in a temporary file. A sanitizer's report prints the number, too.
 * PERCEPT_MUTANT=n in the environment runs only number n; PERCEPT_MUTANTS=n replaces count (longer
 * drills).
 */
#ifndef PC_TESTS_SUPPORT_MUTATE_H
#define PC_TESTS_SUPPORT_MUTATE_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/* Load one mutant: as a file (`path`, a memory file that can be opened, mapped and read) or from
 * memory; whichever the parser takes. Everything it builds must be released before it returns; it
 * returns what the parser returned. Only PC_OK, PC_ERR_DATA and PC_ERR_USAGE are clean, the last
 * two with a one-line message in pc_error(). PC_ERR_MEMORY means that a size was believed,
 * PC_ERR_IO that a broken file is reported as a broken disk. */
typedef pc_status (*pc_mutant_fn)(const char *path, const void *bytes, size_t size, void *user);

typedef struct pc_mutant_result {
    int accepted; /* loads with PC_OK */
    int refused;
} pc_mutant_result;

/* Run mutants 0..count-1 and, before them, the seed itself, which must load. */
pc_mutant_result pc_test_mutants(const char *kind, const void *seed, size_t size, pc_mutant_fn load,
                                 void *user, int count);
/* The same with the seed read from a file. */
pc_mutant_result pc_test_mutants_of_file(const char *kind, const char *path, pc_mutant_fn load,
                                         void *user, int count);

/* One mutant by itself: *out (malloc; free it) of *out_size bytes; returns the name of what was
 * done to it. */
const char *pc_mutant_make(unsigned char **out, size_t *out_size, const void *seed, size_t size,
                           uint64_t number);

#endif
