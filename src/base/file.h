/* Files: mapped reading, whole reading with a limit, durable writing, paths. */
#ifndef PC_BASE_FILE_H
#define PC_BASE_FILE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A read-only mapping of a regular file; an empty file has size 0 and data NULL. */
typedef struct pc_map {
    const uint8_t *data;
    size_t size; /* bytes */
} pc_map;

pc_status pc_map_open(pc_map *out, const char *path);
void pc_map_close(pc_map *map);
/* data[0..size) is not needed soon: when it lies in the mapping, whole pages of it leave the resident set, and come back
 * when they are read. Elsewhere nothing happens. */
void pc_map_release(const pc_map *map, const void *data, size_t size);

/* *out = the file's bytes and a NUL behind them (not counted in *size); refused above `limit` bytes. Free with pc_free. */
pc_status pc_file_read(char **out, size_t *size, const char *path, size_t limit);

/* Write bytes to `path` so that a reader sees the old file or the whole new one: temporary name in the same
 * directory, fsync, rename, fsync of the directory. */
pc_status pc_file_write(const char *path, const void *bytes, size_t size);
pc_status pc_fsync_directory(const char *path);

bool pc_path_exists(const char *path);
bool pc_path_is_directory(const char *path);
pc_status pc_make_directories(const char *path);   /* like mkdir -p */
pc_status pc_remove_tree(const char *path);        /* does not follow links; a missing path is fine */
char *pc_path_join(const char *folder, const char *name); /* pc_free; NULL when memory is short */
const char *pc_path_base(const char *path);        /* part after the last slash */
char *pc_path_parent(const char *path);            /* "." when there is none; pc_free */

/* True when `name` may be opened below a root: relative, no "..", no empty part, no backslash, no NUL inside. */
bool pc_path_is_plain(const char *name);

/* Lower-case hexadecimal SHA-256 of bytes / of a file. */
void pc_sha256(const void *bytes, size_t size, char out_hex[65]);
pc_status pc_sha256_file(const char *path, char out_hex[65]);

#endif
