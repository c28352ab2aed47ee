/* Protocol buffers: reading the fields of a message one by one, every length checked against the bytes that are there; and
 * writing them. Internal to text/. */
#ifndef PC_TEXT_PROTO_H
#define PC_TEXT_PROTO_H

#include "base/status.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum pc_wire { PC_WIRE_VARINT = 0, PC_WIRE_FIXED64 = 1, PC_WIRE_BYTES = 2, PC_WIRE_FIXED32 = 5 } pc_wire;

typedef struct pc_proto {
    const uint8_t *data;
    size_t size, at;     /* bytes */
    uint32_t field;      /* of the field just read */
    pc_wire wire;
    uint64_t number;     /* value of VARINT, FIXED64, FIXED32 */
    const uint8_t *bytes; /* value of BYTES; borrowed */
    size_t length;
} pc_proto;

static inline pc_proto pc_proto_of(const void *data, size_t size)
{
    return (pc_proto){.data = data, .size = size};
}

/* Read the next field; *more = false at the end. PC_ERR_DATA when it is cut or of an unknown wire type. */
pc_status pc_proto_next(pc_proto *message, bool *more);
float pc_proto_float(const pc_proto *message); /* of a FIXED32 */

/* Append a field. */
pc_status pc_proto_write_varint(pc_str *out, uint32_t field, uint64_t value);
pc_status pc_proto_write_float(pc_str *out, uint32_t field, float value);
pc_status pc_proto_write_bytes(pc_str *out, uint32_t field, const void *bytes, size_t length);

#endif
