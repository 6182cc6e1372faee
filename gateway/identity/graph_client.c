/* The conversation with a Graph-shaped endpoint: a token by client credentials, then the pages of a principal's groups. */
#include "graph_client.h"

#include "graph_answer.h"
#include "https_fetch.h"

#include <embergate/durable_file.h>
#include <embergate/encoding.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define SECOND ((int64_t)1000000000)
#define SECRET_MAX ((size_t)4096)
#define TOKEN_EARLY_S 60  /* a token is renewed so long before it is over */
#define URL_MAX 3072

struct eg_graph_client {
    const eg_outside_issuer *issuer;
    const eg_clock *clock;
    pthread_mutex_t lock;   /* guards the token; held while one is fetched, so that others wait for it */
    eg_buf token;           /* secret; with a zero at its end */
    int64_t good_until_ns;
};

eg_graph_client *eg_graph_client_new(const eg_outside_issuer *issuer, const eg_clock *clock) {
    eg_graph_client *c = calloc(1, sizeof *c);
    if (c) {
        c->issuer = issuer;
        c->clock = clock;
        pthread_mutex_init(&c->lock, NULL);
        eg_buf_init(&c->token, EG_HTTPS_BEARER_MAX);
    }
    return c;
}

static void wipe(eg_buf *b) {
    if (b->ptr) {
        eg_cleanse(b->ptr, b->cap);
    }
    eg_buf_done(b);
}

void eg_graph_client_free(eg_graph_client *c) {
    if (c) {
        wipe(&c->token);
        pthread_mutex_destroy(&c->lock);
        free(c);
    }
}

/* Nobody but its owner may read it. It is read each time, so that a new secret needs no restart. */
static eg_err read_secret(const char *path, eg_buf *ret, eg_problem *p) {
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 077) != 0) {
        return eg_fail(p, EG_ERR_CONFIG, "The file with the secret for the groups' endpoint is not there, or others than its owner may read it.");
    }
    EG_TRY(eg_file_read(AT_FDCWD, path, SECRET_MAX, ret, p));
    while (ret->len > 0 && (ret->ptr[ret->len - 1] == '\n' || ret->ptr[ret->len - 1] == '\r')) {
        ret->len--;
    }
    return ret->len > 0 ? EG_OK : eg_fail(p, EG_ERR_CONFIG, "The file with the secret for the groups' endpoint is empty.");
}

static void add_field(eg_buf *form, const char *name, eg_str value) {
    static const char hex[] = "0123456789ABCDEF";
    eg_buf_adds(form, name);
    for (size_t i = 0; i < value.len; i++) {
        const unsigned char c = (unsigned char)value.ptr[i];
        const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_' || c == '~';
        const char coded[3] = {'%', hex[c >> 4], hex[c & 15]};
        eg_buf_add(form, plain ? (const char *)&c : coded, plain ? 1 : 3);
    }
}

static eg_err make_form(const eg_outside_issuer *o, eg_buf *form, eg_problem *p) {
    EG_CLEANUP(wipe) eg_buf secret;
    eg_buf_init(&secret, SECRET_MAX);
    EG_TRY(read_secret(o->graph_secret_file, &secret, p));
    eg_buf_adds(form, "grant_type=client_credentials");
    add_field(form, "&client_id=", eg_str_of(o->graph_client_id));
    add_field(form, "&client_secret=", eg_buf_str(&secret));
    if (o->graph_scope && o->graph_scope[0] != '\0') {
        add_field(form, "&scope=", eg_str_of(o->graph_scope));
    }
    return form->err;
}

/* The lock is held. What the provider answers is repeated nowhere. */
static eg_err fetch_token(eg_graph_client *c, eg_problem *p) {
    EG_CLEANUP(wipe) eg_buf form;
    EG_CLEANUP(wipe) eg_buf answer;
    long status = 0;
    int64_t life_s = 0;
    char *unused;
    eg_buf_init(&form, 16384);
    eg_buf_init(&answer, EG_GRAPH_ANSWER_MAX);
    EG_TRY(eg_buf_reserve(&form, 16384, &unused)); /* so that a secret is not left behind where a buffer grows */
    EG_TRY(eg_buf_reserve(&answer, 32768, &unused));
    EG_TRY(make_form(c->issuer, &form, p));
    const eg_https_question q = {.url = c->issuer->graph_token_url, .ca_file = c->issuer->ca_file, .content_type = "application/x-www-form-urlencoded", .body = eg_buf_str(&form)};
    EG_TRY(eg_https_ask(&q, &answer, &status, p));
    if (status != 200) {
        return eg_fail(p, EG_ERR_UNAVAILABLE, "The gateway got no token for the groups' endpoint: status %ld.", status);
    }
    wipe(&c->token);
    eg_buf_init(&c->token, EG_HTTPS_BEARER_MAX);
    EG_TRY(eg_graph_token_read(eg_buf_str(&answer), &c->token, &life_s, p));
    EG_TRY(eg_buf_add(&c->token, "", 1));
    c->good_until_ns = eg_mono_ns(c->clock) + (life_s - TOKEN_EARLY_S) * SECOND;
    return EG_OK;
}

/* A copy, added to *ret with a zero at its end. `again`: the one that is there was refused. */
static eg_err token(eg_graph_client *c, bool again, eg_buf *ret, eg_problem *p) {
    pthread_mutex_lock(&c->lock);
    eg_err e = EG_OK;
    if (again || c->token.len == 0 || eg_mono_ns(c->clock) >= c->good_until_ns) {
        e = fetch_token(c, p);
    }
    if (e == EG_OK) {
        e = eg_buf_add(ret, c->token.ptr, c->token.len);
    }
    pthread_mutex_unlock(&c->lock);
    return e;
}

/* getMemberObjects is transitive, as a token's groups are. */
static const char body[] = "{\"securityEnabledOnly\":true}";

static eg_err ask_page(eg_graph_client *c, const char *url, bool first, eg_buf *answer, long *ret_status, eg_problem *p) {
    eg_err e = EG_OK;
    *ret_status = 401;
    for (int n = 0; n < 2 && e == EG_OK && *ret_status == 401; n++) {
        EG_CLEANUP(wipe) eg_buf bearer;
        eg_buf_init(&bearer, EG_HTTPS_BEARER_MAX + 1);
        EG_TRY(token(c, n > 0, &bearer, p));
        const eg_https_question q = {.url = url, .ca_file = c->issuer->ca_file, .bearer = bearer.ptr, .content_type = "application/json",
                                     .body = first ? (eg_str){body, sizeof body - 1} : (eg_str){NULL, 0}};
        eg_buf_reset(answer);
        e = eg_https_ask(&q, answer, ret_status, p);
    }
    return e;
}

static eg_err check_status(long status, eg_problem *p) {
    switch (status) {
    case 200:
        return EG_OK;
    case 404:
        return eg_fail(p, EG_ERR_NOT_FOUND, "The groups' endpoint knows nobody of that id.");
    case 403: /* Directory_ResultSizeLimitExceeded */
        return eg_fail(p, EG_ERR_LIMIT, "The groups' endpoint refuses to say the groups of this principal.");
    default:
        return eg_fail(p, EG_ERR_UNAVAILABLE, "The groups' endpoint could not be asked: status %ld.", status);
    }
}

/* Each page is on the configured host, whatever the one before says. */
static eg_err read_pages(eg_graph_client *c, char url[URL_MAX], eg_principal *to, eg_problem *p) {
    const int64_t until_ns = eg_mono_ns(&eg_clock_system) + EG_GRAPH_SECONDS_MAX * SECOND;
    const size_t max = c->issuer->graph_groups_max && c->issuer->graph_groups_max < EG_GRAPH_GROUPS_MAX ? c->issuer->graph_groups_max : EG_GRAPH_GROUPS_MAX;
    EG_CLEANUP(eg_buf_done) eg_buf answer;
    char next[EG_GRAPH_LINK_MAX];
    eg_buf_init(&answer, EG_GRAPH_ANSWER_MAX);
    for (unsigned n = 0; n < EG_GRAPH_PAGES_MAX; n++) {
        long status = 0;
        EG_TRY(ask_page(c, url, n == 0, &answer, &status, p));
        EG_TRY(check_status(status, p));
        EG_TRY(eg_graph_groups_read(eg_buf_str(&answer), max, to, next, p));
        if (next[0] == '\0') {
            return EG_OK;
        }
        if (!eg_https_same_host(next, c->issuer->graph_url)) {
            return eg_fail(p, EG_ERR_INVALID, "The groups' endpoint names a page that is not on its own host.");
        }
        if (eg_mono_ns(&eg_clock_system) >= until_ns) {
            return eg_fail(p, EG_ERR_TIMEOUT, "The groups' endpoint takes longer than %d s.", EG_GRAPH_SECONDS_MAX);
        }
        snprintf(url, URL_MAX, "%s", next);
    }
    return eg_fail(p, EG_ERR_LIMIT, "The groups' endpoint has more than %u pages.", EG_GRAPH_PAGES_MAX);
}

eg_err eg_graph_client_groups(eg_graph_client *c, const char *object_id, eg_principal_kind kind, eg_principal **ret, eg_problem *p) {
    EG_CLEANUP(eg_principal_unref_p) eg_principal *found = eg_principal_new();
    char url[URL_MAX];
    if (!found) {
        return EG_ERR_NO_MEMORY;
    }
    const int n = snprintf(url, sizeof url, "%s/%s/%s/getMemberObjects", c->issuer->graph_url, kind == EG_PRINCIPAL_SERVICE ? "servicePrincipals" : "users", object_id);
    if (n < 0 || (size_t)n >= sizeof url) {
        return EG_ERR_LIMIT;
    }
    EG_TRY(read_pages(c, url, found, p));
    eg_principal_index_groups(found);
    if (found->group_count > 0 && !found->group_ids) {
        return EG_ERR_NO_MEMORY;
    }
    *ret = found;
    found = NULL;
    return EG_OK;
}
