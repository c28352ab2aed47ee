/* Thrift's compact protocol, as far as Parquet's metadata needs it: a cursor over bytes that never leaves them. Internal to
 * data/. Source: apache/thrift, doc/specs/thrift-compact-protocol.md. */
#ifndef PC_DATA_THRIFT_H
#define PC_DATA_THRIFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pc_thrift {
    const uint8_t *at, *end;
    bool bad; /* the bytes are no such message; everything reads as 0 from then on */
} pc_thrift;

typedef enum pc_thrift_type {
    PC_THRIFT_STOP, PC_THRIFT_TRUE, PC_THRIFT_FALSE, PC_THRIFT_BYTE, PC_THRIFT_I16, PC_THRIFT_I32, PC_THRIFT_I64,
    PC_THRIFT_DOUBLE, PC_THRIFT_BINARY, PC_THRIFT_LIST, PC_THRIFT_SET, PC_THRIFT_MAP, PC_THRIFT_STRUCT
} pc_thrift_type;

/* The next field of a struct; *id goes from 0 on. False at its end, or when the bytes are bad. */
bool pc_thrift_field(pc_thrift *t, int *id, int *type);
int64_t pc_thrift_integer(pc_thrift *t);
const uint8_t *pc_thrift_binary(pc_thrift *t, size_t *size);
/* The head of a list: number of elements, at most as many as there are bytes. */
size_t pc_thrift_list(pc_thrift *t, int *type);
void pc_thrift_skip(pc_thrift *t, int type, int depth);

#endif
