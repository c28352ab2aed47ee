/* See Rebello et al., "Can Applications Recover from fsync Failures?" (2020) for why a failed fsync
 * is final. */
#include "store/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void pc_nonce(char out[17])
{
    uint64_t value;
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) != (ssize_t)sizeof value) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        value = (uint64_t)now.tv_sec << 32 ^ (uint64_t)now.tv_nsec << 8 ^ (uint64_t)getpid();
    }
    snprintf(out, 17, "%016llx", (unsigned long long)value);
}

pc_status pc_durable_create(int *fd, const char *path, uint64_t reserve)
{
    *fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (*fd < 0) {
        return pc_fail(PC_ERR_IO, "%s: creating it: %s", path, strerror(errno));
    }
    if (reserve == 0) {
        return PC_OK;
    }
    int claimed;
    do {
        claimed = fallocate(*fd, 0, 0, (off_t)reserve);
    } while (claimed != 0 && errno == EINTR);
    if (claimed != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
        claimed = ftruncate(*fd, (off_t)reserve);
    }
    if (claimed == 0) {
        return PC_OK;
    }
    pc_status status = pc_fail(PC_ERR_IO, "%s: reserving %llu bytes: %s", path,
                               (unsigned long long)reserve, strerror(errno));
    close(*fd);
    unlink(path);
    *fd = -1;
    return status;
}

pc_status pc_durable_write(int fd, const void *bytes, size_t size, uint64_t offset,
                           const char *path)
{
    enum { MOST = 1 << 30 }; /* one call of the system takes less than 2 GiB */
    const char *from = bytes;
    while (size > 0) {
        ssize_t wrote = pwrite(fd, from, size < MOST ? size : MOST, (off_t)offset);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            return pc_fail(PC_ERR_IO, "%s: writing %zu bytes at %llu: %s", path, size,
                           (unsigned long long)offset,
                           wrote < 0 ? strerror(errno) : "nothing was written");
        }
        from += wrote;
        offset += (uint64_t)wrote;
        size -= (size_t)wrote;
    }
    return PC_OK;
}

pc_status pc_durable_close(int *fd, const char *path)
{
    pc_status status = PC_OK;
    if (*fd < 0) {
        return PC_OK;
    }
    if (fsync(*fd) != 0) {
        status = pc_fail(PC_ERR_IO, "%s: fsync: %s", path, strerror(errno));
    }
    if (close(*fd) != 0 && status == PC_OK) {
        status = pc_fail(PC_ERR_IO, "%s: close: %s", path, strerror(errno));
    }
    *fd = -1;
    return status;
}

pc_status pc_durable_sync(const char *path, uint64_t *size)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &about) != 0) {
        pc_status status = pc_fail(PC_ERR_IO, "%s: opening it: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return status;
    }
    if (!S_ISREG(about.st_mode)) {
        close(fd);
        return pc_fail(PC_ERR_DATA, "%s: not a regular file", path);
    }
    *size = (uint64_t)about.st_size;
    return pc_durable_close(&fd, path);
}
