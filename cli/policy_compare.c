/* `embergate policy what-if`, `prove` and `test`: what a policy directory would change, before it does. */
#include "cli.h"

#include "policy_compare.h"

#include <embergate/clock.h>
#include <embergate/durable_file.h>
#include <embergate/json.h>
#include <fcntl.h>
#include <stdlib.h>

#define TEST_BYTES_MAX (4u << 20)

static eg_err load_both(const eg_policy_pair *pair, eg_policy **ret_older, eg_policy **ret_newer, eg_problem *p) {
    eg_policy *older = NULL;
    EG_TRY(eg_policy_load(pair->older, 1, &older, p));
    eg_err e = eg_policy_load(pair->newer, 2, ret_newer, p);
    if (e != EG_OK) {
        eg_policy_unref(older);
        return e;
    }
    eg_policy_separate_duties(older, pair->separate_duties);
    eg_policy_separate_duties(*ret_newer, pair->separate_duties);
    *ret_older = older;
    return EG_OK;
}

eg_err eg_cli_policy_what_if(const eg_policy *older, const char *newer_dir, eg_problem *p) {
    EG_CLEANUP(eg_policy_unref_p) eg_policy *newer = NULL;
    EG_TRY(eg_policy_load(newer_dir, 2, &newer, p));
    eg_policy_separate_duties(newer, eg_policy_separates_duties(older));
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, 64u << 20);
    if (eg_policy_what_if(older, newer, &text) != EG_OK) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "there is no memory for all that changes");
    }
    printf("%.*s", (int)text.len, text.ptr ? text.ptr : "");
    if (text.len == 0) {
        printf("nothing changes\n");
    }
    return EG_OK;
}

eg_err eg_cli_policy_prove(const eg_policy_pair *pair, bool json, int *ret_status, eg_problem *p) {
    static const char *const verdicts[] = {"undecided", "holds", "fails"};
    EG_CLEANUP(eg_policy_unref_p) eg_policy *older = NULL;
    EG_CLEANUP(eg_policy_unref_p) eg_policy *newer = NULL;
    EG_TRY(load_both(pair, &older, &newer, p));
    eg_policy_proof proof;
    EG_TRY(eg_policy_prove_no_new_access(older, newer, &proof, p));
    if (json) {
        EG_JSON_AUTO v = json_pack("{s:s, s:s, s:I}", "noNewAccess", verdicts[proof.verdict], "text", proof.text, "decisions", (json_int_t)proof.decisions);
        char *text = v ? json_dumps(v, 0) : NULL;
        printf("%s\n", text ? text : "{}");
        free(text);
    } else {
        printf("%s\n", proof.text);
    }
    *ret_status = proof.verdict == EG_PROOF_HOLDS ? EG_EXIT_OK : EG_EXIT_FAILED;
    return EG_OK;
}

static eg_err read_tests(const char *path, json_t **ret, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, TEST_BYTES_MAX);
    EG_TRY(eg_file_read(AT_FDCWD, path, TEST_BYTES_MAX, &text, p));
    EG_TRY(eg_json_parse(eg_buf_str(&text), TEST_BYTES_MAX, ret, p));
    return json_is_array(json_object_get(*ret, "tests")) ? EG_OK : eg_fail(p, EG_ERR_INVALID, "%s: {\"tests\":[…]} is expected", path);
}

static eg_err fill_principal(const json_t *test, const char *tenant, eg_principal *who, eg_problem *p) {
    const json_t *groups = json_object_get(test, "groups");
    const char *id = json_string_value(json_object_get(test, "principal"));
    size_t n = json_array_size(groups);
    if (!id || strlen(id) != EG_UUID_LEN - 1 || n > EG_PRINCIPAL_GROUPS_MAX) {
        return eg_fail(p, EG_ERR_INVALID, "\"principal\" is an object id, \"groups\" a list of at most %d", EG_PRINCIPAL_GROUPS_MAX);
    }
    who->kind = EG_PRINCIPAL_USER;
    (void)snprintf(who->object_id, sizeof who->object_id, "%s", id);
    (void)snprintf(who->tenant, sizeof who->tenant, "%s", tenant);
    who->groups = n ? calloc(n, sizeof *who->groups) : NULL;
    for (size_t i = 0; who->groups && i < n; i++) {
        const char *group = json_string_value(json_array_get(groups, i));
        (void)snprintf(who->groups[who->group_count++], EG_UUID_LEN, "%s", group ? group : "");
    }
    return EG_OK;
}

static eg_str text_of(const json_t *test, const char *name) {
    return eg_str_of(json_string_value(json_object_get(test, name)));
}

/* A misspelt member would ask something else than was meant, and be believed. */
static eg_err check_members(const json_t *test, eg_problem *p) {
    static const char *const known[] = {"name", "principal", "groups", "action", "dataAction", "scope", "account", "container", "path", "prefix", "time", "source", "port", "subnet", "accountId",
                                        "expect"};
    const char *name;
    json_t *unused;
    json_object_foreach((json_t *)(uintptr_t)test, name, unused) {
        bool fits = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0] && !fits; i++) {
            fits = strcmp(name, known[i]) == 0;
        }
        if (!fits) {
            return eg_fail(p, EG_ERR_INVALID, "\"%.60s\" is no member of a test", name);
        }
    }
    return EG_OK;
}

/* A connection from an address to a listener's subnet, or to a storage account: {"source", "subnet" or "accountId", "port"}; with an account, `subnet` is that of the cluster whose job asks. */
static eg_err run_flow(const eg_policy *pol, const json_t *test, eg_decision *ret, eg_problem *p) {
    const eg_str source = text_of(test, "source"), subnet = text_of(test, "subnet"), account = text_of(test, "accountId");
    int64_t port = 0;
    EG_TRY(eg_json_get_int(test, "port", 443, 0, 65535, &port, p));
    if (!source.ptr || (!subnet.ptr && !account.ptr) || text_of(test, "action").ptr || text_of(test, "dataAction").ptr) {
        return eg_fail(p, EG_ERR_INVALID, "\"source\" and \"subnet\" or \"accountId\" are owed of a connection, and nobody's action");
    }
    if (account.ptr) {
        const eg_account_flow f = {.account_id = account, .source_address = source, .cluster_subnet = subnet};
        eg_policy_account_network(pol, &f, ret);
    } else {
        const eg_flow f = {.subnet = subnet, .source_address = source, .destination_port = (uint16_t)port};
        eg_policy_network(pol, &f, ret);
    }
    return EG_OK;
}

/* One expected decision: {"name", "principal", "groups", "action" or "dataAction", "scope", "container", "path", "time", "expect": "allow" or "deny"}, or of a connection. */
static eg_err run_access(const eg_policy *pol, const char *tenant, const json_t *test, eg_decision *ret, eg_problem *p) {
    EG_CLEANUP(eg_principal_unref_p) eg_principal *who = eg_principal_new();
    if (!who) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory");
    }
    EG_TRY(fill_principal(test, tenant, who, p));
    eg_str data = text_of(test, "dataAction"), time = text_of(test, "time");
    eg_access a = {.who = who, .resource_tenant = eg_str_of(tenant), .action = data.ptr ? data : text_of(test, "action"), .data_action = data.ptr != NULL,
                   .scope = text_of(test, "scope"), .account = text_of(test, "account"), .container = text_of(test, "container"), .path = text_of(test, "path"),
                   .prefix = text_of(test, "prefix")};
    if (time.ptr && eg_time_parse_rfc3339(time, &a.now_ns) != EG_OK) {
        return eg_fail(p, EG_ERR_INVALID, "\"time\" is no time such as 2026-01-31T08:00:00Z");
    }
    if (!a.action.ptr || !a.scope.ptr) {
        return eg_fail(p, EG_ERR_INVALID, "\"scope\", and \"action\" or \"dataAction\", are owed");
    }
    eg_policy_decide(pol, &a, ret);
    return EG_OK;
}

static eg_err run_test(const eg_policy *pol, const char *tenant, const json_t *test, bool *ret_fits, eg_decision *ret, eg_problem *p) {
    const eg_str expect = text_of(test, "expect");
    EG_TRY(check_members(test, p));
    if (!expect.ptr || !(eg_str_is(expect, "allow") || eg_str_is(expect, "deny"))) {
        return eg_fail(p, EG_ERR_INVALID, "\"expect\" is allow or deny");
    }
    EG_TRY(json_object_get(test, "principal") ? run_access(pol, tenant, test, ret, p) : run_flow(pol, test, ret, p));
    *ret_fits = ret->allowed == eg_str_is(expect, "allow");
    return EG_OK;
}

eg_err eg_cli_policy_test(const eg_policy *pol, const char *tenant, const char *file, int *ret_status, eg_problem *p) {
    EG_JSON_AUTO all = NULL;
    EG_TRY(read_tests(file, &all, p));
    const json_t *tests = json_object_get(all, "tests");
    size_t failed = 0;
    for (size_t i = 0; i < json_array_size(tests); i++) {
        const json_t *test = json_array_get(tests, i);
        const char *name = json_string_value(json_object_get(test, "name"));
        eg_decision d;
        bool fits = false;
        if (run_test(pol, tenant, test, &fits, &d, p) != EG_OK) {
            return eg_fail_at(p, "%s: tests[%zu]", file, i);
        }
        failed += !fits;
        if (!fits) {
            printf("tests[%zu] %s: %s (%s) %s\n", i, name ? name : "", d.allowed ? "allowed" : "denied", d.rule, d.reason);
        }
    }
    printf("%zu of %zu decisions are as expected\n", json_array_size(tests) - failed, json_array_size(tests));
    *ret_status = failed ? EG_EXIT_FAILED : EG_EXIT_OK;
    return EG_OK;
}
