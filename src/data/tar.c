/* Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; GNU tar manual, "Basic Tar Format". */
#include "data/tar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXTENDED_LIMIT = 1 << 16, CHECKSUM_AT = 148, CHECKSUM_SIZE = 8 };

typedef struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2];
    char user[32], group[32], major[8], minor[8], prefix[155], rest[12];
} header;
_Static_assert(sizeof(header) == PC_TAR_BLOCK, "a header is a block");

/* What extended headers said of the member that follows; size -1 = nothing. */
typedef struct extended {
    char name[PC_TAR_NAME];
    int64_t size;
} extended;

pc_status pc_read_exactly(int fd, void *out, size_t size, int64_t offset)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(fd, (char *)out + done, size - done, offset + (int64_t)done);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return pc_fail(PC_ERR_IO, "byte %lld: %s", (long long)(offset + (int64_t)done),
                           got == 0 ? "the file ends" : strerror(errno));
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return PC_OK;
}

/* Octal digits, or base 256 behind a set top bit; -1 when it is neither or too large. */
static int64_t number(const char *field, size_t size)
{
    int64_t value = 0;
    if (field[0] & 0x80) {
        for (size_t i = 0; i < size; i++) {
            value = value << 8 | ((unsigned char)field[i] & (i ? 0xff : 0x7f));
            if (value >> 48) {
                return -1;
            }
        }
        return value;
    }
    size_t i = 0;
    while (i < size && field[i] == ' ') {
        i++;
    }
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++) {
        value = value << 3 | (field[i] - '0');
    }
    return i < size && field[i] && field[i] != ' ' ? -1 : value;
}

static bool is_zero(const header *head)
{
    const char *bytes = (const char *)head;
    for (int i = 0; i < PC_TAR_BLOCK; i++) {
        if (bytes[i]) {
            return false;
        }
    }
    return true;
}

static bool sums_up(const header *head)
{
    const unsigned char *bytes = (const unsigned char *)head;
    int64_t sum = 0;
    for (int i = 0; i < PC_TAR_BLOCK; i++) {
        sum += i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_SIZE ? ' ' : bytes[i];
    }
    return number(head->checksum, sizeof head->checksum) == sum;
}

static pc_tar_found damaged(pc_tar *tar, pc_tar_member *member, int64_t start, const char *why)
{
    member->start = start;
    tar->why = why;
    return PC_TAR_DAMAGED;
}

/* On to the next block that is a header. */
static void find_header(pc_tar *tar)
{
    header head;
    for (tar->at += PC_TAR_BLOCK; tar->at + PC_TAR_BLOCK <= tar->bytes; tar->at += PC_TAR_BLOCK) {
        if (pc_read_exactly(tar->fd, &head, sizeof head, tar->at) != PC_OK) {
            break;
        }
        if (memcmp(head.magic, "ustar", 5) == 0 && sums_up(&head)) {
            return;
        }
    }
    tar->at = tar->bytes;
}

static void take_name(pc_tar_member *member, const header *head, const extended *more)
{
    size_t length = strnlen(head->name, sizeof head->name), prefix = strnlen(head->prefix, sizeof head->prefix), at = 0;
    if (more->name[0]) {
        memcpy(member->name, more->name, sizeof member->name);
        return;
    }
    if (memcmp(head->magic, "ustar", 6) == 0 && prefix > 0) {
        memcpy(member->name, head->prefix, prefix);
        at = prefix;
        member->name[at++] = '/';
    }
    memcpy(member->name + at, head->name, length);
    member->name[at + length] = 0;
}

/* "LENGTH key=value\n" ... */
static bool read_pax(extended *out, char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        char *end;
        long length = strtol(text + at, &end, 10);
        if (length <= 0 || (size_t)length > size - at || *end != ' ' || text[at + (size_t)length - 1] != '\n') {
            return false;
        }
        char *key = end + 1, *last = text + at + length - 1;
        *last = 0;
        if (strncmp(key, "path=", 5) == 0) {
            if (strlen(key + 5) >= sizeof out->name) {
                return false;
            }
            memcpy(out->name, key + 5, strlen(key + 5) + 1);
        } else if (strncmp(key, "size=", 5) == 0) {
            out->size = strtoll(key + 5, &end, 10);
            if (*end || out->size < 0) {
                return false;
            }
        }
        at += (size_t)length;
    }
    return true;
}

static bool read_extended(pc_tar *tar, extended *out, char type, int64_t data, int64_t size)
{
    static const char kinds[] = "Lxg";
    char *text = strchr(kinds, type) && size <= EXTENDED_LIMIT ? calloc(1, (size_t)size + 1) : NULL;
    bool good = text && pc_read_exactly(tar->fd, text, (size_t)size, data) == PC_OK;
    if (good && type == 'L') {
        good = size > 0 && (size_t)size <= sizeof out->name;
        memcpy(out->name, text, good ? (size_t)size : 0);
        out->name[sizeof out->name - 1] = 0;
    } else if (good && type == 'x') {
        good = read_pax(out, text, (size_t)size);
    }
    free(text);
    return good;
}

pc_tar_found pc_tar_next(pc_tar *tar, pc_tar_member *member)
{
    header head;
    extended more = {.size = -1};
    int64_t start = tar->at;
    for (;;) {
        if (tar->at >= tar->bytes) {
            return start == tar->at ? PC_TAR_END : damaged(tar, member, start, "the archive is cut off behind an extended header");
        }
        if (tar->at + PC_TAR_BLOCK > tar->bytes || pc_read_exactly(tar->fd, &head, sizeof head, tar->at) != PC_OK) {
            tar->at = tar->bytes;
            return damaged(tar, member, start, "the archive is cut off in a header");
        }
        if (is_zero(&head)) {
            tar->at = tar->bytes;
            return PC_TAR_END;
        }
        int64_t size = number(head.size, sizeof head.size), data = tar->at + PC_TAR_BLOCK;
        bool own = head.type == '0' || head.type == 0;
        size = own && more.size >= 0 ? more.size : size;
        if (!sums_up(&head) || size < 0) {
            find_header(tar);
            return damaged(tar, member, start, "a header is damaged");
        }
        if (size > tar->bytes - data) {
            tar->at = tar->bytes;
            return damaged(tar, member, start, "the archive is cut off in a member");
        }
        int64_t next = data + (size + PC_TAR_BLOCK - 1) / PC_TAR_BLOCK * PC_TAR_BLOCK;
        tar->at = next < tar->bytes ? next : tar->bytes;
        if (strchr("Lxg", head.type) && head.type) {
            if (!read_extended(tar, &more, head.type, data, size)) {
                return damaged(tar, member, start, "an extended header can't be read");
            }
        } else if (own) {
            take_name(member, &head, &more);
            member->start = start;
            member->data = data;
            member->size = size;
            return PC_TAR_MEMBER;
        } else {
            more = (extended){.size = -1};
            start = tar->at;
        }
    }
}
