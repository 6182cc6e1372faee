/* Groups that a token leaves out, against an endpoint over TLS that speaks as Microsoft Graph is documented: asked once, kept, served on while it is away, never taken for none.
 * covers: graph_client.c https_fetch.c */
#include "identity_fixture.h"
#include "provider.h"

#include "identity/group_lookup.h"

#include <sys/stat.h>
#include <time.h>

#define ANN "66666666-6666-4666-8666-666666666666"
#define G1 "51111111-1111-4111-8111-111111111111"
#define G2 "52222222-2222-4222-8222-222222222222"

enum { TOKEN, GROUPS, PAGE };

typedef struct world {
    fixture *f;
    provider p;
    eg_outside_issuer o;
    char graph[160], token[160], secret[160];
    eg_group_lookup *l;
    unsigned called; /* atomic */
} world;

static void later(void *ctx) {
    __atomic_add_fetch(&((world *)ctx)->called, 1, __ATOMIC_RELEASE);
}

static void answer(world *w, int row, const char *status, const char *body) {
    pthread_mutex_lock(&w->p.lock);
    free(w->p.rows[row].body);
    w->p.rows[row].body = strdup(body);
    w->p.rows[row].status = status;
    pthread_mutex_unlock(&w->p.lock);
}

static unsigned asked(world *w, int row) {
    pthread_mutex_lock(&w->p.lock);
    const unsigned n = w->p.rows[row].asked;
    pthread_mutex_unlock(&w->p.lock);
    return n;
}

static void begin(world *w, fixture *f) {
    *w = (world){.f = f};
    provider_start(&w->p, f->dir);
    char host[128];
    snprintf(host, sizeof host, "%s", w->p.issuer);
    *strstr(host, "/realm") = '\0';
    snprintf(w->graph, sizeof w->graph, "%s/v1.0", host);
    snprintf(w->token, sizeof w->token, "%s/token", host);
    snprintf(w->secret, sizeof w->secret, "%s/graph-secret", f->dir);
    FILE *file = fopen(w->secret, "w");
    fputs("s&cr=t\n", file);
    fclose(file);
    chmod(w->secret, 0600);
    w->p.rows[TOKEN].prefix = "POST /token ";
    w->p.rows[GROUPS].prefix = "POST /v1.0/";
    w->p.rows[PAGE].prefix = "GET /v1.0/";
    answer(w, TOKEN, NULL, "{\"token_type\":\"Bearer\",\"expires_in\":3600,\"access_token\":\"graph-token\"}");
    answer(w, GROUPS, NULL, "{\"value\":[\"" G1 "\"]}");
    answer(w, PAGE, NULL, "{\"value\":[\"" G2 "\"]}");
    w->o = (eg_outside_issuer){.issuer = w->p.issuer, .tenant = TENANT, .ca_file = w->p.ca_file, .graph_url = w->graph, .graph_token_url = w->token, .graph_client_id = "gateway",
                               .graph_secret_file = w->secret, .graph_scope = "https://graph.microsoft.com/.default", .graph_fresh_s = 300, .graph_grace_s = 3600, .graph_groups_max = 5};
    w->l = eg_group_lookup_new(&w->o, f->pool, &f->clock, NULL);
    assert_non_null(w->l);
}

static void end(world *w) {
    eg_group_lookup_free(w->l);
    provider_stop(&w->p);
}

static eg_err find(world *w, const char *who, eg_principal **ret) {
    eg_principal *groups = NULL;
    const eg_err e = eg_group_lookup_find(w->l, who, EG_PRINCIPAL_USER, later, w, &groups);
    assert_true((e == EG_OK) == (groups != NULL));
    if (ret) {
        *ret = groups;
    } else {
        eg_principal_unref(groups);
    }
    return e;
}

/* Asked, waited for, and what is said then. */
static eg_err find_soon(world *w, const char *who, eg_principal **ret) {
    const unsigned before = __atomic_load_n(&w->called, __ATOMIC_ACQUIRE);
    const eg_err e = find(w, who, ret);
    if (e != EG_ERR_BUSY) {
        return e;
    }
    for (int i = 0; i < 2000 && __atomic_load_n(&w->called, __ATOMIC_ACQUIRE) == before; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_int_equal(__atomic_load_n(&w->called, __ATOMIC_ACQUIRE), before + 1);
    return find(w, who, ret);
}

static void asked_once_and_kept(void **state) {
    world w;
    eg_principal *groups = NULL, *again = NULL;
    begin(&w, *state);
    char page[512];
    snprintf(page, sizeof page, "{\"value\":[\"" G1 "\"],\"@odata.nextLink\":\"%s/next\"}", w.graph);
    answer(&w, GROUPS, NULL, page);
    assert_int_equal(find_soon(&w, ANN, &groups), EG_OK);
    assert_int_equal(groups->group_count, 2);
    assert_string_equal(groups->groups[0], G1);
    assert_string_equal(groups->groups[1], G2);
    assert_non_null(groups->group_ids);
    /* What was asked, as Microsoft Graph documents it. */
    pthread_mutex_lock(&w.p.lock);
    assert_non_null(strstr(w.p.rows[GROUPS].last, "POST /v1.0/users/" ANN "/getMemberObjects HTTP/1.1\r\n"));
    assert_non_null(strstr(w.p.rows[GROUPS].last, "Authorization: Bearer graph-token\r\n"));
    assert_non_null(strstr(w.p.rows[GROUPS].last, "{\"securityEnabledOnly\":true}"));
    assert_non_null(strstr(w.p.rows[PAGE].last, "GET /v1.0/next "));
    assert_non_null(strstr(w.p.rows[TOKEN].last, "grant_type=client_credentials&client_id=gateway&client_secret=s%26cr%3Dt&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"));
    pthread_mutex_unlock(&w.p.lock);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(find(&w, ANN, &again), EG_OK);
        assert_ptr_equal(again, groups);
        eg_principal_unref(again);
    }
    assert_int_equal(asked(&w, GROUPS), 1);
    /* Older than fresh: they serve on while they are asked for again. */
    answer(&w, PAGE, NULL, "{\"value\":[]}");
    w.f->offset_s += 301;
    again = groups;
    for (int i = 0; i < 1000 && again == groups; i++) {
        assert_int_equal(find(&w, ANN, &again), EG_OK);
        eg_principal_unref(again); /* groups holds on to the first */
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_ptr_not_equal(again, groups);
    eg_principal_unref(groups);
    assert_int_equal(find(&w, ANN, &groups), EG_OK);
    assert_int_equal(groups->group_count, 1);
    assert_int_equal(asked(&w, TOKEN), 1);
    /* Much older: nobody is let in by them before they were asked for. The same groups stay the same object. */
    w.f->offset_s += 700;
    assert_int_equal(find(&w, ANN, NULL), EG_ERR_BUSY);
    for (int i = 0; i < 2000 && __atomic_load_n(&w.called, __ATOMIC_ACQUIRE) < 2; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_int_equal(find(&w, ANN, &again), EG_OK);
    assert_ptr_equal(again, groups);
    eg_principal_unref(again);
    eg_principal_unref(groups);
    end(&w);
}

static void an_endpoint_that_is_away(void **state) {
    world w;
    begin(&w, *state);
    answer(&w, GROUPS, "503 Busy", "{}");
    assert_int_equal(find_soon(&w, ANN, NULL), EG_ERR_NOT_FOUND); /* unknown, never none */
    assert_int_equal(asked(&w, GROUPS), 1);
    assert_int_equal(find(&w, ANN, NULL), EG_ERR_NOT_FOUND);
    assert_int_equal(find(&w, G1, NULL), EG_ERR_NOT_FOUND);       /* nor is it asked for others now */
    assert_int_equal(asked(&w, GROUPS), 1);
    answer(&w, GROUPS, NULL, "{\"value\":[\"" G1 "\"]}");
    w.f->offset_s += 11;
    assert_int_equal(find_soon(&w, ANN, NULL), EG_OK);
    answer(&w, GROUPS, "500 Error", "{}");
    w.f->offset_s += 1000;
    assert_int_equal(find_soon(&w, ANN, NULL), EG_OK);            /* within the grace */
    w.f->offset_s += 3000;
    assert_int_equal(find_soon(&w, ANN, NULL), EG_ERR_NOT_FOUND);
    end(&w);
}

static void answers_that_end_what_was_known(void **state) {
    static const struct { const char *status, *body; } cases[] = {
        {"404 Not Found", "{}"}, {"403 Forbidden", "{}"},
        {NULL, "{\"value\":[\"" G1 "\",\"" G1 "\",\"" G1 "\",\"" G1 "\",\"" G1 "\",\"" G1 "\"]}"}, /* more than are taken */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world w;
        begin(&w, *state);
        assert_int_equal(find_soon(&w, ANN, NULL), EG_OK);
        answer(&w, GROUPS, cases[i].status, cases[i].body);
        w.f->offset_s += 1000;
        assert_int_equal(find_soon(&w, ANN, NULL), EG_ERR_NOT_FOUND);
        const unsigned n = asked(&w, GROUPS);
        assert_int_equal(find(&w, ANN, NULL), EG_ERR_NOT_FOUND);
        assert_int_equal(asked(&w, GROUPS), n); /* not within the minute */
        w.f->offset_s += 61;
        answer(&w, GROUPS, NULL, "{\"value\":[\"" G1 "\"]}");
        assert_int_equal(find_soon(&w, ANN, NULL), EG_OK);
        end(&w);
    }
}

static void hostile_answers(void **state) {
    static const struct { int row; const char *status, *body; } cases[] = {
        {TOKEN, "401 No", "{}"}, {TOKEN, NULL, "{}"}, {TOKEN, NULL, "{\"token_type\":\"Bearer\",\"access_token\":\"a\\r\\nb\"}"},
        {GROUPS, NULL, "{\"value\":7}"}, {GROUPS, NULL, "nonsense"}, {GROUPS, "302 Found", "{\"value\":[]}"}, {GROUPS, "401 No", "{}"},
        {GROUPS, NULL, "{\"value\":[],\"@odata.nextLink\":\"https://169.254.169.254/latest\"}"}, {GROUPS, NULL, "{\"value\":[],\"@odata.nextLink\":\"http://127.0.0.1/\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world w;
        begin(&w, *state);
        answer(&w, cases[i].row, cases[i].status, cases[i].body);
        assert_int_equal(find_soon(&w, ANN, NULL), EG_ERR_NOT_FOUND);
        end(&w);
    }
    /* Pages without end. */
    world w;
    begin(&w, *state);
    char page[512];
    snprintf(page, sizeof page, "{\"value\":[],\"@odata.nextLink\":\"%s/next\"}", w.graph);
    answer(&w, GROUPS, NULL, page);
    answer(&w, PAGE, NULL, page);
    assert_int_equal(find_soon(&w, ANN, NULL), EG_ERR_NOT_FOUND);
    assert_int_equal(asked(&w, PAGE), 31);
    end(&w);
}

/* A token that is refused is fetched anew, once; a secret that others can read is none. */
static void credentials(void **state) {
    world w;
    begin(&w, *state);
    assert_int_equal(find_soon(&w, ANN, NULL), EG_OK);
    answer(&w, GROUPS, "401 Unauthorized", "{}");
    assert_int_equal(find_soon(&w, G1, NULL), EG_ERR_NOT_FOUND);
    assert_int_equal(asked(&w, TOKEN), 2);
    w.f->offset_s += 4000;
    answer(&w, GROUPS, NULL, "{\"value\":[]}");
    chmod(w.secret, 0640);
    assert_int_equal(find_soon(&w, G1, NULL), EG_ERR_NOT_FOUND);
    assert_int_equal(asked(&w, TOKEN), 2);
    chmod(w.secret, 0600);
    w.f->offset_s += 11;
    assert_int_equal(find_soon(&w, G1, NULL), EG_OK);
    assert_int_equal(asked(&w, TOKEN), 3);
    end(&w);
}

/* However many come, it is bounded, and one principal is asked for once. */
static void bounded(void **state) {
    world w;
    begin(&w, *state);
    for (unsigned i = 0; i < EG_GROUP_LOOKUP_ENTRIES + 100; i++) {
        char who[EG_UUID_LEN];
        eg_principal *groups = NULL;
        snprintf(who, sizeof who, "%08x-1111-4111-8111-111111111111", i % 3 ? 7u : i);
        const eg_err e = eg_group_lookup_find(w.l, who, EG_PRINCIPAL_USER, later, &w, &groups);
        assert_true(e == EG_ERR_BUSY || e == EG_ERR_NOT_FOUND || e == EG_OK);
        eg_principal_unref(groups);
    }
    end(&w); /* whoever waits is told, and nothing leaks */
    assert_true(w.called > 0);
}

/* The same through identity: a token that leaves groups out has them, or they stay unknown. */
static void in_a_token(void **state) {
    fixture *f = *state;
    world w;
    begin(&w, f);
    static const char *const audiences[] = {"api://embergate", NULL};
    EVP_PKEY *key = maker_key(maker_named("ES256"));
    provider_keys(&w.p, key, "k");
    w.o.discovery_url = w.p.discovery_url;
    w.o.audiences = audiences;
    assert_int_equal(fixture_open_identity(f, &w.o, 1), EG_OK);
    const long now = (long)eg_wall_s(&f->clock);
    char claims[1024];
    eg_buf token;
    eg_buf_init(&token, 16384);
    for (int way = 0; way < 3; way++) {
        snprintf(claims, sizeof claims, "{\"iss\":\"%s\",\"aud\":\"api://embergate\",\"iat\":%ld,\"exp\":%ld,\"tid\":\"" TENANT "\",\"oid\":\"%s\",\"azp\":\"x\",\"scp\":\"s\",\"jti\":\"%d\",%s}",
                 w.p.issuer, now, now + 3600, way == 2 ? G2 : ANN, way,
                 way == 0 ? "\"hasgroups\":true" : "\"_claim_names\":{\"groups\":\"src1\"},\"_claim_sources\":{\"src1\":{\"endpoint\":\"https://169.254.169.254/\"}}");
        if (way == 2) {
            answer(&w, GROUPS, "404 Not Found", "{}");
        }
        maker_token(maker_named("ES256"), key, "{\"alg\":\"ES256\",\"kid\":\"k\"}", claims, &token);
        eg_principal *who = NULL;
        eg_err e = EG_ERR_BUSY;
        for (int i = 0; i < 1000 && e == EG_ERR_BUSY; i++) {
            eg_problem p = {0};
            e = eg_identity_verify(f->identity, eg_buf_str(&token), &(eg_token_use){.audience = EG_AUDIENCE_STORAGE}, &who, &p);
            nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        }
        assert_int_equal(e, EG_OK);
        assert_true(who->groups_unknown == (way == 2));
        assert_int_equal(who->group_count, way == 2 ? 0 : 1);
        if (way < 2) {
            uint8_t id[16] = {0x51, 0x11, 0x11, 0x11, 0x11, 0x11, 0x41, 0x11, 0x81, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11};
            assert_string_equal(who->groups[0], G1);
            assert_true(eg_principal_in_group(who, id));
            id[15] = 0;
            assert_false(eg_principal_in_group(who, id));
        }
        eg_principal_unref(who);
    }
    assert_int_equal(asked(&w, GROUPS), 2); /* one for each person, however many tokens they have */
    /* When the grace is over, what was remembered of the token has no groups any more. */
    answer(&w, GROUPS, "503 Busy", "{}");
    snprintf(claims, sizeof claims, "{\"iss\":\"%s\",\"aud\":\"api://embergate\",\"iat\":%ld,\"exp\":%ld,\"tid\":\"" TENANT "\",\"oid\":\"" ANN "\",\"azp\":\"x\",\"scp\":\"s\",\"hasgroups\":true}", w.p.issuer,
             now, now + 86400);
    maker_token(maker_named("ES256"), key, "{\"alg\":\"ES256\",\"kid\":\"k\"}", claims, &token);
    const int64_t steps[] = {0, 1000, 4000};
    for (int n = 0; n < 3; n++) {
        eg_principal *who = NULL;
        eg_err e = EG_ERR_BUSY;
        f->offset_s += steps[n];
        for (int i = 0; i < 1000 && e == EG_ERR_BUSY; i++) {
            eg_problem p = {0};
            e = eg_identity_verify(f->identity, eg_buf_str(&token), &(eg_token_use){.audience = EG_AUDIENCE_STORAGE}, &who, &p);
            nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        }
        assert_int_equal(e, EG_OK);
        assert_true(who->groups_unknown == (n == 2));
        eg_principal_unref(who);
    }
    eg_buf_done(&token);
    EVP_PKEY_free(key);
    eg_identity_close(f->identity);
    f->identity = NULL;
    end(&w);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void) {
    const struct CMUnitTest tests[] = {T(asked_once_and_kept), T(an_endpoint_that_is_away), T(answers_that_end_what_was_known), T(hostile_answers), T(credentials), T(bounded), T(in_a_token)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
