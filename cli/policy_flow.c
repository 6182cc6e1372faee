/* `embergate policy flow` and `compliance`: which rule decides a connection, and which resources comply with which policies. */
#include "cli.h"

#include "policy_compare.h"

#include <embergate/json.h>

/* "192.0.2.7:443", "[2001:db8::1]:443", or an address alone; the port is then 0. */
static bool split(const char *text, eg_str *ret_address, uint16_t *ret_port) {
    eg_str all = eg_str_of(text);
    const char *last = strrchr(text, ':');
    uint64_t port = 0;
    const bool bracket = all.len > 0 && all.ptr[0] == '[';
    const char *end = bracket ? strchr(text, ']') : NULL;
    if (bracket && (!end || (end[1] != '\0' && end[1] != ':'))) {
        return false;
    }
    const bool has_port = bracket ? end[1] == ':' : last && strchr(text, ':') == last;
    if (has_port && (eg_str_u64(eg_str_of(last + 1), 65535, &port) != EG_OK)) {
        return false;
    }
    *ret_address = bracket ? (eg_str){text + 1, (size_t)(end - text - 1)} : has_port ? (eg_str){text, (size_t)(last - text)} : all;
    *ret_port = (uint16_t)port;
    return ret_address->len > 0;
}

static void print_decision(const eg_decision *d, bool json) {
    if (json) {
        EG_JSON_AUTO v = json_pack("{s:s, s:s, s:s}", "access", d->allowed ? "Allow" : "Deny", "ruleName", d->rule, "reason", d->reason);
        eg_cli_print_json(v);
    } else {
        printf("%s by %s: %s\n", d->allowed ? "allowed" : "denied", d->rule, d->reason);
    }
}

eg_err eg_cli_policy_flow(const eg_policy_flow_question *q, int *ret_status, eg_problem *p) {
    const eg_policy *pol = q->policy;
    eg_str source, destination = {"", 0};
    uint16_t source_port = 0, destination_port = 0;
    eg_decision d;
    if (!split(q->source, &source, &source_port) || (q->destination && !split(q->destination, &destination, &destination_port))) {
        return eg_fail(p, EG_ERR_INVALID, "an address is 192.0.2.7, 192.0.2.7:443 or [2001:db8::1]:443");
    }
    if (q->account) {
        const eg_account_flow f = {.account_id = eg_str_of(q->account), .source_address = source, .cluster_subnet = eg_str_of(q->subnet ? q->subnet : "")};
        eg_policy_account_network(pol, &f, &d);
    } else {
        const eg_flow f = {.subnet = eg_str_of(q->subnet), .source_address = source, .source_port = source_port, .destination_address = destination,
                           .destination_port = destination_port};
        eg_policy_network(pol, &f, &d);
    }
    print_decision(&d, q->json);
    *ret_status = d.allowed ? EG_EXIT_OK : EG_EXIT_FAILED;
    return EG_OK;
}

static const char *text_of(const json_t *v, const char *name) {
    const char *text = json_string_value(json_object_get(v, name));
    return text ? text : "";
}

eg_err eg_cli_policy_compliance(const char *subscription, bool json, int *ret_status, eg_problem *p) {
    char path[256];
    EG_JSON_AUTO v = NULL;
    (void)snprintf(path, sizeof path, "/subscriptions/%s/providers/Microsoft.PolicyInsights/policyStates/latest/queryResults?api-version=2019-10-01", subscription);
    EG_JSON_AUTO nothing = json_object();
    EG_TRY(eg_cli_send_json("POST", path, nothing, &v, p));
    const json_t *list = json_object_get(v, "value");
    bool all = true;
    if (json) {
        eg_cli_print_json(v);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        const bool fine = json_is_true(json_object_get(row, "isCompliant"));
        all = all && fine;
        if (!json) {
            printf("%-13s %s: \"%s\", %s by %s%s\n", fine ? "compliant" : "not compliant", text_of(row, "resourceId"), text_of(row, "policyDefinitionDisplayName"),
                   text_of(row, "policyDefinitionAction"), text_of(row, "policyAssignmentName"), json_is_true(json_object_get(row, "disabled")) ? ": disabled" : "");
        }
    }
    if (!json && json_array_size(list) == 0) {
        printf("no policy is assigned that applies to a resource of this subscription\n");
    }
    *ret_status = all ? EG_EXIT_OK : EG_EXIT_FAILED;
    return EG_OK;
}
