/* Named arrays in mapped files: safetensors (one file, or a directory of shards with an index) or GGUF (one file, or the
 * first of a split).
 *
 * path -> pc_store_open -> validated header(s) + mapped bytes -> pc_array by name. Nothing is
 * copied: an array's data points into the mapping and lives as long as the store. Opened stores are
 * immutable, so threads may share one.
 *
 * Validation comes before anything is built on the numbers of a file: header <= 100,000,000 bytes
 * that begins with '{' after white space and is strict JSON, no duplicate name, at most 8
 * dimensions, checked products, byte ranges that tile the data exactly without holes or overlap,
 * and a file that ends where the last range ends. What the reference accepts and this does not:
 * docs/formats/safetensors.md.
 */
#ifndef PC_STORE_STORE_H
#define PC_STORE_STORE_H

#include "base/dtype.h"
#include "base/status.h"
#include "store/gguf.h"

#include <stddef.h>
#include <stdint.h>

enum { PC_ARRAY_MAX_DIMS = 8 };

typedef struct pc_array {
    const char *name;
    pc_dtype dtype;                 /* PC_DTYPE_COUNT: listed, but not readable (F8_E4M3, I16 ...) */
    const char *dtype_name;         /* as the file spells it, e.g. "BF16" */
    int ndim;                       /* 0 = a scalar */
    int64_t dim[PC_ARRAY_MAX_DIMS]; /* outermost first */
    /* Mapped and borrowed. Its address may be misaligned for dtype when the file was written by
     * others: read it with memcpy or pc_array_to_*, or ask pc_array_is_aligned before casting. NULL
     * only when bytes is 0. */
    const void *data;
    size_t bytes;
    const char *file; /* path of the file it lies in */
} pc_array;

typedef struct pc_store pc_store;

/* `path`: a .safetensors or GGUF file, an .index.json file, or a directory that holds model.safetensors or
 * model.safetensors.index.json (the former wins, as in transformers). Shard names must be plain
 * names of files in the index's directory. Arrays of a shard that the index does not list are not
 * part of the store; a total_size that differs from the sum of the arrays is only logged, since
 * published indexes are often wrong there. Errors: PC_ERR_IO (no such file), PC_ERR_DATA
 * (malformed; file, name and numbers in the message), PC_ERR_MEMORY. */
pc_status pc_store_open(pc_store **out, const char *path);
/* The same for one file that is already in memory (a GGUF split: this part alone); `bytes` is borrowed, `where` names
 * it in messages. */
pc_status pc_store_open_memory(pc_store **out, const void *bytes, size_t size, const char *where);
void pc_store_free(pc_store *store); /* NULL is fine */

size_t pc_store_count(const pc_store *store);
/* index in [0, count): in the order of the file's header, shard after shard. */
const pc_array *pc_store_at(const pc_store *store, size_t index);
const pc_array *pc_store_find(const pc_store *store, const char *name); /* O(1); NULL when absent */
/* Like find, but absence is PC_ERR_DATA, with the nearest name as a suggestion. */
pc_status pc_store_need(const pc_array **out, const pc_store *store, const char *name);
/* Bytes of an array that are not needed soon leave the resident set; nothing happens when data is none of the store's.
 * store may be NULL. */
void pc_store_release(const pc_store *store, const void *data, size_t size);
const char *pc_store_path(const pc_store *store); /* as given to open */

/* __metadata__ of the file (of the first shard for an index): NULL when the key is absent. */
const char *pc_store_metadata(const pc_store *store, const char *key);
size_t pc_store_metadata_count(const pc_store *store);
void pc_store_metadata_at(const pc_store *store, size_t index, const char **key,
                          const char **value);

/* The keys of a GGUF file (of the first of a split); NULL for safetensors. Borrowed. */
const pc_gguf *pc_store_gguf(const pc_store *store);

int64_t pc_array_count(const pc_array *array);  /* number of elements */
int pc_array_is_aligned(const pc_array *array); /* 1 when data may be cast to dtype's C type */
/* "[2,3]" for messages; cut when out is too small. Returns out. */
const char *pc_array_shape_text(const pc_array *array, char out[192]);
/* PC_ERR_DATA that names expected and found shape unless array has exactly this shape. */
pc_status pc_array_need_shape(const pc_array *array, int ndim, const int64_t *dim);
/* out[count] = values as f32, from F32, BF16, F16 or F64 at any alignment; another type is
 * PC_ERR_DATA naming it. */
pc_status pc_array_to_f32(const pc_array *array, float *out);
/* out[count] = values as int64, from I64, I32, U8 or BOOL; another type is PC_ERR_DATA naming it.
 */
pc_status pc_array_to_i64(const pc_array *array, int64_t *out);

#endif
