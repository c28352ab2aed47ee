/* Writing safetensors, streaming and durable.
 *
 * declare every array -> put each one's values (any order, memory stays bounded) -> finish. The
 * layout is the reference's (element size descending, then name; header padded with spaces to a
 * multiple of 8), so that every array is aligned and safetensors.torch.save_file of the same arrays
 * gives the same bytes. Files grow under temporary names and appear under their own only in finish:
 * fsync, checked close, rename, fsync of the directory. Not thread safe.
 */
#ifndef PC_STORE_WRITER_H
#define PC_STORE_WRITER_H

#include "base/dtype.h"
#include "base/status.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

typedef struct pc_store_writer pc_store_writer;

/* `path` ends in ".safetensors". max_shard_bytes 0: one file. Otherwise, when the arrays together
 * exceed it, shards
 * "<stem>-00001-of-0000N.safetensors" in declared order, each at most that large unless a single
 * array is larger, with
 * "<stem>.safetensors.index.json". Metadata starts as {"format":"pt"}. */
pc_status pc_store_writer_new(pc_store_writer **out, const char *path, size_t max_shard_bytes);
/* Before the first put. Names are UTF-8 and unique; name and dim are copied. */
pc_status pc_store_writer_declare(pc_store_writer *writer, const char *name, pc_dtype dtype,
                                  int ndim, const int64_t *dim);
pc_status pc_store_writer_set_metadata(pc_store_writer *writer, const char *key, const char *value);
/* Bytes of all files together (without an index), for a free-space check; call it when all is
 * declared. */
pc_status pc_store_writer_size(pc_store_writer *writer, uint64_t *bytes);
/* The values of one declared array, each once. `bytes` must be its exact size. */
pc_status pc_store_writer_put(pc_store_writer *writer, const char *name, const void *data,
                              size_t bytes);
/* The same from f32 values, converted to the declared type (F32, BF16, F16, F64) in small pieces.
 */
pc_status pc_store_writer_put_f32(pc_store_writer *writer, const char *name, const float *values,
                                  int64_t count);
/* Makes the files durable and visible. PC_ERR_USAGE when a declared array was not put. A single
 * file replaces an older index of the same stem and the other way round, so that a reader cannot
 * open the stale one. After a failure no new name is complete: call free and treat the save as
 * failed. */
pc_status pc_store_writer_finish(pc_store_writer *writer);
/* After finish: plain names of the files written, index included. */
size_t pc_store_writer_file_count(const pc_store_writer *writer);
const char *pc_store_writer_file(const pc_store_writer *writer, size_t index);
/* Without a successful finish it removes the temporary files. NULL is fine. */
void pc_store_writer_free(pc_store_writer *writer);

/* All in one: arrays whose data is in memory (name, dtype, ndim, dim, data, bytes are used). */
pc_status pc_store_write(const char *path, const pc_array *arrays, size_t count);

#endif
