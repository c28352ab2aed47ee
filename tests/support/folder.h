/* A temporary folder for one test. */
#ifndef PC_TESTS_SUPPORT_FOLDER_H
#define PC_TESTS_SUPPORT_FOLDER_H

#include <stddef.h>

/* A new empty folder; its path goes to out. Must be called inside a cmocka test. */
void pc_test_folder_new(char out[256]);
/* Remove it with all that is in it. */
void pc_test_folder_free(const char *path);
/* out = folder/name. Returns out. */
const char *pc_test_path(char out[512], const char *folder, const char *name);
/* Write a file (not durably); read one whole (free the result). Failures fail the test. */
void pc_test_write(const char *folder, const char *name, const void *bytes, size_t size);
unsigned char *pc_test_read(const char *folder, const char *name, size_t *size);

#endif
