/* Added tokens: strings that become one id as a whole, before and outside the model. Internal to text/. */
#ifndef PC_TEXT_ADDED_H
#define PC_TEXT_ADDED_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pc_added_token {
    char *text;       /* as it stands in the text (normalized, when `normalized`); length bytes and a NUL */
    size_t length;
    int32_t id;
    bool special;     /* control token */
    bool plain;       /* matched in user text too: ordinary text in the shape of an added token */
    bool normalized;  /* matched in the normalized text, not the raw one */
    bool lstrip, rstrip; /* takes the white space on that side along */
    bool single_word; /* only where no word character stands beside it */
} pc_added_token;

/* Tokens sorted by their bytes; the longest one that begins at a place is found by narrowing a range byte by byte. */
typedef struct pc_matcher {
    const pc_added_token **sorted;
    size_t count;
    bool first[256]; /* bytes that begin a token */
} pc_matcher;

typedef struct pc_added {
    pc_added_token *tokens;
    size_t count, capacity;
    pc_matcher matchers[4]; /* by use: + 1 all, not only plain ones; + 2 those matched in normalized text */
} pc_added;

/* Ordinary text: not special and not of the form <...> or [...], which look like control tokens. */
bool pc_added_is_plain(const char *text, size_t length, bool special);

/* Copies the token (its text too). Nothing matches until pc_added_index. */
pc_status pc_added_push(pc_added *added, const pc_added_token *token);
pc_status pc_added_index(pc_added *added);
void pc_added_clear(pc_added *added);

typedef struct pc_match {
    const pc_added_token *token;
    size_t start, end; /* bytes, white space taken along included */
} pc_match;

/* The first match in text[from..length), which doesn't reach before `from`; false when there is none. */
bool pc_matcher_find(const pc_matcher *matcher, const char *text, size_t length, size_t from, pc_match *out);

/* The longest token at text[0]: *out, start 0; false when there is none. */
bool pc_matcher_begins(const pc_matcher *matcher, const char *text, size_t length, pc_match *out);

static inline const pc_matcher *pc_added_matcher(const pc_added *added, bool all, bool normalized)
{
    return &added->matchers[(all ? 1 : 0) + (normalized ? 2 : 0)];
}

#endif
