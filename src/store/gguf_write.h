/* Writing GGUF, version 3: keys and tensors are declared, then each tensor's bytes follow in the order of declaration.
 *
 * The file grows under a temporary name and appears under its own in finish: fsync, checked close, rename, fsync of the
 * directory. Not thread safe.
 */
#ifndef PC_STORE_GGUF_WRITE_H
#define PC_STORE_GGUF_WRITE_H

#include "base/dtype.h"
#include "store/gguf.h"

typedef struct pc_gguf_writer pc_gguf_writer;

pc_status pc_gguf_writer_new(pc_gguf_writer **out, const char *path);
/* Keys, each once; before the first put. Copy: a value of another file as it is. */
pc_status pc_gguf_writer_integer(pc_gguf_writer *writer, const char *key, uint32_t value);
pc_status pc_gguf_writer_number(pc_gguf_writer *writer, const char *key, float value);
pc_status pc_gguf_writer_bool(pc_gguf_writer *writer, const char *key, bool value);
pc_status pc_gguf_writer_text(pc_gguf_writer *writer, const char *key, const char *text, size_t length);
pc_status pc_gguf_writer_copy(pc_gguf_writer *writer, const pc_gguf_value *value);
/* An array, which the next `count` calls fill; another key or a tensor before that is PC_ERR_USAGE. element: I32, F32 or
 * STRING, and each call is the one of that type. */
pc_status pc_gguf_writer_array(pc_gguf_writer *writer, const char *key, pc_gguf_type element, size_t count);
pc_status pc_gguf_writer_add_integer(pc_gguf_writer *writer, int32_t value);
pc_status pc_gguf_writer_add_number(pc_gguf_writer *writer, float value);
pc_status pc_gguf_writer_add_text(pc_gguf_writer *writer, const char *text, size_t length);
/* A tensor: sizes outermost first, rows of whole blocks. PC_ERR_USAGE for a type that GGUF has no number for. */
pc_status pc_gguf_writer_declare(pc_gguf_writer *writer, const char *name, pc_dtype dtype, int ndim, const int64_t *dim);
/* The bytes of the next declared tensor; `size` must be its exact size. */
pc_status pc_gguf_writer_put(pc_gguf_writer *writer, const void *bytes, size_t size);
/* The same in pieces: the next tensor is complete when its bytes are. */
pc_status pc_gguf_writer_part(pc_gguf_writer *writer, const void *bytes, size_t size);
/* PC_ERR_USAGE when a declared tensor was not put. */
pc_status pc_gguf_writer_finish(pc_gguf_writer *writer);
/* Without a successful finish it removes the temporary file. NULL is fine. */
void pc_gguf_writer_free(pc_gguf_writer *writer);

#endif
