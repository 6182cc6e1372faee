/* Checks what witnesses are asked, what is kept of their answers, and that a log which isn't the one they cosigned is noticed. The witness is this test's own; a real one is in
 * tests/scenario/test_witness.py. */
#include "bench.h"

#include <embergate/encoding.h>
#include <fcntl.h>

#include "cosignature.h"
#include "witness_file.h"

static const uint8_t seed[32] = {9}, other_seed[32] = {10};

/* "name+hash+base64" of a cosigner. */
static const char *key_of(const char *name, const uint8_t s[32], char ret[300]) {
    uint8_t typed[33] = {4}, digest[EG_SHA256_LEN];
    char hex[9];
    EG_CLEANUP(eg_buf_done) eg_buf b;
    eg_buf_init(&b, 256);
    assert_int_equal(eg_ed25519_public(s, typed + 1), EG_OK);
    const eg_bytes in[3] = {eg_str_bytes(eg_str_of(name)), eg_str_bytes(EG_LIT("\n")), {typed, sizeof typed}};
    eg_sha256_v(in, 3, digest);
    eg_hex((eg_bytes){digest, 4}, hex);
    assert_int_equal(eg_base64((eg_bytes){typed, sizeof typed}, &b), EG_OK);
    snprintf(ret, 300, "%s+%s+%s", name, hex, b.ptr);
    return ret;
}

static void cosign(const char *name, const uint8_t s[32], eg_str body, int64_t time, eg_buf *ret) {
    char key[300];
    eg_verifier_key k;
    uint8_t blob[4 + 8 + 64];
    EG_CLEANUP(eg_buf_done) eg_buf message;
    eg_buf_init(&message, 16384);
    assert_int_equal(eg_cosigner_key_parse(eg_str_of(key_of(name, s, key)), &k), EG_OK);
    memcpy(blob, k.id, 4);
    eg_put_u64(blob + 4, (uint64_t)time);
    eg_buf_addf(&message, "cosignature/v1\ntime %lld\n%.*s", (long long)time, (int)body.len, body.ptr);
    assert_int_equal(eg_ed25519_sign(s, eg_buf_bytes(&message), blob + 12), EG_OK);
    eg_buf_addf(ret, "\xe2\x80\x94 %s ", name);
    eg_base64((eg_bytes){blob, sizeof blob}, ret);
    assert_int_equal(eg_buf_adds(ret, "\n"), EG_OK);
}

static void keys_parse(void **state) {
    (void)state;
    char key[300];
    /* A key that signs checkpoints is no cosigner's, and the other way about. */
    assert_false(eg_witness_key_valid(EG_LIT("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")));
    assert_true(eg_witness_key_valid(eg_str_of(key_of("w.test/1", seed, key))));
    eg_verifier_key k;
    assert_int_equal(eg_verifier_key_parse(eg_str_of(key), &k), EG_ERR_INVALID);
    key[strlen("w.test/1+")] ^= 1;
    assert_false(eg_witness_key_valid(eg_str_of(key)));
    assert_false(eg_witness_key_valid(EG_LIT("")));
}

static void signatures_are_found(void **state) {
    (void)state;
    static const char text[] = "o/x\n5\nBgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    const eg_str body = eg_str_of(text);
    char key[300];
    eg_verifier_key k;
    eg_cosignature c = {0};
    EG_CLEANUP(eg_buf_done) eg_buf lines;
    eg_buf_init(&lines, 8192);
    assert_int_equal(eg_cosigner_key_parse(eg_str_of(key_of("w.test/1", seed, key)), &k), EG_OK);
    assert_int_equal(eg_cosignature_find(body, eg_buf_str(&lines), &k, &c), EG_ERR_CORRUPT);
    cosign("w.test/2", seed, body, 1000, &lines);             /* of another name */
    cosign("w.test/1", other_seed, body, 1000, &lines);       /* by another key */
    cosign("w.test/1", seed, EG_LIT("o/x\n6\n"), 1000, &lines); /* of something else */
    eg_buf_adds(&lines, "\xe2\x80\x94 w.test/1 AAAA\n\xe2\x80\x94 w.test/1\n\xe2\x80\x94 \nw.test/1 AAAA\n\n");
    assert_int_equal(eg_cosignature_find(body, eg_buf_str(&lines), &k, &c), EG_ERR_CORRUPT);
    cosign("w.test/1", seed, body, INT64_MAX, &lines); /* no time that anybody lives at */
    assert_int_equal(eg_cosignature_find(body, eg_buf_str(&lines), &k, &c), EG_ERR_CORRUPT);
    cosign("w.test/1", seed, body, 1700000000, &lines);
    cosign("w.test/1", seed, body, 1600000000, &lines);
    assert_int_equal(eg_cosignature_find(body, eg_buf_str(&lines), &k, &c), EG_OK);
    assert_int_equal(c.time_s, 1700000000);
    assert_true(eg_str_starts(c.line, "\xe2\x80\x94 w.test/1 ") && c.line.ptr[c.line.len - 1] != '\n');
}

static void answers_are_read(void **state) {
    (void)state;
    static const struct {
        long status;
        const char *body;
        eg_witness_says says;
        uint64_t size;
    } rows[] = {
        {200, "\xe2\x80\x94 w AAAA\n", EG_WITNESS_COSIGNS, 0}, {409, "17\n", EG_WITNESS_KNOWS, 17}, {409, "0\n", EG_WITNESS_KNOWS, 0},
        {409, "17", EG_WITNESS_KNOWS, 17}, {409, "", EG_WITNESS_FAILS, 0}, {409, "\n", EG_WITNESS_FAILS, 0}, {409, "seventeen\n", EG_WITNESS_FAILS, 0},
        {409, "-1\n", EG_WITNESS_FAILS, 0}, {409, "9223372036854775808\n", EG_WITNESS_FAILS, 0}, {409, "17\n\n", EG_WITNESS_FAILS, 0}, {422, "", EG_WITNESS_REFUSES, 0},
        {403, "", EG_WITNESS_STRANGER, 0}, {404, "", EG_WITNESS_STRANGER, 0}, {400, "", EG_WITNESS_FAILS, 0}, {500, "17\n", EG_WITNESS_FAILS, 0}, {302, "", EG_WITNESS_FAILS, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t size = 0;
        assert_int_equal(eg_witness_read_answer(rows[i].status, eg_str_of(rows[i].body), &size), rows[i].says);
        assert_true(rows[i].says != EG_WITNESS_KNOWS || size == rows[i].size);
    }
}

/* Appends, and waits until a checkpoint of at least that many entries is out. */
static void grow(bench *b, int n, uint64_t least) {
    for (int i = 0; i < n; i++) {
        const eg_audit_record r = bench_record("more");
        assert_int_equal(eg_audit_append_wait(b->audit, &r), EG_OK);
    }
    char key[300];
    uint64_t size = 0;
    for (int i = 0; i < 500 && size < least; i++) {
        eg_witness_visit v;
        size = eg_witness_look(b->audit, TENANT, eg_str_of(key_of("w.test/1", seed, key)), &v) == EG_OK ? v.size : 0;
        eg_witness_visit_done(&v);
        usleep(20000);
    }
    assert_true(size >= least);
}

static uint64_t visit(bench *b, const char *name, const uint8_t s[32], int64_t time) {
    char key[300];
    eg_witness_visit v;
    eg_checkpoint c;
    EG_CLEANUP(eg_buf_done) eg_buf answer;
    eg_buf_init(&answer, 4096);
    assert_int_equal(eg_witness_look(b->audit, TENANT, eg_str_of(key_of(name, s, key)), &v), EG_OK);
    assert_int_equal(eg_checkpoint_parse(eg_buf_str(&v.note), &c), EG_OK);
    assert_int_equal(eg_witness_take(b->audit, &v, EG_LIT("\xe2\x80\x94 nobody AAAA\n")), EG_ERR_CORRUPT);
    cosign(name, s, c.body, time, &answer);
    assert_int_equal(eg_witness_take(b->audit, &v, eg_buf_str(&answer)), EG_OK);
    const uint64_t size = v.size;
    eg_witness_visit_done(&v);
    return size;
}

static void what_is_asked_and_kept(void **state) {
    bench *b = *state;
    char key[300];
    eg_witness_visit v;
    bench_open(b);
    assert_int_equal(eg_witness_look(b->audit, OTHER_TENANT, eg_str_of(key_of("w.test/1", seed, key)), &v), EG_ERR_NOT_FOUND);
    eg_witness_visit_done(&v);
    grow(b, 3, 3);
    const uint64_t first = visit(b, "w.test/1", seed, 1700000000);
    grow(b, 300, first + 300);
    assert_int_equal(eg_witness_look(b->audit, TENANT, eg_str_of(key), &v), EG_OK);
    assert_true(v.cosigned == first && v.cosigned_s == 1700000000 && v.size >= first + 300);
    EG_CLEANUP(eg_buf_done) eg_buf body;
    eg_buf_init(&body, 16384);
    assert_int_equal(eg_witness_ask(b->audit, &v, v.size + 1, &body), EG_ERR_INVALID);
    assert_int_equal(eg_witness_ask(b->audit, &v, 0, &body), EG_OK);
    char expected[128];
    snprintf(expected, sizeof expected, "old 0\n\n" ORIGIN "/" TENANT "\n%llu\n", (unsigned long long)v.size);
    assert_true(eg_str_starts(eg_buf_str(&body), expected));
    eg_buf_reset(&body);
    assert_int_equal(eg_witness_ask(b->audit, &v, first, &body), EG_OK);
    const char *end = strstr(body.ptr, "\n\n");
    snprintf(expected, sizeof expected, "old %llu\n", (unsigned long long)first);
    assert_true(eg_str_starts(eg_buf_str(&body), expected) && end && end - body.ptr > 44);
    assert_true(eg_str_eq(eg_str_of(end + 2), eg_buf_str(&v.note)));
    eg_witness_visit_done(&v);
    bench_close(b);
    bench_open(b); /* what is kept outlives the process */
    assert_int_equal(eg_witness_look(b->audit, TENANT, eg_str_of(key), &v), EG_OK);
    assert_true(v.cosigned == first);
    eg_witness_visit_done(&v);
}

static eg_err verify(const bench *b, const char *const *witnesses, size_t n, eg_witness_seen *seen, eg_problem *p) {
    eg_audit_verdict v;
    *p = (eg_problem){0};
    return eg_audit_verify_witnessed(bench_path(b, TENANT, ""), NULL, witnesses, n, &v, seen, p);
}

static void put_back(const bench *b, const char *name, eg_buf *content) {
    assert_int_equal(eg_file_replace(AT_FDCWD, bench_path(b, TENANT, name), 0600, eg_buf_bytes(content), NULL), EG_OK);
}

static void get(const bench *b, const char *name, eg_buf *ret) {
    eg_buf_init(ret, 16384);
    assert_int_equal(eg_file_read(AT_FDCWD, bench_path(b, TENANT, name), 16384, ret, NULL), EG_OK);
}

static void a_log_that_was_cosigned_verifies(void **state) {
    bench *b = *state;
    char one[300], two[300];
    const char *const both[2] = {key_of("w.test/1", seed, one), key_of("w.test/2", other_seed, two)};
    eg_witness_seen seen[2];
    eg_problem p;
    bench_open(b);
    grow(b, 5, 5);
    const uint64_t size = visit(b, "w.test/1", seed, 1700000000);
    grow(b, 5, size + 5);
    bench_close(b);
    assert_int_equal(verify(b, both, 1, seen, &p), EG_OK);
    assert_true(seen[0].size == size && seen[0].time_s == 1700000000);
    assert_int_equal(verify(b, both, 2, seen, &p), EG_ERR_CORRUPT);
    assert_non_null(strstr(p.message, "w.test/2 has cosigned nothing"));
    static const char *const none[] = {"w.test/1"};
    assert_int_equal(verify(b, none, 1, seen, &p), EG_ERR_INVALID);
    assert_int_equal(verify(b, both, EG_WITNESSES_MAX + 1, seen, &p), EG_ERR_INVALID);
}

static void one_that_was_set_back_or_changed_does_not(void **state) {
    bench *b = *state;
    char key[300], file[EG_WITNESS_FILE_LEN];
    const char *const witness[1] = {key_of("w.test/1", seed, key)};
    eg_verifier_key k;
    eg_witness_seen seen[1];
    eg_problem p;
    EG_CLEANUP(eg_buf_done) eg_buf newer = {0};
    eg_buf older[3];
    char names[3][64] = {"checkpoint"};
    assert_int_equal(eg_cosigner_key_parse(eg_str_of(key), &k), EG_OK);
    eg_witness_file(&k, file);
    bench_open(b);
    grow(b, 5, 5);
    bench_close(b);
    bench_open(b); /* everything is in its checkpoint */
    const uint64_t size = visit(b, "w.test/1", seed, 1700000000);
    bench_close(b);
    snprintf(names[1], sizeof names[1], "tile/0/000.p/%llu", (unsigned long long)size);
    snprintf(names[2], sizeof names[2], "tile/entries/000.p/%llu", (unsigned long long)size);
    for (size_t i = 0; i < 3; i++) {
        get(b, names[i], &older[i]);
    }
    bench_open(b);
    grow(b, 5, size + 5);
    (void)visit(b, "w.test/1", seed, 1700000001);
    bench_close(b);
    assert_int_equal(verify(b, witness, 1, seen, &p), EG_OK);
    get(b, file, &newer);
    newer.ptr[newer.len - 10] ^= 1;
    put_back(b, file, &newer);
    assert_int_equal(verify(b, witness, 1, seen, &p), EG_ERR_CORRUPT);
    assert_non_null(strstr(p.message, "has not cosigned this checkpoint"));
    assert_string_equal(p.where, file);
    newer.ptr[newer.len - 10] ^= 1;
    newer.ptr[strlen(ORIGIN "/" TENANT "\n") + 5] ^= 1; /* in the root: neither signature fits any more */
    put_back(b, file, &newer);
    assert_int_equal(verify(b, witness, 1, seen, &p), EG_ERR_CORRUPT);
    assert_non_null(strstr(p.message, "no checkpoint of this log"));
    newer.ptr[strlen(ORIGIN "/" TENANT "\n") + 5] ^= 1;
    put_back(b, file, &newer);
    for (size_t i = 0; i < 3; i++) {
        put_back(b, names[i], &older[i]);
        eg_buf_done(&older[i]);
    }
    assert_int_equal(verify(b, witness, 1, seen, &p), EG_ERR_CORRUPT);
    assert_non_null(strstr(p.message, "it was set back"));
    assert_int_equal(verify(b, NULL, 0, NULL, &p), EG_OK); /* by itself it is whole */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_parse),
        cmocka_unit_test(signatures_are_found),
        cmocka_unit_test(answers_are_read),
        cmocka_unit_test_setup_teardown(what_is_asked_and_kept, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(a_log_that_was_cosigned_verifies, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(one_that_was_set_back_or_changed_does_not, bench_make, bench_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
