/* Requests by exchanged tokens: who acts must still be allowed to, each time, and some things are closed to whoever acts for others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/pipeline_request.h"

#include <embergate/actions.h>

#define TENANT "c0ff0000-0000-4000-8000-000000000003"
#define ANN "a11ce000-0000-4000-8000-000000000001"
#define DELEGATE "a11ce000-0000-4000-8000-000000000002"
#define CHAINED "a11ce000-0000-4000-8000-000000000003"
#define OWNER "a11ce000-0000-4000-8000-000000000004"
#define SUB "/subscriptions/5b7e4a6a-0000-4000-8000-000000000001"

static eg_policy *pol;
static eg_router *router;
static struct eg_pipeline pipeline;
static eg_request request;
static eg_pipeline_request in_flight = {.pl = &pipeline, .rq = &request};

static const char *const documents[] = {
    "{\"name\":\"one\",\"properties\":{\"roleDefinitionId\":\"Embergate Delegate\",\"principalId\":\"" DELEGATE "\",\"scope\":\"" SUB "\"}}",
    "{\"name\":\"two\",\"properties\":{\"roleDefinitionId\":\"Embergate Chained Delegate\",\"principalId\":\"" CHAINED "\",\"scope\":\"" SUB "\"}}",
    "{\"name\":\"three\",\"properties\":{\"roleDefinitionId\":\"Owner\",\"principalId\":\"" OWNER "\",\"scope\":\"" SUB "\"}}",
    "{\"name\":\"four\",\"properties\":{\"roleDefinitionId\":\"Owner\",\"principalId\":\"" ANN "\",\"scope\":\"" SUB "\"}}",
};

static eg_err next_document(void *ctx, eg_policy_document *ret, eg_problem *p) {
    size_t *at = ctx;
    (void)p;
    if (*at == sizeof documents / sizeof documents[0]) {
        return EG_ERR_NOT_FOUND;
    }
    *ret = (eg_policy_document){.kind = EG_POLICY_ASSIGNMENTS, .name = "roleAssignments/x", .text = eg_str_of(documents[*at])};
    (*at)++;
    return EG_OK;
}

static int open_all(void **state) {
    (void)state;
    static const eg_router_tenant tenants[] = {{{TENANT, sizeof TENANT - 1}, {SUB, sizeof SUB - 1}}};
    static const eg_router_options o = {.tenants = tenants, .tenant_count = 1};
    size_t at = 0;
    eg_problem p = {0};
    const eg_policy_documents all = {next_document, &at};
    if (eg_policy_load_from(&all, 1, &pol, &p) != EG_OK) {
        print_error("%s at %s\n", p.message, p.where);
        return -1;
    }
    router = eg_router_new(&o);
    pipeline.o.router = router;
    return router ? 0 : -1;
}

static int close_all(void **state) {
    (void)state;
    eg_router_free(router);
    eg_policy_unref(pol);
    return 0;
}

/* Ann, for whom these act, the last to have come first. */
static eg_principal *ann(const char *const *actors) {
    eg_principal *who = eg_principal_new();
    assert_non_null(who);
    who->kind = EG_PRINCIPAL_USER;
    snprintf(who->tenant, sizeof who->tenant, TENANT);
    snprintf(who->object_id, sizeof who->object_id, ANN);
    if (actors) {
        who->acting = calloc(1, sizeof *who->acting);
        for (; *actors; actors++) {
            snprintf(who->acting->actors[who->acting->count++].object_id, EG_UUID_LEN, "%s", *actors);
        }
    }
    return who;
}

static void who_may_act(void **state) {
    (void)state;
    static const struct { const char *actors[4]; eg_err owed; } cases[] = {
        {{DELEGATE, NULL}, EG_OK},
        {{CHAINED, NULL}, EG_OK},
        {{OWNER, NULL}, EG_ERR_DENIED_ACTOR},            /* nobody unasked: no Owner either */
        {{ANN, NULL}, EG_ERR_DENIED_ACTOR},
        {{CHAINED, DELEGATE, NULL}, EG_OK},
        {{DELEGATE, CHAINED, NULL}, EG_ERR_DENIED_ACTOR}, /* it exchanged an exchanged token */
        {{CHAINED, OWNER, NULL}, EG_ERR_DENIED_ACTOR},    /* who had it before lost the right */
        {{CHAINED, CHAINED, DELEGATE, NULL}, EG_OK},
        {{NULL}, EG_ERR_DENIED_ACTOR},                    /* somebody acts, and it isn't known who */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eg_principal *who = ann(cases[i].actors);
        assert_int_equal(eg_pipeline_actors_may(pol, &in_flight, who, 0), cases[i].owed);
        assert_int_equal(eg_pipeline_actors_may(pol, NULL, who, 0), EG_ERR_DENIED_ACTOR);
        snprintf(who->tenant, sizeof who->tenant, "%s", ANN); /* no tenant of ours */
        assert_int_equal(eg_pipeline_actors_may(pol, &in_flight, who, 0), EG_ERR_DENIED_ACTOR);
        eg_principal_unref(who);
    }
    eg_principal *herself = ann(NULL);
    assert_int_equal(eg_pipeline_actors_may(pol, &in_flight, herself, 0), EG_OK);
    eg_principal_unref(herself);
}

static void what_is_closed(void **state) {
    (void)state;
    static const struct { const char *action; bool data, closed; } cases[] = {
        {EG_ACTION_ACCOUNT_LIST_KEYS, false, true}, {EG_ACTION_ACCOUNT_RENEW_KEY, false, true}, {EG_ACTION_DELEGATION_KEY, false, true}, {EG_ACTION_KEY_WRITE, false, true},
        {"Microsoft.Authorization/roleAssignments/write", false, true}, {"microsoft.authorization/roleassignments/delete", false, true},
        {"Microsoft.Network/networkSecurityGroups/securityRules/write", false, true}, {"Microsoft.Network/networkSecurityGroups/read", false, false},
        {"Microsoft.Storage/storageAccounts/write", false, true}, {"Microsoft.Storage/storageAccounts/read", false, false},
        {EG_ACTION_REVOKE, false, true}, {EG_ACTION_REVOCATION_READ, false, false}, {"Microsoft.Authorization/roleAssignments/read", false, false},
        {EG_ACTION_BLOB_READ, true, false}, {EG_ACTION_BLOB_WRITE, true, false}, {EG_ACTION_JOB_SUBMIT, true, false}, {EG_ACTION_CONTAINER_WRITE, false, false}, {NULL, false, false},
    };
    static const char *const actors[] = {DELEGATE, NULL};
    eg_principal *acted = ann(actors), *herself = ann(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(eg_pipeline_never_acted(acted, cases[i].action, cases[i].data) == cases[i].closed);
        assert_false(eg_pipeline_never_acted(herself, cases[i].action, cases[i].data));
    }
    eg_principal_unref(acted);
    eg_principal_unref(herself);
}

/* As authorize.c asks. */
static void what_is_decided(void **state) {
    (void)state;
    static const struct { const char *actor, *action; eg_err owed; } cases[] = {
        {DELEGATE, "Microsoft.HDInsight/clusters/read", EG_OK},
        {DELEGATE, "Microsoft.Authorization/roleAssignments/write", EG_ERR_DENIED_ACTOR},
        {OWNER, "Microsoft.HDInsight/clusters/read", EG_ERR_DENIED_ACTOR},
        {NULL, "Microsoft.Authorization/roleAssignments/write", EG_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const actors[] = {cases[i].actor, NULL};
        const eg_route route = {.surface = EG_SURFACE_ARM, .action = cases[i].action, .pattern = "/x"};
        eg_err shown = EG_OK;
        request = (eg_request){.route = &route, .surface = EG_SURFACE_ARM, .pipeline = &in_flight, .principal = ann(cases[i].actor ? actors : NULL), .tenant = EG_LIT(TENANT), .path = EG_LIT(SUB)};
        assert_int_equal(eg_pipeline_judge(pol, &request, EG_LIT(SUB), &shown), cases[i].owed);
        assert_int_equal(shown, cases[i].owed);
        eg_principal_unref(request.principal);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_may_act), cmocka_unit_test(what_is_closed), cmocka_unit_test(what_is_decided)};
    return cmocka_run_group_tests(tests, open_all, close_all);
}
