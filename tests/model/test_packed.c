/* The packed form of a model in a file: the same bits as without it, refused when weights, layout or file are others. */
#include "backend/cpu/cpu.h"
#include "base/cpu.h"
#include "base/file.h"
#include "model/packed.h"
#include "model/session.h"
#include "store/writer.h"
#include "support/folder.h"
#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { LOWEST = 1u << 31 }; /* plain C */

/* Logits behind a short text; the model has been laid out. */
static float *logits_of(const pc_model *model, const pc_backend *backend, pc_dtype compute)
{
    static const int32_t ids[] = {3, 7, 11, 19, 4, 8};
    const size_t bytes = (size_t)model->llm.info.vocabulary * sizeof(float);
    pc_session *session;
    float *out = malloc(bytes);
    assert_non_null(out);
    assert_int_equal(pc_session_new(&session, model, backend, &(pc_session_options){.context = 16, .compute = compute}), PC_OK);
    assert_int_equal(pc_session_read(session, ids, NULL, 6), PC_OK);
    memcpy(out, pc_session_logits(session), bytes);
    pc_session_free(session);
    return out;
}

static void check_type(const char *folder, pc_dtype compute)
{
    pc_backend *backend;
    pc_packed_report report;
    pc_packed *packed;
    char *path;
    pc_model *model = golden_model(folder), *again = golden_model(folder);
    assert_int_equal(pc_cpu_backend_new(&backend, 2, 0), PC_OK);
    assert_int_equal(pc_model_pack(model, backend, compute), PC_OK);
    assert_int_equal(pc_packed_path(&path, model, backend, compute), PC_OK);
    assert_int_equal(pc_packed_write(&report, model, backend, compute, path), PC_OK);
    assert_true(report.parameters > 10 && report.bytes > 1000);
    assert_int_equal(pc_packed_open(&packed, path, again, backend, compute), PC_OK);
    assert_int_equal(pc_packed_apply(packed, again, backend, compute), PC_OK);
    float *want = logits_of(model, backend, compute), *found = logits_of(again, backend, compute);
    assert_memory_equal(found, want, (size_t)model->llm.info.vocabulary * sizeof(float));
    free(want);
    free(found);
    for (size_t i = 0; i < again->params.count; i++) { /* nothing was laid out again */
        size_t bytes, there;
        const void *panels = pc_cpu_packed_panels(&again->params.items[i]->param, &bytes);
        const void *copied = pc_cpu_packed_panels(&model->params.items[i]->param, &there);
        assert_true(!panels == !copied && bytes == there && (!panels || panels != copied));
        assert_true(!panels || memcmp(panels, copied, bytes) == 0);
    }
    pc_model_free(model);
    pc_model_free(again);
    pc_packed_free(packed);
    pc_cpu_backend_free(backend);
    pc_free(path);
}

static void test_same_bits(void **state)
{
    char folder[256];
    (void)state;
    pc_test_folder_new(folder);
    golden_copy(GOLDEN("llava/hf"), folder);
    check_type(folder, PC_F32);
    check_type(folder, PC_BF16);
    pc_test_folder_free(folder);
}

static void expect_refused(const char *path, const pc_model *model, const pc_backend *backend, pc_dtype compute, const char *what)
{
    pc_packed *packed;
    assert_int_equal(pc_packed_open(&packed, path, model, backend, compute), PC_ERR_DATA);
    assert_null(packed);
    if (!strstr(pc_error(), what)) {
        fail_msg("'%s', expected to be about %s", pc_error(), what);
    }
}

/* Change one byte of the last weights. */
static void change(const char *folder)
{
    char *path = pc_path_join(folder, "model.safetensors"), *bytes;
    size_t size;
    assert_int_equal(pc_file_read(&bytes, &size, path, 1 << 24), PC_OK);
    bytes[size - 2] ^= 0x10;
    assert_int_equal(pc_file_write(path, bytes, size), PC_OK);
    pc_free(bytes);
    pc_free(path);
}

static void test_refused(void **state)
{
    char folder[256], *path, *other;
    pc_backend *backend, *lower;
    pc_packed_report report;
    pc_packed *packed;
    (void)state;
    pc_test_folder_new(folder);
    golden_copy(GOLDEN("llama/tied"), folder);
    pc_model *model = golden_model(folder);
    assert_int_equal(pc_cpu_backend_new(&backend, 1, 0), PC_OK);
    assert_int_equal(pc_cpu_backend_new(&lower, 1, LOWEST), PC_OK);
    assert_int_equal(pc_model_pack(model, backend, PC_F32), PC_OK);
    assert_int_equal(pc_packed_path(&path, model, backend, PC_F32), PC_OK);
    assert_int_equal(pc_packed_write(&report, model, backend, PC_F32, path), PC_OK);
    expect_refused(path, model, lower, PC_F32, "for another processor");
    expect_refused(path, model, backend, PC_BF16, "for another processor, type");
    pc_model_free(model);

    golden_copy(GOLDEN("llama/tied"), folder); /* the same values in files of another time */
    model = golden_model(folder);
    assert_int_equal(pc_packed_open(&packed, path, model, backend, PC_F32), PC_OK);
    pc_packed_free(packed);
    pc_model_free(model);

    change(folder);
    model = golden_model(folder);
    expect_refused(path, model, backend, PC_F32, "of other weights");
    other = pc_path_join(folder, "model.safetensors");
    expect_refused(other, model, backend, PC_F32, "not a packed form");
    pc_free(other);
    char *bytes;
    size_t size;
    assert_int_equal(pc_file_read(&bytes, &size, path, 1 << 24), PC_OK);
    assert_int_equal(pc_file_write(path, bytes, size - 5), PC_OK);
    expect_refused(path, model, backend, PC_F32, path);
    pc_free(bytes);
    pc_model_free(model);
    pc_cpu_backend_free(backend);
    pc_cpu_backend_free(lower);
    pc_free(path);
    pc_test_folder_free(folder);
}

/* Panels of the wrong length, though the rest of the file is right: refused, and the model can be freed. */
static void test_short_panels(void **state)
{
    char folder[256], *path;
    pc_backend *backend;
    pc_packed_report report;
    pc_packed *packed;
    pc_store *good;
    pc_store_writer *writer;
    (void)state;
    pc_test_folder_new(folder);
    golden_copy(GOLDEN("llama/tied"), folder);
    pc_model *model = golden_model(folder);
    assert_int_equal(pc_cpu_backend_new(&backend, 1, 0), PC_OK);
    assert_int_equal(pc_model_pack(model, backend, PC_F32), PC_OK);
    assert_int_equal(pc_packed_path(&path, model, backend, PC_F32), PC_OK);
    assert_int_equal(pc_packed_write(&report, model, backend, PC_F32, path), PC_OK);
    pc_model_free(model);
    assert_int_equal(pc_store_open(&good, path), PC_OK);
    assert_int_equal(pc_store_writer_new(&writer, path, 0), PC_OK);
    for (int put = 0; put < 2; put++) {
        for (size_t i = 0; i < pc_store_count(good); i++) {
            const pc_array *array = pc_store_at(good, i);
            const int64_t dim = (int64_t)array->bytes - (i == 3 ? 64 : 0);
            assert_int_equal(put ? pc_store_writer_put(writer, array->name, array->data, (size_t)dim)
                                 : pc_store_writer_declare(writer, array->name, PC_U8, 1, &dim), PC_OK);
        }
        for (size_t i = 0; !put && i < pc_store_metadata_count(good); i++) {
            const char *key, *value;
            pc_store_metadata_at(good, i, &key, &value);
            assert_int_equal(pc_store_writer_set_metadata(writer, key, value), PC_OK);
        }
    }
    assert_int_equal(pc_store_writer_finish(writer), PC_OK);
    pc_store_writer_free(writer);
    pc_store_free(good);
    model = golden_model(folder);
    assert_int_equal(pc_packed_open(&packed, path, model, backend, PC_F32), PC_OK);
    assert_int_equal(pc_packed_apply(packed, model, backend, PC_F32), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "expected"));
    pc_model_free(model);
    pc_packed_free(packed);
    pc_cpu_backend_free(backend);
    pc_free(path);
    pc_test_folder_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits), cmocka_unit_test(test_refused), cmocka_unit_test(test_short_panels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
