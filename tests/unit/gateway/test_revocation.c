/* Rows of revocations: what they refuse, that they add up, expire, are bounded, and that what can't be read refuses. covers: revoke.c */
#include "identity_fixture.h"

#include "identity/revocation.h"

#define ANN "33333333-3333-4333-8333-333333333333"

static eg_revocation of(eg_revocation_kind kind, const char *id, int64_t before, int64_t made) {
    eg_revocation r = {.kind = kind, .tenant = TENANT, .before_s = before, .made_s = made, .reason = "why"};
    snprintf(r.id, sizeof r.id, "%s", id);
    return r;
}

static eg_err put(fixture *f, eg_revocation r) {
    const eg_txn_op op = eg_revocation_put(&r);
    eg_problem p = {0};
    return eg_commit(f->committer, &op, 1, &p);
}

static eg_err take_away(fixture *f, eg_revocation r) {
    const eg_txn_op op = eg_revocation_remove(&r);
    eg_problem p = {0};
    return eg_commit(f->committer, &op, 1, &p);
}

static eg_err check(fixture *f, const char *token_id, int64_t issued_s, int64_t *ret_floor) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    eg_principal who = {.tenant = TENANT, .object_id = ANN, .issued_s = issued_s};
    snprintf(who.token_id, sizeof who.token_id, "%s", token_id);
    assert_int_equal(eg_kv_read_begin(f->kv, &t), EG_OK);
    return eg_revocation_check(t, &who, ret_floor);
}

static void what_is_refused(void **state) {
    fixture *f = *state;
    int64_t floor = -1;
    assert_int_equal(check(f, "t1", 1000, &floor), EG_OK);
    assert_int_equal(floor, 0);
    assert_int_equal(put(f, of(EG_REVOKE_PRINCIPAL, ANN, 1000, 1000)), EG_OK);
    assert_int_equal(check(f, "t1", 0, &floor), EG_ERR_TOKEN_REVOKED); /* nobody knows when */
    assert_int_equal(check(f, "t1", 1000, &floor), EG_ERR_TOKEN_REVOKED);
    assert_int_equal(check(f, "t1", 1001, &floor), EG_OK);
    assert_int_equal(floor, 1000);
    assert_int_equal(put(f, of(EG_REVOKE_TOKEN, "t1", 1000, 1000)), EG_OK);
    assert_int_equal(check(f, "t1", 5000, NULL), EG_ERR_TOKEN_REVOKED);
    assert_int_equal(check(f, "t2", 5000, NULL), EG_OK);
    /* An earlier one doesn't shorten it. */
    assert_int_equal(put(f, of(EG_REVOKE_PRINCIPAL, ANN, 900, 1001)), EG_OK);
    assert_int_equal(check(f, "t2", 1000, NULL), EG_ERR_TOKEN_REVOKED);
    assert_int_equal(take_away(f, of(EG_REVOKE_PRINCIPAL, ANN, 0, 0)), EG_OK);
    assert_int_equal(take_away(f, of(EG_REVOKE_PRINCIPAL, ANN, 0, 0)), EG_ERR_NOT_FOUND);
    assert_int_equal(check(f, "t2", 1, NULL), EG_OK);
    assert_int_equal(put(f, of(EG_REVOKE_NONE, ANN, 1, 1)), EG_ERR_INVALID);
    assert_int_equal(put(f, of(EG_REVOKE_TOKEN, "", 1, 1)), EG_ERR_INVALID);
}

typedef struct raw {
    const char *key;
    const char *value;
    size_t len;
} raw;

static eg_err put_raw(eg_kv_txn *t, void *ctx, eg_problem *p) {
    const raw *r = ctx;
    (void)p;
    return eg_kv_put(t, EG_DB_REVOKED, eg_str_bytes(eg_str_of(r->key)), (eg_bytes){(const uint8_t *)r->value, r->len});
}

static void unreadable_rows_refuse(void **state) {
    fixture *f = *state;
    eg_problem p = {0};
    static const uint8_t old[8] = {0, 0, 0, 0, 0, 0, 0, 100};
    raw rows[] = {{"principal/" TENANT "/" ANN, "torn", 4}, {"principal/" TENANT "/" ANN, (const char *)old, sizeof old}};
    eg_txn_op op = {put_raw, &rows[0]};
    assert_int_equal(eg_commit(f->committer, &op, 1, &p), EG_OK);
    assert_int_equal(check(f, "t", INT64_MAX, NULL), EG_ERR_TOKEN_REVOKED);
    op.ctx = &rows[1]; /* as earlier versions wrote them */
    assert_int_equal(eg_commit(f->committer, &op, 1, &p), EG_OK);
    assert_int_equal(check(f, "t", 100, NULL), EG_ERR_TOKEN_REVOKED);
    assert_int_equal(check(f, "t", 101, NULL), EG_OK);
    int64_t floor = 0;
    assert_int_equal(eg_revocation_floor(f->kv, TENANT, ANN, &floor), EG_OK);
    assert_int_equal(floor, 100);
}

static eg_err count(void *ctx, const eg_revocation *r) {
    assert_int_not_equal(r->kind, EG_REVOKE_NONE);
    assert_string_equal(r->tenant, TENANT);
    assert_string_equal(r->reason, "why");
    ++*(int *)ctx;
    return EG_OK;
}

static int rows_of(fixture *f) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    int n = 0;
    assert_int_equal(eg_kv_read_begin(f->kv, &t), EG_OK);
    assert_int_equal(eg_revocation_each(t, count, &n), EG_OK);
    return n;
}

static void rows_expire(void **state) {
    fixture *f = *state;
    const int64_t day = 24 * 3600;
    assert_int_equal(put(f, of(EG_REVOKE_TOKEN, "t1", 0, 1000)), EG_OK);
    assert_int_equal(put(f, of(EG_REVOKE_JOB, "analytics/7", 0, 1000)), EG_OK);
    assert_int_equal(put(f, of(EG_REVOKE_PRINCIPAL, ANN, 1000 + 30 * day, 1000)), EG_OK); /* until a time to come */
    assert_int_equal(rows_of(f), 3);
    assert_int_equal(put(f, of(EG_REVOKE_TOKEN, "t2", 0, 1000 + 8 * day)), EG_OK);
    assert_int_equal(rows_of(f), 4);
    assert_int_equal(put(f, of(EG_REVOKE_TOKEN, "t3", 0, 1001 + 8 * day)), EG_OK);
    assert_int_equal(rows_of(f), 3);
    assert_int_equal(check(f, "t", 1000 + 30 * day, NULL), EG_ERR_TOKEN_REVOKED);
    assert_int_equal(put(f, of(EG_REVOKE_TOKEN, "t4", 0, 1001 + 38 * day)), EG_OK);
    assert_int_equal(rows_of(f), 1);
}

/* Fills the database in few transactions; the bound holds for new rows, not for those that are there. */
static eg_err fill(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)ctx;
    (void)p;
    for (unsigned i = 0; i < EG_REVOCATIONS_MAX; i++) {
        char key[128];
        uint8_t value[24] = {0};
        eg_put_u64(value + 8, INT64_MAX);
        snprintf(key, sizeof key, "token/" TENANT "/%08u", i);
        EG_TRY(eg_kv_put(t, EG_DB_REVOKED, eg_str_bytes(eg_str_of(key)), (eg_bytes){value, sizeof value}));
    }
    return EG_OK;
}

static void they_are_bounded(void **state) {
    fixture *f = *state;
    eg_problem p = {0};
    const eg_txn_op op = {fill, NULL};
    assert_int_equal(eg_commit(f->committer, &op, 1, &p), EG_OK);
    assert_int_equal(put(f, of(EG_REVOKE_TOKEN, "one more", 0, 1000)), EG_ERR_LIMIT);
    assert_int_equal(put(f, of(EG_REVOKE_TOKEN, "00000007", 0, 1000)), EG_OK);
}

static void what_may_be_asked(void **state) {
    fixture *f = *state;
    static const struct {
        const char *text;
        eg_err owed;
    } cases[] = {
        {"{}", EG_ERR_INVALID},
        {"{\"kind\":\"cluster\",\"id\":\"x\"}", EG_ERR_INVALID},
        {"{\"kind\":\"principal\",\"id\":\"ann\"}", EG_ERR_INVALID},
        {"{\"kind\":\"principal\",\"id\":\"" ANN "\"}", EG_OK},
        {"{\"kind\":\"user\",\"name\":\"loader\"}", EG_OK},
        {"{\"kind\":\"user\",\"name\":\"nobody\"}", EG_ERR_NOT_FOUND},
        {"{\"kind\":\"token\"}", EG_ERR_INVALID},
        {"{\"kind\":\"token\",\"id\":\"abc\"}", EG_OK},
        {"{\"kind\":\"token\",\"token\":\"a.b.c\"}", EG_ERR_TOKEN_MALFORMED},
        {"{\"kind\":\"token\",\"id\":\"abc\",\"until\":\"2999-01-01T00:00:00Z\"}", EG_ERR_INVALID},
        {"{\"kind\":\"principal\",\"id\":\"" ANN "\",\"until\":\"2001-01-01T00:00:00Z\"}", EG_ERR_INVALID},
        {"{\"kind\":\"principal\",\"id\":\"" ANN "\",\"until\":\"tomorrow\"}", EG_ERR_INVALID},
        {"{\"kind\":\"job\",\"id\":\"analytics/1\"}", EG_ERR_BATCH_NOT_FOUND},
    };
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EG_JSON_AUTO asked = NULL;
        eg_revocation r = {0};
        eg_problem p = {0};
        assert_int_equal(eg_json_parse(eg_str_of(cases[i].text), 4096, &asked, &p), EG_OK);
        const eg_err e = eg_identity_revocation_read(f->identity, EG_LIT(TENANT), asked, &r, &p);
        if (e != cases[i].owed) {
            fail_msg("%s: %s, owed %s", cases[i].text, eg_err_code(e), eg_err_code(cases[i].owed));
        }
        assert_int_equal(e == EG_OK, r.kind != EG_REVOKE_NONE);
    }
    EG_JSON_AUTO asked = json_pack("{s:s,s:s}", "kind", "principal", "id", f->client_id);
    eg_revocation r = {0};
    eg_problem p = {0};
    assert_int_equal(eg_identity_revocation_read(f->identity, EG_LIT(TENANT), asked, &r, &p), EG_OK);
    assert_string_equal(r.id, f->object_id); /* a client id is as good */
    assert_int_equal(eg_identity_revocation_read(f->identity, EG_LIT("99999999-9999-4999-8999-999999999999"), asked, &r, &p), EG_ERR_NOT_FOUND);
}

/* From the cache and not, for the principal, then for one token; and what was issued later is good. */
static void tokens_die_at_once(void **state) {
    fixture *f = *state;
    eg_problem p = {0};
    eg_buf token;
    eg_buf_init(&token, 16384);
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    fixture_token(f, PUBLIC_URL, ",\"jti\":\"one\"", &token);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_OK);
    const uint64_t mark = eg_identity_revocation_mark(f->identity);
    eg_revocation r = of(EG_REVOKE_TOKEN, "one", 0, eg_wall_s(&f->clock));
    assert_int_equal(eg_identity_revoke(f->identity, &r, (eg_txn_op){0}, &p), EG_OK);
    assert_true(eg_identity_revocation_mark(f->identity) != mark);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_ERR_TOKEN_REVOKED);
    assert_int_equal(eg_identity_revoke_undo(f->identity, &r, (eg_txn_op){0}, &p), EG_OK);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_OK);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_OK);
    r = of(EG_REVOKE_PRINCIPAL, f->object_id, eg_wall_s(&f->clock), eg_wall_s(&f->clock));
    assert_int_equal(eg_identity_revoke(f->identity, &r, (eg_txn_op){0}, &p), EG_OK);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_ERR_TOKEN_REVOKED);
    f->offset_s = 2;
    fixture_token(f, PUBLIC_URL, ",\"jti\":\"two\"", &token);
    assert_int_equal(fixture_verify(f, eg_buf_str(&token), EG_AUDIENCE_GATEWAY), EG_OK);
    eg_principal *who = NULL;
    assert_int_equal(eg_identity_verify(f->identity, eg_buf_str(&token), &(eg_token_use){.audience = EG_AUDIENCE_GATEWAY}, &who, &p), EG_OK);
    assert_int_equal(who->revoked_until_s, r.before_s);
    assert_int_equal(eg_identity_check(f->identity, who, &p), EG_OK);
    eg_principal_unref(who);
    EG_JSON_AUTO all = NULL;
    json_t *list = NULL;
    assert_int_equal(eg_identity_revocations(f->identity, EG_LIT(TENANT), &list), EG_OK);
    all = list;
    assert_int_equal(json_array_size(all), 1);
    assert_int_equal(eg_identity_revocations(f->identity, EG_LIT(OTHER_TENANT), &list), EG_OK);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    eg_buf_done(&token);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void) {
    const struct CMUnitTest tests[] = {T(what_is_refused), T(unreadable_rows_refuse), T(rows_expire), T(they_are_bounded), T(what_may_be_asked), T(tokens_die_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
