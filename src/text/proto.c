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
