/* JSON building (over jansson) and writing. The writer is our own because jansson 2.14 prints 1e-5 as
 * 1.0000000000000001e-05: here a real gets the fewest digits that read back as the same number. */
#include "base/file.h"
#include "base/json_internal.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

pc_json *pc_json_new_object(void)
{
    pc_json_prepare();
    return json_object();
}

pc_json *pc_json_new_array(void)
{
    pc_json_prepare();
    return json_array();
}

pc_json *pc_json_new_text(const char *text)
{
    pc_json_prepare();
    return json_string(text);
}

pc_json *pc_json_new_text_n(const char *text, size_t length)
{
    pc_json_prepare();
    return json_stringn(text, length);
}

pc_json *pc_json_new_number(double value)
{
    pc_json_prepare();
    return json_real(value);
}

pc_json *pc_json_new_integer(int64_t value)
{
    pc_json_prepare();
    return json_integer(value);
}

pc_json *pc_json_new_bool(bool value)
{
    return json_boolean(value);
}

static pc_status fail_build(const char *what)
{
    return pc_fail(PC_ERR_MEMORY, "JSON: %s cannot be built: memory is short, or it holds a text that is not UTF-8 "
                   "or a number that is not finite", what);
}

pc_status pc_json_set(pc_json *object, const char *key, pc_json *value)
{
    pc_json_prepare();
    return json_object_set_new(object, key, value) == 0 ? PC_OK : fail_build(key);
}

pc_status pc_json_push(pc_json *array, pc_json *value)
{
    pc_json_prepare();
    return json_array_append_new(array, value) == 0 ? PC_OK : fail_build("an element of an array");
}

pc_json *pc_json_copy(const pc_json *node)
{
    pc_json_prepare();
    return json_deep_copy(node);
}

static pc_status write_text(pc_str *out, const char *text, size_t length)
{
    PC_TRY(pc_str_putc(out, '"'));
    size_t plain = 0; /* text[plain..i) needs no escape */
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f) {
            continue;
        }
        PC_TRY(pc_str_add(out, text + plain, i - plain));
        plain = i + 1;
        const char *shorts = byte ? strchr("\"\"\\\\\bb\ff\nn\rr\tt", byte) : NULL;
        if (shorts) {
            PC_TRY(pc_str_putc(out, '\\'));
            PC_TRY(pc_str_putc(out, shorts[1]));
        } else {
            PC_TRY(pc_str_printf(out, "\\u%04x", byte));
        }
    }
    PC_TRY(pc_str_add(out, text + plain, length - plain));
    return pc_str_putc(out, '"');
}

static pc_status write_real(pc_str *out, double value)
{
    char digits[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits - 2, "%.*g", precision, value);
        char *comma = strchr(digits, ','); /* a host program may have set such a locale */
        if (comma) {
            *comma = '.';
        }
        if (pc_json_strtod(digits, NULL) == value) {
            break;
        }
    }
    if (!strpbrk(digits, ".e")) {
        strcat(digits, ".0"); /* a real stays a real */
    }
    return pc_str_puts(out, digits);
}

static pc_status new_line(pc_str *out, int indent, int depth)
{
    return indent > 0 ? pc_str_printf(out, "\n%*s", indent * depth, "") : PC_OK;
}

static pc_status write_node(pc_str *out, const pc_json *node, int indent, int depth);

/* Before element `index`: separator and, when indented, a new line. */
static pc_status write_separator(pc_str *out, size_t index, int indent, int depth)
{
    if (index > 0) {
        PC_TRY(pc_str_puts(out, indent > 0 ? "," : ", "));
    }
    return new_line(out, indent, depth);
}

static pc_status write_object(pc_str *out, const pc_json *node, int indent, int depth)
{
    size_t index = 0;
    PC_TRY(pc_str_putc(out, '{'));
    for (void *it = pc_json_first(node); it; it = pc_json_next(node, it), index++) {
        PC_TRY(write_separator(out, index, indent, depth));
        const char *key = pc_json_key(it);
        PC_TRY(write_text(out, key, strlen(key)));
        PC_TRY(pc_str_puts(out, ": "));
        PC_TRY(write_node(out, pc_json_value(it), indent, depth));
    }
    if (index > 0) {
        PC_TRY(new_line(out, indent, depth - 1));
    }
    return pc_str_putc(out, '}');
}

static pc_status write_array(pc_str *out, const pc_json *node, int indent, int depth)
{
    size_t count = pc_json_length(node);
    PC_TRY(pc_str_putc(out, '['));
    for (size_t i = 0; i < count; i++) {
        PC_TRY(write_separator(out, i, indent, depth));
        PC_TRY(write_node(out, pc_json_at(node, i), indent, depth));
    }
    if (count > 0) {
        PC_TRY(new_line(out, indent, depth - 1));
    }
    return pc_str_putc(out, ']');
}

static pc_status write_node(pc_str *out, const pc_json *node, int indent, int depth)
{
    if (depth >= PC_JSON_DEPTH && (json_is_object(node) || json_is_array(node))) {
        return pc_fail(PC_ERR_DATA, "JSON: nested deeper than %d levels, so it could not be read back", PC_JSON_DEPTH);
    }
    if (!node) {
        return pc_str_puts(out, "null");
    }
    switch (json_typeof(node)) {
    case JSON_OBJECT: return write_object(out, node, indent, depth + 1);
    case JSON_ARRAY: return write_array(out, node, indent, depth + 1);
    case JSON_STRING: return write_text(out, json_string_value(node), json_string_length(node));
    case JSON_INTEGER: return pc_str_printf(out, "%" PRId64, (int64_t)json_integer_value(node));
    case JSON_REAL: return write_real(out, json_real_value(node));
    case JSON_TRUE: return pc_str_puts(out, "true");
    case JSON_FALSE: return pc_str_puts(out, "false");
    default: return pc_str_puts(out, "null");
    }
}

pc_status pc_json_write(pc_str *out, const pc_json *node, int indent)
{
    return write_node(out, node, indent, 0);
}

pc_status pc_json_write_file(const char *path, const pc_json *node, int indent)
{
    pc_str text = {0};
    pc_status status;
    PC_GO(pc_json_write(&text, node, indent));
    PC_GO(pc_str_putc(&text, '\n'));
    PC_GO(pc_file_write(path, text.data, text.length));
done:
    pc_str_clear(&text);
    return status;
}
