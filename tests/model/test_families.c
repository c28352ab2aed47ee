/* Every stage of tiny models of each family against transformers (tests/oracle/make_*.py), at each level of the CPU
 * backend. */
#include "support/parity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const parity_fixture encoders[] = {
    {"siglip", GOLDEN("siglip/both"), GOLDEN("siglip/both.safetensors"), true},
    {"llava over siglip", GOLDEN("siglip/llava"), GOLDEN("siglip/llava.safetensors"), false},
};

static void test_encoders(void **state)
{
    (void)state;
    parity_check_levels(encoders, sizeof encoders / sizeof encoders[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
