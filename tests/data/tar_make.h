/* A tar archive put together in memory. */
#ifndef PC_TESTS_DATA_TAR_MAKE_H
#define PC_TESTS_DATA_TAR_MAKE_H

#include "base/str.h"

#include <stdio.h>
#include <string.h>

static inline void tar_header(char block[512], const char *name, size_t size, char type)
{
    unsigned sum = 0;
    memset(block, 0, 512);
    snprintf(block, 100, "%s", name);
    memcpy(block + 100, "0000644\0000000000\0000000000\000", 24);
    snprintf(block + 124, 12, "%011zo", size);
    memcpy(block + 136, "00000000000", 11);
    memset(block + 148, ' ', 8);
    block[156] = type;
    memcpy(block + 257, "ustar\00000", 8);
    for (int i = 0; i < 512; i++) {
        sum += (unsigned char)block[i];
    }
    snprintf(block + 148, 8, "%06o", sum);
}

static inline pc_status tar_add(pc_str *tar, const char *name, char type, const void *bytes, size_t size)
{
    char block[512];
    static const char zeros[512];
    tar_header(block, name, size, type);
    PC_TRY(pc_str_add(tar, block, sizeof block));
    PC_TRY(pc_str_add(tar, bytes, size));
    return pc_str_add(tar, zeros, (512 - size % 512) % 512);
}

static inline pc_status tar_text(pc_str *tar, const char *name, const char *text)
{
    return tar_add(tar, name, '0', text, strlen(text));
}

static inline pc_status tar_end(pc_str *tar)
{
    static const char zeros[1024];
    return pc_str_add(tar, zeros, sizeof zeros);
}

#endif
