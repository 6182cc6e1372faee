/* Shared Key, signatures, delegation keys and stored policies, through the routes. covers: shared_key.c account_keys.c
 * covers: delegation_key.c delegator.c access_policy.c key_routes.c sas_verify.c signed_headers.c */
#include "storage_fixture.h"

#include "sas_calls.h"

#include "access_policy.h"
#include "delegator.h"
#include "shared_key.h"
#include "signed_headers.h"

#include <embergate/actions.h>

#define ARM SCOPE
#define KEYS(text) .path = ARM "/" text, .surface = EG_SURFACE_ARM

static eg_request *request(store *s, const char *method, const char *path, const char *query, const eg_route *row) {
    eg_request *rq = calloc(1, sizeof *rq);
    assert_non_null(rq);
    rq->arena = eg_arena_new((size_t)256 << 10);
    rq->method = eg_str_of(method);
    rq->path = rq->raw_path = eg_str_of(path);
    rq->query = eg_str_of(query);
    rq->surface = EG_SURFACE_BLOB;
    rq->account = EG_LIT(ACCOUNT);
    rq->tenant = EG_LIT(TENANT);
    rq->scope = EG_LIT(SCOPE);
    rq->route = row;
    rq->room = s->storage;
    snprintf(rq->peer.address, sizeof rq->peer.address, "127.0.0.1");
    snprintf(rq->peer.tls_version, sizeof rq->peer.tls_version, "TLSv1.2");
    return rq;
}

static void done(eg_request *rq) {
    eg_principal_unref(rq->principal);
    eg_arena_free(rq->arena);
    free(rq);
}

static const eg_route read_row = {.action = EG_ACTION_BLOB_READ, .event = "storage.file.read", .flags = EG_ROUTE_DATA_ACTION | EG_ROUTE_ACL};
static const eg_route make_row = {.action = EG_ACTION_CONTAINER_WRITE, .event = "storage.filesystem.create"};
static const eg_route closed_row = {.action = EG_ACTION_BLOB_READ, .event = "storage.file.read", .flags = EG_ROUTE_DATA_ACTION};

static eg_err verify(store *s, eg_request *rq) {
    const eg_storage_auth a = eg_storage_auth_of(s->storage, NULL);
    const eg_err e = a.verify(a.ctx, rq, NULL, NULL, &rq->principal);
    return e;
}

static void sign(store *s, int which, eg_str text, eg_buf *ret) {
    eg_secret *key = NULL;
    int64_t created;
    uint8_t mac[EG_SHA256_LEN];
    assert_int_equal(eg_account_keys_get(s->storage, store_account(s), (eg_account_secret)which, &key, &created), EG_OK);
    assert_int_equal(eg_secret_bytes(key).len, EG_ACCOUNT_KEY_LEN);
    eg_hmac_sha256(eg_secret_bytes(key), eg_str_bytes(text), mac);
    eg_buf_init(ret, 256);
    assert_int_equal(eg_base64((eg_bytes){mac, sizeof mac}, ret), EG_OK);
    eg_secret_free(key);
}

/* From azure-storage-blob's SharedKeyCredentialPolicy, with the bytes 0 to 63 as the key. */
static void python_string(void **state) {
    store *s = *state;
    const eg_header headers[] = {{EG_LIT("x-ms-date"), EG_LIT("Mon, 23 Nov 2026 06:00:00 GMT")}, {EG_LIT("x-ms-version"), EG_LIT("2021-12-02")},
        {EG_LIT("x-ms-meta-b-c"), EG_LIT("1")}, {EG_LIT("x-ms-meta-bb"), EG_LIT("2")}, {EG_LIT("Content-Type"), EG_LIT("text/plain")}, {EG_LIT("If-Match"), EG_LIT("*")}};
    eg_request *rq = request(s, "PUT", "/acct/data/d/f%20x", "comp=metadata&timeout=30", &read_row);
    rq->headers = headers;
    rq->header_count = 6;
    rq->content_length = 5;
    eg_shared_key k;
    uint8_t key[64];
    uint8_t mac[EG_SHA256_LEN];
    eg_buf text;
    for (size_t i = 0; i < sizeof key; i++) {
        key[i] = (uint8_t)i;
    }
    assert_int_equal(eg_shared_key_parse(EG_LIT("SharedKey acct:y5QXJV6b8xEcNnJJC8KOu7J3Ndhq5kI8FydRaic5itM="), &k), EG_OK);
    eg_buf_init(&text, EG_STRING_TO_SIGN_MAX);
    assert_int_equal(eg_shared_key_string(rq, &k, &text), EG_OK);
    eg_hmac_sha256((eg_bytes){key, sizeof key}, eg_buf_bytes(&text), mac);
    assert_memory_equal(mac, k.signature, sizeof mac);
    eg_buf_done(&text);
    k.lite = true;
    eg_buf_init(&text, EG_STRING_TO_SIGN_MAX);
    assert_int_equal(eg_shared_key_string(rq, &k, &text), EG_OK);
    assert_string_equal(text.ptr, "PUT\n\ntext/plain\n\nx-ms-date:Mon, 23 Nov 2026 06:00:00 GMT\nx-ms-meta-bb:2\nx-ms-meta-b-c:1\nx-ms-version:2021-12-02\n/acct/acct/data/d/f%20x?comp=metadata");
    eg_buf_done(&text);
    done(rq);
    const char *const bad[] = {"SharedKey", "SharedKey acct", "SharedKey :y5QXJV6b8xEcNnJJC8KOu7J3Ndhq5kI8FydRaic5itM=", "SharedKey acct:", "SharedKey acct:eA==", "SharedKeyLite acct:!"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(eg_shared_key_parse(eg_str_of(bad[i]), &k), EG_ERR_AUTH_FAILED);
    }
    assert_int_equal(eg_shared_key_parse(EG_LIT("Bearer x"), &k), EG_ERR_NOT_FOUND);
    assert_int_equal(eg_shared_key_parse(EG_LIT(""), &k), EG_ERR_NOT_FOUND);
}

static eg_err with_key(store *s, int which, const char *date, const char *account, eg_principal_kind *ret_kind) {
    char authorization[256];
    const eg_header headers[] = {{EG_LIT("x-ms-date"), eg_str_of(date)}};
    eg_request *rq = request(s, "GET", "/data/f", "", &read_row);
    const eg_shared_key k = {.account = eg_str_of(account)};
    eg_buf text;
    eg_buf signature;
    rq->headers = headers;
    rq->header_count = 1;
    eg_buf_init(&text, EG_STRING_TO_SIGN_MAX);
    assert_int_equal(eg_shared_key_string(rq, &k, &text), EG_OK);
    sign(s, which, eg_buf_str(&text), &signature);
    snprintf(authorization, sizeof authorization, "SharedKey %s:%s", account, signature.ptr);
    rq->authorization = eg_str_of(authorization);
    const eg_err e = verify(s, rq);
    *ret_kind = rq->principal ? rq->principal->kind : EG_PRINCIPAL_NONE;
    assert_null(strstr(rq->problem.message, signature.ptr));
    eg_buf_done(&text);
    eg_buf_done(&signature);
    done(rq);
    return e;
}

static void shared_key(void **state) {
    store *s = *state;
    char now[EG_HTTP_DATE_LEN];
    char late[EG_HTTP_DATE_LEN];
    eg_principal_kind kind;
    eg_time_http_date(eg_wall_ns(&eg_clock_system), now);
    eg_time_http_date(eg_wall_ns(&eg_clock_system) - (int64_t)16 * 60 * 1000000000, late);
    assert_int_equal(with_key(s, EG_ACCOUNT_KEY_1, now, ACCOUNT, &kind), EG_OK);
    assert_int_equal(kind, EG_PRINCIPAL_KEY);
    assert_int_equal(with_key(s, EG_ACCOUNT_KEY_2, now, ACCOUNT, &kind), EG_OK);
    assert_int_equal(with_key(s, EG_ACCOUNT_DELEGATION, now, ACCOUNT, &kind), EG_ERR_AUTH_FAILED); /* not a key of the account */
    assert_int_equal(kind, EG_PRINCIPAL_NONE);
    assert_int_equal(with_key(s, EG_ACCOUNT_KEY_1, late, ACCOUNT, &kind), EG_ERR_AUTH_FAILED);
    assert_int_equal(with_key(s, EG_ACCOUNT_KEY_1, "yesterday", ACCOUNT, &kind), EG_ERR_AUTH_FAILED);
    assert_int_equal(with_key(s, EG_ACCOUNT_KEY_1, now, "other", &kind), EG_ERR_AUTH_FAILED);
    store_rules[0].allow_shared_key = false;
    assert_int_equal(with_key(s, EG_ACCOUNT_KEY_1, now, ACCOUNT, &kind), EG_ERR_KEY_AUTH_OFF);
    store_rules[0].allow_shared_key = true;
    eg_request *rq = request(s, "GET", "/data/f", "a=b", &read_row);
    assert_int_equal(verify(s, rq), EG_ERR_NOT_FOUND); /* a token is owed */
    const eg_storage_auth a = eg_storage_auth_of(s->storage, NULL);
    assert_int_equal(a.connection(a.ctx, rq), EG_OK);
    store_rules[0].minimum_tls = "TLSv1.3";
    assert_int_equal(a.connection(a.ctx, rq), EG_ERR_TLS_VERSION);
    store_rules[0].minimum_tls = NULL;
    done(rq);
}

/* Signs fields with key 1 (or a delegation key) and asks for path by row; headers: name, value, …, NULL; they are signed as they are when srh names them. */
static eg_err with_sas_headers(store *s, const char *fields, const char *path, const eg_route *row, const eg_header *headers, eg_request **ret) {
    char query[4096];
    eg_request *rq = request(s, "GET", path, fields, row);
    eg_str rest = {path + 1, strlen(path) - 1};
    eg_sas_request r = {.account = EG_LIT(ACCOUNT)};
    eg_sas sas = {.kind = EG_SAS_NONE};
    r.container = eg_str_cut(&rest, '/');
    r.path = rest.ptr ? rest : EG_LIT("");
    for (rq->headers = headers; headers && headers[rq->header_count].name.ptr; rq->header_count++) {
    }
    const eg_err h = eg_query_get(rq->arena, rq->query, "srh", &sas.f[EG_SAS_SRH]);
    const eg_err q = eg_query_get(rq->arena, rq->query, "srq", &sas.f[EG_SAS_SRQ]);
    assert_true((h == EG_OK || h == EG_ERR_NOT_FOUND) && (q == EG_OK || q == EG_ERR_NOT_FOUND));
    if (eg_signed_headers_read(rq, &sas, &r) != EG_OK) { /* it signs what isn't there: verify finds that out */
        r.headers = EG_LIT("x:y\n");
    }
    sas_sign(s, fields, &r, query);
    rq->query = eg_arena_str(rq->arena, eg_str_of(query));
    *ret = rq;
    return verify(s, rq);
}

static eg_err with_sas(store *s, const char *fields, const char *path, const eg_route *row, eg_request **ret) {
    return with_sas_headers(s, fields, path, row, NULL, ret);
}

static eg_err sas_once(store *s, const char *fields, const char *path, const eg_route *row) {
    eg_request *rq = NULL;
    const eg_err e = with_sas(s, fields, path, row, &rq);
    assert_true((e == EG_OK) == (rq->principal != NULL));
    done(rq);
    return e;
}

#define V "sv=2020-12-06&se=2099-01-01T00:00:00Z"

static void signatures(void **state) {
    store *s = *state;
    const struct {
        const char *fields, *path;
        const eg_route *row;
        eg_err owed;
    } rows[] = {
        {V "&sp=r&sr=b", "/data/f", &read_row, EG_OK},
        {V "&sp=r&sr=c", "/data/f", &read_row, EG_OK},
        {V "&sp=r&sr=d&sdd=1", "/data/d/f", &read_row, EG_OK},
        {V "&sp=r&sr=b", "/data/f", &closed_row, EG_ERR_DENIED_DATA},   /* nobody would ask what it is narrowed to */
        {V "&sp=rcw&sr=c", "/data", &make_row, EG_ERR_DENIED_DATA},     /* a service SAS makes no containers */
        {V "&sp=cw&ss=b&srt=c", "/data", &make_row, EG_OK},
        {V "&sp=r&ss=b&srt=c", "/data", &make_row, EG_ERR_DENIED_DATA},
        {V "&sp=cw&ss=b&srt=o", "/data", &make_row, EG_ERR_SAS_RESOURCE_TYPE},
        {V "&sp=cw&ss=q&srt=c", "/data", &make_row, EG_ERR_SAS_SERVICE},
        {V "&sp=r&ss=b&srt=o", "/data/f", &read_row, EG_OK},
        {V "&sp=r&ss=b&srt=s", "/data/f", &read_row, EG_ERR_SAS_RESOURCE_TYPE},
        {V "&sp=r&sr=b&sip=10.0.0.1", "/data/f", &read_row, EG_ERR_SAS_SOURCE_IP},
        {V "&sp=r&sr=b&spr=http", "/data/f", &read_row, EG_ERR_SAS_PROTOCOL},
        {"sv=2020-12-06&se=2020-01-01&sp=r&sr=b", "/data/f", &read_row, EG_ERR_AUTH_FAILED},
        {V "&sp=r&sr=b&si=pol", "/data/f", &read_row, EG_ERR_AUTH_FAILED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const eg_err e = sas_once(s, rows[i].fields, rows[i].path, rows[i].row);
        if (e != rows[i].owed) {
            fail_msg("row %zu: %s", i, eg_err_code(e));
        }
    }
    store_rules[0].allow_shared_key = false;
    assert_int_equal(sas_once(s, V "&sp=r&sr=b", "/data/f", &read_row), EG_ERR_KEY_AUTH_OFF);
    store_rules[0].allow_shared_key = true;
    eg_request *rq = NULL;
    assert_int_equal(with_sas(s, V "&sp=r&sr=b&rsct=text/x", "/data/f", &read_row, &rq), EG_OK);
    const eg_storage_auth a = eg_storage_auth_of(s->storage, NULL);
    assert_int_equal(eg_response_header(rq, "Content-Type", "old"), EG_OK);
    a.finish(a.ctx, rq);
    assert_true(eg_str_is(rq->response.headers[0].value, "text/x"));
    assert_int_equal(rq->response.header_count, 1);
    done(rq);
    rq = request(s, "GET", "/data/f", V "&sp=r&sr=b&sig=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D", &read_row);
    assert_int_equal(verify(s, rq), EG_ERR_AUTH_FAILED);
    done(rq);
}

static void text_of(int64_t ns, char ret[EG_RFC3339_LEN]) {
    eg_time_rfc3339(ns, ret);
    ret[19] = 'Z';
    ret[20] = '\0';
}

static void delegations(void **state) {
    store *s = *state;
    const int64_t now = eg_wall_ns(&eg_clock_system);
    const int64_t hour = (int64_t)3600 * 1000000000;
    char from[EG_RFC3339_LEN];
    char until[EG_RFC3339_LEN];
    char long_until[EG_RFC3339_LEN];
    char past[EG_RFC3339_LEN];
    char fields[512];
    text_of(now - hour, from);
    text_of(now + hour, until);
    text_of(now + 200 * hour, long_until);
    text_of(now - hour / 2, past);
#define UD V "&sp=r&sr=b&skoid=" WHO "&sktid=%s&skt=%s&ske=%s&sks=%s&skv=2020-12-06%s"
    const struct {
        const char *tenant, *from, *until, *service, *more;
        eg_err owed;
    } rows[] = {
        {TENANT, from, until, "b", "", EG_OK},
        {TENANT, from, until, "b", "&suoid=" WHO, EG_OK},
        {"99999999-1111-4111-8111-111111111111", from, until, "b", "", EG_ERR_AUTH_FAILED},
        {TENANT, from, long_until, "b", "", EG_ERR_AUTH_FAILED},
        {TENANT, from, past, "b", "", EG_ERR_AUTH_FAILED},
        {TENANT, until, until, "b", "", EG_ERR_AUTH_FAILED},
        {TENANT, from, until, "q", "", EG_ERR_AUTH_FAILED},
        {TENANT, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "b", "", EG_ERR_AUTH_FAILED},
        {TENANT, "1700-01-01T00:00:00Z", "2262-01-01T00:00:00Z", "b", "", EG_ERR_AUTH_FAILED},
        {TENANT, from, "0001-01-01T00:00:00Z", "b", "", EG_ERR_AUTH_FAILED},
    };
    store_rules[0].allow_shared_key = false; /* a delegation needs none */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        eg_request *rq = NULL;
        snprintf(fields, sizeof fields, UD, rows[i].tenant, rows[i].from, rows[i].until, rows[i].service, rows[i].more);
        if (with_sas(s, fields, "/data/f", &read_row, &rq) != rows[i].owed) {
            fail_msg("row %zu", i);
        }
        if (rows[i].owed == EG_OK) {
            assert_int_equal(rq->principal->kind, EG_PRINCIPAL_USER);
            assert_string_equal(rq->principal->object_id, WHO);
            assert_true(rq->principal->groups_unknown);
        }
        done(rq);
    }
    /* Revoked: what was signed before is worth nothing. */
    snprintf(fields, sizeof fields, UD, TENANT, from, until, "b", "");
    eg_request *rq = NULL;
    assert_int_equal(with_sas(s, fields, "/data/f", &read_row, &rq), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "POST", KEYS("revokeUserDelegationKeys")}), EG_OK);
    eg_principal_unref(rq->principal);
    rq->principal = NULL;
    assert_int_equal(verify(s, rq), EG_ERR_AUTH_FAILED);
    done(rq);
    store_rules[0].allow_shared_key = true;
    const char good[] = "<KeyInfo><Expiry>%s</Expiry></KeyInfo>";
    char body[128];
    snprintf(body, sizeof body, good, until);
    answer a = store_call(s, &(call){.method = "POST", .path = "/", .query = "restype=service&comp=userdelegationkey", .surface = EG_SURFACE_BLOB, .body = body, .body_len = strlen(body)});
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.body.ptr, "<SignedOid>" WHO "</SignedOid>"));
    assert_non_null(strstr(a.body.ptr, "<Value>"));
    answer_free(&a);
    static const char *const wrong[] = {"<KeyInfo><Start>1700-01-01T00:00:00Z</Start><Expiry>%s</Expiry></KeyInfo>", "<KeyInfo><Start>0001-01-01T00:00:00Z</Start><Expiry>%s</Expiry></KeyInfo>",
        "<KeyInfo><Expiry>9999-12-31T23:59:59Z</Expiry></KeyInfo>", "<KeyInfo><Expiry>0001-01-01</Expiry></KeyInfo>"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char asked[160];
        char *at = strstr(wrong[i], "%s");
        snprintf(asked, sizeof asked, "%.*s%s%s", (int)(at ? at - wrong[i] : (long)strlen(wrong[i])), wrong[i], at ? until : "", at ? at + 2 : "");
        assert_int_equal(store_do(s, (call){.method = "POST", .path = "/", .query = "restype=service&comp=userdelegationkey", .surface = EG_SURFACE_BLOB, .body = asked, .body_len = strlen(asked)}), EG_ERR_INVALID);
    }
    char for_users[256];
    snprintf(for_users, sizeof for_users, "<KeyInfo><Expiry>%s</Expiry><DelegatedUserTid>" TENANT "</DelegatedUserTid></KeyInfo>", until);
    a = store_call(s, &(call){.method = "POST", .path = "/", .query = "restype=service&comp=userdelegationkey", .surface = EG_SURFACE_BLOB, .body = for_users, .body_len = strlen(for_users)});
    assert_non_null(strstr(a.body.ptr, "<SignedDelegatedUserTid>" TENANT "</SignedDelegatedUserTid>"));
    answer_free(&a);
    snprintf(for_users, sizeof for_users, "<KeyInfo><Expiry>%s</Expiry><DelegatedUserTid>99999999-1111-4111-8111-111111111111</DelegatedUserTid></KeyInfo>", until);
    assert_int_equal(store_do(s, (call){.method = "POST", .path = "/", .query = "restype=service&comp=userdelegationkey", .surface = EG_SURFACE_BLOB, .body = for_users,
        .body_len = strlen(for_users)}), EG_ERR_DENIED_DATA);
    snprintf(body, sizeof body, good, long_until);
    assert_int_equal(store_do(s, (call){.method = "POST", .path = "/", .query = "restype=service&comp=userdelegationkey", .surface = EG_SURFACE_BLOB, .body = body, .body_len = strlen(body)}),
        EG_ERR_INVALID);
}

#define HOUR ((int64_t)3600 * 1000000000)
#define OTHER "99999999-1111-4111-8111-111111111111"

/* Of a delegation key that is good now; more: parameters behind the others. */
static void delegation_fields(const char *version, const char *more, char ret[700]) {
    char from[EG_RFC3339_LEN];
    char until[EG_RFC3339_LEN];
    text_of(eg_wall_ns(&eg_clock_system) - HOUR, from);
    text_of(eg_wall_ns(&eg_clock_system) + HOUR, until);
    snprintf(ret, 700, "sv=%s&se=2099-01-01T00:00:00Z&sp=r&sr=b&skoid=" WHO "&sktid=" TENANT "&skt=%s&ske=%s&sks=b&skv=2026-04-06%s", version, from, until, more);
}

static eg_err note(store *s, eg_principal *who, int64_t now_ns) {
    eg_delegator_note n = {store_account(s), who, now_ns};
    const eg_txn_op op = {eg_delegator_note_apply, &n};
    return eg_commit(s->storage->committer, &op, 1, NULL);
}

static eg_principal *delegator(const char *id, size_t groups) {
    eg_principal *who = eg_principal_new();
    snprintf(who->tenant, sizeof who->tenant, TENANT);
    snprintf(who->object_id, sizeof who->object_id, "%s", id);
    who->groups = groups > 0 ? calloc(groups, sizeof who->groups[0]) : NULL;
    for (size_t i = 0; i < groups; i++) {
        snprintf(who->groups[i], EG_UUID_LEN, "aaaaaaaa-0000-4000-8000-%012u", (unsigned)i % 1000);
    }
    who->group_count = groups;
    return who;
}

/* What a signature may do counts the groups that its delegator had when it last asked for a key; what isn't known stays unknown. */
static void groups_of_delegators(void **state) {
    store *s = *state;
    const int64_t now = eg_wall_ns(&eg_clock_system);
    char fields[700];
    delegation_fields("2020-12-06", "", fields);
    const size_t counts[] = {0, 2, EG_PRINCIPAL_GROUPS_MAX, 1};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        eg_principal *who = delegator(WHO, counts[i]);
        eg_request *rq = NULL;
        eg_delegator_note n = {store_account(s), who, now};
        assert_false(eg_delegator_noted(s->storage, &n));
        assert_int_equal(note(s, who, now), EG_OK);
        assert_true(eg_delegator_noted(s->storage, &n));
        n.now_ns = now + 2 * HOUR;
        assert_false(eg_delegator_noted(s->storage, &n));
        assert_int_equal(with_sas(s, fields, "/data/f", &read_row, &rq), EG_OK);
        assert_false(rq->principal->groups_unknown);
        assert_int_equal(rq->principal->group_count, counts[i]);
        for (size_t g = 0; g < counts[i]; g++) {
            assert_string_equal(rq->principal->groups[g], who->groups[g]);
        }
        eg_principal_unref(who);
        done(rq);
    }
    /* Its newest token leaves groups out: unknown again. */
    eg_principal *who = delegator(WHO, 1);
    eg_request *rq = NULL;
    who->groups_unknown = true;
    assert_int_equal(note(s, who, now), EG_OK);
    assert_int_equal(with_sas(s, fields, "/data/f", &read_row, &rq), EG_OK);
    assert_true(rq->principal->groups_unknown);
    assert_int_equal(rq->principal->group_count, 0);
    done(rq);
    /* Gone when no key can need it. */
    eg_principal *later = delegator(OTHER, 1);
    const size_t rows = store_rows(s, EG_DB_FS_ACCOUNT);
    assert_int_equal(note(s, later, now + 7 * 24 * HOUR), EG_OK);
    assert_int_equal(store_rows(s, EG_DB_FS_ACCOUNT), rows + 1);
    assert_int_equal(note(s, later, now + 7 * 24 * HOUR + 3 * HOUR), EG_OK);
    assert_int_equal(store_rows(s, EG_DB_FS_ACCOUNT), rows);
    eg_principal_unref(who);
    eg_principal_unref(later);
}

/* sduoid and skdutid: good beside the token of whom they name, and for nobody else. */
static void bound_to_a_user(void **state) {
    store *s = *state;
    const eg_storage_auth a = eg_storage_auth_of(s->storage, NULL);
    char fields[700];
    eg_request *rq = NULL;
    const struct {
        const char *more, *id, *tenant;
        eg_principal_kind kind;
        eg_err owed;
    } rows[] = {
        {"&sduoid=" OTHER, OTHER, TENANT, EG_PRINCIPAL_USER, EG_OK},
        {"&sduoid=" OTHER, OTHER, TENANT, EG_PRINCIPAL_SERVICE, EG_OK},
        {"&sduoid=" OTHER, WHO, TENANT, EG_PRINCIPAL_USER, EG_ERR_AUTH_FAILED},  /* the delegator itself is not it */
        {"&sduoid=" OTHER, OTHER, OTHER, EG_PRINCIPAL_USER, EG_ERR_AUTH_FAILED},
        {"&sduoid=" OTHER, OTHER, TENANT, EG_PRINCIPAL_JOB, EG_ERR_AUTH_FAILED},
        {"&skdutid=" TENANT, WHO, TENANT, EG_PRINCIPAL_USER, EG_OK},
        {"&skdutid=" TENANT, WHO, OTHER, EG_PRINCIPAL_USER, EG_ERR_AUTH_FAILED},
        {"&skdutid=" TENANT "&sduoid=" OTHER, OTHER, TENANT, EG_PRINCIPAL_USER, EG_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        eg_principal *user = delegator(rows[i].id, 0);
        user->kind = rows[i].kind;
        snprintf(user->tenant, sizeof user->tenant, "%s", rows[i].tenant);
        delegation_fields("2025-07-05", rows[i].more, fields);
        assert_int_equal(with_sas(s, fields, "/data/f", &read_row, &rq), EG_OK);
        assert_int_equal(a.bound(a.ctx, rq, NULL), EG_ERR_TOKEN_MISSING);
        if (a.bound(a.ctx, rq, user) != rows[i].owed) {
            fail_msg("row %zu", i);
        }
        user->acting = calloc(1, sizeof *user->acting); /* somebody that acts for it is not it */
        assert_int_equal(a.bound(a.ctx, rq, user), EG_ERR_AUTH_FAILED);
        /* Beside a bearer token the signature is looked at too. */
        eg_principal_unref(rq->principal);
        rq->principal = NULL;
        rq->authorization = EG_LIT("Bearer x");
        assert_int_equal(verify(s, rq), EG_OK);
        eg_principal_unref(user);
        done(rq);
    }
    delegation_fields("2025-07-05", "&skdutid=" OTHER, fields); /* another tenant's users: never */
    assert_int_equal(sas_once(s, fields, "/data/f", &read_row), EG_ERR_AUTH_FAILED);
    delegation_fields("2025-07-05", "", fields);
    assert_int_equal(with_sas(s, fields, "/data/f", &read_row, &rq), EG_OK);
    assert_int_equal(a.bound(a.ctx, rq, NULL), EG_OK);
    rq->authorization = EG_LIT("Bearer x");                 /* one that names nobody is not looked at beside a token */
    assert_int_equal(verify(s, rq), EG_ERR_NOT_FOUND);
    done(rq);
}

static void bound_to_headers(void **state) {
    store *s = *state;
    char fields[700];
    eg_request *rq = NULL;
    const eg_header both[] = {{EG_LIT("X-Ms-Meta-A"), EG_LIT("b c")}, {EG_LIT("Range"), EG_LIT("bytes=0-9")}, {{NULL, 0}, {NULL, 0}}};
    delegation_fields("2026-04-06", "&srh=range,x-ms-meta-a&srq=comp,block%69d&comp=block&blockid=AA%3D%3D", fields);
    assert_int_equal(with_sas_headers(s, fields, "/data/f", &read_row, both, &rq), EG_OK);
    /* Another value, and without. */
    const eg_header other[] = {{EG_LIT("X-Ms-Meta-A"), EG_LIT("b c")}, {EG_LIT("Range"), EG_LIT("bytes=0-90")}};
    eg_principal_unref(rq->principal);
    rq->principal = NULL;
    rq->headers = other;
    assert_int_equal(verify(s, rq), EG_ERR_AUTH_FAILED);
    rq->header_count = 1;
    assert_int_equal(verify(s, rq), EG_ERR_AUTH_FAILED);
    /* Twice, the signed value first. */
    const eg_header twice[] = {{EG_LIT("X-Ms-Meta-A"), EG_LIT("b c")}, {EG_LIT("Range"), EG_LIT("bytes=0-9")}, {EG_LIT("x-ms-meta-a"), EG_LIT("other")}};
    rq->headers = twice;
    rq->header_count = 3;
    assert_int_equal(verify(s, rq), EG_ERR_AUTH_FAILED);
    rq->header_count = 2;
    assert_int_equal(verify(s, rq), EG_OK);
    done(rq);
    const char *const bad[] = {"&srh=range,no-such", "&srh=range,", "&srh=,range", "&srh=ra%20nge", "&srq=nothing", "&srq=comp&comp=a%0Ab", "&srq=comp&comp=a&comp=b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        delegation_fields("2026-04-06", bad[i], fields);
        const eg_err e = with_sas_headers(s, fields, "/data/f", &read_row, both, &rq);
        if (e != (i == 1 ? EG_OK : EG_ERR_AUTH_FAILED)) { /* a comma at the end names nothing more */
            fail_msg("row %zu: %s", i, eg_err_code(e));
        }
        done(rq);
    }
}

static void keys(void **state) {
    store *s = *state;
    answer a = store_call(s, &(call){.method = "POST", KEYS("listKeys")});
    assert_int_equal(a.status, 200);
    char *before = strdup(a.body.ptr);
    answer_free(&a);
    a = store_call(s, &(call){.method = "POST", KEYS("listKeys")});
    assert_string_equal(a.body.ptr, before);
    answer_free(&a);
    const char renew[] = "{\"keyName\":\"key2\"}";
    a = store_call(s, &(call){.method = "POST", KEYS("regenerateKey"), .body = renew, .body_len = sizeof renew - 1});
    assert_int_equal(a.status, 200);
    assert_string_not_equal(a.body.ptr, before);
    json_t *was = json_loads(before, 0, NULL);
    json_t *is = json_loads(a.body.ptr, 0, NULL);
    for (size_t i = 0; i < 2; i++) {
        const char *x = json_string_value(json_object_get(json_array_get(json_object_get(was, "keys"), i), "value"));
        const char *y = json_string_value(json_object_get(json_array_get(json_object_get(is, "keys"), i), "value"));
        assert_int_equal(strcmp(x, y) == 0, i == 0); /* key1 stays */
    }
    json_decref(was);
    json_decref(is);
    answer_free(&a);
    free(before);
    assert_int_equal(store_do(s, (call){.method = "POST", KEYS("regenerateKey"), .body = "{}", .body_len = 2}), EG_ERR_BODY_FIELD);
    assert_int_equal(store_do(s, (call){.method = "POST", .path = "/subscriptions/t/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/acct/listKeys",
        .surface = EG_SURFACE_ARM}), EG_ERR_ACCOUNT_NOT_FOUND);
}

static void policies(void **state) {
    store *s = *state;
    const char xml[] = "<SignedIdentifiers><SignedIdentifier><Id>pol</Id><AccessPolicy><Start>2020-01-01T00:00:00Z</Start><Expiry>2099-01-01T00:00:00.0000000Z</Expiry>"
                       "<Permission>r</Permission></AccessPolicy></SignedIdentifier></SignedIdentifiers>";
    const call set = {.method = "PUT", .path = "/data", .query = "restype=container&comp=acl", .surface = EG_SURFACE_BLOB, .body = xml, .body_len = sizeof xml - 1};
    assert_int_equal(store_do(s, set), EG_OK);
    answer a = store_call(s, &(call){.method = "GET", .path = "/data", .query = "restype=container&comp=acl", .surface = EG_SURFACE_BLOB});
    assert_non_null(strstr(a.body.ptr, "<Id>pol</Id><AccessPolicy><Start>2020-01-01T00:00:00Z</Start>"));
    answer_free(&a);
    assert_int_equal(sas_once(s, "sv=2020-12-06&sr=c&si=pol", "/data/f", &read_row), EG_OK);
    assert_int_equal(sas_once(s, "sv=2020-12-06&sr=c&si=pol&sp=rw", "/data/f", &read_row), EG_ERR_AUTH_FAILED);   /* said twice */
    assert_int_equal(sas_once(s, "sv=2020-12-06&sr=c&si=other", "/data/f", &read_row), EG_ERR_AUTH_FAILED);
    call none = set;
    none.body = "";
    none.body_len = 0;
    assert_int_equal(store_do(s, none), EG_OK);
    assert_int_equal(sas_once(s, "sv=2020-12-06&sr=c&si=pol", "/data/f", &read_row), EG_ERR_AUTH_FAILED);         /* taken back */
    call public = set;
    public.headers[0] = "x-ms-blob-public-access";
    public.headers[1] = "blob";
    assert_int_equal(store_do(s, public), EG_ERR_PUBLIC_ACCESS);
    const char *const bad[] = {"<x/>", "<SignedIdentifiers><SignedIdentifier><Id></Id></SignedIdentifier></SignedIdentifiers>",
        "<SignedIdentifiers><SignedIdentifier><Id>a&amp;b</Id></SignedIdentifier></SignedIdentifiers>",
        "<!DOCTYPE x><SignedIdentifiers></SignedIdentifiers>",
        "<SignedIdentifiers><SignedIdentifier><Id>a</Id><AccessPolicy><Expiry>soon</Expiry></AccessPolicy></SignedIdentifier></SignedIdentifiers>"};
    eg_access_policies all;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(eg_access_policies_parse_xml(eg_str_of(bad[i]), &all, NULL), EG_ERR_INVALID);
    }
    assert_int_equal(eg_access_policies_parse(EG_LIT("a\tb"), &all), EG_ERR_CORRUPT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(python_string, store_open, store_close), cmocka_unit_test_setup_teardown(shared_key, store_open, store_close),
        cmocka_unit_test_setup_teardown(signatures, store_open, store_close),    cmocka_unit_test_setup_teardown(delegations, store_open, store_close),
        cmocka_unit_test_setup_teardown(groups_of_delegators, store_open, store_close), cmocka_unit_test_setup_teardown(bound_to_a_user, store_open, store_close),
        cmocka_unit_test_setup_teardown(bound_to_headers, store_open, store_close),
        cmocka_unit_test_setup_teardown(keys, store_open, store_close),          cmocka_unit_test_setup_teardown(policies, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
