/* Matching as Hugging Face's AddedVocabulary does: leftmost, then longest; a token that must be a single word and isn't
 * is passed over whole. */
#include "text/added.h"

#include "base/memory.h"
#include "text/unicode.h"
#include "text/unicode_table.h"

#include <stdlib.h>
#include <string.h>

bool pc_added_is_plain(const char *text, size_t length, bool special)
{
    bool marked = length > 2 && ((text[0] == '<' && text[length - 1] == '>') || (text[0] == '[' && text[length - 1] == ']'));
    return !special && !marked;
}

static void forget_matchers(pc_added *added)
{
    for (int use = 0; use < 4; use++) {
        pc_free(added->matchers[use].sorted);
        added->matchers[use] = (pc_matcher){0};
    }
}

pc_status pc_added_push(pc_added *added, const pc_added_token *token)
{
    forget_matchers(added); /* they point into the array that may move */
    PC_TRY(pc_grow(&added->tokens, &added->capacity, added->count + 1, sizeof *added->tokens, "added tokens"));
    pc_added_token *copy = &added->tokens[added->count];
    *copy = *token;
    copy->text = pc_strndup(token->text, token->length);
    if (!copy->text) {
        return pc_fail_memory(token->length, "added token");
    }
    added->count++;
    return PC_OK;
}

static int compare(const void *a, const void *b)
{
    const pc_added_token *x = *(const pc_added_token *const *)a, *y = *(const pc_added_token *const *)b;
    size_t common = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->text, y->text, common);
    return order ? order : x->length != y->length ? (x->length < y->length ? -1 : 1) : (x->id > y->id) - (x->id < y->id);
}

static pc_status index_matcher(pc_matcher *matcher, const pc_added *added, bool all, bool normalized)
{
    const pc_added_token **sorted = NULL;
    PC_TRY(PC_NEW_ARRAY(sorted, added->count, "added tokens"));
    *matcher = (pc_matcher){.sorted = sorted};
    for (size_t i = 0; i < added->count; i++) {
        const pc_added_token *token = &added->tokens[i];
        if (token->length > 0 && (all || token->plain) && token->normalized == normalized) {
            sorted[matcher->count++] = token;
            matcher->first[(unsigned char)token->text[0]] = true;
        }
    }
    if (matcher->count > 1) {
        qsort(sorted, matcher->count, sizeof *sorted, compare);
    }
    return PC_OK;
}

pc_status pc_added_index(pc_added *added)
{
    forget_matchers(added);
    for (int use = 0; use < 4; use++) {
        PC_TRY(index_matcher(&added->matchers[use], added, use & 1, use & 2));
    }
    return PC_OK;
}

void pc_added_clear(pc_added *added)
{
    for (size_t i = 0; i < added->count; i++) {
        pc_free(added->tokens[i].text);
    }
    pc_free(added->tokens);
    forget_matchers(added);
    *added = (pc_added){0};
}

/* First index in [low, high) whose byte `depth` is at least `byte`; all of them are longer than depth. */
static size_t lower_bound(const pc_matcher *matcher, size_t low, size_t high, size_t depth, int byte)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((unsigned char)matcher->sorted[middle]->text[depth] < byte) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The longest token that begins at text[0]; NULL when none does. */
static const pc_added_token *longest_at(const pc_matcher *matcher, const char *text, size_t length)
{
    const pc_added_token *found = NULL;
    size_t low = 0, high = matcher->count;
    for (size_t depth = 0; low < high; depth++) {
        const pc_added_token *shortest = matcher->sorted[low];
        if (shortest->length == depth) {
            found = shortest;
            while (low < high && matcher->sorted[low]->length == depth) {
                low++; /* equal strings: the smallest id has been taken */
            }
        }
        if (depth >= length || low >= high) {
            break;
        }
        int byte = (unsigned char)text[depth];
        low = lower_bound(matcher, low, high, depth, byte);
        high = lower_bound(matcher, low, high, depth, byte + 1);
    }
    return found;
}

/* Start of the character that ends before `end`. */
static size_t char_before(const char *text, size_t end)
{
    size_t at = end - 1;
    while (at > 0 && end - at < 4 && ((unsigned char)text[at] & 0xc0) == 0x80) {
        at--;
    }
    return at;
}

static bool word_char_at(const char *text, size_t length, size_t at)
{
    unsigned code_point;
    return at < length && pc_utf8_decode(text + at, length - at, &code_point) > 0 && pc_char_is(PC_CHAR_TABLE_WORD, code_point);
}

static bool stands_alone(const char *text, size_t length, size_t start, size_t end)
{
    return !word_char_at(text, length, end) && !(start > 0 && word_char_at(text, start, char_before(text, start)));
}

static void take_spaces(pc_match *match, const char *text, size_t length, size_t from)
{
    int size;
    while (match->token->lstrip && match->start > from) {
        size_t before = char_before(text, match->start);
        if (before < from || !(pc_char_class(text, match->start, before, &size) & PC_CHAR_SPACE)) {
            break;
        }
        match->start = before;
    }
    while (match->token->rstrip && match->end < length &&
           (pc_char_class(text, length, match->end, &size) & PC_CHAR_SPACE)) {
        match->end += (size_t)size;
    }
}

bool pc_matcher_begins(const pc_matcher *matcher, const char *text, size_t length, pc_match *out)
{
    const pc_added_token *token =
        length > 0 && matcher->first[(unsigned char)text[0]] ? longest_at(matcher, text, length) : NULL;
    *out = (pc_match){token, 0, token ? token->length : 0};
    return token != NULL;
}

bool pc_matcher_find(const pc_matcher *matcher, const char *text, size_t length, size_t from, pc_match *out)
{
    if (matcher->count == 0) {
        return false;
    }
    for (size_t at = from; at < length;) {
        const pc_added_token *token =
            matcher->first[(unsigned char)text[at]] ? longest_at(matcher, text + at, length - at) : NULL;
        if (!token) {
            at++;
            continue;
        }
        *out = (pc_match){token, at, at + token->length};
        if (!token->single_word || stands_alone(text, length, out->start, out->end)) {
            take_spaces(out, text, length, from);
            return true;
        }
        at = out->end;
    }
    return false;
}
