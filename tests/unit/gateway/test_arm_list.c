/* Lists in pages, what a scope holds, and which versions of an API are taken. covers: resource_list.c api_version.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "arm/arm_state.h"

#define SUB "/subscriptions/5b7e4a6a-0000-4000-8000-000000000001"

static void respond(eg_request *rq) { (void)rq; }
static const eg_request_ops ops = {.respond = respond};

static void fill(eg_request *rq, eg_arm *a, const eg_route *route, const char *query) {
    *rq = (eg_request){.arena = eg_arena_new(262144), .surface = EG_SURFACE_ARM, .room = a, .route = route, .ops = &ops, .query = eg_str_of(query),
                       .raw_path = EG_LIT(SUB "/things"), .path = EG_LIT(SUB "/things"), .method = EG_LIT("GET"), .response = {.head_length = -1}};
}

static void done(eg_request *rq) {
    eg_buf_done(&rq->response.owned);
    eg_arena_free(rq->arena);
}

static json_t *numbered(int n) {
    json_t *list = json_array();
    for (int i = n; i-- > 0;) {
        json_array_append_new(list, json_pack("{s:o}", "id", json_sprintf(i % 2 ? "/Things/%05d" : "/things/%05d", i)));
    }
    return list;
}

/* A client that follows nextLink sees each thing once, in the order of ids. */
static void pages(void **state) {
    (void)state;
    const eg_config config = {.public_url = "https://gate.test:8443"};
    eg_arm a = {{.config = &config}};
    char query[4096] = "api-version=2022-04-01&$filter=atScope()";
    const int all = 2 * EG_ARM_PAGE + 1;
    int seen = 0, turns = 0;
    for (bool more = true; more; turns++) {
        eg_request rq;
        fill(&rq, &a, NULL, query);
        assert_int_equal(eg_arm_respond_list(&rq, numbered(all)), EG_OK);
        json_t *body = json_loadb((const char *)rq.response.bytes.ptr, rq.response.bytes.len, 0, NULL);
        const json_t *value = json_object_get(body, "value");
        for (size_t i = 0; i < json_array_size(value); i++) {
            char owed[32];
            snprintf(owed, sizeof owed, "/things/%05d", seen++);
            assert_true(eg_str_ieq(eg_json_str(json_array_get(value, i), "id"), eg_str_of(owed)));
        }
        const char *next = json_string_value(json_object_get(body, "nextLink"));
        more = next != NULL;
        if (more) {
            assert_true(eg_str_starts(eg_str_of(next), "https://gate.test:8443" SUB "/things?api-version=2022-04-01&$filter=atScope()&$skipToken="));
            snprintf(query, sizeof query, "%s", strchr(next, '?') + 1);
        }
        json_decref(body);
        done(&rq);
    }
    assert_int_equal(seen, all);
    assert_int_equal(turns, 3);
}

static void bad_tokens(void **state) {
    (void)state;
    const eg_config config = {.public_url = "https://gate.test"};
    eg_arm a = {{.config = &config}};
    static const char *const bad[] = {"$skipToken=%21", "$skipToken=a&$skipToken=b", "$skipToken=a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        eg_request rq;
        fill(&rq, &a, NULL, bad[i]);
        assert_int_equal(eg_arm_respond_list(&rq, numbered(3)), EG_ERR_QUERY);
        done(&rq);
    }
}

static void scopes(void **state) {
    (void)state;
    static const struct { const char *scope, *id; bool owed; } cases[] = {
        {"/", SUB, true}, {SUB, SUB, true}, {SUB, SUB "/resourceGroups/g", true}, {SUB, SUB "2", false}, {"", SUB, false}, {SUB "/resourceGroups/G", SUB "/resourcegroups/g/x", true},
        {SUB "/resourceGroups/g", SUB, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(eg_arm_within(eg_str_of(cases[i].scope), eg_str_of(cases[i].id)), cases[i].owed);
    }
    assert_true(eg_str_is(eg_arm_first_segments(EG_LIT("/a/b/c/d/e"), 2), "/a/b"));
    assert_true(eg_str_is(eg_arm_first_segments(EG_LIT("/a"), 4), "/a"));
}

/* Another tenant's subscription is no scope of one's own, and neither is a text that only begins like one. */
static void own_scopes(void **state) {
    (void)state;
    eg_config_tenant tenants[] = {{"c0ff0000-0000-4000-8000-000000000001", "contoso"}, {"c0ff0000-0000-4000-8000-000000000002", "fabrikam"}};
    eg_config_account accounts[] = {{.name = "lake", .tenant = tenants[0].id, .subscription = "one"}, {.name = "far", .tenant = tenants[1].id, .subscription = "two"}};
    const eg_config config = {.tenants = tenants, .tenant_count = 2, .accounts = accounts, .account_count = 2};
    eg_arm a = {{.config = &config}};
    eg_request rq;
    fill(&rq, &a, NULL, "");
    rq.tenant = eg_str_of(tenants[0].id);
    assert_true(eg_arm_own_scope(&rq, EG_LIT("/subscriptions/one")) && eg_arm_own_scope(&rq, EG_LIT("/Subscriptions/ONE/resourceGroups/g")));
    static const char *const others[] = {"/subscriptions/two", "/subscriptions/one2", "/", "", "subscriptions/one", "/subscriptions", "/providers/one", "//subscriptions/one"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(eg_arm_own_scope(&rq, eg_str_of(others[i])));
    }
    rq.tenant = EG_LIT("");
    assert_false(eg_arm_own_scope(&rq, EG_LIT("/subscriptions/one")));
    done(&rq);
}

static void versions(void **state) {
    (void)state;
    static const struct { const char *pattern, *query; eg_err owed; } cases[] = {
        {"/{*scope}/providers/Microsoft.Authorization/roleAssignments/{name}", "api-version=2022-04-01", EG_OK},
        {"/{*scope}/providers/Microsoft.Authorization/roleAssignments/{name}", "api-version=2021-06-01", EG_ERR_API_VERSION},
        {"/{*scope}/providers/Microsoft.Authorization/roleAssignments/{name}", "", EG_ERR_API_VERSION_MISSING},
        {"/{*scope}/providers/Microsoft.Authorization/roleAssignments/{name}", "api-version=", EG_ERR_API_VERSION_MISSING},
        {"/subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.Network/virtualNetworks/{n}/subnets/{s}", "api-version=2026-03-01", EG_OK},
        {"/subscriptions", "api-version=2022-12-01", EG_OK},
        {"/metadata/endpoints", "api-version=2022-09-01", EG_OK},
        {"/metadata/endpoints", "api-version=2022-04-01", EG_ERR_API_VERSION},
        {"/subscriptions", "api-version=2022-12-01&api-version=2022-12-01", EG_ERR_QUERY},
    };
    eg_arm a = {{NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const eg_route route = {.surface = EG_SURFACE_ARM, .pattern = cases[i].pattern};
        eg_request rq;
        fill(&rq, &a, &route, cases[i].query);
        if (eg_arm_begin(&rq) != cases[i].owed) {
            fail_msg("%s?%s", cases[i].pattern, cases[i].query);
        }
        assert_true(cases[i].owed != EG_ERR_API_VERSION || strstr(rq.problem.message, "2022-0") || strstr(rq.problem.message, "2023-"));
        done(&rq);
    }
}

static void unknown_types(void **state) {
    (void)state;
    static const struct { const char *path; eg_err owed; } cases[] = {
        {SUB "/resourceGroups/g/providers/Microsoft.Nothing/x/y", EG_ERR_RESOURCE_NAMESPACE},
        {SUB "/resourceGroups/g/providers/Microsoft.Network/loadBalancers/y", EG_ERR_RESOURCE_TYPE},
        {SUB "/resourceGroups/g/providers/microsoft.network/VirtualNetworks/y", EG_ERR_METHOD},
        {SUB "/deployments", EG_ERR_NOT_FOUND},
    };
    eg_arm a = {{NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eg_request rq;
        fill(&rq, &a, NULL, "");
        rq.path = eg_str_of(cases[i].path);
        assert_int_equal(eg_arm_unknown(&rq), cases[i].owed);
        done(&rq);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(pages), cmocka_unit_test(bad_tokens), cmocka_unit_test(scopes), cmocka_unit_test(own_scopes), cmocka_unit_test(versions),
                                       cmocka_unit_test(unknown_types)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
