/* A shared access signature in the address of a source: what it allows there, and that nothing else does then. covers: source_grant.c grant_request.c rename.c */
#include "sas_calls.h"

#define HOST "acct.blob.example.com:8443"
#define STRANGER "99999999-1111-4111-8111-111111111111"
#define V "sv=2020-12-06&se=2099-01-01T00:00:00Z"

static int open_two(void **state) {
    if (store_open(state) != 0) {
        return -1;
    }
    store *s = *state;
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/other", .query = "resource=filesystem"}), EG_OK);
    assert_int_equal(store_mkdir(s, "/data/d"), EG_OK);
    return 0;
}

static void sign_for(store *s, const char *fields, const char *path, char ret[4096]) {
    const eg_sas_request r = {.account = EG_LIT(ACCOUNT), .container = EG_LIT("data"), .path = eg_str_of(path)};
    sas_sign(s, fields, &r, ret);
}

/* Somebody with roles in /other alone. */
static eg_err move(store *s, const char *sas) {
    char from[4200];
    snprintf(from, sizeof from, "/data/d/f%s%s", *sas ? "?" : "", sas);
    s->denied = "/data";
    const eg_err e = store_do(s, (call){.method = "PUT", .path = "/other/moved", .headers = {"x-ms-rename-source", from}, .who = STRANGER});
    s->denied = NULL;
    return e;
}

static eg_err copy(store *s, const char *sas) {
    char from[4200];
    snprintf(from, sizeof from, "https://" HOST "/data/d/f%s%s", *sas ? "?" : "", sas);
    s->denied = "/data";
    const eg_err e = store_do(s, (call){.method = "PUT", .path = "/other/copied", .headers = {"Host", HOST, "x-ms-copy-source", from}, .who = STRANGER,
        .surface = EG_SURFACE_BLOB});
    s->denied = NULL;
    return e;
}

static const struct {
    const char *fields;
    eg_err moves, copies;
} rows[] = {
    {V "&sp=r&sr=b", EG_ERR_DENIED_DATA, EG_OK},
    {V "&sp=d&sr=b", EG_OK, EG_ERR_DENIED_DATA},
    {V "&sp=m&sr=c", EG_OK, EG_ERR_DENIED_DATA},
    {V "&sp=rd&sr=d&sdd=1", EG_OK, EG_OK},
    {V "&sp=rd&ss=b&srt=o", EG_OK, EG_OK},
    {V "&sp=rd&ss=b&srt=sc", EG_ERR_SAS_RESOURCE_TYPE, EG_ERR_SAS_RESOURCE_TYPE},
    {V "&sp=rd&ss=q&srt=o", EG_ERR_SAS_SERVICE, EG_ERR_SAS_SERVICE},
    {V "&sp=rd&sr=b&sip=10.0.0.1", EG_ERR_SAS_SOURCE_IP, EG_ERR_SAS_SOURCE_IP},
    {"sv=2020-12-06&se=2020-01-01&sp=rd&sr=b", EG_ERR_AUTH_FAILED, EG_ERR_AUTH_FAILED},
};

static void signed_sources(void **state) {
    store *s = *state;
    char sas[4096];
    assert_int_equal((store_write(s, "/data/d/f", "x", 1), move(s, "")), EG_ERR_DENIED_DATA);
    assert_int_equal(copy(s, ""), EG_ERR_DENIED_DATA);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        store_write(s, "/data/d/f", "x", 1);
        sign_for(s, rows[i].fields, "d/f", sas);
        const eg_err c = copy(s, sas);
        const eg_err m = move(s, sas);
        if (c != rows[i].copies || m != rows[i].moves) {
            fail_msg("row %zu: copy %s, move %s", i, eg_err_code(c), eg_err_code(m));
        }
        assert_int_equal(store_head(s, "/data/d/f") == EG_OK, m != EG_OK);
    }
    /* Signed for another file. */
    store_write(s, "/data/d/f", "x", 1);
    sign_for(s, V "&sp=rd&sr=b", "d/g", sas);
    assert_int_equal(move(s, sas), EG_ERR_AUTH_FAILED);
    assert_int_equal(copy(s, sas), EG_ERR_AUTH_FAILED);
    /* Who may all loses it by showing a signature that doesn't. */
    sign_for(s, V "&sp=l&sr=b", "d/f", sas);
    char from[4200];
    snprintf(from, sizeof from, "/data/d/f?%s", sas);
    assert_int_equal(store_rename(s, from, "/data/mine"), EG_ERR_DENIED_DATA);
    /* Keys are off for the account: so is this. */
    sign_for(s, V "&sp=rd&sr=b", "d/f", sas);
    store_rules[0].allow_shared_key = false;
    assert_int_equal(move(s, sas), EG_ERR_KEY_AUTH_OFF);
    store_rules[0].allow_shared_key = true;
    assert_int_equal(move(s, sas), EG_OK);
}

static void delegated(store *s, const char *who, const char *more, char ret[4096]) {
    char from[EG_RFC3339_LEN];
    char until[EG_RFC3339_LEN];
    char fields[700];
    const int64_t now = eg_wall_ns(&eg_clock_system);
    eg_time_rfc3339(now - (int64_t)3600 * 1000000000, from);
    eg_time_rfc3339(now + (int64_t)3600 * 1000000000, until);
    snprintf(fields, sizeof fields, "sv=2026-04-06&se=2099-01-01T00:00:00Z&sp=rd&sr=b&skoid=%s&sktid=" TENANT "&skt=%.19sZ&ske=%.19sZ&sks=b&skv=2026-04-06%s", who, from, until, more);
    sign_for(s, fields, "d/f", ret);
}

/* What the delegator may not do there its signature doesn't do either. */
static void delegations(void **state) {
    store *s = *state;
    char sas[4096];
    store_write(s, "/data/d/f", "x", 1);
    delegated(s, STRANGER, "", sas);
    assert_int_equal(copy(s, sas), EG_ERR_DENIED_DATA);
    assert_int_equal(move(s, sas), EG_ERR_DENIED_DATA);
    s->denied = NULL;
    delegated(s, WHO, "", sas);
    char from[4200];
    snprintf(from, sizeof from, "/data/d/f?%s", sas);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/other/moved", .headers = {"x-ms-rename-source", from}, .who = STRANGER}), EG_OK);
    /* Bound to a user or to headers: not for a source. */
    store_write(s, "/data/d/f", "x", 1);
    delegated(s, WHO, "&sduoid=" STRANGER, sas);
    assert_int_equal(move(s, sas), EG_ERR_AUTH_FAILED);
    assert_int_equal(copy(s, sas), EG_ERR_AUTH_FAILED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(signed_sources, open_two, store_close),
        cmocka_unit_test_setup_teardown(delegations, open_two, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
