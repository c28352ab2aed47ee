/* Unpacking of pages, and the hybrid of runs and bit-packed numbers.
 *
 * Sources: google/snappy, format_description.txt; apache/parquet-format, Encodings.md (RLE = 3).
 */
#include "data/parquet.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>

/* --- Snappy --- */

typedef struct snappy {
    const uint8_t *at, *end;
    uint8_t *out;
    size_t done, size;
} snappy;

static bool literal(snappy *s, size_t length)
{
    if (length > (size_t)(s->end - s->at) || length > s->size - s->done) {
        return false;
    }
    memcpy(s->out + s->done, s->at, length);
    s->at += length;
    s->done += length;
    return true;
}

static bool copy(snappy *s, size_t length, size_t back)
{
    if (back == 0 || back > s->done || length > s->size - s->done) {
        return false;
    }
    for (size_t i = 0; i < length; i++, s->done++) { /* may overlap itself */
        s->out[s->done] = s->out[s->done - back];
    }
    return true;
}

static size_t little(snappy *s, int bytes)
{
    size_t value = 0;
    for (int i = 0; i < bytes; i++) {
        value |= (size_t)s->at[i] << (8 * i);
    }
    s->at += bytes;
    return value;
}

static bool element(snappy *s)
{
    uint8_t tag = *s->at++;
    int extra = (tag & 3) == 0 ? (tag >> 2 >= 60 ? (tag >> 2) - 59 : 0) : (tag & 3) == 3 ? 4 : tag & 3;
    if (extra > s->end - s->at) {
        return false;
    }
    switch (tag & 3) {
    case 0: return literal(s, (extra ? little(s, extra) : (size_t)(tag >> 2)) + 1);
    case 1: return copy(s, 4 + ((tag >> 2) & 7), (size_t)(tag >> 5) << 8 | little(s, 1));
    default: return copy(s, (size_t)(tag >> 2) + 1, little(s, extra));
    }
}

static bool unpack_snappy(uint8_t *out, size_t size, const uint8_t *packed, size_t packed_size)
{
    snappy s = {.at = packed, .end = packed + packed_size, .out = out, .size = size};
    size_t said = 0;
    int shift = 0;
    while (s.at < s.end && shift < 35) {
        uint8_t byte = *s.at++;
        said |= (size_t)(byte & 0x7f) << shift;
        shift += 7;
        if (!(byte & 0x80)) {
            break;
        }
    }
    if (said != size) {
        return false;
    }
    while (s.at < s.end) {
        if (!element(&s)) {
            return false;
        }
    }
    return s.done == size;
}

/* --- the others --- */

static bool unpack_gzip(uint8_t *out, size_t size, const uint8_t *packed, size_t packed_size)
{
    z_stream stream = {.next_in = (Bytef *)packed, .avail_in = (uInt)packed_size, .next_out = out, .avail_out = (uInt)size};
    if (inflateInit2(&stream, 15 + 32) != Z_OK) { /* gzip or zlib, found by its header */
        return false;
    }
    int result = inflate(&stream, Z_FINISH);
    bool good = result == Z_STREAM_END && stream.avail_out == 0;
    inflateEnd(&stream);
    return good;
}

pc_status pc_parquet_unpack(uint8_t **out, size_t size, int codec, const uint8_t *packed, size_t packed_size)
{
    uint8_t *bytes = NULL;
    bool good = false;
    PC_TRY(PC_NEW_ARRAY(bytes, size + 1, "a page"));
    switch (codec) {
    case 0: good = size == packed_size; memcpy(bytes, packed, good ? size : 0); break;
    case 1: good = unpack_snappy(bytes, size, packed, packed_size); break;
    case 2: good = unpack_gzip(bytes, size, packed, packed_size); break;
    case 6: good = ZSTD_decompress(bytes, size, packed, packed_size) == size; break;
    default:
        pc_free(bytes);
        return pc_fail(PC_ERR_DATA, "codec %d is not read; plain, Snappy, gzip and Zstandard are", codec);
    }
    if (!good) {
        pc_free(bytes);
        return pc_fail(PC_ERR_DATA, "a page can't be unpacked");
    }
    *out = bytes;
    return PC_OK;
}

/* --- runs --- */

static int64_t run_head(const uint8_t *bytes, size_t size, uint64_t *head)
{
    *head = 0;
    for (size_t i = 0; i < size && i < 5; i++) {
        *head |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
        if (!(bytes[i] & 0x80)) {
            return (int64_t)i + 1;
        }
    }
    return -1;
}

static void unpack_bits(int32_t *out, size_t count, int width, const uint8_t *bytes)
{
    uint64_t mask = width == 32 ? 0xffffffffu : ((uint64_t)1 << width) - 1;
    for (size_t i = 0; i < count; i++) {
        uint64_t word = 0;
        size_t bit = i * (size_t)width, last = (bit + (size_t)width + 7) / 8;
        for (size_t b = bit / 8; b < last; b++) {
            word |= (uint64_t)bytes[b] << (8 * (b - bit / 8));
        }
        out[i] = (int32_t)(word >> (bit % 8) & mask);
    }
}

int64_t pc_parquet_runs(int32_t *out, size_t count, int width, const uint8_t *bytes, size_t size)
{
    size_t at = 0, done = 0, value_bytes = ((size_t)width + 7) / 8;
    while (done < count) {
        uint64_t head;
        int64_t used = at < size ? run_head(bytes + at, size - at, &head) : -1;
        if (used < 0) {
            return -1;
        }
        at += (size_t)used;
        size_t length = (size_t)(head >> 1), left = count - done;
        if (head & 1) { /* groups of eight, the last one may have more numbers than are wanted */
            size_t packed = length * (size_t)width, numbers = length * 8 < left ? length * 8 : left;
            size_t need = (numbers * (size_t)width + 7) / 8;
            if (length == 0 || need > size - at) {
                return -1;
            }
            unpack_bits(out + done, numbers, width, bytes + at);
            at += packed < size - at ? packed : size - at;
            done += numbers;
        } else {
            int32_t value = 0;
            if (length == 0 || value_bytes > size - at) {
                return -1;
            }
            for (size_t i = 0; i < value_bytes; i++) {
                value = (int32_t)((uint32_t)value | (uint32_t)bytes[at + i] << (8 * i));
            }
            at += value_bytes;
            for (length = length < left ? length : left; length > 0; length--) {
                out[done++] = value;
            }
        }
    }
    return (int64_t)at;
}
