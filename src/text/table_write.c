/* A tokenizer -> the tables of a GGUF file.
 *
 *   "llama": tokens with SentencePiece's mark for a space, scores; out of a tokenizer.json the score of a piece is the place of
 *            its first merge, so that the order of merging stays the same
 *   "gpt2":  tokens, merges, and the name of the way in which it cuts text
 *
 * Whether a table means the same is found by trying: a tokenizer is made of it, and both read texts of many kinds. So are the
 * name of the cut and the space in front chosen.
 *
 * Easy to get wrong: readers want as many tokens as the embedding has rows; two tokens may not share a string.
 */
#include "text/table.h"

#include "base/memory.h"
#include "text/bpe.h"
#include "text/split.h"

#include <stdio.h>
#include <string.h>

static const char mark[] = "\xe2\x96\x81";
static const float unused_score = -10000; /* as llama.cpp's converter gives it */

/* --- tokens --- */

static int32_t type_of(const pc_tokenizer *tokenizer, const pc_table_parts *parts, int32_t id)
{
    uint32_t flags = pc_vocab_flags(&tokenizer->vocab, id);
    bool llama = strcmp(parts->model, "llama") == 0;
    size_t length;
    const char *text = pc_vocab_text(&tokenizer->vocab, id, &length);
    if (flags & PC_VOCAB_SPECIAL) {
        return llama && id == tokenizer->roles[PC_TOKEN_UNK] ? PC_TOKEN_UNKNOWN : PC_TOKEN_CONTROL;
    }
    if (flags & PC_VOCAB_BYTE || (llama && parts->bpe && !(flags & PC_VOCAB_ADDED) && pc_byte_token(text, length) >= 0)) {
        return PC_TOKEN_BYTE;
    }
    return flags & (PC_VOCAB_ADDED | PC_VOCAB_FIXED) ? PC_TOKEN_USER_DEFINED
           : flags & PC_VOCAB_UNUSED                 ? PC_TOKEN_UNUSED
                                                     : PC_TOKEN_NORMAL;
}

/* A token's string as the table spells it; where the id has none, or a string that stands before, one of its own. */
static pc_status add_token(pc_table_memory *memory, const pc_tokenizer *tokenizer, const pc_table_parts *parts, size_t id)
{
    const pc_vocab *vocab = &tokenizer->vocab;
    size_t start = memory->text.length, length = 0;
    const char *text = pc_tokenizer_token(tokenizer, id < vocab->count ? (int32_t)id : -1, &length);
    if (!text || length == 0 || pc_vocab_find(vocab, text, length) != (int32_t)id) {
        memory->types[id] = PC_TOKEN_UNUSED;
        memory->scores[id] = unused_score;
        PC_TRY(pc_str_printf(&memory->text, "[PAD%zu]", id));
        memory->tokens[id].length = memory->text.length - start;
        return PC_OK;
    }
    const pc_step_text from = {(char *)parts->space, parts->space ? strlen(parts->space) : 0}, to = {(char *)mark, 3};
    memory->types[id] = type_of(tokenizer, parts, (int32_t)id);
    memory->scores[id] = id < parts->score_count ? parts->scores[id] : parts->scores ? -1000 : 0;
    PC_TRY(from.length ? pc_replace_all(&memory->text, text, length, &from, &to) : pc_str_add(&memory->text, text, length));
    memory->tokens[id].length = memory->text.length - start;
    return PC_OK;
}

/* Scores by the place of the merge that makes a piece first. */
static pc_status score_by_merges(pc_table_memory *memory, const pc_tokenizer *tokenizer, const pc_bpe *bpe)
{
    pc_str joined = {0};
    pc_status status = PC_OK;
    for (size_t id = 0; id < tokenizer->vocab.count; id++) {
        memory->scores[id] = memory->types[id] == PC_TOKEN_NORMAL ? -(float)bpe->merge_count - 1 : 0;
    }
    for (size_t i = bpe->merge_count; i-- > 0;) { /* from behind, so that the first stays */
        const int32_t sides[] = {bpe->merges[i].left, bpe->merges[i].right};
        pc_str_reset(&joined);
        for (int side = 0; side < 2; side++) {
            size_t length;
            const char *text = pc_vocab_text(&tokenizer->vocab, sides[side], &length);
            PC_GO(pc_str_add(&joined, text, length));
        }
        int32_t id = pc_vocab_find(&tokenizer->vocab, joined.data, joined.length);
        if (id >= 0 && memory->types[id] == PC_TOKEN_NORMAL) {
            memory->scores[id] = -(float)i;
        }
    }
done:
    pc_str_clear(&joined);
    return status;
}

static pc_status add_merges(pc_table_memory *memory, const pc_tokenizer *tokenizer, const pc_bpe *bpe)
{
    PC_TRY(PC_NEW_ARRAY(memory->merges, bpe->merge_count, "merges"));
    for (size_t i = 0; i < bpe->merge_count; i++) {
        size_t start = memory->text.length, length;
        const char *left = pc_vocab_text(&tokenizer->vocab, bpe->merges[i].left, &length);
        PC_TRY(pc_str_add(&memory->text, left, length));
        PC_TRY(pc_str_putc(&memory->text, ' '));
        const char *right = pc_vocab_text(&tokenizer->vocab, bpe->merges[i].right, &length);
        PC_TRY(pc_str_add(&memory->text, right, length));
        memory->merges[i].length = memory->text.length - start;
    }
    memory->table.merge_count = bpe->merge_count;
    return PC_OK;
}

/* The strings stand one behind the other; the text doesn't move any more. */
static void point(pc_table_text *entries, size_t count, const char **at)
{
    for (size_t i = 0; i < count; i++) {
        entries[i].text = *at;
        *at += entries[i].length;
    }
}

static pc_status fill(pc_table_memory *memory, const pc_tokenizer *tokenizer, const pc_table_parts *parts, size_t rows)
{
    pc_token_table *table = &memory->table;
    PC_TRY(PC_NEW_ARRAY(memory->tokens, rows, "tokens"));
    PC_TRY(PC_NEW_ARRAY(memory->scores, rows, "scores of tokens"));
    PC_TRY(PC_NEW_ARRAY(memory->types, rows, "types of tokens"));
    for (size_t id = 0; id < rows; id++) {
        PC_TRY(add_token(memory, tokenizer, parts, id));
    }
    bool llama = strcmp(parts->model, "llama") == 0;
    if (parts->bpe) {
        PC_TRY(llama ? score_by_merges(memory, tokenizer, parts->bpe) : add_merges(memory, tokenizer, parts->bpe));
    }
    const char *at = memory->text.data;
    point(memory->tokens, rows, &at);
    point(memory->merges, table->merge_count, &at);
    *table = (pc_token_table){.where = "the tokenizer", .model = parts->model, .tokens = memory->tokens,
                              .scores = llama ? memory->scores : NULL, .types = memory->types, .count = rows,
                              .merges = memory->merges, .merge_count = table->merge_count};
    memcpy(table->roles, tokenizer->roles, sizeof table->roles);
    table->add_bos = tokenizer->before.count > 0;
    table->add_eos = tokenizer->after.count > 0;
    return PC_OK;
}

/* --- trying it --- */

/* Words, cases, contractions, numbers, marks, spaces of every kind, line breaks, other scripts, code. */
static const char *const probes[] = {
    "Hello world",
    " leading and trailing ",
    "two  spaces,   three\ttab \t mixed",
    "It's he'll they'RE we'Ve don't I'M 'tis",
    "1 12 123 1234 12345 3.14159 1,000,000 2nd 0x1F",
    "Wait... what?! (yes) [no] {maybe} <tag> a/b\\c #1 @me $5 50% ^~`|&*+=_-",
    "line\nnext\r\nlast\n\n\nend \n indented\n\t\ttabs\n",
    "camelCaseWord HTTPServer snake_case kebab-case ABCdef",
    "na\xc3\xafve caf\xc3\xa9 \xc3\x9c" "berma\xc3\x9f \xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xce\xba\xcf\x8c\xcf\x83\xce\xbc\xce\xb5",
    "\xe4\xbd\xa0\xe5\xa5\xbd\xef\xbc\x8c\xe4\xb8\x96\xe7\x95\x8c\xe3\x80\x82\xe6\x9c\x89" "3\xe4\xb8\xaa\xe3\x81\xb2\xe3\x82\x89\xe3\x81\x8c\xe3\x81\xaa\xe3\x82\xab\xe3\x82\xbf",
    "\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4 \xd8\xa7\xd9\x84\xd8\xb9\xd8\xb1\xd8\xa8\xd9\x8a\xd8\xa9 \xe0\xa4\xb9\xe0\xa4\xbf\xe0\xa4\xa8\xe0\xa5\x8d\xe0\xa4\xa6\xe0\xa5\x80",
    "\xf0\x9f\x98\x80\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd \xe2\x80\x9cquoted\xe2\x80\x9d \xe2\x80\x94 \xe2\x82\xac" "5 \xc2\xbd \xe2\x85\xa7",
    "for (int i = 0; i < n; i++) {\n    x[i] += 1; // done\n}",
    "http://example.org/a?b=c&d=1",
    "a", " ", "\n", "...", "7",
};
enum { PROBES = sizeof probes / sizeof probes[0] };

/* Whether both read the texts alike; *text = the first one that they don't, or NULL. */
static pc_status compare(const pc_tokenizer *tokenizer, const pc_token_table *table, const char **text)
{
    pc_tokenizer *other = NULL;
    pc_ids expected = {0}, found = {0};
    pc_status status;
    *text = NULL;
    PC_GO(pc_tokenizer_from_table(&other, table));
    for (int i = 0; i < PROBES && !*text; i++) {
        expected.count = found.count = 0;
        PC_GO(pc_tokenizer_encode(tokenizer, probes[i], strlen(probes[i]), PC_TOKENIZE_ADD_SPECIAL, &expected));
        PC_GO(pc_tokenizer_encode(other, probes[i], strlen(probes[i]), PC_TOKENIZE_ADD_SPECIAL, &found));
        bool same = expected.count == found.count &&
                    (found.count == 0 || memcmp(expected.data, found.data, found.count * sizeof *found.data) == 0);
        *text = same ? NULL : probes[i];
    }
done:
    pc_tokenizer_free(other);
    pc_ids_clear(&expected);
    pc_ids_clear(&found);
    return status;
}

/* The scanner by which the tokenizer cuts and nothing else; NULL when it cuts otherwise. */
static pc_split_next scanner_of(const pc_cutter *cutter)
{
    pc_split_next next = NULL;
    for (int i = 0; i < cutter->count; i++) {
        const pc_cut_step *step = &cutter->steps[i];
        if (step->source != PC_CUT_NOT && (step->source != PC_CUT_SCANNER || next)) {
            return NULL;
        }
        next = step->source == PC_CUT_SCANNER ? step->next : next;
    }
    return next;
}

/* The scanner behind a name of `pre`; NULL: it has none. */
static pc_split_next scanner_of_pre(const char *pre)
{
    static const struct {
        const char *pre, *pattern;
    } known[] = {{"llama-bpe", "llama3"}, {"smaug-bpe", "llama3"}, {"qwen2", "qwen2"}, {"gpt-4o", "o200k"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].pre, pre) == 0) {
            return pc_split_by_name(known[i].pattern)->next;
        }
    }
    return strcmp(pre, "gpt-2") == 0 ? pc_split_gpt2 : NULL;
}

/* table.pre: by the scanner where there is one, since a small vocabulary may not tell two cuts apart; else by trying. */
static pc_status choose_pre(pc_table_memory *memory, const pc_tokenizer *tokenizer, const pc_table_parts *parts)
{
    pc_split_next next = scanner_of(parts->cutter);
    const char *name, *text = NULL;
    bool ignores;
    for (size_t i = 0; (name = pc_table_pre_at(i, &ignores)); i++) {
        if (ignores != parts->bpe->ignore_merges || (next && scanner_of_pre(name) != next)) {
            continue;
        }
        snprintf(memory->pre, sizeof memory->pre, "%s", name);
        memory->table.pre = memory->pre;
        PC_TRY(compare(tokenizer, &memory->table, &text));
        if (!text) {
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_DATA, "GGUF has no name for the way in which the tokenizer cuts text%s%s", text ? ": " : "",
                   text ? text : "");
}

static pc_status choose_space(pc_table_memory *memory, const pc_tokenizer *tokenizer)
{
    const char *text;
    for (int i = 0; i < 2; i++) {
        memory->table.space_prefix = i == 0;
        PC_TRY(compare(tokenizer, &memory->table, &text));
        if (!text) {
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_DATA, "GGUF has no table for this tokenizer: it reads otherwise: %s", text);
}

pc_status pc_tokenizer_to_table(pc_table_memory *out, const pc_tokenizer *tokenizer, size_t rows)
{
    pc_table_parts parts;
    *out = (pc_table_memory){0};
    if (!tokenizer->kind->to_table) {
        return pc_fail(PC_ERR_DATA, "GGUF has no table for a tokenizer of the kind %s", pc_tokenizer_kind(tokenizer));
    }
    PC_TRY(tokenizer->kind->to_table(tokenizer, &parts));
    rows = rows > pc_tokenizer_size(tokenizer) ? rows : pc_tokenizer_size(tokenizer);
    pc_status status = fill(out, tokenizer, &parts, rows);
    if (status == PC_OK) {
        status = strcmp(parts.model, "gpt2") == 0 ? choose_pre(out, tokenizer, &parts) : choose_space(out, tokenizer);
    }
    if (status != PC_OK) {
        pc_table_memory_clear(out);
    }
    return status;
}

void pc_table_memory_clear(pc_table_memory *memory)
{
    pc_str_clear(&memory->text);
    pc_free(memory->tokens);
    pc_free(memory->merges);
    pc_free(memory->scores);
    pc_free(memory->types);
    *memory = (pc_table_memory){0};
}
