/* Files that are cut, changed or made to do harm, steps that aren't supported, and memory that runs out. */
#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "support/mutate.h"
#include "text/bpe_train.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define GOLDEN PERCEPT_TESTS_DIR "/golden/text/"

static char folder[32]; /* in memory where that is possible: saving waits for the disk */
static char path[sizeof folder + 32];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/dev/shm/percept-text-XXXXXX");
    if (!mkdtemp(folder)) {
        strcpy(folder, "/tmp/percept-text-XXXXXX");
        return mkdtemp(folder) ? 0 : -1;
    }
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return pc_remove_tree(folder) == PC_OK ? 0 : -1;
}

/* Bytes as a file: path. Not durable, so that thousands are quick. */
static void put(const char *name, const void *bytes, size_t size)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static const char *const files[] = {"qwen2.json", "llama3.json", "gpt2.json", "llama.json", "metaspace.json",
                                    "llama.model", "collapse.model", "llama2c.bin", "kinds/clip.json",
                                    "kinds/bert_uncased.json", "kinds/wordlevel_nmt.json", "kinds/unigram_bytes.json",
                                    "kinds/small_map.json", "kinds/word_end.json", "kinds/empty_matches.json",
                                    "kinds/unigram.model", "kinds/unigram_user.model"};
enum { FILES = sizeof files / sizeof files[0] };

static void read_golden(const char *name, char **bytes, size_t *size)
{
    char golden[4096];
    snprintf(golden, sizeof golden, GOLDEN "%s", name);
    assert_int_equal(pc_file_read(bytes, size, golden, 1 << 20), PC_OK);
}

/* Whatever has loaded must work. */
static void use(const pc_tokenizer *tokenizer)
{
    static const char text[] = "The theme, \xe4\xbd\xa0\xe5\xa5\xbd  <s>\xff 12 foo\n";
    pc_ids ids = {0};
    pc_str out = {0};
    assert_int_equal(pc_tokenizer_encode(tokenizer, text, sizeof text - 1,
                                         PC_TOKENIZE_ADD_SPECIAL | PC_TOKENIZE_PARSE_SPECIAL, &ids), PC_OK);
    assert_int_equal(pc_tokenizer_decode(tokenizer, ids.data, ids.count, 0, &out), PC_OK);
    pc_ids_clear(&ids);
    pc_str_clear(&out);
}

static void load_and_use(void)
{
    pc_tokenizer *tokenizer;
    pc_status status = pc_tokenizer_load(&tokenizer, path);
    if (status == PC_OK) {
        use(tokenizer);
    } else {
        assert_null(tokenizer);
        assert_int_equal(status, PC_ERR_DATA);
        assert_true(pc_error()[0]);
    }
    pc_tokenizer_free(tokenizer);
}

/* Mutants that know the structure of their file, and what no fixture is small enough for. */
static pc_status load_mutant(const char *mutant, const void *bytes, size_t size, void *user)
{
    pc_tokenizer *tokenizer;
    (void)bytes;
    (void)size;
    (void)user;
    pc_status status = pc_tokenizer_load(&tokenizer, mutant);
    if (status == PC_OK) {
        static const char text[] = "The theme, \xe4\xbd\xa0 \xef\xac\x81 foo\n";
        pc_ids ids = {0};
        pc_str out = {0};
        status = pc_tokenizer_encode(tokenizer, text, sizeof text - 1, PC_TOKENIZE_ADD_SPECIAL, &ids);
        status = status == PC_OK ? pc_tokenizer_decode(tokenizer, ids.data, ids.count, 0, &out) : status;
        pc_ids_clear(&ids);
        pc_str_clear(&out);
    }
    pc_tokenizer_free(tokenizer);
    return status;
}

static void mutants(void **state)
{
    static const char *const seeds[] = {"kinds/small_map.json", "kinds/bert_uncased.json", "kinds/empty_matches.json",
                                        "kinds/unigram.model", "kinds/unigram_user.model"};
    (void)state;
    for (size_t i = 0; i < sizeof seeds / sizeof seeds[0]; i++) {
        char golden[4096];
        snprintf(golden, sizeof golden, GOLDEN "%s", seeds[i]);
        pc_mutant_result result = pc_test_mutants_of_file(seeds[i], golden, load_mutant, NULL, 150);
        assert_true(result.refused > 0);
    }
    static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n##me\n,\nfoo\n";
    pc_test_mutants("vocab.txt", vocab, sizeof vocab - 1, load_mutant, NULL, 500);
}

/* As many ranks as GPT-2 has: the 256 bytes, pairs of letters, then what is needed to get there. */
static void make_ranks(pc_str *out)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (unsigned rank = 0; rank < 50256; rank++) {
        if (rank < 256) { /* one byte */
            assert_int_equal(pc_str_printf(out, "%c%c==", letters[rank >> 2], letters[(rank & 3) << 4]), PC_OK);
        } else { /* two */
            unsigned pair = rank - 256 + 0x6100;
            assert_int_equal(pc_str_printf(out, "%c%c%c=", letters[pair >> 10 & 63], letters[pair >> 4 & 63],
                                           letters[(pair & 15) << 2]), PC_OK);
        }
        assert_int_equal(pc_str_printf(out, " %u\n", rank), PC_OK);
    }
}

static void ranks(void **state)
{
    static const char *const bad[] = {"IQ== 0\nIQ== 1\n", "IQ== 0\nIQ= 1\n", "IQ== 0\nIg== 99999999\n", "IQ== 0\nIg==1\n",
                                      "IQ== 0\nIg== 1x\n", "IQ== 0\nIg== 1\n", "IQ== 0\nIg== 0\n", "IQ== 0\nIg== 12345678901\n"};
    pc_str text = {0};
    pc_tokenizer *tokenizer;
    pc_ids ids = {0};
    (void)state;
    make_ranks(&text);
    put("ranks", text.data, text.length);
    assert_int_equal(pc_tokenizer_load(&tokenizer, path), PC_OK);
    assert_int_equal(pc_tokenizer_encode(tokenizer, "ab ba", 5, 0, &ids), PC_OK);
    assert_int_equal(ids.count, 3); /* "ab", " b", "a": a merge goes before what stands behind it */
    assert_int_equal(ids.data[0], 256 + 0x62);
    assert_int_equal(pc_tokenizer_id(tokenizer, "<|endoftext|>"), 50256);
    pc_tokenizer_free(tokenizer);
    for (size_t cut = text.length - 1; cut > text.length / 2; cut -= text.length / 7) {
        put("ranks", text.data, cut);
        load_and_use();
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put("ranks", bad[i], strlen(bad[i]));
        assert_int_equal(pc_tokenizer_load(&tokenizer, path), PC_ERR_DATA);
    }
    pc_ids_clear(&ids);
    pc_str_clear(&text);
}

static void cut_files(void **state)
{
    (void)state;
    for (int i = 0; i < FILES; i++) {
        char *bytes;
        size_t size;
        bool json = strstr(files[i], ".json");
        read_golden(files[i], &bytes, &size);
        for (size_t cut = 0; cut < size; cut += json ? 97 : 13) {
            put("cut", bytes, cut);
            load_and_use();
            if (json) {
                pc_tokenizer *tokenizer;
                assert_int_equal(pc_tokenizer_load(&tokenizer, path), PC_ERR_DATA);
            }
        }
        pc_free(bytes);
    }
}

static void changed_files(void **state)
{
    pc_rng rng;
    (void)state;
    pc_rng_init(&rng, 7, 0);
    for (int i = 0; i < FILES; i++) {
        char *bytes;
        size_t size;
        read_golden(files[i], &bytes, &size);
        for (int n = 0; n < 100; n++) {
            char *changed = malloc(size);
            assert_non_null(changed);
            memcpy(changed, bytes, size);
            for (uint64_t changes = 1 + pc_rng_below(&rng, 4); changes > 0; changes--) {
                changed[pc_rng_below(&rng, size)] = (char)pc_rng_u32(&rng);
            }
            put("changed", changed, size);
            load_and_use();
            free(changed);
        }
        pc_free(bytes);
    }
}

#define MODEL "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}"

static void refused_by_name(void **state)
{
    static const struct {
        const char *json, *message;
    } cases[] = {
        {"", "not a tokenizer"},
        {"hello", "not a tokenizer"},
        {"{", "line 1"},
        {"{}", "merges.txt"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", "vocabulary"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1],[\"b\"]]}}", "entry 1"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1]],\"unk_id\":1}}", "unk_id"},
        {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{}}}", "vocabulary"},
        {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":[]}}", "vocabulary"},
        {"{\"model\":{\"type\":\"Neural\",\"vocab\":{}}}", "Neural"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}", "vocabulary"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}", "\"a\""},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":2000000000},\"merges\":[]}}", "\"a\""},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", "two tokens"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a c\"]}}", "\"c\""},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a\"]}}", "\"aa\""},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"aa\"]}}", "merge 0"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}}", "merge 0"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":{}}}", "merges"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"unk_token\":\"u\"}}", "unk_token"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1}}", "dropout"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"end_of_word_suffix\":\"</w>\",\"byte_fallback\":true}}",
         "end_of_word"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\",\"a\"]],\"continuing_subword_prefix\":\"##\"}}",
         "no prefix"},
        {"{" MODEL ",\"normalizer\":{\"type\":\"OddNormalizer\"}}",
         "OddNormalizer"},
        {"{" MODEL ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAA\"}}",
         "base64"},
        {"{" MODEL ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////wAA\"}}",
         "charsmap"},
        {"{" MODEL ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(a\"},\"content\":\"\"}}",
         "a"},
        {"{" MODEL ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a\\\\b\"},\"content\":\"\"}}",
         "\\b is not"},
        {"{" MODEL ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"[a&&b]\"},\"content\":\"\"}}",
         "&&"},
        {"{" MODEL ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"[[:alpha:]]\"},\"content\":\"\"}}",
         "class within"},
        {"{" MODEL ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(?m:a)\"},\"content\":\"\"}}",
         "(?"},
        {"{" MODEL ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a(?i)b\"},\"content\":\"\"}}",
         "(?"},
        {"{" MODEL ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(?i:ss)\"},\"content\":\"\"}}",
         "(?i) with"},
        {"{" MODEL ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a{,3}\"},\"content\":\"\"}}",
         "{,n}"},
        {"{" MODEL ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a{1,3}+\"},\"content\":\"\"}}",
         "possessive"},
        {"{" MODEL ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"\\\\p{Nonsense}\"},\"content\":\"\"}}",
         "Nonsense"},
        {"{" MODEL ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"[a\"},\"content\":\"\"}}",
         "without an end"},
        {"{" MODEL ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(a)\\\\1\"},\"content\":\"\"}}",
         "\\1"},
        {"{" MODEL ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(*UTF)a\"},\"content\":\"\"}}",
         "(*"},
        {"{" MODEL ",\"normalizer\":{}}", "type"},
        {"{" MODEL ",\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}}", "UnicodeScripts"},
        {"{" MODEL ",\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a*\"},\"behavior\":\"Eaten\"}}",
         "Eaten"},
        {"{" MODEL ",\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{},\"behavior\":\"Isolated\"}}", "pattern"},
        {"{" MODEL ",\"pre_tokenizer\":{\"type\":\"Metaspace\",\"prepend_scheme\":\"often\"}}", "often"},
        {"{" MODEL ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},"
         "{\"type\":\"Digits\"}]}}", "after ByteLevel"},
        {"{" MODEL ",\"post_processor\":{\"type\":\"Odd\"}}", "Odd"},
        {"{" MODEL ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},"
         "{\"Sequence\":{}}],\"special_tokens\":{\"<s>\":{\"ids\":[9]}}}}", "<s>"},
        {"{" MODEL ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[]}}", "no sequence"},
        {"{" MODEL ",\"decoder\":{\"type\":\"CTC\"}}", "CTC"},
        {"{" MODEL ",\"added_tokens\":[{\"id\":2,\"content\":\"<s>\"}]}", "two tokens"},
        {"{" MODEL ",\"added_tokens\":[{\"id\":7,\"content\":\"ab\"}]}", "\"ab\""},
        {"{" MODEL ",\"added_tokens\":[{\"content\":\"x\"}]}", "'id'"},
        {"{" MODEL ",\"added_tokens\":[{\"id\":2000000000,\"content\":\"x\"}]}", "'id'"},
        {"{" MODEL ",\"added_tokens\":7}", "added_tokens"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pc_tokenizer *tokenizer;
        put("bad", cases[i].json, strlen(cases[i].json));
        assert_int_equal(pc_tokenizer_load(&tokenizer, path), PC_ERR_DATA);
        assert_null(tokenizer);
        if (!strstr(pc_error(), cases[i].message)) {
            fail_msg("%s\ngives \"%s\", which doesn't say %s", cases[i].json, pc_error(), cases[i].message);
        }
    }
}

/* SentencePiece models of other types: the fields say what they are. */
static void refused_pieces(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } cases[] = {
        {"\x0a\x03\x0a\x01" "a", 5, "trainer_spec"},
        {"\x0a\x03\x0a\x01" "a\x12\x02\x18\x03", 9, "word"},
        {"\x0a\x03\x0a\x01" "a\x0a\x03\x0a\x01" "a\x12\x02\x18\x02", 14, "twice"},
        {"\x0a\x03\x0a\x01" "a\x12\x02\x18\x02\x1a\x03\x12\x01x", 14, "charsmap of 1 bytes"},
        {"\x0a\x08\x0a\x01" "a\x15\x00\x00\xc0\x7f\x12\x02\x18\x02", 14, "not a number"},
        {"\x0a\x03\x0a\x01" "a\x12\x05\x18\x02\x98\x02\x01", 12, "<0x00>"},
        {"\x0a\x03\x0a\x7f" "a", 5, "malformed or cut"},
        {"\x0a\x03\x0a\x01" "a\x0b", 6, "malformed or cut"},
        {"\x0a\x03\x0a\x01" "a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16, "malformed or cut"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pc_tokenizer *tokenizer;
        put("bad", cases[i].bytes, cases[i].size);
        assert_int_equal(pc_tokenizer_load(&tokenizer, path), PC_ERR_DATA);
        if (!strstr(pc_error(), cases[i].message)) {
            fail_msg("case %zu gives \"%s\", which doesn't say %s", i, pc_error(), cases[i].message);
        }
    }
}

static void missing_files(void **state)
{
    pc_tokenizer *tokenizer;
    char nowhere[sizeof folder + 32];
    (void)state;
    snprintf(nowhere, sizeof nowhere, "%s/nowhere", folder);
    assert_int_equal(pc_tokenizer_load(&tokenizer, nowhere), PC_ERR_IO);
    assert_null(tokenizer);
    assert_int_equal(pc_make_directories(nowhere), PC_OK);
    assert_int_equal(pc_tokenizer_load(&tokenizer, nowhere), PC_ERR_IO);
    assert_null(tokenizer);
}

static const char tiny[] =
    "{\"added_tokens\":[{\"id\":9,\"content\":\"<x>\",\"special\":true},{\"id\":10,\"content\":\"A\",\"normalized\":true}],"
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"Lowercase\"},"
    "{\"type\":\"Prepend\",\"prepend\":\"_\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"_\"}]},"
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\"},{\"type\":\"Metaspace\"}]},"
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<x>\"}},{\"Sequence\":{}}],"
    "\"special_tokens\":{\"<x>\":{\"ids\":[9]}}},"
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"_\"},"
    "\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1}]},"
    "\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"fuse_unk\":true,\"vocab\":{\"?\":0,\"a\":1,\"b\":2,\"ab\":3,\"_\":4,"
    "\"c\":5,\"abc\":6,\"\xe2\x96\x81\":7},\"merges\":[\"a b\",[\"ab\",\"c\"]]}}";

/* Every request for memory fails once: load, encode, decode, add, save. */
static void memory_runs_out(void **state)
{
    static const char *const names[] = {"tiny", "collapse.model", "llama2c.bin", "kinds/bert_uncased.json", "kinds/small_map.json",
                                        "kinds/unigram_user.model", "kinds/string_split.json"};
    char saved[sizeof folder + 32];
    (void)state;
    snprintf(saved, sizeof saved, "%s/saved", folder);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *bytes = NULL;
        size_t size = sizeof tiny - 1;
        if (i > 0) {
            read_golden(names[i], &bytes, &size);
        }
        put("memory", bytes ? bytes : tiny, size);
        pc_free(bytes);
        pc_status status = PC_ERR_MEMORY;
        long n = 0;
        while (status != PC_OK) {
            pc_tokenizer *tokenizer = NULL;
            pc_ids ids = {0};
            pc_str out = {0};
            int32_t id;
            n++;
            pc_alloc_fail_at(n, n % 2);
            status = pc_tokenizer_load(&tokenizer, path);
            static const char text[] = "abcab<x> e\xcc\x81 abcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabc A";
            status = status == PC_OK ? pc_tokenizer_encode(tokenizer, text, sizeof text - 1, 3, &ids) : status;
            status = status == PC_OK ? pc_tokenizer_decode(tokenizer, ids.data, ids.count, 0, &out) : status;
            status = status == PC_OK ? pc_tokenizer_add_token(tokenizer, "<new>", true, &id) : status;
            status = status == PC_OK ? pc_tokenizer_save(tokenizer, saved) : status;
            pc_alloc_fail_at(0, false);
            if (status != PC_OK && status != PC_ERR_MEMORY) {
                fail_msg("request %ld of %s: status %d, %s", n, names[i], status, pc_error());
            }
            if (tokenizer) {
                use(tokenizer); /* a failure leaves it usable */
            }
            pc_tokenizer_free(tokenizer);
            pc_ids_clear(&ids);
            pc_str_clear(&out);
        }
        assert_true(n > 50);
    }
}

static void memory_runs_out_in_training(void **state)
{
    static const char *const specials[] = {"<s>", "<image>"}, *const texts[] = {"aa aa ab ab abc abc <s> abc 12"};
    const size_t length = strlen(texts[0]);
    const pc_bpe_options options = {.vocab_size = 270, .specials = specials, .special_count = 2};
    (void)state;
    pc_status status = PC_ERR_MEMORY;
    for (long n = 1; status != PC_OK; n++) {
        pc_tokenizer *tokenizer;
        pc_alloc_fail_at(n, n % 2);
        status = pc_bpe_train(&tokenizer, &options, texts, &length, 1);
        pc_alloc_fail_at(0, false);
        assert_true(status == PC_OK || status == PC_ERR_MEMORY);
        assert_true((status == PC_OK) == (tokenizer != NULL));
        pc_tokenizer_free(tokenizer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutants),
        cmocka_unit_test(ranks),
        cmocka_unit_test(cut_files),
        cmocka_unit_test(changed_files),
        cmocka_unit_test(refused_by_name),
        cmocka_unit_test(refused_pieces),
        cmocka_unit_test(missing_files),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(memory_runs_out_in_training),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
