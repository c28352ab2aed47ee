/* The walk only finds borders: strings by their quotes, objects and arrays by counting brackets
 * outside strings, anything else up to the next border. That is enough, because a piece that is cut
 * wrongly does not parse: a member is put into "[key,value]" and must come back as an array of
 * exactly two. */
#include "store/members.h"

#include <stdio.h>
#include <string.h>

void pc_members_init(pc_members *walk, const char *text, size_t length, const char *where)
{
    *walk = (pc_members){.text = text, .length = length, .where = where};
}

static void skip_space(pc_members *walk)
{
    while (walk->position < walk->length &&
           memchr(" \t\n\r", walk->text[walk->position], 4) != NULL) {
        walk->position++;
    }
}

/* The byte at the position, or -1 at the end. */
static int peek(const pc_members *walk)
{
    return walk->position < walk->length ? (unsigned char)walk->text[walk->position] : -1;
}

static pc_status expect(pc_members *walk, char byte)
{
    skip_space(walk);
    if (peek(walk) != byte) {
        return pc_fail(PC_ERR_DATA, "%s: JSON: expected '%c' at byte %zu", walk->where, byte,
                       walk->position);
    }
    walk->position++;
    return PC_OK;
}

/* Position behind the string that opens here. */
static pc_status skip_string(pc_members *walk)
{
    size_t start = walk->position;
    PC_TRY(expect(walk, '"'));
    while (walk->position < walk->length) {
        char c = walk->text[walk->position];
        walk->position += c == '\\' ? 2 : 1;
        if (c == '"') {
            return PC_OK;
        }
    }
    walk->position = walk->length;
    return pc_fail(PC_ERR_DATA, "%s: JSON: string from byte %zu does not end", walk->where, start);
}

static pc_status skip_nested(pc_members *walk)
{
    size_t start = walk->position, depth = 0;
    while (walk->position < walk->length) {
        char c = walk->text[walk->position];
        if (c == '"') {
            PC_TRY(skip_string(walk));
            continue;
        }
        walk->position++;
        if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_DATA, "%s: JSON: value from byte %zu does not end", walk->where, start);
}

static pc_status skip_value(pc_members *walk)
{
    int c = peek(walk);
    if (c == '"') {
        return skip_string(walk);
    }
    if (c == '{' || c == '[') {
        return skip_nested(walk);
    }
    while (walk->position < walk->length &&
           memchr(",]} \t\n\r", walk->text[walk->position], 7) == NULL) {
        walk->position++;
    }
    return PC_OK;
}

/* Behind the closing brace only white space may follow. */
static pc_status finish(pc_members *walk, bool *more)
{
    walk->ended = true;
    *more = false;
    skip_space(walk);
    if (walk->position != walk->length) {
        return pc_fail(PC_ERR_DATA, "%s: JSON: something follows the object at byte %zu",
                       walk->where, walk->position);
    }
    return PC_OK;
}

pc_status pc_members_next(pc_members *walk, bool *more)
{
    *more = false;
    if (walk->ended) {
        return PC_OK;
    }
    if (!walk->begun) {
        walk->begun = true;
        PC_TRY(expect(walk, '{'));
        skip_space(walk);
        if (peek(walk) == '}') {
            walk->position++;
            return finish(walk, more);
        }
    } else {
        skip_space(walk);
        if (peek(walk) == '}') {
            walk->position++;
            return finish(walk, more);
        }
        PC_TRY(expect(walk, ','));
    }
    skip_space(walk);
    size_t start = walk->position;
    PC_TRY(skip_string(walk));
    walk->key = walk->text + start;
    walk->key_length = walk->position - start;
    PC_TRY(expect(walk, ':'));
    skip_space(walk);
    start = walk->position;
    PC_TRY(skip_value(walk));
    walk->value = walk->text + start;
    walk->value_length = walk->position - start;
    *more = true;
    return PC_OK;
}

pc_status pc_members_parse(pc_json **pair, const pc_members *walk, size_t limit, pc_str *buffer)
{
    *pair = NULL;
    size_t offset = (size_t)(walk->value - walk->text);
    if (walk->value_length > limit) {
        return pc_fail(
            PC_ERR_DATA,
            "%s: JSON: the value at byte %zu has %zu bytes, more than the %zu allowed here",
            walk->where, offset, walk->value_length, limit);
    }
    pc_str_reset(buffer);
    PC_TRY(pc_str_putc(buffer, '['));
    PC_TRY(pc_str_add(buffer, walk->key, walk->key_length));
    PC_TRY(pc_str_putc(buffer, ','));
    PC_TRY(pc_str_add(buffer, walk->value, walk->value_length));
    PC_TRY(pc_str_putc(buffer, ']'));
    pc_json *tree;
    pc_status status = pc_json_parse(&tree, buffer->data, buffer->length, walk->where);
    if (status == PC_ERR_DATA) {
        /* Once more, only for a message that says where the piece begins. */
        char place[512];
        snprintf(place, sizeof place, "%s: JSON member with its value at byte %zu", walk->where,
                 offset);
        status = pc_json_parse(&tree, buffer->data, buffer->length, place);
        if (status == PC_OK) {
            pc_json_free(tree);
            status = PC_ERR_DATA;
        }
    }
    PC_TRY(status);
    pc_json *key = pc_json_at(tree, 0);
    if (pc_json_length(tree) != 2 || !pc_json_is_string(key) ||
        strlen(pc_json_text(key)) != pc_json_text_length(key)) {
        pc_json_free(tree);
        return pc_fail(PC_ERR_DATA,
                       "%s: JSON: the key before byte %zu holds a NUL, or the member is malformed",
                       walk->where, offset);
    }
    *pair = tree;
    return PC_OK;
}
