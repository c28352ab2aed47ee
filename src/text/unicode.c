/* Character classes and properties come from utf8proc; canonical ordering is ours, because utf8proc's exchanges
 * neighbours and so takes quadratic time on a long run of combining marks. */
#include "text/unicode.h"

#include "base/memory.h"

#include <string.h>
#include <utf8proc.h>

enum { L = PC_CHAR_LETTER, N = PC_CHAR_NUMBER, S = PC_CHAR_SPACE, R = PC_CHAR_SPACE | PC_CHAR_NEWLINE };

const uint8_t pc_char_ascii[128] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, S, R, S, S, R, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    S, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, N, N, N, N, N, N, N, N, N, N, 0, 0, 0, 0, 0, 0,
    0, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, 0, 0, 0, 0, 0,
    0, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, 0, 0, 0, 0, 0,
};

/* Letters and numbers of Unicode 15.1 and 16, which the utf8proc of current distributions (Unicode 15) doesn't know. */
static const struct {
    uint32_t first, last;
    uint8_t class;
} newer[] = {
    {0x1c89, 0x1c8a, L},   {0xa7cb, 0xa7cd, L},   {0xa7da, 0xa7dc, L},   {0x105c0, 0x105f3, L}, {0x10d40, 0x10d49, N},
    {0x10d4a, 0x10d65, L}, {0x10d6f, 0x10d85, L}, {0x10ec2, 0x10ec4, L}, {0x11380, 0x11389, L}, {0x1138b, 0x1138b, L},
    {0x1138e, 0x1138e, L}, {0x11390, 0x113b5, L}, {0x113b7, 0x113b7, L}, {0x113d1, 0x113d1, L}, {0x113d3, 0x113d3, L},
    {0x116d0, 0x116e3, N}, {0x11bc0, 0x11be0, L}, {0x11bf0, 0x11bf9, N}, {0x13460, 0x143fa, L}, {0x16100, 0x1611d, L},
    {0x16130, 0x16139, N}, {0x16d40, 0x16d6c, L}, {0x16d70, 0x16d79, N}, {0x18cff, 0x18cff, L}, {0x1ccf0, 0x1ccf9, N},
    {0x1e5d0, 0x1e5ed, L}, {0x1e5f0, 0x1e5f0, L}, {0x1e5f1, 0x1e5fa, N}, {0x2ebf0, 0x2ee5d, L},
};

static unsigned class_of_unassigned(unsigned code_point)
{
    for (size_t i = 0; i < sizeof newer / sizeof newer[0]; i++) {
        if (code_point <= newer[i].last) {
            return code_point >= newer[i].first ? newer[i].class : 0;
        }
    }
    return 0;
}

unsigned pc_char_class_of(unsigned code_point)
{
    if (code_point < 128) {
        return pc_char_ascii[code_point];
    }
    switch (utf8proc_category((utf8proc_int32_t)code_point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return L;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return N;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return S; /* with U+0085 and the ASCII ones this is White_Space */
    case UTF8PROC_CATEGORY_CC: return code_point == 0x85 ? S : 0;
    case UTF8PROC_CATEGORY_CN: return class_of_unassigned(code_point);
    default: return 0;
    }
}

unsigned pc_char_class_wide(const char *text, size_t length, int *size)
{
    unsigned code_point;
    *size = pc_utf8_decode(text, length, &code_point);
    if (*size <= 0) {
        *size = 1;
        return 0;
    }
    return pc_char_class_of(code_point);
}

/* Code points with room for the result of a decomposition. */
typedef struct points {
    utf8proc_int32_t *data;
    size_t count, capacity;
} points;

static int combining_class(utf8proc_int32_t code_point)
{
    return utf8proc_get_property(code_point)->combining_class;
}

/* Stable merge sort of one run of marks by combining class; `spare` has room for the run. */
static void sort_marks(utf8proc_int32_t *marks, size_t count, utf8proc_int32_t *spare)
{
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t low = 0; low + width < count; low += 2 * width) {
            size_t middle = low + width, high = middle + width < count ? middle + width : count;
            size_t a = low, b = middle;
            for (size_t to = low; to < high; to++) {
                bool left = a < middle && (b >= high || combining_class(marks[a]) <= combining_class(marks[b]));
                spare[to] = left ? marks[a++] : marks[b++];
            }
            memcpy(marks + low, spare + low, (high - low) * sizeof *marks);
        }
    }
}

static pc_status order_marks(points *all)
{
    points spare = {0};
    pc_status status = PC_OK;
    for (size_t i = 0; i < all->count;) {
        size_t end = i;
        bool sorted = true;
        while (end < all->count && combining_class(all->data[end]) != 0) {
            sorted = sorted && (end == i || combining_class(all->data[end - 1]) <= combining_class(all->data[end]));
            end++;
        }
        if (!sorted) {
            PC_GO(pc_grow(&spare.data, &spare.capacity, end - i, sizeof *spare.data, "combining marks"));
            sort_marks(all->data + i, end - i, spare.data);
        }
        i = end + 1;
    }
done:
    pc_free(spare.data);
    return status;
}

/* The decomposition of a well-formed stretch of text. */
static pc_status decompose(points *all, const char *text, size_t length, utf8proc_option_t options)
{
    enum { LONGEST = 32 }; /* the longest compatibility decomposition has 18 code points */
    for (size_t at = 0; at < length;) {
        unsigned code_point = 0;
        int last_bound_class = 0;
        at += (size_t)pc_utf8_decode(text + at, length - at, &code_point);
        PC_TRY(pc_grow(&all->data, &all->capacity, all->count + LONGEST, sizeof *all->data, "normal form"));
        utf8proc_ssize_t count = utf8proc_decompose_char((utf8proc_int32_t)code_point, all->data + all->count, LONGEST,
                                                         options, &last_bound_class);
        if (count <= 0 || count > LONGEST) {
            all->data[all->count] = (utf8proc_int32_t)code_point;
            count = 1;
        }
        all->count += (size_t)count;
    }
    return PC_OK;
}

static pc_status normalize_valid(pc_str *out, const char *text, size_t length, pc_normal_form form, points *all)
{
    int options = UTF8PROC_DECOMPOSE | (form == PC_NFKC || form == PC_NFKD ? UTF8PROC_COMPAT : 0);
    all->count = 0;
    PC_TRY(decompose(all, text, length, (utf8proc_option_t)options));
    PC_TRY(order_marks(all));
    if (form == PC_NFC || form == PC_NFKC) {
        utf8proc_ssize_t count = utf8proc_normalize_utf32(all->data, (utf8proc_ssize_t)all->count,
                                                          UTF8PROC_STABLE | UTF8PROC_COMPOSE);
        all->count = count >= 0 ? (size_t)count : all->count;
    }
    for (size_t i = 0; i < all->count; i++) {
        char bytes[4];
        PC_TRY(pc_str_add(out, bytes, (size_t)pc_utf8_encode((unsigned)all->data[i], bytes)));
    }
    return PC_OK;
}

static bool is_ascii(char byte)
{
    return (unsigned char)byte < 128;
}

/* ASCII stays as it is in every form, and nothing composes across the place before an ASCII character. So only stretches
 * of other characters are worked on, each with the ASCII character before it, which their first may compose with. */
pc_status pc_normalize(pc_str *out, const char *text, size_t length, pc_normal_form form)
{
    points all = {0};
    pc_status status = PC_OK;
    for (size_t at = 0; at < length;) {
        size_t end = at;
        while (end < length && is_ascii(text[end]) && (end + 1 == length || is_ascii(text[end + 1]))) {
            end++;
        }
        PC_GO(pc_str_add(out, text + at, end - at));
        at = end;
        end += end < length;
        while (end < length && !is_ascii(text[end])) {
            end++;
        }
        while (at < end) {
            size_t valid = pc_utf8_valid_prefix(text + at, end - at);
            PC_GO(normalize_valid(out, text + at, valid, form, &all));
            at += valid;
            if (at < end) {
                PC_GO(pc_str_putc(out, text[at++]));
            }
        }
    }
done:
    pc_free(all.data);
    return status;
}

pc_status pc_lowercase(pc_str *out, const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        unsigned code_point;
        int size = pc_utf8_decode(text + at, length - at, &code_point);
        char bytes[4];
        if (size <= 0) {
            PC_TRY(pc_str_putc(out, text[at++]));
            continue;
        }
        if (code_point == 0x130) {
            PC_TRY(pc_str_puts(out, "i\xcc\x87")); /* the one character whose lower case is two */
        } else {
            unsigned lower = (unsigned)utf8proc_tolower((utf8proc_int32_t)code_point);
            PC_TRY(pc_str_add(out, bytes, (size_t)pc_utf8_encode(lower, bytes)));
        }
        at += (size_t)size;
    }
    return PC_OK;
}

static bool byte_is_printable(unsigned byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte != 0xad);
}

unsigned pc_byte_to_char(unsigned char byte)
{
    if (byte_is_printable(byte)) {
        return byte;
    }
    /* The bytes that are not: 0..0x20 (33 of them), 0x7f..0xa0 (34), 0xad. */
    return 0x100u + (byte <= 0x20 ? byte : byte <= 0xa0 ? 33u + (byte - 0x7fu) : 67u);
}

int pc_byte_from_char(unsigned code_point)
{
    if (code_point < 0x100) {
        return byte_is_printable(code_point) ? (int)code_point : -1;
    }
    unsigned index = code_point - 0x100;
    return index <= 0x20 ? (int)index : index < 67 ? (int)(index - 33 + 0x7f) : index == 67 ? 0xad : -1;
}
