/* .npy: what is written is what numpy writes, and comes back. */
#include "base/file.h"
#include "base/memory.h"
#include "store/npy.h"
#include "support/allocfail.h"
#include "support/mutate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *temporary_path(void)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/percept_npy_%d.npy", (int)getpid());
    return path;
}

/* numpy.save of np.array([[1, 2, 3]], np.uint8): the header is padded to 128 bytes in all. */
static void test_bytes(void **state)
{
    (void)state;
    const uint8_t data[3] = {1, 2, 3};
    const char *header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 3), }";
    char *file = NULL;
    size_t size = 0;
    assert_int_equal(pc_npy_write(temporary_path(), PC_U8, (const int64_t[]){1, 3}, 2, data), PC_OK);
    assert_int_equal(pc_file_read(&file, &size, temporary_path(), 1000), PC_OK);
    assert_int_equal(size, 131);
    assert_memory_equal(file, "\x93NUMPY\x01\x00\x76\x00", 10);
    assert_memory_equal(file + 10, header, strlen(header));
    for (size_t i = 10 + strlen(header); i < 127; i++) {
        assert_int_equal(file[i], ' ');
    }
    assert_int_equal(file[127], '\n');
    assert_memory_equal(file + 128, data, 3);
    pc_free(file);
    unlink(temporary_path());
}

static void test_round_trip(void **state)
{
    (void)state;
    static const int64_t shapes[][PC_NPY_MAX_RANK] = {{0}, {5}, {2, 3}, {0, 4}, {2, 1, 3}, {1, 1, 1, 1, 1, 1, 1, 2}};
    static const int ranks[] = {0, 1, 2, 2, 3, 8};
    uint8_t data[64];
    for (int i = 0; i < 64; i++) {
        data[i] = (uint8_t)(i * 37);
    }
    for (int dtype = 0; dtype < PC_DTYPE_PLAIN; dtype++) {
        for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
            pc_npy array;
            size_t count = 1;
            assert_int_equal(pc_npy_write(temporary_path(), (pc_dtype)dtype, shapes[i], ranks[i], data), PC_OK);
            assert_int_equal(pc_npy_read(&array, temporary_path(), 1000), PC_OK);
            assert_int_equal(array.dtype, dtype);
            assert_int_equal(array.rank, ranks[i]);
            for (int k = 0; k < ranks[i]; k++) {
                assert_int_equal(array.shape[k], shapes[i][k]);
                count *= (size_t)shapes[i][k];
            }
            assert_int_equal(array.count, count);
            assert_memory_equal(array.data, data, count * pc_dtype_size((pc_dtype)dtype));
            pc_npy_clear(&array);
        }
    }
    unlink(temporary_path());
}

static void write_header(const char *header, size_t data)
{
    char file[256] = "\x93NUMPY\x01";
    size_t length = strlen(header);
    file[8] = (char)length;
    memcpy(file + 10, header, length);
    assert_int_equal(pc_file_write(temporary_path(), file, 10 + length + data), PC_OK);
}

static void test_reader(void **state)
{
    (void)state;
    static const struct { const char *header; size_t data; bool good; } cases[] = {
        {"{'shape': (2,), 'descr': \"<f4\", 'fortran_order': False}\n", 8, true},
        {"{'descr':'<f4','fortran_order':False,'shape':(2,3)}", 24, true},
        {"{'descr':'<f4','fortran_order':False,'shape':(2,3)}", 23, false},
        {"{'descr':'<f4','fortran_order':False,'shape':(2,3)}", 25, false},
        {"{'descr':'>f4','fortran_order':False,'shape':(2,)}", 8, false},
        {"{'descr':'|O','fortran_order':False,'shape':(2,)}", 8, false},
        {"{'descr':'<f4','fortran_order':True,'shape':(2,)}", 8, false},
        {"{'descr':'<f4','fortran_order':False,'shape':(-2,)}", 8, false},
        {"{'descr':'<f4','fortran_order':False,'shape':(4611686018427387905,)}", 4, false},
        {"{'descr':'<f4','fortran_order':False,'shape':(999999999999999999, 999999999999999999)}", 4, false},
        {"{'descr':'<f4','fortran_order':False}", 4, false},
        {"{'descr':'<f4','fortran_order':False,'shape':(1,),'x':1}", 4, false},
        {"{'descr':'<f4','fortran_order':False,'shape':(1,)} x", 4, false},
        {"{'descr':'<f4','fortran_order':False,'shape':(1,1,1,1,1,1,1,1,1)}", 4, false},
        {"", 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pc_npy array;
        write_header(cases[i].header, cases[i].data);
        if ((pc_npy_read(&array, temporary_path(), 1000) == PC_OK) != cases[i].good) {
            fail_msg("case %zu: %s", i, cases[i].header);
        }
        pc_npy_clear(&array);
    }
    pc_npy array;
    assert_int_equal(pc_npy_read(&array, "/nonexistent.npy", 1000), PC_ERR_IO);
    assert_int_equal(pc_npy_write(temporary_path(), PC_F32, (const int64_t[]){-1}, 1, NULL), PC_ERR_USAGE);
    unlink(temporary_path());
}

static pc_status read_mutant(const char *path, const void *bytes, size_t size, void *user)
{
    (void)bytes;
    (void)size;
    (void)user;
    pc_npy array;
    pc_status status = pc_npy_read(&array, path, 1 << 20);
    pc_npy_clear(&array);
    return status;
}

static void test_mutants(void **state)
{
    (void)state;
    const float data[6] = {0};
    assert_int_equal(pc_npy_write(temporary_path(), PC_F32, (const int64_t[]){2, 3}, 2, data), PC_OK);
    pc_mutant_result result = pc_test_mutants_of_file("npy", temporary_path(), read_mutant, NULL, 1000);
    assert_true(result.refused > 100);
    unlink(temporary_path());
}

static pc_status write_and_read(void *user)
{
    (void)user;
    const float data[6] = {0};
    pc_npy array = {0};
    pc_status status = pc_npy_write(temporary_path(), PC_F32, (const int64_t[]){2, 3}, 2, data);
    if (status == PC_OK) {
        status = pc_npy_read(&array, temporary_path(), 1000);
    }
    pc_npy_clear(&array);
    unlink(temporary_path());
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    assert_true(pc_test_each_allocation(write_and_read, NULL) > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),   cmocka_unit_test(test_round_trip), cmocka_unit_test(test_reader),
        cmocka_unit_test(test_mutants), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
