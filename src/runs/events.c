#include "runs/events.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct pc_events {
    FILE *file;
    char *path;
    pc_str message, value, summary;
};

uint32_t pc_crc32c(const void *bytes, uint64_t size)
{
    static const uint32_t POLYNOMIAL = 0x82f63b78; /* reflected */
    const uint8_t *at = bytes;
    uint32_t crc = ~UINT32_C(0);
    for (uint64_t i = 0; i < size; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        }
    }
    return ~crc;
}

static uint32_t masked_crc(const void *bytes, uint64_t size)
{
    uint32_t crc = pc_crc32c(bytes, size);
    return (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
}

static void put_little(uint8_t *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

/* --- protocol buffers --- */

static pc_status add_varint(pc_str *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        PC_TRY(pc_str_putc(out, (char)(value | 0x80)));
    }
    return pc_str_putc(out, (char)value);
}

static pc_status add_key(pc_str *out, unsigned field, unsigned type)
{
    return add_varint(out, field << 3 | type);
}

static pc_status add_fixed(pc_str *out, unsigned field, uint64_t bits, int bytes)
{
    uint8_t little[8];
    put_little(little, bits, bytes);
    PC_TRY(add_key(out, field, bytes == 8 ? 1 : 5));
    return pc_str_add(out, (const char *)little, (size_t)bytes);
}

static pc_status add_bytes(pc_str *out, unsigned field, const char *bytes, size_t size)
{
    PC_TRY(add_key(out, field, 2));
    PC_TRY(add_varint(out, size));
    return pc_str_add(out, bytes, size);
}

/* --- records --- */

static pc_status write_record(pc_events *events)
{
    uint8_t head[12], tail[4];
    const pc_str *m = &events->message;
    put_little(head, m->length, 8);
    put_little(head + 8, masked_crc(head, 8), 4);
    put_little(tail, masked_crc(m->data, m->length), 4);
    bool good = fwrite(head, 1, sizeof head, events->file) == sizeof head &&
                fwrite(m->data, 1, m->length, events->file) == m->length &&
                fwrite(tail, 1, sizeof tail, events->file) == sizeof tail;
    return good ? PC_OK : pc_fail(PC_ERR_IO, "%s: %s", events->path, strerror(errno));
}

static pc_status begin_event(pc_events *events)
{
    struct timespec now;
    uint64_t bits;
    clock_gettime(CLOCK_REALTIME, &now);
    double seconds = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    memcpy(&bits, &seconds, sizeof bits);
    events->message.length = 0;
    return add_fixed(&events->message, 1, bits, 8);
}

static pc_status write_version(pc_events *events)
{
    static const char version[] = "brain.Event:2";
    PC_TRY(begin_event(events));
    PC_TRY(add_bytes(&events->message, 3, version, sizeof version - 1));
    return write_record(events);
}

pc_status pc_events_scalar(pc_events *events, int64_t step, const char *tag, double value)
{
    float single = (float)value;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    events->value.length = events->summary.length = 0;
    PC_TRY(add_bytes(&events->value, 1, tag, strlen(tag)));
    PC_TRY(add_fixed(&events->value, 2, bits, 4));
    PC_TRY(add_bytes(&events->summary, 1, events->value.data, events->value.length));
    PC_TRY(begin_event(events));
    PC_TRY(add_key(&events->message, 2, 0));
    PC_TRY(add_varint(&events->message, (uint64_t)step));
    PC_TRY(add_bytes(&events->message, 5, events->summary.data, events->summary.length));
    return write_record(events);
}

pc_status pc_events_flush(pc_events *events)
{
    return fflush(events->file) == 0 ? PC_OK : pc_fail(PC_ERR_IO, "%s: %s", events->path, strerror(errno));
}

pc_status pc_events_open(pc_events **out, const char *folder)
{
    pc_events *events = NULL;
    char name[96];
    pc_status status;
    *out = NULL;
    snprintf(name, sizeof name, "events.out.tfevents.%lld.%ld.percept", (long long)time(NULL), (long)getpid());
    PC_TRY(PC_NEW(events, "an event file"));
    events->path = pc_path_join(folder, name);
    PC_GO(events->path ? PC_OK : pc_fail_memory(strlen(folder), "a path"));
    events->file = fopen(events->path, "ab");
    PC_GO(events->file ? PC_OK : pc_fail(PC_ERR_IO, "%s: %s", events->path, strerror(errno)));
    PC_GO(write_version(events));
    *out = events;
    return PC_OK;
done:
    pc_events_close(events);
    return status;
}

void pc_events_close(pc_events *events)
{
    if (!events) {
        return;
    }
    if (events->file) {
        fclose(events->file);
    }
    pc_free(events->path);
    pc_str_clear(&events->message);
    pc_str_clear(&events->value);
    pc_str_clear(&events->summary);
    pc_free(events);
}
