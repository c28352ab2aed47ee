#include "text/proto.h"

#include <string.h>

static bool read_varint(pc_proto *message, uint64_t *out)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && message->at < message->size; shift += 7) {
        uint8_t byte = message->data[message->at++];
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool read_fixed(pc_proto *message, size_t bytes)
{
    if (message->size - message->at < bytes) {
        return false;
    }
    message->number = 0;
    for (size_t i = 0; i < bytes; i++) {
        message->number |= (uint64_t)message->data[message->at++] << (8 * i);
    }
    return true;
}

static bool read_bytes(pc_proto *message)
{
    uint64_t length;
    if (!read_varint(message, &length) || length > message->size - message->at) {
        return false;
    }
    message->bytes = message->data + message->at;
    message->length = (size_t)length;
    message->at += (size_t)length;
    return true;
}

pc_status pc_proto_next(pc_proto *message, bool *more)
{
    size_t start = message->at;
    uint64_t key;
    *more = start < message->size;
    if (!*more) {
        return PC_OK;
    }
    bool good = read_varint(message, &key) && key >> 3 != 0 && key >> 3 <= UINT32_MAX;
    if (good) {
        message->field = (uint32_t)(key >> 3);
        message->wire = (pc_wire)(key & 7);
        switch (key & 7) {
        case PC_WIRE_VARINT: good = read_varint(message, &message->number); break;
        case PC_WIRE_FIXED64: good = read_fixed(message, 8); break;
        case PC_WIRE_BYTES: good = read_bytes(message); break;
        case PC_WIRE_FIXED32: good = read_fixed(message, 4); break;
        default: good = false;
        }
    }
    return good ? PC_OK : pc_fail(PC_ERR_DATA, "protocol buffer: the field at byte %zu of %zu is malformed or cut", start,
                                  message->size);
}

float pc_proto_float(const pc_proto *message)
{
    uint32_t bits = (uint32_t)message->number;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static pc_status put_varint(pc_str *out, uint64_t value)
{
    while (value > 0x7f) {
        PC_TRY(pc_str_putc(out, (char)(value | 0x80)));
        value >>= 7;
    }
    return pc_str_putc(out, (char)value);
}

static pc_status put_key(pc_str *out, uint32_t field, pc_wire wire)
{
    return put_varint(out, (uint64_t)field << 3 | wire);
}

pc_status pc_proto_write_varint(pc_str *out, uint32_t field, uint64_t value)
{
    PC_TRY(put_key(out, field, PC_WIRE_VARINT));
    return put_varint(out, value);
}

pc_status pc_proto_write_float(pc_str *out, uint32_t field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    PC_TRY(put_key(out, field, PC_WIRE_FIXED32));
    for (int i = 0; i < 4; i++) {
        PC_TRY(pc_str_putc(out, (char)(bits >> (8 * i))));
    }
    return PC_OK;
}

pc_status pc_proto_write_bytes(pc_str *out, uint32_t field, const void *bytes, size_t length)
{
    PC_TRY(put_key(out, field, PC_WIRE_BYTES));
    PC_TRY(put_varint(out, length));
    return pc_str_add(out, bytes, length);
}
