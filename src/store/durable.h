/* Files that are written so that they survive a crash: exclusive creation, complete writes, checked
 * fsync and close. */
#ifndef PC_STORE_DURABLE_H
#define PC_STORE_DURABLE_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/* 16 random hexadecimal digits for a temporary name. */
void pc_nonce(char out[17]);
/* *fd = a new file for writing; it must not exist. Space for `reserve` bytes is claimed where the
 * file system can do that, so that a full disk shows before anything is written; its length becomes
 * reserve. */
pc_status pc_durable_create(int *fd, const char *path, uint64_t reserve);
/* All bytes at offset, or PC_ERR_IO. `path` is for messages. */
pc_status pc_durable_write(int fd, const void *bytes, size_t size, uint64_t offset,
                           const char *path);
/* fsync and close, both checked; *fd is -1 afterwards, also on failure: an fsync that failed must
 * not be repeated and believed (the kernel may have dropped the dirty pages). -1 is fine. */
pc_status pc_durable_close(int *fd, const char *path);
/* fsync of a file that is complete; *size = its length. PC_ERR_DATA unless it is a regular file. */
pc_status pc_durable_sync(const char *path, uint64_t *size);

#endif
