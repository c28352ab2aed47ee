/* Files: reading, mapping, durable writing, and SHA-256. Paths are in path.c. */
#include "base/file.h"

#include "base/memory.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static pc_status fail_errno(const char *action, const char *path)
{
    return pc_fail(errno == ENOMEM ? PC_ERR_MEMORY : PC_ERR_IO, "%s: cannot %s: %s", path, action, strerror(errno));
}

pc_status pc_map_open(pc_map *out, const char *path)
{
    pc_status status = PC_OK;
    struct stat info;
    *out = (pc_map){0};
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* opening a FIFO must not hang */
    if (file < 0) {
        return fail_errno("open", path);
    }
    if (fstat(file, &info) != 0) {
        status = fail_errno("read its size", path);
        goto done;
    }
    if (!S_ISREG(info.st_mode)) {
        status = pc_fail(PC_ERR_IO, "%s: not a regular file, so it cannot be mapped", path);
        goto done;
    }
    if (info.st_size == 0) {
        goto done;
    }
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (data == MAP_FAILED) {
        status = fail_errno("map", path);
        goto done;
    }
    *out = (pc_map){.data = data, .size = (size_t)info.st_size};
done:
    close(file);
    return status;
}

void pc_map_release(const pc_map *map, const void *data, size_t size)
{
    const uintptr_t begin = (uintptr_t)map->data, end = begin + map->size;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)data;
    const uintptr_t first = (start + page - 1) / page * page, last = (start + size) / page * page;
    if (begin <= start && start + size <= end && last > first) {
        madvise((void *)first, last - first, MADV_DONTNEED);
    }
}

void pc_map_close(pc_map *map)
{
    if (map->data) {
        munmap((void *)map->data, map->size);
    }
    *map = (pc_map){0};
}

/* Bytes read: fewer than `size` only at the end of the file; -1 with errno. */
static ssize_t read_full(int file, char *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = read(file, bytes + done, size - done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* Pipes and /proc tell no size, and a file may grow while it is read: so read until the end, one byte past `limit` at most. */
static pc_status read_all(int file, char **bytes, size_t *size, size_t limit, const char *path)
{
    struct stat info;
    if (fstat(file, &info) != 0) {
        return fail_errno("read its size", path);
    }
    size_t expected = info.st_size > 0 ? (size_t)info.st_size : 0;
    if (S_ISREG(info.st_mode) && expected > limit) {
        return pc_fail(PC_ERR_DATA, "%s: has %zu bytes; at most %zu are accepted", path, expected, limit);
    }
    size_t capacity = 0;
    size_t need = (expected ? expected : 4096) + 2; /* the end shows by a short read; and a NUL */
    for (;;) {
        PC_TRY(pc_grow(bytes, &capacity, need, 1, path));
        ssize_t got = read_full(file, *bytes + *size, capacity - 1 - *size);
        if (got < 0) {
            return fail_errno("read", path);
        }
        *size += (size_t)got;
        if (*size > limit) {
            return pc_fail(PC_ERR_DATA, "%s: has more than %zu bytes, which is the limit", path, limit);
        }
        if (*size < capacity - 1) {
            (*bytes)[*size] = '\0';
            return PC_OK;
        }
        need = capacity + 1;
    }
}

pc_status pc_file_read(char **out, size_t *size, const char *path, size_t limit)
{
    *out = NULL;
    *size = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return fail_errno("open", path);
    }
    char *bytes = NULL;
    size_t length = 0;
    pc_status status = read_all(file, &bytes, &length, limit, path);
    close(file);
    if (status != PC_OK) {
        pc_free(bytes);
        return status;
    }
    *out = bytes;
    *size = length;
    return PC_OK;
}

static pc_status write_full(int file, const void *bytes, size_t size, const char *path)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t put = write(file, at, size);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return fail_errno("write", path);
        }
        at += put;
        size -= (size_t)put;
    }
    return PC_OK;
}

pc_status pc_fsync_directory(const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return fail_errno("open", path);
    }
    pc_status status = PC_OK;
    /* Some file systems know no fsync of directories; what they do is as durable as it gets. */
    if (fsync(folder) != 0 && errno != EINVAL && errno != EROFS) {
        status = fail_errno("fsync", path);
    }
    close(folder);
    return status;
}

/* A device or pipe is written in place: renaming over /dev/null would replace it. */
static pc_status write_in_place(const char *path, const void *bytes, size_t size)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) {
        return fail_errno("open for writing", path);
    }
    pc_status status = write_full(file, bytes, size, path);
    if (close(file) != 0 && status == PC_OK) {
        status = fail_errno("close", path);
    }
    return status;
}

/* A new file beside `path`; the name carries process and counter, so writers don't meet. */
static pc_status create_beside(pc_str *name, int *file, const char *path)
{
    static atomic_uint counter;
    for (int attempt = 0; attempt < 100; attempt++) {
        pc_str_reset(name);
        PC_TRY(pc_str_printf(name, "%s.tmp-%ld-%u", path, (long)getpid(), atomic_fetch_add(&counter, 1)));
        *file = open(name->data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*file >= 0) {
            return PC_OK;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return fail_errno("create a temporary file beside it", path);
}

static pc_status replace(const char *path, const void *bytes, size_t size)
{
    pc_status status;
    pc_str name = {0};
    char *parent = pc_path_parent(path);
    int file = -1;
    bool created = false;
    if (!parent) {
        status = pc_fail_memory(strlen(path) + 1, "a path");
        goto done;
    }
    PC_GO(create_beside(&name, &file, path));
    created = true;
    PC_GO(write_full(file, bytes, size, path));
    if (fsync(file) != 0) {
        status = fail_errno("fsync", path);
        goto done;
    }
    int closed = close(file);
    file = -1;
    if (closed != 0) {
        status = fail_errno("close", path);
        goto done;
    }
    if (rename(name.data, path) != 0) {
        status = fail_errno("rename the temporary file to it", path);
        goto done;
    }
    created = false;
    status = pc_fsync_directory(parent);
done:
    if (file >= 0) {
        close(file);
    }
    if (created) {
        unlink(name.data);
    }
    pc_str_clear(&name);
    pc_free(parent);
    return status;
}

pc_status pc_file_write(const char *path, const void *bytes, size_t size)
{
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        return write_in_place(path, bytes, size);
    }
    if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode)) {
        char *target = realpath(path, NULL); /* the link stays and its file is replaced */
        if (!target) {
            return fail_errno("follow the link", path);
        }
        pc_status status = replace(target, bytes, size);
        free(target);
        return status;
    }
    return replace(path, bytes, size);
}

enum { SHA256_BYTES = 32 };

static void to_hex(const unsigned char digest[SHA256_BYTES], char out_hex[65])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < SHA256_BYTES; i++) {
        out_hex[2 * i] = digits[digest[i] >> 4];
        out_hex[2 * i + 1] = digits[digest[i] & 15];
    }
    out_hex[2 * SHA256_BYTES] = '\0';
}

void pc_sha256(const void *bytes, size_t size, char out_hex[65])
{
    unsigned char digest[SHA256_BYTES];
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, size ? bytes : "", size, digest) < 0) {
        out_hex[0] = '\0'; /* equals no checksum */
        return;
    }
    to_hex(digest, out_hex);
}

pc_status pc_sha256_file(const char *path, char out_hex[65])
{
    enum { CHUNK = 1 << 18 };
    pc_status status = PC_OK;
    gnutls_hash_hd_t hash = NULL;
    unsigned char digest[SHA256_BYTES];
    char *chunk = NULL;
    out_hex[0] = '\0';
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return fail_errno("open", path);
    }
    PC_GO(PC_NEW_ARRAY(chunk, CHUNK, "a checksum"));
    int error = gnutls_hash_init(&hash, GNUTLS_DIG_SHA256);
    for (ssize_t got = CHUNK; error >= 0 && got == CHUNK;) {
        got = read_full(file, chunk, CHUNK);
        if (got < 0) {
            status = fail_errno("read", path);
            goto done;
        }
        error = gnutls_hash(hash, chunk, (size_t)got);
    }
    if (error < 0) {
        status = pc_fail(PC_ERR_IO, "%s: SHA-256: %s", path, gnutls_strerror(error));
        goto done;
    }
    gnutls_hash_output(hash, digest);
    to_hex(digest, out_hex);
done:
    if (hash) {
        gnutls_hash_deinit(hash, NULL);
    }
    pc_free(chunk);
    close(file);
    return status;
}
