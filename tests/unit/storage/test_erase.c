/* Cryptographic erase as storage sees it: counted before, unreadable afterwards, open streams ended, others unharmed. covers: erase.c inventory.c */
#include "storage_fixture.h"

#define OTHER "33333333-3333-4333-8333-333333333333"

static void counts(void **state) {
    store *s = *state;
    eg_buf json;
    eg_buf_init(&json, 65536);
    store_write(s, "/data/a", "hello", 5);
    store_write(s, "/data/d/e/b", "hello world", 11);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/second", .query = "resource=filesystem"}), EG_OK);
    for (int i = 0; i < 40; i++) {
        char path[64];
        snprintf(path, sizeof path, "/second/f%02d", i);
        assert_int_equal(store_create(s, path), EG_OK);
    }
    assert_int_equal(eg_storage_inventory(s->storage, EG_LIT(TENANT), &json), EG_OK);
    assert_string_equal(json.ptr, "{\"accounts\":[{\"name\":\"acct\",\"containers\":[{\"name\":\"data\",\"files\":2,\"directories\":2,\"bytes\":16},"
        "{\"name\":\"second\",\"files\":40,\"directories\":0,\"bytes\":0}]}],\"accountCount\":1,\"containerCount\":2,\"fileCount\":42,\"directoryCount\":2,\"bytes\":16}");
    eg_buf_reset(&json);
    assert_int_equal(eg_storage_inventory(s->storage, EG_LIT(OTHER), &json), EG_OK);
    assert_non_null(strstr(json.ptr, "\"accountCount\":0"));
    eg_buf_done(&json);
}

static void erased(void **state) {
    store *s = *state;
    eg_problem p = {0};
    char keeper[96];
    uint64_t wrapped = 0;
    uint64_t opened = 99;
    const size_t n = 1000000;
    uint8_t *data = store_pattern(n);
    snprintf(keeper, sizeof keeper, "%s/keeper", s->top);
    assert_int_equal(eg_keeper_add_tenant(keeper, EG_LIT(OTHER), &p), EG_OK);
    assert_int_equal(eg_storage_ensure_account(s->storage, EG_LIT("other"), EG_LIT(OTHER), &p), EG_OK);
    store_write(s, "/data/a", data, n);
    store_write(s, "/data/b", "hello", 5);
    /* Before: every wrapped key opens, and the probe says so. */
    assert_int_equal(eg_storage_probe_tenant(s->storage, EG_LIT(TENANT), &wrapped, &opened), EG_OK);
    assert_int_equal(wrapped, 3); /* two files and the account */
    assert_int_equal(opened, 3);
    /* A stream that is under way. */
    const eg_account *a = store_account(s);
    eg_arena *arena = eg_arena_new(65536);
    eg_kv_txn *t = NULL;
    eg_change where = {.account = a, .grant = &eg_grant_all, .container = EG_LIT(FS), .path = EG_LIT("a")};
    eg_place place;
    eg_inode i;
    eg_content_reader *r = NULL;
    uint8_t buf[65536];
    size_t got = 0;
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    assert_int_equal(eg_path_find(t, &where, &place, &i, &p), EG_OK);
    assert_int_equal(eg_ns_inode_keep(&i, arena), EG_OK);
    eg_kv_read_end(t);
    assert_int_equal(eg_content_reader_new(s->storage, a, &i, (eg_span){0, n}, &r), EG_OK);
    assert_int_equal(eg_content_reader_read(r, buf, sizeof buf, &got), EG_OK);
    assert_int_equal(got, sizeof buf);

    assert_int_equal(s->keys->destroy_tenant(s->keys->ctx, EG_LIT(TENANT)), EG_OK);
    assert_int_equal(eg_storage_forget_tenant(s->storage, EG_LIT(TENANT)), EG_OK);
    assert_int_equal(eg_content_reader_read(r, buf, sizeof buf, &got), EG_ERR_KEY_DESTROYED);
    assert_int_equal(eg_content_reader_try(r, buf, sizeof buf, &got), EG_ERR_KEY_DESTROYED);
    eg_content_reader_free(r);
    eg_arena_free(arena);
    answer x = store_read(s, "/data/b");
    assert_int_equal(x.status, 403);
    assert_string_equal(answer_header(&x, "x-ms-error-code"), "KeyDestroyed");
    answer_free(&x);
    assert_int_equal(store_create(s, "/data/new"), EG_ERR_KEY_DESTROYED);
    assert_int_equal(eg_storage_probe_tenant(s->storage, EG_LIT(TENANT), &wrapped, &opened), EG_OK);
    assert_int_equal(wrapped, 3);
    assert_int_equal(opened, 0);
    const eg_account *others = NULL;
    assert_int_equal(eg_storage_account(s->storage, EG_LIT("other"), &others), EG_OK);
    assert_int_equal(eg_storage_ensure_container(s->storage, EG_LIT("other"), EG_LIT("theirs"), &p), EG_OK);
    /* The same after a restart: the account is there and opens for nobody. */
    assert_int_equal(eg_storage_ensure_account(s->storage, EG_LIT(ACCOUNT), EG_LIT(TENANT), &p), EG_ERR_KEY_DESTROYED);
    free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counts, store_open, store_close),
        cmocka_unit_test_setup_teardown(erased, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
