/* Character classes and properties come from utf8proc; canonical ordering is ours, because utf8proc's exchanges
 * neighbours and so takes quadratic time on a long run of combining marks. */
#include "text/unicode.h"

#include "base/memory.h"
#include "text/unicode_table.h"

#include <string.h>
#include <utf8proc.h>

enum { L = PC_CHAR_LETTER, N = PC_CHAR_NUMBER, S = PC_CHAR_SPACE, R = PC_CHAR_SPACE | PC_CHAR_NEWLINE };

const uint8_t pc_char_ascii[128] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, S, R, S, S, R, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    S, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, N, N, N, N, N, N, N, N, N, N, 0, 0, 0, 0, 0, 0,
    0, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, 0, 0, 0, 0, 0,
    0, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, 0, 0, 0, 0, 0,
};

static bool in_ranges(const pc_char_range *ranges, size_t count, unsigned code_point)
{
    size_t low = 0;
    while (low < count) {
        size_t middle = low + (count - low) / 2;
        if (code_point > ranges[middle].last) {
            low = middle + 1;
        } else if (code_point >= ranges[middle].first) {
            return true;
        } else {
            count = middle;
        }
    }
    return false;
}

/* Letters and numbers that are newer than utf8proc's Unicode. */
static unsigned class_of_unassigned(unsigned code_point)
{
    const pc_char_table *letter = &pc_char_tables[PC_CHAR_TABLE_LETTER], *number = &pc_char_tables[PC_CHAR_TABLE_NUMBER];
    return in_ranges(letter->more, letter->more_count, code_point)   ? L
           : in_ranges(number->more, number->more_count, code_point) ? N
                                                                     : 0;
}

static unsigned case_of_unassigned(unsigned code_point)
{
    static const struct {
        const char *category;
        unsigned bits;
    } kinds[] = {{"Lu", PC_CASE_UPPER}, {"Lt", PC_CASE_UPPER}, {"Ll", PC_CASE_LOWER}, {"Lm", PC_CASE_UPPER | PC_CASE_LOWER},
                 {"Lo", PC_CASE_UPPER | PC_CASE_LOWER}, {"M", PC_CASE_UPPER | PC_CASE_LOWER}};
    for (const pc_char_newer *newer = pc_char_newer_tables; newer->category; newer++) {
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
            if (strcmp(kinds[i].category, newer->category) == 0 && in_ranges(newer->ranges, newer->count, code_point)) {
                return kinds[i].bits;
            }
        }
    }
    return 0;
}

unsigned pc_char_case(const char *text, size_t length, size_t at, int *size)
{
    unsigned code_point = (unsigned char)text[at];
    *size = 1;
    if (code_point < 128) {
        return code_point - 'A' < 26u ? PC_CASE_UPPER : code_point - 'a' < 26u ? PC_CASE_LOWER : 0;
    }
    *size = pc_utf8_decode(text + at, length - at, &code_point);
    if (*size <= 0) {
        *size = 1;
        return 0;
    }
    switch (utf8proc_category((utf8proc_int32_t)code_point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT: return PC_CASE_UPPER;
    case UTF8PROC_CATEGORY_LL: return PC_CASE_LOWER;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return PC_CASE_UPPER | PC_CASE_LOWER;
    case UTF8PROC_CATEGORY_CN: return case_of_unassigned(code_point);
    default: return 0;
    }
}

/* What utf8proc's category says; the tables say where the reference library disagrees. */
static bool property_by_category(int property, unsigned code_point)
{
    int category = utf8proc_category((utf8proc_int32_t)code_point);
    bool mark = category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME;
    switch (property) {
    case PC_CHAR_TABLE_LETTER: return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
    case PC_CHAR_TABLE_NUMBER:
    case PC_CHAR_TABLE_NUMERIC: return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
    case PC_CHAR_TABLE_WORD:
        return mark || (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
               category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL || category == UTF8PROC_CATEGORY_PC ||
               code_point == 0x200c || code_point == 0x200d;
    case PC_CHAR_TABLE_PUNCTUATION:
        return (category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO) ||
               (code_point > 0x20 && code_point < 0x7f && pc_char_ascii[code_point] == 0);
    case PC_CHAR_TABLE_CONTROL:
        return code_point == 0xfffd || ((category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
                                         category == UTF8PROC_CATEGORY_CO) &&
                                        code_point != '\t' && code_point != '\n' && code_point != '\r');
    case PC_CHAR_TABLE_ACCENT: return category == UTF8PROC_CATEGORY_MN;
    case PC_CHAR_TABLE_MARK: return mark;
    case PC_CHAR_TABLE_ORDERED: return utf8proc_get_property((utf8proc_int32_t)code_point)->combining_class != 0;
    default: return true;
    }
}

bool pc_char_is(int property, unsigned code_point)
{
    const pc_char_table *table = &pc_char_tables[property];
    if (property_by_category(property, code_point)) {
        return !in_ranges(table->less, table->less_count, code_point);
    }
    return in_ranges(table->more, table->more_count, code_point);
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
    int class = utf8proc_get_property(code_point)->combining_class;
    return class && pc_char_is(PC_CHAR_TABLE_ORDERED, (unsigned)code_point) ? class : 0;
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
        utf8proc_ssize_t count = 0;
        if (pc_char_is(PC_CHAR_TABLE_FORMED, code_point)) {
            count = utf8proc_decompose_char((utf8proc_int32_t)code_point, all->data + all->count, LONGEST, options,
                                            &last_bound_class);
        }
        if (count <= 0 || count > LONGEST) {
            all->data[all->count] = (utf8proc_int32_t)code_point;
            count = 1;
        }
        all->count += (size_t)count;
    }
    return PC_OK;
}

/* Two code points as one, or 0. */
static utf8proc_int32_t compose_pair(utf8proc_int32_t first, utf8proc_int32_t second)
{
    utf8proc_int32_t pair[2] = {first, second};
    bool one = utf8proc_normalize_utf32(pair, 2, UTF8PROC_STABLE | UTF8PROC_COMPOSE) == 1;
    return one && pc_char_is(PC_CHAR_TABLE_FORMED, (unsigned)pair[0]) ? pair[0] : 0;
}

/* Canonical composition (Unicode 3.11, D117) with our classes: a mark joins the last starter unless a mark of its class or
 * of a larger one stands between. */
static void compose(points *all)
{
    size_t count = 0, starter = SIZE_MAX;
    int last_class = 0;
    for (size_t i = 0; i < all->count; i++) {
        utf8proc_int32_t code_point = all->data[i];
        int class = combining_class(code_point);
        bool adjacent = starter != SIZE_MAX && count == starter + 1;
        if (starter != SIZE_MAX && (adjacent || (last_class < class && last_class != 0))) {
            utf8proc_int32_t joined = compose_pair(all->data[starter], code_point);
            if (joined) {
                all->data[starter] = joined;
                continue;
            }
        }
        if (class == 0) {
            starter = count;
        }
        last_class = class;
        all->data[count++] = code_point;
    }
    all->count = count;
}

static pc_status normalize_valid(pc_str *out, const char *text, size_t length, pc_normal_form form, points *all)
{
    int options = UTF8PROC_DECOMPOSE | (form == PC_NFKC || form == PC_NFKD ? UTF8PROC_COMPAT : 0);
    all->count = 0;
    PC_TRY(decompose(all, text, length, (utf8proc_option_t)options));
    PC_TRY(order_marks(all));
    if (form == PC_NFC || form == PC_NFKC) {
        compose(all);
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

static unsigned wide_lower(unsigned code_point)
{
    unsigned lower = (unsigned)utf8proc_tolower((utf8proc_int32_t)code_point);
    for (size_t i = 0; lower == code_point && i < pc_char_lower_count && code_point >= pc_char_lower[i].first; i++) {
        if (code_point <= pc_char_lower[i].last) {
            return (unsigned)((int32_t)code_point + pc_char_lower[i].shift);
        }
    }
    return lower;
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
            unsigned lower = code_point < 128 ? code_point + (code_point - 'A' < 26u ? 32 : 0) : wide_lower(code_point);
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
