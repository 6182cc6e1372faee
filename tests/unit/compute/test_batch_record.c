/* The stored form of a batch: what was written is read again, what was sealed opens only for this batch, damage is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "batch_record.h"

#include <stdio.h>
#include <stdlib.h>

#define ID "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"

static void fill(eg_batch *b) {
    eg_batch_init(b);
    snprintf(b->cluster, sizeof b->cluster, "spark");
    snprintf(b->name, sizeof b->name, "nightly \"load\" \xc3\xbc");
    snprintf(b->tenant, sizeof b->tenant, ID);
    snprintf(b->owner, sizeof b->owner, ID);
    snprintf(b->app_id, sizeof b->app_id, "app-1-0001");
    b->id = 7;
    b->owner_kind = EG_PRINCIPAL_SERVICE;
    b->state = EG_BATCH_RUNNING;
    b->created_ns = 1795393449474000001;
    b->usage = (eg_batch_usage){1, 2, 3, UINT64_C(1) << 50};
    b->shape = (eg_batch_shape){1024, 2, 1, 512};
    b->generation = 3;
    b->groups = calloc(2, sizeof *b->groups);
    b->group_count = 2;
    snprintf(b->groups[1], EG_UUID_LEN, ID);
    memset(b->wrapped, 5, 48);
    b->wrapped_len = 48;
}

static eg_secret *key(void) {
    static const uint8_t raw[EG_KEY_LEN] = {1, 2, 3};
    return eg_secret_new(raw, sizeof raw);
}

static void seal(eg_batch *b) {
    eg_secret *k = key();
    EG_JSON_AUTO who = json_pack("{s:s}", "owner", "anna");
    EG_JSON_AUTO request = json_pack("{s:[s]}", "args", "secret-argument");
    assert_int_equal(eg_batch_seal(b, k, who, request), EG_OK);
    eg_secret_free(k);
}

static void what_is_written_is_read(void **state) {
    (void)state;
    eg_batch b, r;
    fill(&b);
    seal(&b);
    eg_buf out;
    eg_buf_init(&out, EG_BATCH_RECORD_MAX);
    assert_int_equal(eg_batch_record_encode(&b, &out), EG_OK);
    assert_null(memmem(out.ptr, out.len, "secret-argument", 15));
    assert_null(memmem(out.ptr, out.len, "anna", 4));
    eg_batch_init(&r);
    assert_int_equal(eg_batch_record_decode(EG_LIT("spark"), 7, eg_buf_bytes(&out), true, &r), EG_OK);
    assert_string_equal(r.name, b.name);
    assert_string_equal(r.owner, ID);
    assert_string_equal(r.app_id, "app-1-0001");
    assert_string_equal(r.groups[1], ID);
    assert_int_equal(r.group_count, 2);
    assert_int_equal(r.owner_kind, EG_PRINCIPAL_SERVICE);
    assert_int_equal(r.state, EG_BATCH_RUNNING);
    assert_int_equal(r.created_ns, b.created_ns);
    assert_int_equal(r.generation, 3);
    assert_memory_equal(&r.usage, &b.usage, sizeof b.usage);
    assert_memory_equal(&r.shape, &b.shape, sizeof b.shape);
    eg_secret *k = key();
    EG_JSON_AUTO request = NULL;
    EG_JSON_AUTO who = NULL;
    assert_int_equal(eg_batch_open_request(&r, k, &request), EG_OK);
    assert_int_equal(eg_batch_open_who(&r, k, &who), EG_OK);
    assert_true(eg_str_is(eg_json_str(who, "owner"), "anna"));
    /* Sealed for this batch and this part alone. */
    json_t *none = NULL;
    r.id = 8;
    assert_int_equal(eg_batch_open_request(&r, k, &none), EG_ERR_CORRUPT);
    r.id = 7;
    eg_buf swap = r.who;
    r.who = r.request;
    assert_int_equal(eg_batch_open_who(&r, k, &none), EG_ERR_CORRUPT);
    r.who = swap;
    assert_null(none);
    uint8_t log_key[EG_KEY_LEN];
    assert_int_equal(eg_batch_log_key(k, log_key), EG_OK);
    assert_memory_not_equal(log_key, eg_secret_bytes(k).ptr, EG_KEY_LEN);
    eg_secret_free(k);
    eg_batch_done(&b);
    eg_batch_done(&r);
    eg_buf_done(&out);
}

/* Whatever stands in the texts beside it. */
static void deletion_is_seen_in_the_head(void **state) {
    (void)state;
    static const char *const names[] = {"nightly", "\"deleted\":true", "x\",\"deleted\":true,\"y", "\\\"deleted\":true", "\"deleted\\\":true"};
    for (size_t i = 0; i < 2 * sizeof names / sizeof names[0]; i++) {
        eg_batch b;
        bool seen = i % 2 == 0;
        EG_CLEANUP(eg_buf_done) eg_buf out;
        fill(&b);
        snprintf(b.name, sizeof b.name, "%s", names[i / 2]);
        b.deleted = i % 2 == 1;
        eg_buf_init(&out, EG_BATCH_RECORD_MAX);
        assert_int_equal(eg_batch_record_encode(&b, &out), EG_OK);
        assert_int_equal(eg_batch_record_is_deleted(eg_buf_bytes(&out), &seen), EG_OK);
        assert_int_equal(seen, b.deleted);
        assert_int_equal(eg_batch_record_is_deleted((eg_bytes){(const uint8_t *)out.ptr, 9}, &seen), EG_ERR_CORRUPT);
        out.ptr[0] = 2;
        assert_int_equal(eg_batch_record_is_deleted(eg_buf_bytes(&out), &seen), EG_ERR_FORMAT_VERSION);
        eg_batch_done(&b);
    }
}

/* Every prefix and every flipped byte is refused or read, never more than that. */
static void damage_is_bounded(void **state) {
    (void)state;
    eg_batch b, r;
    fill(&b);
    seal(&b);
    eg_buf out;
    eg_buf_init(&out, EG_BATCH_RECORD_MAX);
    assert_int_equal(eg_batch_record_encode(&b, &out), EG_OK);
    eg_batch_init(&r);
    size_t head = out.len - b.request.len;
    for (size_t n = 0; n < head; n++) {
        assert_int_not_equal(eg_batch_record_decode(EG_LIT("spark"), 7, (eg_bytes){(const uint8_t *)out.ptr, n}, true, &r), EG_OK);
    }
    for (size_t i = 0; i < head; i++) {
        out.ptr[i] = (char)(out.ptr[i] ^ 0x55);
        (void)!eg_batch_record_decode(EG_LIT("spark"), 7, eg_buf_bytes(&out), true, &r);
        out.ptr[i] = (char)(out.ptr[i] ^ 0x55);
    }
    out.ptr[0] = 2;
    assert_int_equal(eg_batch_record_decode(EG_LIT("spark"), 7, eg_buf_bytes(&out), true, &r), EG_ERR_FORMAT_VERSION);
    eg_batch_done(&b);
    eg_batch_done(&r);
    eg_buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_written_is_read), cmocka_unit_test(deletion_is_seen_in_the_head), cmocka_unit_test(damage_is_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
