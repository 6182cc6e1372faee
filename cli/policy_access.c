/* `embergate policy check-access` and `who-can`: may somebody do something somewhere from some address, and why; and who may. */
#include "cli.h"

#include "policy_compare.h"

#include <embergate/clock.h>
#include <embergate/json.h>
#include <stdlib.h>

/* What a scope says of the resource: the names behind storageAccounts and containers, and the account's id. */
typedef struct place {
    eg_str account_id, account, container;
} place;

static place place_of(const char *scope) {
    place w = {.account = {NULL, 0}};
    eg_str rest = eg_str_of(scope), last = {"", 0};
    while (rest.ptr) {
        const eg_str segment = eg_str_cut(&rest, '/');
        if (eg_str_ieq(last, EG_LIT("storageAccounts"))) {
            w.account = segment;
            w.account_id = (eg_str){scope, (size_t)(segment.ptr + segment.len - scope)};
        } else if (eg_str_ieq(last, EG_LIT("containers"))) {
            w.container = segment;
        }
        last = segment;
    }
    return w;
}

static eg_err principal_of(const eg_policy_access_question *q, eg_principal **ret, eg_problem *p) {
    EG_CLEANUP(eg_principal_unref_p) eg_principal *who = eg_principal_new();
    if (!who || (q->group_count > 0 && !(who->groups = calloc(q->group_count, sizeof *who->groups)))) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory");
    }
    who->kind = EG_PRINCIPAL_SERVICE;
    (void)snprintf(who->object_id, sizeof who->object_id, "%s", q->principal);
    (void)snprintf(who->tenant, sizeof who->tenant, "%s", q->tenant);
    for (size_t i = 0; i < q->group_count; i++) {
        if (strlen(q->groups[i]) != EG_UUID_LEN - 1) {
            return eg_fail(p, EG_ERR_INVALID, "--group is the object id of a group, not '%.60s'", q->groups[i]);
        }
        memcpy(who->groups[who->group_count++], q->groups[i], EG_UUID_LEN);
    }
    *ret = who;
    who = NULL;
    return EG_OK;
}

static eg_err access_of(const eg_policy_access_question *q, const eg_principal *who, eg_access *ret, eg_problem *p) {
    const place w = place_of(q->scope);
    eg_access a = {.who = who, .resource_tenant = eg_str_of(q->tenant), .action = eg_str_of(q->action), .data_action = q->data_action, .scope = eg_str_of(q->scope),
                   .now_ns = eg_wall_ns(&eg_clock_system), .account = w.account, .container = w.container, .subnet = eg_str_of(q->subnet)};
    a.path = q->path ? eg_str_of(q->path) : (eg_str){NULL, 0};
    if (q->time && eg_time_parse_rfc3339(eg_str_of(q->time), &a.now_ns) != EG_OK) {
        return eg_fail(p, EG_ERR_INVALID, "--time is such as 2026-01-31T08:00:00Z");
    }
    *ret = a;
    return EG_OK;
}

/* From where: the security group of the listener's subnet, if one is named, then the network rules of the account, if the scope is of one. */
static eg_decision ask_network(const eg_policy_access_question *q) {
    const place w = place_of(q->scope);
    eg_decision d = {.allowed = true};
    if (q->subnet) {
        const eg_flow f = {.subnet = eg_str_of(q->subnet), .source_address = eg_str_of(q->source), .destination_port = 443};
        eg_policy_network(q->policy, &f, &d);
    }
    if (d.allowed && w.account_id.len > 0) {
        const eg_account_flow f = {.account_id = w.account_id, .source_address = eg_str_of(q->source)};
        eg_policy_account_network(q->policy, &f, &d);
    }
    return d;
}

/* Titles and conditions are what somebody wrote. */
static void put_lines(eg_str text) {
    while (text.ptr && text.len > 0) {
        eg_cli_put_inert(stdout, eg_str_cut(&text, '\n'));
        putchar('\n');
    }
}

eg_err eg_cli_policy_check_access(const eg_policy_access_question *q, eg_problem *p) {
    EG_CLEANUP(eg_principal_unref_p) eg_principal *who = NULL;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_access a;
    eg_decision d, from = {.allowed = true};
    eg_buf_init(&text, 1u << 20);
    EG_TRY(principal_of(q, &who, p));
    EG_TRY(access_of(q, who, &a, p));
    eg_policy_decide(q->policy, &a, &d);
    EG_TRY(eg_policy_explain(q->policy, &a, &text));
    if (q->source) {
        from = ask_network(q);
    }
    const bool allowed = d.allowed && from.allowed;
    if (q->json) {
        EG_JSON_AUTO v = json_pack("{s:b, s:s, s:s, s:s%}", "allowed", allowed, "rule", d.rule, "reason", d.reason, "assignments", text.ptr ? text.ptr : "", text.len);
        if (v && from.rule[0]) {
            json_object_set_new(v, "network", json_pack("{s:b, s:s, s:s}", "allowed", from.allowed, "rule", from.rule, "reason", from.reason));
        }
        eg_cli_print_json(v);
        return EG_OK;
    }
    printf("%s: ", allowed ? "allowed" : "denied");
    put_lines(eg_str_of(from.allowed ? d.reason : from.reason));
    put_lines(eg_buf_str(&text));
    if (from.rule[0]) {
        printf("from %s: %s by ", q->source, from.allowed ? "allowed" : "denied");
        put_lines(eg_str_of(from.rule));
    }
    return EG_OK;
}

/* Principals and groups, each with the assignments by which it may; deny assignments go before them and are told too. */
eg_err eg_cli_policy_who_can(const eg_policy_access_question *q, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    EG_JSON_AUTO list = json_array();
    eg_buf_init(&text, 16u << 20);
    for (size_t i = 0; i < 2; i++) {
        eg_access a;
        EG_TRY(access_of(q, NULL, &a, p));
        a.data_action = i == 1;
        eg_buf_reset(&text);
        EG_TRY(eg_policy_explain(q->policy, &a, &text));
        eg_str rest = eg_buf_str(&text);
        while (rest.ptr && rest.len > 0) {
            const eg_str line = eg_str_cut(&rest, '\n');
            json_array_append_new(list, json_sprintf("%.*s", EG_FMT(line)));
        }
    }
    if (q->json) {
        eg_cli_print_json(list);
        return EG_OK;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        eg_cli_put_inert(stdout, eg_str_of(json_string_value(json_array_get(list, i))));
        putchar('\n');
    }
    if (json_array_size(list) == 0) {
        puts("nobody");
    }
    return EG_OK;
}
