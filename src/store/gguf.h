/* GGUF, the file format of llama.cpp: keys with typed values, then named tensors.
 *
 * pc_store_open reads such files (store.h): tensors are arrays of the store, in the order of dimensions of percept, and
 * pc_store_gguf gives the keys. Nothing is copied but names; values and tensors point into the mapping.
 *
 * Every count and length is compared with the bytes that are there before anything is allocated. Details, and what is
 * refused: docs/formats/gguf.md.
 */
#ifndef PC_STORE_GGUF_H
#define PC_STORE_GGUF_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As numbered in the file. */
typedef enum pc_gguf_type {
    PC_GGUF_U8,
    PC_GGUF_I8,
    PC_GGUF_U16,
    PC_GGUF_I16,
    PC_GGUF_U32,
    PC_GGUF_I32,
    PC_GGUF_F32,
    PC_GGUF_BOOL,
    PC_GGUF_STRING,
    PC_GGUF_ARRAY,
    PC_GGUF_U64,
    PC_GGUF_I64,
    PC_GGUF_F64,
    PC_GGUF_TYPES
} pc_gguf_type;

typedef struct pc_gguf_value {
    const char *key;
    pc_gguf_type type;    /* of the value, or of an array's elements */
    bool array;
    uint64_t count;       /* elements; 1 when it is no array */
    const uint8_t *data;  /* of the elements, one behind the other; strings: u64 length and bytes */
    size_t offset;        /* of the value in its file, for messages */
} pc_gguf_value;

typedef struct pc_gguf pc_gguf;

const char *pc_gguf_file(const pc_gguf *gguf); /* path, for messages */
size_t pc_gguf_count(const pc_gguf *gguf);
const pc_gguf_value *pc_gguf_at(const pc_gguf *gguf, size_t index);     /* in the order of the file */
const pc_gguf_value *pc_gguf_find(const pc_gguf *gguf, const char *key); /* NULL when absent */

/* A single value by key. `fallback` when the key is absent; PC_ERR_DATA naming file, key, offset when it has another type
 * or does not fit: integers of any width lie in [low, high], numbers are f32, f64 or integers, and finite. */
pc_status pc_gguf_integer(int64_t *out, const pc_gguf *gguf, const char *key, int64_t fallback, int64_t low, int64_t high);
pc_status pc_gguf_number(double *out, const pc_gguf *gguf, const char *key, double fallback);
pc_status pc_gguf_bool(bool *out, const pc_gguf *gguf, const char *key, bool fallback);
/* *out points into the mapping, without a NUL behind it; NULL when the key is absent. */
pc_status pc_gguf_text(const char **out, size_t *length, const pc_gguf *gguf, const char *key);
/* The array of this key; NULL when absent. */
pc_status pc_gguf_array(const pc_gguf_value **out, const pc_gguf *gguf, const char *key, pc_gguf_type element);
/* Element `index` of an array of numbers. */
int64_t pc_gguf_integer_at(const pc_gguf_value *array, uint64_t index); /* also bool; u64 beyond int64: its bits */
double pc_gguf_number_at(const pc_gguf_value *array, uint64_t index);
/* Strings of an array, one after the other: begin with *cursor = array->data, call at most count times. */
void pc_gguf_next_text(const uint8_t **cursor, const char **text, size_t *length);

#endif
