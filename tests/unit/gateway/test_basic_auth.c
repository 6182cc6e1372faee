/* Names and passwords: right ones pass, all others look the same; who is locked out, and what ends a password. covers: proof_memory.c */
#include "local_acts.h"

#include <embergate/encoding.h>
#include <semaphore.h>

#define PASSWORD "a horse, a staple"
#define HERE "192.0.2.1"
#define ELSEWHERE "192.0.2.2"

static eg_err act(fixture *f, eg_local_act what, const char *name, const char *password) {
    eg_local_principal r;
    eg_problem p = {0};
    const eg_err e = local_act(f, (eg_local_ask){.act = what, .name = eg_str_of(name), .kind = EG_PRINCIPAL_USER, .proof = eg_str_bytes(eg_str_of(password))}, &r, &p);
    assert_null(strstr(p.message, "staple"));
    return e;
}

static void done(void *ctx) {
    sem_post(ctx);
}

/* *ret_pool: whether it took more than the cache. */
static eg_err ask_header(fixture *f, const char *tenant, const char *header, const char *address, bool *ret_pool) {
    sem_t came;
    sem_init(&came, 0, 0);
    eg_principal *who = NULL;
    eg_basic_ask a = {.tenant = eg_str_of(tenant), .authorization = eg_str_of(header), .address = address, .later = done, .later_ctx = &came};
    eg_err e = eg_identity_basic(f->identity, &a, &who);
    *ret_pool = e == EG_ERR_BUSY;
    if (e == EG_ERR_BUSY) {
        sem_wait(&came);
        e = eg_identity_basic(f->identity, &a, &who);
    }
    sem_destroy(&came);
    assert_true((e == EG_OK) == (who != NULL));
    if (who) {
        assert_string_equal(who->name, "ann");
        assert_string_equal(who->tenant, TENANT);
        assert_int_equal(who->kind, EG_PRINCIPAL_USER);
        assert_int_equal(strncmp(who->token_id, "basic/", 6), 0);
    } else {
        assert_null(strstr(a.problem.message, "staple"));
    }
    eg_principal_unref(who);
    return e;
}

static eg_err ask(fixture *f, const char *tenant, const char *pair, const char *address) {
    bool pool = false;
    eg_buf header;
    eg_buf_init(&header, 4096);
    assert_int_equal(eg_buf_adds(&header, "Basic "), EG_OK);
    assert_int_equal(eg_base64(eg_str_bytes(eg_str_of(pair)), &header), EG_OK);
    eg_err e = ask_header(f, tenant, header.ptr, address, &pool);
    eg_buf_done(&header);
    return e;
}

static int set_up(void **state) {
    fixture_open(state);
    fixture *f = *state;
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    assert_int_equal(act(f, EG_LOCAL_ADD, "ann", ""), EG_OK);
    assert_int_equal(act(f, EG_LOCAL_PASSWORD, "ann", PASSWORD), EG_OK);
    return 0;
}

static void the_password_and_nothing_else(void **state) {
    fixture *f = *state;
    static const struct {
        const char *tenant, *pair;
        eg_err owed;
    } rows[] = {
        {TENANT, "ann:" PASSWORD, EG_OK},
        {TENANT, "ann:" PASSWORD, EG_OK},
        {TENANT, "ann:a horse, a stable", EG_ERR_PASSWORD},
        {TENANT, "ann:", EG_ERR_PASSWORD},
        {TENANT, "ann", EG_ERR_PASSWORD},
        {TENANT, ":" PASSWORD, EG_ERR_PASSWORD},
        {TENANT, "Ann:" PASSWORD, EG_ERR_PASSWORD},
        {TENANT, "nobody:" PASSWORD, EG_ERR_PASSWORD},
        {TENANT, "loader:", EG_ERR_PASSWORD}, /* has no password */
        {OTHER_TENANT, "ann:" PASSWORD, EG_ERR_PASSWORD},
        {"", "ann:" PASSWORD, EG_ERR_PASSWORD},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (ask(f, rows[i].tenant, rows[i].pair, HERE) != rows[i].owed) {
            fail_msg("row %zu", i);
        }
    }
    char pair[128]; /* a client's secret is no password, nor the other way about */
    snprintf(pair, sizeof pair, "loader:%s", f->secret);
    assert_int_equal(ask(f, TENANT, pair, HERE), EG_ERR_PASSWORD);
}

static void headers_that_are_none(void **state) {
    fixture *f = *state;
    static const char *const rows[] = {"Basic", "Basic ", "Basic !!!!", "Basic YW5u", "Basic YW5uOg", "Bearer YW5uOg==", "BasicYW5uOg=="};
    char longer[2048] = "Basic ";
    bool pool = false;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(ask_header(f, TENANT, rows[i], HERE, &pool), EG_ERR_PASSWORD);
    }
    memset(longer + 6, 'Q', sizeof longer - 7);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(ask_header(f, TENANT, longer, HERE, &pool), EG_ERR_PASSWORD);
    assert_false(pool);
    assert_true(eg_identity_is_basic(EG_LIT("basic YQ==")));
    assert_false(eg_identity_is_basic(EG_LIT("Bearer YQ==")));
}

static void verified_once(void **state) {
    fixture *f = *state;
    bool pool = false;
    const char *header = "Basic YW5uOmEgaG9yc2UsIGEgc3RhcGxl";
    assert_int_equal(ask_header(f, TENANT, header, HERE, &pool), EG_OK);
    assert_true(pool);
    assert_int_equal(ask_header(f, TENANT, header, ELSEWHERE, &pool), EG_OK);
    assert_false(pool);
    f->offset_s += 301; /* the store is asked again */
    assert_int_equal(ask_header(f, TENANT, header, HERE, &pool), EG_OK);
    assert_true(pool);
    assert_int_equal(act(f, EG_LOCAL_PASSWORD, "ann", "another " PASSWORD), EG_OK);
    assert_int_equal(ask_header(f, TENANT, header, HERE, &pool), EG_ERR_PASSWORD);
    assert_int_equal(ask(f, TENANT, "ann:another " PASSWORD, HERE), EG_OK);
}

static void failures_lock_out_who_made_them(void **state) {
    fixture *f = *state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(ask(f, TENANT, "ann:wrong", HERE), EG_ERR_PASSWORD);
    }
    assert_int_equal(ask(f, TENANT, "ann:" PASSWORD, HERE), EG_ERR_TOO_MANY_REQUESTS); /* even the right one: else guesses would be told apart */
    assert_int_equal(ask(f, TENANT, "ann:" PASSWORD, ELSEWHERE), EG_OK);
    assert_int_equal(ask(f, TENANT, "ann:" PASSWORD, HERE), EG_OK); /* it was right before: nobody can lock that out */
    assert_int_equal(ask(f, TENANT, "ann:wrong", HERE), EG_ERR_TOO_MANY_REQUESTS);
    f->offset_s += 61;
    assert_int_equal(ask(f, TENANT, "ann:wrong", HERE), EG_ERR_PASSWORD);
}

/* Many names from one address, as from behind a company's: strangers there are slowed down, not who has signed in from there. */
static void an_address_is_bounded_too(void **state) {
    fixture *f = *state;
    assert_int_equal(ask(f, TENANT, "ann:" PASSWORD, HERE), EG_OK);
    assert_int_equal(ask(f, TENANT, "stranger:wrong", HERE), EG_ERR_PASSWORD);
    for (int i = 1; i < 120; i++) {
        eg_client_auth_failed_address(f->identity->clients, HERE); /* as the same does, without scrypt's time */
    }
    assert_int_equal(ask(f, TENANT, "stranger:wrong", HERE), EG_ERR_TOO_MANY_REQUESTS);
    assert_int_equal(act(f, EG_LOCAL_PASSWORD, "ann", "another " PASSWORD), EG_OK); /* what was right before helps no more */
    assert_int_equal(ask(f, TENANT, "ann:another " PASSWORD, HERE), EG_OK);
    assert_int_equal(ask(f, TENANT, "stranger:wrong", ELSEWHERE), EG_ERR_PASSWORD);
}

static eg_err revoke_ann(fixture *f, const char *until) {
    eg_revocation r = {0};
    eg_problem p = {0};
    EG_JSON_AUTO asked = json_pack("{s:s,s:s,s:s}", "kind", "user", "name", "ann", "until", until);
    EG_TRY(eg_identity_revocation_read(f->identity, EG_LIT(TENANT), asked, &r, &p));
    return eg_identity_revoke(f->identity, &r, (eg_txn_op){NULL, NULL}, &p);
}

static void what_ends_a_password(void **state) {
    fixture *f = *state;
    assert_int_equal(ask(f, TENANT, "ann:" PASSWORD, HERE), EG_OK);
    assert_int_equal(act(f, EG_LOCAL_DISABLE, "ann", ""), EG_OK);
    assert_int_equal(ask(f, TENANT, "ann:" PASSWORD, HERE), EG_ERR_PASSWORD);
    assert_int_equal(act(f, EG_LOCAL_ENABLE, "ann", ""), EG_OK);
    assert_int_equal(ask(f, TENANT, "ann:" PASSWORD, HERE), EG_OK);
    assert_int_equal(act(f, EG_LOCAL_ROTATE, "ann", ""), EG_OK); /* the client's secret, which is another */
    assert_int_equal(ask(f, TENANT, "ann:" PASSWORD, HERE), EG_OK);
    assert_int_equal(revoke_ann(f, ""), EG_OK);
    assert_int_equal(ask(f, TENANT, "ann:" PASSWORD, HERE), EG_ERR_PASSWORD);
    f->offset_s += 9 * 86400; /* the revocation's row is gone by then, the password too */
    assert_int_equal(ask(f, TENANT, "ann:" PASSWORD, HERE), EG_ERR_PASSWORD);
    assert_int_equal(act(f, EG_LOCAL_PASSWORD, "ann", PASSWORD), EG_OK);
    assert_int_equal(ask(f, TENANT, "ann:" PASSWORD, HERE), EG_OK);
    assert_int_equal(act(f, EG_LOCAL_PASSWORD_DROP, "ann", ""), EG_OK);
    assert_int_equal(ask(f, TENANT, "ann:" PASSWORD, HERE), EG_ERR_PASSWORD);
    assert_int_equal(act(f, EG_LOCAL_REMOVE, "ann", ""), EG_OK);
    assert_int_equal(ask(f, TENANT, "ann:" PASSWORD, HERE), EG_ERR_PASSWORD);
}

static void revoked_for_some_time(void **state) {
    fixture *f = *state;
    char until[EG_RFC3339_LEN];
    eg_time_rfc3339((eg_wall_s(&f->clock) + 3600) * 1000000000, until);
    assert_int_equal(revoke_ann(f, until), EG_OK);
    assert_int_equal(act(f, EG_LOCAL_PASSWORD, "ann", PASSWORD), EG_OK);
    assert_int_equal(ask(f, TENANT, "ann:" PASSWORD, HERE), EG_ERR_TOKEN_REVOKED);
    f->offset_s += 3700;
    assert_int_equal(ask(f, TENANT, "ann:" PASSWORD, HERE), EG_OK);
}

static void passwords_that_are_refused(void **state) {
    fixture *f = *state;
    char longer[131];
    memset(longer, 'x', sizeof longer - 1);
    memcpy(longer, "abcdef", 6);
    longer[sizeof longer - 1] = '\0';
    const char *const rows[] = {"", "fourteen chars", "aaaaaaaaaaaaaaaaaaaaaa", "abcabcabcabcabcabc", "xx Ann xxxx 0123456789", "line\nfeed 0123456789", "bad utf-8 \xff 0123456789", longer};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (act(f, EG_LOCAL_PASSWORD, "ann", rows[i]) != EG_ERR_INVALID) {
            fail_msg("row %zu", i);
        }
    }
    assert_int_equal(ask(f, TENANT, "ann:" PASSWORD, HERE), EG_OK); /* none of them changed anything */
    assert_int_equal(act(f, EG_LOCAL_PASSWORD, "ann", "f\xc3\xbcnfzehn Zeichen"), EG_OK);
    assert_int_equal(act(f, EG_LOCAL_ARM, "glass", ""), EG_OK);
    assert_int_equal(act(f, EG_LOCAL_PASSWORD, "glass", PASSWORD), EG_ERR_INVALID);
}

#define WITH(t) cmocka_unit_test_setup_teardown(t, set_up, fixture_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(the_password_and_nothing_else), WITH(headers_that_are_none), WITH(verified_once), WITH(failures_lock_out_who_made_them), WITH(an_address_is_bounded_too),
        WITH(what_ends_a_password), WITH(revoked_for_some_time), WITH(passwords_that_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
