/* Keys of an outside issuer: fetched when needed and not more often, kept when the provider is away, and from nobody else.
 * covers: https_fetch.c */
#include "identity_fixture.h"
#include "provider.h"

#include "identity/jwks_cache.h"

#include <signal.h>
#include <time.h>

static const char *const audiences[] = {"api://embergate", NULL};

typedef struct called {
    unsigned n; /* atomic */
} called;

static void later(void *ctx) {
    __atomic_add_fetch(&((called *)ctx)->n, 1, __ATOMIC_RELEASE);
}

/* Waits until later() was called n times; at most 10 s. */
static void wait_for(called *c, unsigned n) {
    for (int i = 0; i < 1000 && __atomic_load_n(&c->n, __ATOMIC_ACQUIRE) < n; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_int_equal(__atomic_load_n(&c->n, __ATOMIC_ACQUIRE), n);
}

static eg_err find(eg_jwks_cache *c, const char *kid, called *l) {
    eg_jwk_set *set = NULL;
    uint32_t generation = 0;
    eg_problem p = {0};
    eg_err e = eg_jwks_cache_find(c, eg_str_of(kid), l ? later : NULL, l, &set, &generation, &p);
    assert_true((e == EG_OK) == (set != NULL));
    eg_jwk_set_unref(set);
    return e;
}

static eg_outside_issuer issuer_of(const provider *p) {
    return (eg_outside_issuer){p->issuer, TENANT, p->discovery_url, p->ca_file, audiences};
}

static void fetched_once_and_kept(void **state) {
    fixture *f = *state;
    provider p;
    provider_start(&p, f->dir);
    EVP_PKEY *key = maker_key(maker_named("ES256"));
    provider_keys(&p, key, "one");
    eg_outside_issuer o = issuer_of(&p);
    eg_jwks_cache *c = NULL;
    called l = {0};
    assert_int_equal(eg_jwks_cache_new(&o, f->pool, &f->clock, NULL, &c), EG_OK);
    assert_int_equal(find(c, "one", &l), EG_ERR_BUSY);
    wait_for(&l, 1);
    assert_int_equal(find(c, "one", NULL), EG_OK);
    /* A hundred unknown kids within the minute: not one more request. */
    for (int i = 0; i < 100; i++) {
        assert_int_equal(find(c, "invented", &l), EG_ERR_TOKEN_KEY_UNKNOWN);
    }
    assert_int_equal(p.discoveries, 1);
    assert_int_equal(p.key_fetches, 1);
    uint32_t before = eg_jwks_cache_generation(c);
    f->offset_s += 61;
    assert_int_equal(find(c, "invented", &l), EG_ERR_BUSY);
    assert_int_equal(find(c, "one", NULL), EG_OK); /* meanwhile */
    wait_for(&l, 2);
    assert_int_equal(find(c, "invented", &l), EG_ERR_TOKEN_KEY_UNKNOWN);
    assert_int_equal(eg_jwks_cache_generation(c), before); /* the same keys */
    /* A new key is found by its kid; the old one, withdrawn, is gone. */
    provider_keys(&p, key, "two");
    f->offset_s += 61;
    assert_int_equal(find(c, "two", &l), EG_ERR_BUSY);
    wait_for(&l, 3);
    assert_int_equal(find(c, "two", NULL), EG_OK);
    assert_int_equal(find(c, "one", NULL), EG_ERR_TOKEN_KEY_UNKNOWN);
    assert_int_not_equal(eg_jwks_cache_generation(c), before);
    /* The provider is away: what is there serves on. */
    provider_stop(&p);
    f->offset_s += 7200;
    assert_int_equal(find(c, "two", NULL), EG_OK);
    eg_jwks_cache_free(c);
    EVP_PKEY_free(key);
}

/* A key that its issuer left out verifies for its grace and no longer; the end of the grace is a change of keys. */
static void a_withdrawn_key_has_its_grace(void **state) {
    fixture *f = *state;
    provider p;
    provider_start(&p, f->dir);
    EVP_PKEY *key = maker_key(maker_named("ES256"));
    provider_keys(&p, key, "one");
    eg_outside_issuer o = issuer_of(&p);
    o.key_grace_s = 120;
    eg_jwks_cache *c = NULL;
    called l = {0};
    assert_int_equal(eg_jwks_cache_new(&o, f->pool, &f->clock, NULL, &c), EG_OK);
    assert_int_equal(eg_jwks_cache_age_s(c), -2);
    assert_int_equal(find(c, "one", &l), EG_ERR_BUSY);
    wait_for(&l, 1);
    provider_keys(&p, key, "two");
    f->offset_s += 61;
    assert_in_range(eg_jwks_cache_age_s(c), 61, 75);
    assert_int_equal(find(c, "two", &l), EG_ERR_BUSY);
    wait_for(&l, 2);
    const uint32_t both = eg_jwks_cache_generation(c);
    assert_int_equal(find(c, "two", NULL), EG_OK);
    assert_int_equal(find(c, "one", NULL), EG_OK);
    f->offset_s += 61; /* fetched again within the grace: it is not begun anew */
    assert_int_equal(find(c, "three", &l), EG_ERR_BUSY);
    wait_for(&l, 3);
    assert_int_equal(find(c, "one", NULL), EG_OK);
    assert_int_equal(eg_jwks_cache_generation(c), both);
    provider_stop(&p);
    f->offset_s += 61;
    assert_int_not_equal(eg_jwks_cache_generation(c), both); /* what the key had verified is to be verified again */
    assert_int_equal(find(c, "two", NULL), EG_OK);
    assert_int_equal(find(c, "one", &l), EG_ERR_BUSY);       /* asked for, a minute after the last time */
    wait_for(&l, 4);
    assert_int_equal(find(c, "one", NULL), EG_ERR_TOKEN_KEY_UNKNOWN);
    eg_jwks_cache_free(c);
    EVP_PKEY_free(key);
}

static void refuse_document(fixture *f, const eg_outside_issuer *o) {
    eg_jwks_cache *c = NULL;
    called l = {0};
    assert_int_equal(eg_jwks_cache_new(o, f->pool, &f->clock, NULL, &c), EG_OK);
    assert_int_equal(find(c, "one", &l), EG_ERR_BUSY);
    wait_for(&l, 1);
    assert_int_equal(find(c, "one", &l), EG_ERR_UNAVAILABLE);
    assert_int_equal(eg_jwks_cache_age_s(c), -1);
    eg_jwks_cache_free(c);
}

static void documents_that_are_refused(void **state) {
    fixture *f = *state;
    provider p;
    provider_start(&p, f->dir);
    EVP_PKEY *key = maker_key(maker_named("ES256"));
    provider_keys(&p, key, "one");
    eg_outside_issuer o = issuer_of(&p);
    char document[512];
    static const char *const shapes[] = {
        "{\"issuer\":\"%s/other\",\"jwks_uri\":\"https://127.0.0.1:1/keys\"}", /* another issuer */
        "{\"issuer\":\"%s\",\"jwks_uri\":\"https://127.0.0.1:1/keys\"}",        /* another port */
        "{\"issuer\":\"%s\",\"jwks_uri\":\"https://evil.example/keys\"}",
        "{\"issuer\":\"%s\",\"jwks_uri\":\"http://127.0.0.1/keys\"}",
        "{\"issuer\":\"%s\",\"jwks_uri\":\"file:///etc/passwd\"}",
        "{\"issuer\":\"%s\"}",
        "{\"issuer\":\"%s\"",
    };
    char *good = strdup(p.discovery);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        size_t n = strcspn(shapes[i], "%");
        snprintf(document, sizeof document, "%.*s%s%s", (int)n, shapes[i], p.issuer, shapes[i] + n + 2);
        provider_set(&p, &p.discovery, document);
        refuse_document(f, &o);
    }
    assert_int_equal(p.key_fetches, 0);
    provider_set(&p, &p.discovery, good);
    free(good);
    provider_set(&p, &p.jwks, "{\"keys\":[]}");
    refuse_document(f, &o);
    char *big = malloc((2 << 20) + 1);
    memset(big, ' ', 2 << 20);
    big[2 << 20] = '\0';
    provider_set(&p, &p.jwks, big);
    free(big);
    refuse_document(f, &o);
    provider_keys(&p, key, "one");
    p.status = "302 Found";
    p.extra = "Location: /keys\r\n";
    refuse_document(f, &o);
    p.status = "500 Oops";
    p.extra = "";
    refuse_document(f, &o);
    p.status = "200 OK";
    o.ca_file = ""; /* the system's authorities don't know it */
    refuse_document(f, &o);
    provider_stop(&p);
    EVP_PKEY_free(key);
}

static eg_err verify(fixture *f, const char *token, called *l) {
    eg_principal *who = NULL;
    eg_problem p = {0};
    eg_err e = eg_identity_verify(f->identity, eg_str_of(token), &(eg_token_use){.audience = EG_AUDIENCE_STORAGE, .later = l ? later : NULL, .later_ctx = l}, &who, &p);
    eg_principal_unref(who);
    return e;
}

/* The whole way: an outside issuer's token, its keys fetched on demand, and forgotten when they are withdrawn. */
static void an_outside_issuers_token(void **state) {
    fixture *f = *state;
    provider p;
    provider_start(&p, f->dir);
    const maker_alg *es = maker_named("ES256");
    EVP_PKEY *key = maker_key(es);
    EVP_PKEY *next = maker_key(es);
    provider_keys(&p, key, "one");
    eg_outside_issuer o = issuer_of(&p);
    called l = {0};
    char claims[512];
    eg_buf token;
    eg_buf_init(&token, 16384);
    assert_int_equal(fixture_open_identity(f, &o, 1), EG_OK);
    snprintf(claims, sizeof claims, "{\"iss\":\"%s\",\"aud\":\"api://embergate\",\"sub\":\"ann\",\"iat\":%ld,\"exp\":%ld}", p.issuer,
             (long)eg_wall_s(&f->clock), (long)eg_wall_s(&f->clock) + 86400);
    maker_token(es, key, "{\"alg\":\"ES256\",\"kid\":\"one\"}", claims, &token);
    assert_int_equal(verify(f, token.ptr, &l), EG_ERR_BUSY);
    wait_for(&l, 1);
    assert_int_equal(verify(f, token.ptr, NULL), EG_OK);
    assert_int_equal(verify(f, token.ptr, NULL), EG_OK);
    /* Its key is withdrawn: found out when another kid makes us look. */
    provider_keys(&p, next, "two");
    f->offset_s += 61;
    eg_buf other;
    eg_buf_init(&other, 16384);
    maker_token(es, next, "{\"alg\":\"ES256\",\"kid\":\"two\"}", claims, &other);
    assert_int_equal(verify(f, other.ptr, &l), EG_ERR_BUSY);
    wait_for(&l, 2);
    assert_int_equal(verify(f, other.ptr, NULL), EG_OK);
    assert_int_equal(verify(f, token.ptr, NULL), EG_ERR_TOKEN_KEY_UNKNOWN);
    /* Our own issuer's name, signed by theirs: their keys speak for their issuer alone. */
    snprintf(claims, sizeof claims, "{\"iss\":\"" PUBLIC_URL "/" TENANT "/v2.0\",\"aud\":\"https://storage.azure.com\",\"exp\":%ld}",
             (long)eg_wall_s(&f->clock) + 3600);
    maker_token(es, next, "{\"alg\":\"ES256\",\"kid\":\"two\"}", claims, &other);
    assert_int_equal(verify(f, other.ptr, NULL), EG_ERR_TOKEN_KEY_UNKNOWN);
    provider_stop(&p);
    eg_buf_done(&token);
    eg_buf_done(&other);
    EVP_PKEY_free(key);
    EVP_PKEY_free(next);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(fetched_once_and_kept, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(a_withdrawn_key_has_its_grace, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(documents_that_are_refused, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(an_outside_issuers_token, fixture_open, fixture_close),
};

int main(void) {
    signal(SIGPIPE, SIG_IGN); /* the provider's clients hang up when they have seen enough */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
