/* The file is walked as far as it makes sense, which lists its fields; one of them is edited. */
#include "mutant_gguf.h"

#include <stdint.h>
#include <string.h>

enum { FIELDS = 2048, RECORDS = 256 };

typedef struct field {
    size_t at, width;
} field;

typedef struct layout {
    const unsigned char *bytes;
    size_t size, at;
    field fields[FIELDS];
    field records[RECORDS]; /* keys and tensors as a whole */
    size_t field_count, record_count;
} layout;

static size_t below(pc_rng *rng, size_t bound)
{
    return bound ? pc_rng_u32(rng) % bound : 0;
}

/* List a field and give its value; the walk ends when it isn't there. */
static bool take(layout *l, size_t width, uint64_t *value)
{
    *value = 0;
    if (l->size - l->at < width || l->field_count == FIELDS) {
        return false;
    }
    l->fields[l->field_count++] = (field){l->at, width};
    memcpy(value, l->bytes + l->at, width);
    l->at += width;
    return true;
}

static bool skip(layout *l, uint64_t length)
{
    if (length > l->size - l->at) {
        return false;
    }
    l->at += (size_t)length;
    return true;
}

static bool text(layout *l)
{
    uint64_t length;
    return take(l, 8, &length) && skip(l, length);
}

static bool value(layout *l)
{
    static const unsigned char widths[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    uint64_t type, count = 1, ignored;
    if (!text(l) || !take(l, 4, &type)) {
        return false;
    }
    if (type == 9 && (!take(l, 4, &type) || !take(l, 8, &count))) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (type >= sizeof widths || type == 9 || !(type == 8 ? text(l) : take(l, widths[type], &ignored))) {
            return false;
        }
    }
    return true;
}

static bool tensor(layout *l)
{
    uint64_t dims, ignored;
    bool good = text(l) && take(l, 4, &dims) && dims <= 16;
    for (uint64_t i = 0; good && i < dims; i++) {
        good = take(l, 8, &ignored);
    }
    return good && take(l, 4, &ignored) && take(l, 8, &ignored);
}

static void walk(layout *l)
{
    uint64_t magic, version, tensors = 0, keys = 0;
    bool good = take(l, 4, &magic) && take(l, 4, &version) && take(l, 8, &tensors) && take(l, 8, &keys);
    for (uint64_t i = 0; good && i < keys + tensors && l->record_count < RECORDS; i++) {
        size_t begin = l->at;
        good = i < keys ? value(l) : tensor(l);
        if (good) {
            l->records[l->record_count++] = (field){begin, l->at - begin};
        }
    }
}

static void edit_field(unsigned char *bytes, size_t size, const field *f, pc_rng *rng)
{
    static const uint64_t edges[] = {
        0, 1, 2, 3, 5, 7, 8, 9, 13, 16, 31, 32, 33, 64, 255, 256, 4096, 65535, 65536, 65537, 0x7fffffff, 0x80000000,
        0xffffffff, 0x100000000, 0x3fffffffffffffff, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffe0,
        0xffffffffffffffff};
    uint64_t number = 0;
    memcpy(&number, bytes + f->at, f->width);
    switch (below(rng, 5)) {
    case 0: number += 1 + below(rng, 33); break;
    case 1: number -= 1 + below(rng, 33); break;
    case 2: number = size - below(rng, 64); break;
    case 3: number ^= (uint64_t)1 << below(rng, 8 * f->width); break;
    default: number = edges[below(rng, sizeof edges / sizeof edges[0])]; break;
    }
    memcpy(bytes + f->at, &number, f->width);
}

bool pc_mutant_is_gguf(const unsigned char *bytes, size_t size)
{
    return size >= 4 && memcmp(bytes, "GGUF", 4) == 0;
}

const char *pc_mutant_edit_gguf(unsigned char *bytes, size_t *size, size_t capacity, pc_rng *rng)
{
    static _Thread_local layout l;
    l = (layout){.bytes = bytes, .size = *size};
    walk(&l);
    size_t kind = below(rng, 8);
    if (l.record_count == 0 || l.field_count == 0 || kind > 1) {
        if (l.field_count > 0) {
            edit_field(bytes, *size, &l.fields[below(rng, l.field_count)], rng);
        }
        return "edit a field";
    }
    const field *r = &l.records[below(rng, l.record_count)];
    unsigned char copy[1024];
    size_t end = r->at + r->width;
    if (kind == 0) {
        memmove(bytes + r->at, bytes + end, *size - end);
        *size -= r->width;
        return "remove a record";
    }
    if (r->width <= sizeof copy && *size + r->width <= capacity) {
        uint64_t keys;
        memcpy(&keys, bytes + 16, 8);
        keys += below(rng, 2); /* half of the copies are counted */
        memcpy(bytes + 16, &keys, 8);
        memcpy(copy, bytes + r->at, r->width);
        memmove(bytes + end, bytes + r->at, *size - r->at);
        memcpy(bytes + r->at, copy, r->width);
        *size += r->width;
    }
    return "copy a record";
}
