/* Stems of English words, as libstemmer's "english" gives them. */
#include "eval/metric/stem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void words_are_stemmed(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a", "a"}, {"consign", "consign"}, {"consigned", "consign"}, {"consistency", "consist"},
        {"knackeries", "knackeri"}, {"generously", "generous"}, {"communism", "communism"}, {"arsenal", "arsenal"},
        {"skies", "sky"}, {"dying", "die"}, {"news", "news"}, {"inning", "inning"}, {"exceed", "exceed"},
        {"hoping", "hope"}, {"hopping", "hop"}, {"falling", "fall"}, {"agreed", "agre"}, {"feedly", "feed"},
        {"luxuriated", "luxuri"}, {"conflated", "conflat"}, {"sized", "size"}, {"plotted", "plot"},
        {"happy", "happi"}, {"say", "say"}, {"by", "by"}, {"enjoyment", "enjoy"}, {"ties", "tie"}, {"cries", "cri"},
        {"gas", "gas"}, {"this", "this"}, {"kiwis", "kiwi"}, {"gaps", "gap"}, {"relational", "relat"},
        {"conditional", "condit"}, {"rationality", "ration"}, {"hesitancy", "hesit"}, {"digitizer", "digit"},
        {"operator", "oper"}, {"feudalism", "feudal"}, {"hopefulness", "hope"}, {"callousness", "callous"},
        {"formality", "formal"}, {"sensitivity", "sensit"}, {"sensibility", "sensibl"}, {"analogously", "analog"},
        {"geology", "geolog"}, {"cordially", "cordial"}, {"lessly", "lessli"}, {"national", "nation"},
        {"alternative", "altern"}, {"electrical", "electr"}, {"goodness", "good"}, {"revival", "reviv"},
        {"allowance", "allow"}, {"inference", "infer"}, {"replacement", "replac"}, {"adjustment", "adjust"},
        {"adoption", "adopt"}, {"homologous", "homolog"}, {"effective", "effect"}, {"bowdlerize", "bowdler"},
        {"probate", "probat"}, {"rate", "rate"}, {"cease", "ceas"}, {"controll", "control"}, {"rolling", "roll"},
        {"fly's", "fli"}, {"boys'", "boy"}, {"'tis", "tis"}, {"youth", "youth"}, {"yellow", "yellow"},
        {"beauty", "beauti"}, {"eggs", "egg"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char word[PC_STEM_LETTERS];
        strcpy(word, cases[i][0]);
        pc_stem_english(word);
        if (strcmp(word, cases[i][1]) != 0) {
            fail_msg("'%s': expected '%s', found '%s'", cases[i][0], cases[i][1], word);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words_are_stemmed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
