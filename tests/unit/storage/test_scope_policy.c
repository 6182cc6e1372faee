/* What policies are asked of encryption scopes and containers, and what a refusal stops. */
#include "storage_fixture.h"

#include "scope_policy.h"

#define SOURCE "Microsoft.Storage/storageAccounts/encryptionScopes/source"
#define DEFAULT_SCOPE "Microsoft.Storage/storageAccounts/blobServices/containers/defaultEncryptionScope"
#define OVERRIDE "Microsoft.Storage/storageAccounts/blobServices/containers/denyEncryptionScopeOverride"

/* The gate's other side: refuses a resource one of whose properties is `text` ("-" = is absent). */
typedef struct judge {
    const char *alias, *text;
    const char *audited;   /* what it says it found instead of refusing; NULL = it refuses */
    bool unknown;          /* policies are not there yet */
    bool idle;             /* no definition is assigned */
    size_t asked;
    char id[512], full_name[128];
} judge;

static eg_err check(void *ctx, const eg_resource *r, eg_compliance_found *ret_found, eg_problem *p) {
    judge *j = ctx;
    j->asked++;
    snprintf(j->id, sizeof j->id, "%.*s", EG_FMT(r->id));
    snprintf(j->full_name, sizeof j->full_name, "%.*s", EG_FMT(r->full_name));
    *ret_found = (eg_compliance_found){""};
    if (j->unknown) {
        return eg_fail(p, EG_ERR_UNAVAILABLE, "not yet");
    }
    for (size_t i = 0; i < r->property_count; i++) {
        const eg_str v = r->properties[i].text;
        if (strcmp(r->properties[i].alias, j->alias) == 0 && (v.ptr ? eg_str_is(v, j->text) : strcmp(j->text, "-") == 0)) {
            snprintf(j->audited ? ret_found->audited_by : ret_found->denied_by, sizeof ret_found->denied_by, "rule");
            return j->audited ? EG_OK : eg_fail(p, EG_ERR_DISALLOWED_POLICY, "Resource '%.*s' was disallowed.", EG_FMT(r->name));
        }
    }
    return EG_OK;
}

static bool judges(void *ctx) { return !((const judge *)ctx)->idle; }

static void let(store *s, judge *j) { s->storage->comply = (eg_compliance_gate){check, judges, j}; }

static eg_err scope_add(store *s, const char *scope, const char *key) {
    eg_problem p = {0};
    return eg_storage_scope_add(s->storage, EG_LIT(ACCOUNT), eg_str_of(scope), eg_str_of(key), &p);
}

static eg_err file(store *s, const char *path, const char *scope) {
    return store_do(s, (call){.method = "PUT", .path = path, .query = "resource=file", .headers = {scope ? "x-ms-encryption-scope" : NULL, scope}});
}

static eg_err container(store *s, const char *path, const char *scope, bool blob) {
    return store_do(s, (call){.method = "PUT", .path = path, .query = blob ? "restype=container" : "resource=filesystem",
                              .headers = {scope ? "x-ms-default-encryption-scope" : NULL, scope, scope ? "x-ms-deny-encryption-scope-override" : NULL, "true"}});
}

static void scopes_are_judged_as_they_are_made(void **state) {
    store *s = *state;
    eg_problem p = {0};
    judge j = {.alias = SOURCE, .text = "Microsoft.Storage"};
    assert_int_equal(scope_add(s, "before", ""), EG_OK);
    let(s, &j);
    assert_int_equal(s->keys->make_key(s->keys->ctx, EG_LIT(TENANT), EG_LIT("cmk")), EG_OK);
    assert_int_equal(scope_add(s, "finance", ""), EG_ERR_DISALLOWED_POLICY);
    assert_string_equal(j.id, SCOPE "/encryptionScopes/finance");
    assert_string_equal(j.full_name, ACCOUNT "/finance");
    assert_int_equal(eg_storage_scope_enable(s->storage, EG_LIT(ACCOUNT), EG_LIT("finance"), false, &p), EG_ERR_SCOPE_NOT_FOUND); /* nothing was kept */
    assert_int_equal(scope_add(s, "finance", "cmk"), EG_OK);
    assert_int_equal(eg_storage_scope_key(s->storage, EG_LIT(ACCOUNT), EG_LIT("finance"), EG_LIT(""), &p), EG_ERR_DISALLOWED_POLICY);
    assert_int_equal(eg_storage_scope_key(s->storage, EG_LIT(ACCOUNT), EG_LIT("before"), EG_LIT("cmk"), &p), EG_OK); /* now it complies */
    assert_int_equal(eg_storage_scope_key(s->storage, EG_LIT(ACCOUNT), EG_LIT(""), EG_LIT(""), &p), EG_OK);       /* the account is no scope */
    /* What is denied can be switched off, and not on again. */
    j.text = "Microsoft.KeyVault";
    assert_int_equal(eg_storage_scope_enable(s->storage, EG_LIT(ACCOUNT), EG_LIT("finance"), false, &p), EG_OK);
    assert_int_equal(eg_storage_scope_enable(s->storage, EG_LIT(ACCOUNT), EG_LIT("finance"), true, &p), EG_ERR_DISALLOWED_POLICY);
    j.unknown = true;
    assert_int_equal(eg_storage_scope_enable(s->storage, EG_LIT(ACCOUNT), EG_LIT("finance"), true, &p), EG_ERR_UNAVAILABLE);
}

static void nothing_new_in_a_denied_scope(void **state) {
    store *s = *state;
    judge j = {.alias = SOURCE, .text = "Microsoft.Storage"};
    assert_int_equal(scope_add(s, "finance", ""), EG_OK);
    assert_int_equal(file(s, "/data/f", "finance"), EG_OK);
    assert_int_equal(store_append(s, "/data/f", 0, "hello", 5), EG_OK);
    assert_int_equal(store_flush(s, "/data/f", 5), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/a", .surface = EG_SURFACE_BLOB, .headers = {"x-ms-blob-type", "AppendBlob", "x-ms-encryption-scope", "finance"}}), EG_OK);
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/b", .query = "comp=block&blockid=QUFB", .headers = {"x-ms-encryption-scope", "finance"}, .body = "x", .body_len = 1}), EG_OK);
    let(s, &j);
    const call denied[] = {
        {.method = "PUT", .path = "/data/x", .query = "resource=file", .headers = {"x-ms-encryption-scope", "finance"}},
        {.method = "PUT", .path = "/data/x", .surface = EG_SURFACE_BLOB, .headers = {"x-ms-blob-type", "BlockBlob", "x-ms-encryption-scope", "finance"}, .body = "x", .body_len = 1},
        {.method = "PATCH", .path = "/data/f", .query = "action=append&position=5", .body = "x", .body_len = 1},
        {.method = "PUT", .path = "/data/a", .query = "comp=appendblock", .body = "x", .body_len = 1},
        {.method = "PUT", .path = "/data/b", .query = "comp=block&blockid=QUFC", .headers = {"x-ms-encryption-scope", "finance"}, .body = "x", .body_len = 1},
        {.method = "PUT", .path = "/data/f", .query = "comp=snapshot"},
        {.method = "PUT", .path = "/new", .query = "resource=filesystem", .headers = {"x-ms-default-encryption-scope", "finance"}},
    };
    for (size_t i = 0; i < sizeof denied / sizeof denied[0]; i++) {
        answer a = store_call(s, &denied[i]);
        if (a.err != EG_ERR_DISALLOWED_POLICY || a.status != 403) {
            fail_msg("%zu: %s", i, eg_err_code(a.err));
        }
        assert_non_null(strstr(a.problem.message, "'finance' was disallowed"));
        answer_free(&a);
    }
    assert_int_equal(store_do(s, (call){.method = "GET", .path = "/data/f"}), EG_OK); /* so that it can be moved away */
    assert_int_equal(file(s, "/data/x", NULL), EG_OK);
    j.unknown = true;
    assert_int_equal(file(s, "/data/y", "finance"), EG_ERR_UNAVAILABLE);
}

static void containers_are_judged(void **state) {
    store *s = *state;
    judge j = {.alias = DEFAULT_SCOPE, .text = "-"};
    assert_int_equal(scope_add(s, "finance", ""), EG_OK);
    let(s, &j);
    static const char *const none[] = {"-", "$account-encryption-key"}; /* both ways to ask for one without a default */
    for (size_t i = 0; i < 2; i++) {
        j.text = none[i];
        assert_int_equal(container(s, "/loose", NULL, i == 0), EG_ERR_DISALLOWED_POLICY);
        assert_int_equal(file(s, "/data/f", NULL), EG_ERR_DISALLOWED_POLICY); /* made before it was denied: takes no new file */
        assert_int_equal(file(s, "/data/f", "finance"), EG_ERR_DISALLOWED_POLICY);
    }
    assert_string_equal(j.id, SCOPE "/blobServices/default/containers/data");
    assert_string_equal(j.full_name, ACCOUNT "/default/data");
    assert_int_equal(container(s, "/strict", "finance", true), EG_OK);
    assert_int_equal(file(s, "/strict/f", NULL), EG_OK);
    j = (judge){.alias = OVERRIDE, .text = "true"};
    assert_int_equal(container(s, "/other", "finance", false), EG_ERR_DISALLOWED_POLICY);
    assert_int_equal(container(s, "/other", NULL, false), EG_OK);
    j.unknown = true;
    assert_int_equal(container(s, "/third", NULL, false), EG_ERR_UNAVAILABLE);
    j = (judge){.alias = DEFAULT_SCOPE, .text = "-", .audited = "rule"};
    assert_int_equal(container(s, "/audited", NULL, false), EG_OK);
    eg_compliance_found found;
    eg_problem p = {0};
    assert_int_equal(eg_scope_comply_container(s->storage, store_account(s), &(eg_container_asked){EG_LIT("x"), EG_LIT(""), false}, &found, &p), EG_OK);
    assert_string_equal(found.audited_by, "rule");
    /* An account that the configuration doesn't name is no resource. */
    j = (judge){.alias = DEFAULT_SCOPE, .text = "-"};
    const size_t rules = s->storage->rule_count;
    s->storage->rule_count = 0;
    assert_int_equal(container(s, "/unnamed", NULL, false), EG_OK);
    s->storage->rule_count = rules;
    assert_int_equal(j.asked, 0);
    /* Where no definition is assigned nothing is asked. */
    j.idle = true;
    assert_int_equal(container(s, "/idle", NULL, false), EG_OK);
    assert_int_equal(file(s, "/idle/f", "finance"), EG_OK);
    assert_int_equal(j.asked, 0);
    j.idle = false;
    assert_int_equal(file(s, "/idle/g", NULL), EG_ERR_DISALLOWED_POLICY);
}

typedef struct told {
    size_t n;
    char text[256];
} told;

static void tell(void *ctx, const eg_resource *r) {
    told *t = ctx;
    const size_t at = strlen(t->text);
    t->n++;
    snprintf(t->text + at, sizeof t->text - at, "%.*s %.*s %.*s;", EG_FMT(r->name), EG_FMT(r->properties[0].text), EG_FMT(r->properties[1].text));
}

static void told_as_resources(void **state) {
    store *s = *state;
    eg_problem p = {0};
    told t = {0};
    assert_int_equal(s->keys->make_key(s->keys->ctx, EG_LIT(TENANT), EG_LIT("cmk")), EG_OK);
    assert_int_equal(scope_add(s, "finance", ""), EG_OK);
    assert_int_equal(scope_add(s, "managed", "cmk"), EG_OK);
    assert_int_equal(eg_storage_scope_enable(s->storage, EG_LIT(ACCOUNT), EG_LIT("finance"), false, &p), EG_OK);
    assert_int_equal(eg_storage_scope_resources(s->storage, EG_LIT(ACCOUNT), tell, &t), EG_OK);
    assert_string_equal(t.text, "finance Microsoft.Storage Disabled;managed Microsoft.KeyVault Enabled;");
    assert_int_equal(eg_storage_scope_resources(s->storage, EG_LIT("nowhere"), tell, &t), EG_ERR_ACCOUNT_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(scopes_are_judged_as_they_are_made, store_open, store_close),
        cmocka_unit_test_setup_teardown(nothing_new_in_a_denied_scope, store_open, store_close),
        cmocka_unit_test_setup_teardown(containers_are_judged, store_open, store_close),
        cmocka_unit_test_setup_teardown(told_as_resources, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
