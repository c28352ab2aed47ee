/* Members of a tar archive, one after the other. Internal to data/.
 *
 * ustar with GNU long names (type L), base-256 sizes and PAX headers (path and size); other kinds than regular files are passed
 * over. Nothing of a member's data is read here, and no size is believed that the file does not have.
 */
#ifndef PC_DATA_TAR_H
#define PC_DATA_TAR_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PC_TAR_BLOCK = 512, PC_TAR_NAME = 1024 };

typedef struct pc_tar_member {
    char name[PC_TAR_NAME];
    int64_t start; /* byte of its first header */
    int64_t data, size;
} pc_tar_member;

typedef enum pc_tar_found {
    PC_TAR_MEMBER,
    PC_TAR_END,
    PC_TAR_DAMAGED, /* member->start says where, `why` what; reading goes on behind it */
} pc_tar_found;

typedef struct pc_tar {
    int fd;
    int64_t bytes; /* of the file */
    int64_t at;    /* where the next header is looked for */
    const char *why;
} pc_tar;

/* The next regular file from tar->at on, which moves behind it. */
pc_tar_found pc_tar_next(pc_tar *tar, pc_tar_member *member);

/* bytes [offset, offset + size) of a file; PC_ERR_IO when they aren't there. */
pc_status pc_read_exactly(int fd, void *out, size_t size, int64_t offset);

#endif
