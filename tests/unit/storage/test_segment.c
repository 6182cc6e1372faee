/* Sealed segments: what goes in comes out, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "segment.h"

#include <embergate/durable_file.h>
#include <embergate/metrics.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TENANT EG_LIT("tenant-a")

static const uint8_t file_key[32] = {1, 2, 3};
static const eg_id inode = {{9, 9}};

typedef struct sealed {
    int fd;
    eg_id id;
    eg_buf wrapped;
    eg_segment_size size;
} sealed;

static sealed seal_expected(const uint8_t *data, size_t n, size_t piece, size_t expected) {
    sealed s = {.fd = memfd_create("segment", 0), .id = eg_id_new()};
    eg_segment_writer *w = NULL;
    assert_true(s.fd >= 0);
    assert_int_equal(eg_segment_writer_new(TENANT, &s.id, dup(s.fd), &w), EG_OK);
    eg_segment_writer_expect(w, expected);
    for (size_t at = 0; at < n; at += piece) {
        assert_int_equal(eg_segment_writer_add(w, (eg_bytes){data + at, n - at < piece ? n - at : piece}), EG_OK);
    }
    eg_buf_init(&s.wrapped, 160);
    assert_int_equal(eg_segment_writer_wrap(w, (eg_bytes){file_key, 32}, &inode, &s.wrapped), EG_OK);
    assert_int_equal(eg_segment_writer_finish(w, &s.size), EG_OK);
    assert_int_equal(eg_segment_writer_add(w, (eg_bytes){data, 1}), EG_ERR_INVALID);
    eg_segment_writer_free(w);
    return s;
}

static sealed seal(const uint8_t *data, size_t n, size_t piece) { return seal_expected(data, n, piece, 0); }

static void unseal(sealed *s) {
    close(s->fd);
    eg_buf_done(&s->wrapped);
}

static eg_segment_ref ref_of(const sealed *s) {
    return (eg_segment_ref){.tenant = TENANT, .id = s->id, .inode = inode, .wrapped = eg_buf_bytes(&s->wrapped), .size = s->size};
}

/* Reads it all; the first error, and how many bytes came before it. */
static eg_err read_all(const eg_segment_ref *ref, int fd, eg_bytes key, uint8_t *out, size_t *ret_n) {
    eg_segment_reader *r = NULL;
    *ret_n = 0;
    EG_TRY(eg_segment_reader_new(ref, key, dup(fd), &r));
    eg_err e = EG_OK;
    for (size_t n = 1; n > 0 && e == EG_OK; *ret_n += e == EG_OK ? n : 0) {
        n = 0;
        e = *ret_n % 7 == 0 ? eg_segment_reader_try(r, *ret_n, out + *ret_n, 30000, &n) : EG_ERR_BUSY;
        e = e == EG_ERR_BUSY ? eg_segment_reader_read(r, *ret_n, out + *ret_n, 30000, &n) : e;
    }
    eg_segment_reader_free(r);
    return e;
}

static uint8_t *pattern(size_t n) {
    uint8_t *b = malloc(n + 30000);
    for (size_t i = 0; i < n; i++) {
        b[i] = (uint8_t)(i ^ (i >> 8));
    }
    return b;
}

/* What is sealed as it comes opens like what waited for its chunk. */
static void an_announced_length_round_trips(void **state) {
    (void)state;
    const size_t sizes[] = {1, 4097, 65535, 65536, 65537, 131072, 300001};
    const size_t pieces[] = {1021, 16384, 65536, 70000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] * 4; i++) {
        const size_t n = sizes[i / 4];
        uint8_t *data = pattern(n), *out = pattern(n);
        memset(out, 0, n);
        sealed s = seal_expected(data, n, pieces[i % 4], n);
        const eg_segment_ref ref = ref_of(&s);
        size_t got = 0;
        struct stat st;
        assert_int_equal(read_all(&ref, s.fd, (eg_bytes){file_key, 32}, out, &got), EG_OK);
        assert_int_equal(got, n);
        assert_memory_equal(out, data, n);
        assert_int_equal(fstat(s.fd, &st), 0);
        assert_int_equal(st.st_size, s.size.stored);
        unseal(&s);
        free(data);
        free(out);
    }
}

static void another_length_than_announced_is_refused(void **state) {
    (void)state;
    static const uint8_t data[70000];
    const eg_id id = eg_id_new();
    eg_segment_writer *w = NULL;
    eg_segment_size size;
    assert_int_equal(eg_segment_writer_new(TENANT, &id, -1, &w), EG_OK);
    eg_segment_writer_expect(w, 70000);
    assert_int_equal(eg_segment_writer_add(w, (eg_bytes){data, 69999}), EG_OK);
    assert_int_equal(eg_segment_writer_finish(w, &size), EG_ERR_INVALID);
    assert_int_equal(eg_segment_writer_add(w, (eg_bytes){data, 2}), EG_ERR_INVALID);
    assert_int_equal(eg_segment_writer_add(w, (eg_bytes){data, 1}), EG_OK);
    assert_int_equal(eg_segment_writer_finish(w, &size), EG_OK);
    assert_int_equal(size.plain, 70000);
    eg_segment_writer_free(w);
}

static void round_trips(void **state) {
    (void)state;
    const size_t sizes[] = {1, 65535, 65536, 65537, 131072, 300001};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *data = pattern(sizes[i]);
        uint8_t *out = malloc(sizes[i] + 30000);
        sealed s = seal(data, sizes[i], 7001);
        struct stat st;
        assert_int_equal(fstat(s.fd, &st), 0);
        assert_int_equal(st.st_size, s.size.stored);
        assert_int_equal(s.size.plain, sizes[i]);
        const eg_segment_ref ref = ref_of(&s);
        size_t n = 0;
        assert_int_equal(read_all(&ref, s.fd, (eg_bytes){file_key, 32}, out, &n), EG_OK);
        assert_int_equal(n, sizes[i]);
        assert_memory_equal(data, out, n);
        unseal(&s);
        free(data);
        free(out);
    }
}

static void at_random(void **state) {
    (void)state;
    uint8_t *data = pattern(200000);
    sealed s = seal(data, 200000, 200000);
    const eg_segment_ref ref = ref_of(&s);
    eg_segment_reader *r = NULL;
    assert_int_equal(eg_segment_reader_new(&ref, (eg_bytes){file_key, 32}, dup(s.fd), &r), EG_OK);
    const uint64_t at[] = {199999, 0, 65535, 65536, 131071, 150000, 1};
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        uint8_t buf[100];
        size_t n = 0;
        assert_int_equal(eg_segment_reader_read(r, at[i], buf, sizeof buf, &n), EG_OK);
        assert_true(n > 0);
        assert_memory_equal(buf, data + at[i], n);
        const eg_err e = eg_segment_reader_try(r, at[i] ^ 65536, buf, sizeof buf, &n);
        assert_true(e == EG_ERR_BUSY || e == EG_OK); /* as the file system can tell */
        assert_true(e == EG_ERR_BUSY || n == 0 || memcmp(buf, data + (at[i] ^ 65536), n) == 0);
    }
    size_t n = 7;
    uint8_t b;
    assert_int_equal(eg_segment_reader_read(r, 200000, &b, 1, &n), EG_OK);
    assert_int_equal(n, 0);
    eg_segment_reader_free(r);
    unseal(&s);
    free(data);
}

/* One flipped bit anywhere: nothing of the damaged chunk is given. */
static void flipped_bytes(void **state) {
    (void)state;
    const size_t n = 140000;
    uint8_t *data = pattern(n);
    uint8_t *out = malloc(n + 30000);
    sealed s = seal(data, n, n);
    const eg_segment_ref ref = ref_of(&s);
    const struct {
        off_t at;
        eg_err want;
        size_t before;
    } cases[] = {
        {0, EG_ERR_CORRUPT, 0},                 /* magic */
        {8, EG_ERR_FORMAT_VERSION, 0},          /* version */
        {9, EG_ERR_CORRUPT, 0},                 /* chunk size */
        {12, EG_ERR_CORRUPT, 0},                /* reserved */
        {20, EG_ERR_CORRUPT, 0},                /* salt */
        {50, EG_ERR_CORRUPT, 0},                /* id */
        {70, EG_ERR_CORRUPT, 0},                /* commitment */
        {96, EG_ERR_CORRUPT, 0},                /* first byte of the first chunk */
        {96 + 65536 + 3, EG_ERR_CORRUPT, 0},    /* its tag */
        {96 + 65552 + 9, EG_ERR_CORRUPT, 65536},
        {(off_t)s.size.stored - 1, EG_ERR_CORRUPT, 131072},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t b;
        size_t got = 0;
        const int64_t counted = eg_metric_get(EG_METRIC_STORAGE_CORRUPT);
        assert_int_equal(pread(s.fd, &b, 1, cases[i].at), 1);
        b ^= 0x10;
        assert_int_equal(pwrite(s.fd, &b, 1, cases[i].at), 1);
        assert_int_equal(read_all(&ref, s.fd, (eg_bytes){file_key, 32}, out, &got), cases[i].want);
        assert_int_equal(got, cases[i].before);
        assert_int_equal(eg_metric_get(EG_METRIC_STORAGE_CORRUPT) - counted, cases[i].want == EG_ERR_CORRUPT);
        b ^= 0x10;
        assert_int_equal(pwrite(s.fd, &b, 1, cases[i].at), 1);
    }
    size_t got = 0;
    assert_int_equal(read_all(&ref, s.fd, (eg_bytes){file_key, 32}, out, &got), EG_OK);
    unseal(&s);
    free(data);
    free(out);
}

static void truncation_and_reorder(void **state) {
    (void)state;
    const size_t n = 3 * 65536;
    uint8_t *data = pattern(n);
    uint8_t *out = malloc(n + 30000);
    uint8_t *a = malloc(65552);
    uint8_t *b = malloc(65552);
    size_t got = 0;
    sealed s = seal(data, n, n);
    eg_segment_ref ref = ref_of(&s);
    /* Two chunks change places. */
    assert_int_equal(eg_pread_all(s.fd, a, 65552, 96), EG_OK);
    assert_int_equal(eg_pread_all(s.fd, b, 65552, 96 + 65552), EG_OK);
    assert_int_equal(pwrite(s.fd, b, 65552, 96), 65552);
    assert_int_equal(pwrite(s.fd, a, 65552, 96 + 65552), 65552);
    assert_int_equal(read_all(&ref, s.fd, (eg_bytes){file_key, 32}, out, &got), EG_ERR_CORRUPT);
    assert_int_equal(got, 0);
    assert_int_equal(pwrite(s.fd, a, 65552, 96), 65552);
    assert_int_equal(pwrite(s.fd, b, 65552, 96 + 65552), 65552);
    /* Cut at a chunk's end: the lengths of the row don't fit; and with lengths that fit, the last chunk isn't one. */
    assert_int_equal(ftruncate(s.fd, 96 + 2 * 65552), 0);
    assert_int_equal(read_all(&ref, s.fd, (eg_bytes){file_key, 32}, out, &got), EG_ERR_CORRUPT);
    assert_int_equal(got, 0);
    ref.size = eg_segment_size_of(2 * 65536);
    assert_int_equal(read_all(&ref, s.fd, (eg_bytes){file_key, 32}, out, &got), EG_ERR_CORRUPT);
    assert_int_equal(got, 65536);
    unseal(&s);
    free(data);
    free(out);
    free(a);
    free(b);
}

static void of_another(void **state) {
    (void)state;
    uint8_t out[40000];
    size_t n = 0;
    sealed s = seal((const uint8_t *)"one", 3, 3);
    sealed t = seal((const uint8_t *)"two", 3, 3);
    const eg_bytes key = {file_key, 32};
    eg_segment_ref ref = ref_of(&s);
    /* The other's file under this one's row, and the other way round. */
    assert_int_equal(read_all(&ref, t.fd, key, out, &n), EG_ERR_CORRUPT);
    ref.id = t.id;
    assert_int_equal(read_all(&ref, t.fd, key, out, &n), EG_ERR_CORRUPT);
    /* The same segment under another file, tenant or key. */
    ref = ref_of(&s);
    ref.inode = (eg_id){{8}};
    assert_int_equal(read_all(&ref, s.fd, key, out, &n), EG_ERR_CORRUPT);
    ref = ref_of(&s);
    ref.tenant = EG_LIT("tenant-b");
    assert_int_equal(read_all(&ref, s.fd, key, out, &n), EG_ERR_CORRUPT);
    ref = ref_of(&s);
    assert_int_equal(read_all(&ref, s.fd, (eg_bytes){(const uint8_t[32]){4}, 32}, out, &n), EG_ERR_CORRUPT);
    ref.size.chunks = 2;
    assert_int_equal(read_all(&ref, s.fd, key, out, &n), EG_ERR_CORRUPT);
    unseal(&s);
    unseal(&t);
}

/* Another key whose wrapping opens: the commitment refuses it before any chunk is tried. */
static void commitment(void **state) {
    (void)state;
    uint8_t out[40000];
    size_t n = 0;
    sealed s = seal((const uint8_t *)"one", 3, 3);
    sealed t = seal((const uint8_t *)"two", 3, 3);
    uint8_t b[32];
    assert_int_equal(pread(t.fd, b, 32, 64), 32);
    assert_int_equal(pwrite(s.fd, b, 32, 64), 32);
    const eg_segment_ref ref = ref_of(&s);
    assert_int_equal(read_all(&ref, s.fd, (eg_bytes){file_key, 32}, out, &n), EG_ERR_CORRUPT);
    unseal(&s);
    unseal(&t);
}

static void empty(void **state) {
    (void)state;
    eg_segment_writer *w = NULL;
    eg_segment_size size;
    const eg_id id = eg_id_new();
    assert_int_equal(eg_segment_writer_new(TENANT, &id, memfd_create("segment", 0), &w), EG_OK);
    assert_int_equal(eg_segment_writer_finish(w, &size), EG_ERR_INVALID);
    eg_segment_writer_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_announced_length_round_trips), cmocka_unit_test(another_length_than_announced_is_refused), cmocka_unit_test(round_trips), cmocka_unit_test(at_random), cmocka_unit_test(flipped_bytes),
        cmocka_unit_test(truncation_and_reorder), cmocka_unit_test(of_another), cmocka_unit_test(commitment), cmocka_unit_test(empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
