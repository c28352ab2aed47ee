#include "data/thrift.h"

enum { DEPTH = 32 };

static uint64_t varint(pc_thrift *t)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && !t->bad && t->at < t->end; shift += 7) {
        uint8_t byte = *t->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            return value;
        }
    }
    t->bad = true;
    return 0;
}

int64_t pc_thrift_integer(pc_thrift *t)
{
    uint64_t value = varint(t);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static uint8_t byte(pc_thrift *t)
{
    if (t->bad || t->at == t->end) {
        t->bad = true;
        return 0;
    }
    return *t->at++;
}

bool pc_thrift_field(pc_thrift *t, int *id, int *type)
{
    uint8_t head = byte(t);
    *type = head & 15;
    if (t->bad || *type == PC_THRIFT_STOP) {
        return false;
    }
    *id = head >> 4 ? *id + (head >> 4) : (int)(int16_t)pc_thrift_integer(t);
    return !t->bad;
}

const uint8_t *pc_thrift_binary(pc_thrift *t, size_t *size)
{
    uint64_t length = varint(t);
    const uint8_t *bytes = t->at;
    *size = 0;
    if (t->bad || length > (uint64_t)(t->end - t->at)) {
        t->bad = true;
        return t->end;
    }
    *size = (size_t)length;
    t->at += length;
    return bytes;
}

size_t pc_thrift_list(pc_thrift *t, int *type)
{
    uint8_t head = byte(t);
    uint64_t count = head >> 4 == 15 ? varint(t) : head >> 4;
    *type = head & 15;
    if (t->bad || count > (uint64_t)(t->end - t->at)) {
        t->bad = true;
        return 0;
    }
    return (size_t)count;
}

static void skip_list(pc_thrift *t, int depth)
{
    int type;
    size_t count = pc_thrift_list(t, &type);
    for (size_t i = 0; i < count && !t->bad; i++) {
        if (type == PC_THRIFT_TRUE || type == PC_THRIFT_FALSE) {
            byte(t);
        } else {
            pc_thrift_skip(t, type, depth + 1);
        }
    }
}

static void skip_map(pc_thrift *t, int depth)
{
    uint64_t count = varint(t);
    uint8_t types = count ? byte(t) : 0;
    for (uint64_t i = 0; i < count && !t->bad; i++) {
        pc_thrift_skip(t, types >> 4, depth + 1);
        pc_thrift_skip(t, types & 15, depth + 1);
        t->bad = t->bad || t->at == t->end;
    }
}

void pc_thrift_skip(pc_thrift *t, int type, int depth)
{
    size_t size;
    int id = 0, inner;
    if (depth > DEPTH) {
        t->bad = true;
        return;
    }
    switch (type) {
    case PC_THRIFT_TRUE:
    case PC_THRIFT_FALSE: break;
    case PC_THRIFT_BYTE: byte(t); break;
    case PC_THRIFT_I16:
    case PC_THRIFT_I32:
    case PC_THRIFT_I64: varint(t); break;
    case PC_THRIFT_DOUBLE:
        t->bad = t->bad || t->end - t->at < 8;
        t->at += t->bad ? 0 : 8;
        break;
    case PC_THRIFT_BINARY: pc_thrift_binary(t, &size); break;
    case PC_THRIFT_LIST:
    case PC_THRIFT_SET: skip_list(t, depth); break;
    case PC_THRIFT_MAP: skip_map(t, depth); break;
    case PC_THRIFT_STRUCT:
        while (pc_thrift_field(t, &id, &inner)) {
            pc_thrift_skip(t, inner, depth + 1);
        }
        break;
    default: t->bad = true;
    }
}
