/* Source: POSIX.1-2017, pax, "ustar Interchange Format". */
#include "clean/tar_write.h"

#include <errno.h>
#include <string.h>

enum { BLOCK = 512, NAME = 100, MODE = 100, OWNER = 108, SIZE = 124, TIME = 136, SUM = 148, TYPE = 156, MAGIC = 257 };

static const char zeros[2 * BLOCK];

static pc_status put(pc_output_file *file, const void *bytes, size_t size)
{
    file->size += (int64_t)size;
    return size == 0 || fwrite(bytes, 1, size, file->file) == size ? PC_OK
                                                                    : pc_fail(PC_ERR_IO, "%s: %s", file->path, strerror(errno));
}

pc_status pc_tar_write(pc_output_file *file, const char *name, const void *bytes, size_t size)
{
    char block[BLOCK] = {0}, digits[16];
    unsigned sum = 0;
    if (strlen(name) >= NAME || size > (size_t)077777777777) {
        return pc_fail(PC_ERR_DATA, "%s: %zu bytes don't fit into a member of an archive", name, size);
    }
    memcpy(block, name, strlen(name));
    memcpy(block + MODE, "0000644", 8);
    memcpy(block + OWNER, "0000000\0000000000", 16);
    snprintf(digits, sizeof digits, "%011zo", size);
    memcpy(block + SIZE, digits, 12);
    memcpy(block + TIME, "00000000000", 12);
    memset(block + SUM, ' ', 8);
    block[TYPE] = '0';
    memcpy(block + MAGIC, "ustar\00000", 8);
    for (int i = 0; i < BLOCK; i++) {
        sum += (unsigned char)block[i];
    }
    snprintf(digits, sizeof digits, "%06o", sum);
    memcpy(block + SUM, digits, 7); /* its last byte stays a blank */
    PC_TRY(put(file, block, BLOCK));
    PC_TRY(put(file, bytes, size));
    return put(file, zeros, (BLOCK - size % BLOCK) % BLOCK);
}

pc_status pc_tar_write_end(pc_output_file *file)
{
    return put(file, zeros, sizeof zeros);
}
