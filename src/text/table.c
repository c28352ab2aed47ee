/* Each kind of table is turned into what an existing kind of tokenizer reads: "llama" into a SentencePiece model, "bert" into
 * the lines of a vocab.txt, "gpt2" into a byte-level BPE model with steps in front that cut as its `pre` says.
 *
 * Sources: ggml's docs/gguf.md; llama.cpp src/llama-vocab.cpp (names of `pre` and their expressions).
 * Easy to get wrong: GGUF spells WordPiece tokens the other way round, a mark U+2581 where a word begins and no "##" behind;
 * added tokens of byte-level BPE are plain text, not characters that stand for bytes.
 */
#include "text/table.h"

#include "base/memory.h"
#include "text/bpe.h"
#include "text/proto.h"
#include "text/split.h"

#include <string.h>

static const char mark[] = "\xe2\x96\x81";

/* --- "llama" --- */

static pc_status write_piece(pc_str *out, const pc_token_table *table, size_t id, pc_str *piece)
{
    float score = table->scores ? table->scores[id] : 0;
    pc_str_reset(piece);
    PC_TRY(pc_proto_write_bytes(piece, 1, table->tokens[id].text, table->tokens[id].length));
    PC_TRY(pc_proto_write_float(piece, 2, score));
    PC_TRY(pc_proto_write_varint(piece, 3, table->types ? (uint64_t)table->types[id] : PC_TOKEN_NORMAL));
    return pc_proto_write_bytes(out, 1, piece->data, piece->length);
}

/* trainer_spec: BPE, byte fallback, the ids of unknown, BOS, EOS, PAD. */
static pc_status write_trainer(pc_str *out, const pc_token_table *table, pc_str *spec)
{
    static const int fields[PC_TOKEN_ROLES] = {[PC_TOKEN_UNK] = 40, [PC_TOKEN_BOS] = 41, [PC_TOKEN_EOS] = 42,
                                               [PC_TOKEN_PAD] = 43};
    bool bytes = false;
    for (size_t id = 0; table->types && id < table->count; id++) {
        bytes = bytes || table->types[id] == PC_TOKEN_BYTE;
    }
    pc_str_reset(spec);
    PC_TRY(pc_proto_write_varint(spec, 3, 2));
    PC_TRY(pc_proto_write_varint(spec, 35, bytes));
    for (int role = 0; role < PC_TOKEN_ROLES; role++) {
        PC_TRY(pc_proto_write_varint(spec, fields[role], (uint64_t)(int64_t)table->roles[role]));
    }
    return pc_proto_write_bytes(out, 2, spec->data, spec->length);
}

/* normalizer_spec: text stays as it is, but for the space in front. */
static pc_status write_normalizer(pc_str *out, const pc_token_table *table, pc_str *spec)
{
    pc_str_reset(spec);
    PC_TRY(pc_proto_write_bytes(spec, 1, "identity", 8));
    PC_TRY(pc_proto_write_varint(spec, 3, table->space_prefix));
    PC_TRY(pc_proto_write_varint(spec, 4, 0));
    PC_TRY(pc_proto_write_varint(spec, 5, 1));
    return pc_proto_write_bytes(out, 3, spec->data, spec->length);
}

static pc_status write_sentencepiece(pc_str *out, const pc_token_table *table)
{
    pc_str part = {0};
    pc_status status = PC_OK;
    for (size_t id = 0; id < table->count && status == PC_OK; id++) {
        status = write_piece(out, table, id, &part);
    }
    status = status == PC_OK ? write_trainer(out, table, &part) : status;
    status = status == PC_OK ? write_normalizer(out, table, &part) : status;
    pc_str_clear(&part);
    return status;
}

/* --- "bert" --- */

static bool is_bracketed(const pc_table_text *token)
{
    return token->length > 2 && token->text[0] == '[' && token->text[token->length - 1] == ']';
}

static pc_status write_lines(pc_str *out, const pc_token_table *table)
{
    for (size_t id = 0; id < table->count; id++) {
        const pc_table_text *token = &table->tokens[id];
        bool begins = token->length >= 3 && memcmp(token->text, mark, 3) == 0;
        if (memchr(token->text, '\n', token->length)) {
            return pc_fail(PC_ERR_DATA, "%s: token %zu has a line feed inside", table->where, id);
        }
        if (!begins && !is_bracketed(token)) {
            PC_TRY(pc_str_puts(out, "##"));
        }
        PC_TRY(pc_str_add(out, token->text + (begins ? 3 : 0), token->length - (begins ? 3 : 0)));
        PC_TRY(pc_str_putc(out, '\n'));
    }
    return PC_OK;
}

/* --- "gpt2" --- */

#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"

/* How text is cut: expressions whose matches are words, as is what lies between; one after the other. "=" names a
 * scanner. */
typedef struct cut_rule {
    const char *names;   /* of `pre`, a space round each */
    bool ignore_merges;  /* a word that is a token is that token */
    const char *regex[6];
} cut_rule;

static const cut_rule rules[] = {
    {" gpt-2 phi-2 jina-es jina-de gigachat jina-v1-en jina-v2-es jina-v2-de jina-v2-code roberta-bpe mpt olmo jais ", false,
     {"=gpt2"}},
    {" default ", false, {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
    {" falcon ", false, {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"}},
    {" starcoder refact command-r smollm codeshell exaone minerva-7b ", false, {"\\p{N}", GPT2}},
    {" llama-bpe llama3 llama-v3 falcon3 ", true, {"=llama3"}},
    {" dbrx smaug-bpe chatglm-bpe ", false, {"=llama3"}},
    {" qwen2 deepseek-r1-qwen stablelm2 megrez ", false, {"=qwen2"}},
    {" gpt-4o ", false, {"=o200k"}},
    {" tekken ", true,
     {"[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?"
      "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|"
      "\\s+(?!\\S)|\\s+"}},
    {" deepseek-coder ", false,
     {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+",
      "[\xe4\xb8\x80-\xe9\xbe\xa5\xe0\xa0\x80-\xe4\xb8\x80\xea\xb0\x80-\xed\x9f\xbf]+", "\\p{N}"}},
    {" deepseek-v3 ", false,
     {"\\p{N}{1,3}", "[\xe4\xb8\x80-\xe9\xbe\xa5\xe3\x81\x80-\xe3\x82\x9f\xe3\x82\xa0-\xe3\x83\xbf]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|"
      "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
};

static const cut_rule *find_rule(const char *pre)
{
    char name[64];
    size_t length = strlen(pre);
    if (length + 3 > sizeof name || strchr(pre, ' ')) {
        return NULL;
    }
    name[0] = ' ';
    memcpy(name + 1, pre, length);
    memcpy(name + 1 + length, " ", 2);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (strstr(rules[i].names, name)) {
            return &rules[i];
        }
    }
    return NULL;
}

const char *pc_table_pre_at(size_t i, bool *ignore_merges)
{
    static const char *const first[] = {"gpt-2", "default", "falcon", "starcoder", "llama-bpe", "smaug-bpe", "qwen2", "gpt-4o",
                                        "tekken", "deepseek-coder", "deepseek-v3"};
    const char *name = i < sizeof first / sizeof first[0] ? first[i] : NULL;
    *ignore_merges = name && find_rule(name)->ignore_merges;
    return name;
}

static pc_status push_split(pc_json *steps, const char *regex)
{
    pc_json *step = pc_json_new_object(), *pattern = pc_json_new_object();
    pc_status status = pc_json_set(pattern, "Regex", pc_json_new_text(regex));
    if (status == PC_OK) {
        status = pc_json_set(step, "type", pc_json_new_text("Split"));
    }
    if (status == PC_OK) {
        status = pc_json_set(step, "behavior", pc_json_new_text("Isolated"));
    }
    if (status == PC_OK) {
        status = pc_json_set(step, "invert", pc_json_new_bool(false));
    }
    if (status == PC_OK) {
        status = pc_json_set(step, "pattern", pattern);
        pattern = NULL;
    }
    if (status != PC_OK) {
        pc_json_free(pattern);
        pc_json_free(step);
        return status;
    }
    return pc_json_push(steps, step);
}

static pc_status read_rule(pc_tokenizer *tokenizer, const cut_rule *rule)
{
    static const char text[] =
        "{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[]},"
        "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true}}";
    static const char bytes[] =
        "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}";
    pc_json *root = NULL, *last = NULL;
    pc_status status;
    if (rule->regex[0][0] == '=') {
        const char *name = rule->regex[0] + 1;
        return pc_bpe_byte_level_pipeline(tokenizer, strcmp(name, "gpt2") == 0 ? NULL : pc_split_by_name(name)->regex);
    }
    PC_GO(pc_json_parse(&root, text, strlen(text), "pipeline"));
    pc_json *steps = pc_json_get(pc_json_get(root, "pre_tokenizer"), "pretokenizers");
    for (int i = 0; i < 6 && rule->regex[i]; i++) {
        PC_GO(push_split(steps, rule->regex[i]));
    }
    PC_GO(pc_json_parse(&last, bytes, strlen(bytes), "pipeline"));
    PC_GO(pc_json_push(steps, last));
    PC_GO(pc_piped_read(tokenizer, root, "pipeline"));
done:
    pc_json_free(root);
    return status;
}

static pc_status read_tokens(pc_tokenizer *tokenizer, const pc_token_table *table)
{
    pc_vocab *vocab = &tokenizer->vocab;
    PC_TRY(pc_vocab_reserve(vocab, table->count));
    for (size_t id = 0; id < table->count; id++) {
        PC_TRY(pc_vocab_set(vocab, id, table->tokens[id].text, table->tokens[id].length, 0));
    }
    for (size_t id = 0; table->types && id < table->count; id++) {
        int32_t type = table->types[id];
        size_t length;
        const char *text = pc_vocab_text(vocab, (int32_t)id, &length);
        bool special = type == PC_TOKEN_CONTROL || type == PC_TOKEN_UNKNOWN;
        if (!special && type != PC_TOKEN_USER_DEFINED) {
            continue;
        }
        if (length == 0 || pc_vocab_find(vocab, text, length) != (int32_t)id) {
            return pc_fail(PC_ERR_DATA, "%s: the control token %zu is empty or there twice", table->where, id);
        }
        pc_added_token token = {.text = (char *)text, .length = length, .id = (int32_t)id, .special = special,
                                .plain = pc_added_is_plain(text, length, special)};
        PC_TRY(pc_tokenizer_put_added(tokenizer, &token));
    }
    return PC_OK;
}

/* A merge is two tokens with a space between, which neither holds. */
static pc_status read_merges(pc_bpe *bpe, const pc_vocab *vocab, const pc_token_table *table)
{
    size_t capacity = 0;
    for (size_t i = 0; i < table->merge_count; i++) {
        const pc_table_text *merge = &table->merges[i];
        const char *space = merge->length > 1 ? memchr(merge->text + 1, ' ', merge->length - 1) : NULL;
        size_t left = space ? (size_t)(space - merge->text) : 0;
        if (!space) {
            return pc_fail(PC_ERR_DATA, "%s: merge %zu is not \"a b\"", table->where, i);
        }
        PC_TRY(pc_bpe_add_merge(bpe, &capacity, vocab, merge->text, left, space + 1, merge->length - left - 1, table->where));
    }
    return PC_OK;
}

static pc_status load_gpt2(pc_tokenizer **out, const pc_token_table *table)
{
    const cut_rule *rule = find_rule(table->pre ? table->pre : "gpt-2");
    pc_tokenizer *tokenizer = NULL;
    pc_bpe *bpe = NULL;
    pc_status status;
    if (!rule) {
        return pc_fail(PC_ERR_DATA, "%s: key 'tokenizer.ggml.pre': how '%.60s' cuts text is not known here", table->where,
                       table->pre);
    }
    PC_GO(pc_piped_new(&tokenizer, &pc_word_model_bpe));
    PC_GO(pc_bpe_new(&bpe));
    ((pc_piped *)tokenizer->state)->state = bpe;
    bpe->ignore_merges = rule->ignore_merges;
    PC_GO(read_tokens(tokenizer, table));
    PC_GO(read_merges(bpe, &tokenizer->vocab, table));
    PC_GO(read_rule(tokenizer, rule));
    PC_GO(pc_piped_ready(tokenizer, table->where));
    PC_GO(pc_tokenizer_ready(tokenizer));
done:
    if (status != PC_OK) {
        pc_tokenizer_free(tokenizer);
        tokenizer = NULL;
    }
    *out = tokenizer;
    return status;
}

/* --- all --- */

/* Through the bytes of a file of another kind. */
static pc_status load_bytes(pc_tokenizer **out, const pc_token_table *table, const pc_text_kind *kind,
                            pc_status (*write)(pc_str *, const pc_token_table *), const char *config_text)
{
    pc_str bytes = {0};
    pc_json *config = NULL;
    pc_status status;
    PC_GO(write(&bytes, table));
    PC_GO(pc_str_puts(&bytes, ""));
    PC_GO(pc_json_parse(&config, config_text, strlen(config_text), table->where));
    pc_text_source source = {.path = table->where, .bytes = bytes.data, .size = bytes.length, .config = config};
    PC_GO(pc_tokenizer_load_source(out, &source, kind));
done:
    pc_json_free(config);
    pc_str_clear(&bytes);
    return status;
}

static pc_status set_roles(pc_tokenizer *tokenizer, const pc_token_table *table)
{
    const struct {
        bool wanted;
        pc_token_role role;
        pc_ids *ids;
    } ends[] = {{table->add_bos, PC_TOKEN_BOS, &tokenizer->before}, {table->add_eos, PC_TOKEN_EOS, &tokenizer->after}};
    for (int role = 0; role < PC_TOKEN_ROLES; role++) {
        int32_t id = table->roles[role];
        if (id < -1 || (id >= 0 && (size_t)id >= table->count)) {
            return pc_fail(PC_ERR_DATA, "%s: the id %d of a special token lies outside the vocabulary of %zu", table->where,
                           (int)id, table->count);
        }
        tokenizer->roles[role] = id;
    }
    for (int i = 0; i < 2; i++) {
        ends[i].ids->count = 0;
        if (ends[i].wanted && tokenizer->roles[ends[i].role] >= 0) {
            PC_TRY(pc_ids_push(ends[i].ids, tokenizer->roles[ends[i].role]));
        }
    }
    pc_piped *piped = tokenizer->kind == &pc_text_kind_piped ? tokenizer->state : NULL;
    return piped ? pc_template_to_json(tokenizer, piped->pipeline) : PC_OK;
}

static pc_status check(const pc_token_table *table)
{
    for (size_t id = 0; table->types && id < table->count; id++) {
        if (table->types[id] < PC_TOKEN_NORMAL || table->types[id] > PC_TOKEN_BYTE) {
            return pc_fail(PC_ERR_DATA, "%s: key 'tokenizer.ggml.token_type': token %zu has the type %d", table->where, id,
                           (int)table->types[id]);
        }
    }
    return table->count > 0 ? PC_OK : pc_fail(PC_ERR_DATA, "%s: a vocabulary without tokens", table->where);
}

pc_status pc_tokenizer_from_table(pc_tokenizer **out, const pc_token_table *table)
{
    pc_status status;
    *out = NULL;
    PC_TRY(check(table));
    if (strcmp(table->model, "llama") == 0) {
        status = load_bytes(out, table, &pc_text_kind_sentencepiece, write_sentencepiece, "{\"legacy\":true}");
    } else if (strcmp(table->model, "bert") == 0) {
        status = load_bytes(out, table, &pc_text_kind_vocab_txt, write_lines, "{\"do_lower_case\":true}");
    } else if (strcmp(table->model, "gpt2") == 0) {
        status = load_gpt2(out, table);
    } else {
        status = pc_fail(PC_ERR_DATA, "%s: key 'tokenizer.ggml.model': '%.40s' is none of llama, gpt2, bert", table->where,
                         table->model);
    }
    status = status == PC_OK ? set_roles(*out, table) : status;
    if (status != PC_OK) {
        pc_tokenizer_free(*out);
        *out = NULL;
    }
    return status;
}
