/* Networks as the pipeline asks about them: a subnet's rules and an account's own, before any token. covers: network.c */
#include "pipeline_stage.h"

#include <signal.h>

static void network_rules_change(void **state) {
    (void)state;
    client *c = client_open(the_stage->tls, the_stage->port, NULL);
    assert_non_null(c);
    assert_int_equal(stage_ask_on(c, "GET /livy/jobs", "", GATEWAY).status, 200);
    stage_put_network("Deny");
    answer a = {0};
    for (int i = 0; i < 100 && a.status != 403; i++) {
        stage_wait_ms(20);
        a = stage_ask_on(c, "GET /livy/jobs", "", GATEWAY); /* the connection that was let in */
    }
    assert_int_equal(a.status, 403);
    client_close(c);
    int64_t denied = eg_metric_get(EG_METRIC_CONNECTIONS_DENIED);
    assert_null(client_open(the_stage->tls, the_stage->port, NULL));
    assert_int_equal(eg_metric_get(EG_METRIC_CONNECTIONS_DENIED), denied + 1);
}

static void put_account(const char *properties) {
    stage_put("storageAccounts/lake.json", "{\"id\":\"" LAKE "\",\"name\":\"lake\",\"properties\":{%s}}", properties);
}

/* Asks until the policies of a moment ago are in force. */
static answer asked_until(const char *line, int token, int status) {
    answer a = {0};
    for (int i = 0; i < 100 && a.status != status; i++) {
        stage_wait_ms(20);
        client *c = client_open(the_stage->tls, the_stage->port, NULL);
        assert_non_null(c);
        a = stage_ask_on(c, line, "", token);
        client_close(c);
    }
    assert_int_equal(a.status, status);
    return a;
}

static void accounts_have_networks(void **state) {
    (void)state;
    stage_expect("GET /fs/a", STORAGE, 200, "hello");
    put_account("\"networkAcls\":{\"defaultAction\":\"Deny\",\"ipRules\":[{\"value\":\"192.0.2.0/24\"}]}");
    answer a = asked_until("GET /fs/a", NOBODY, 403); /* before any token is looked at: else 401 */
    assert_non_null(strstr(a.head, "x-ms-error-code: AuthorizationFailure"));
    assert_non_null(strstr(a.body, "This request is not authorized to perform this operation."));
    stage_expect("GET /fs/a", STORAGE, 403, "AuthorizationFailure");
    stage_expect("GET /livy/jobs", GATEWAY, 200, "hello"); /* a cluster is no storage account */
    /* A subnet of clusters: who is on this machine may be a job of one, which is known after authentication. */
    put_account("\"networkAcls\":{\"defaultAction\":\"Deny\",\"virtualNetworkRules\":[{\"id\":\"" SUBNET "\"}]}");
    (void)asked_until("GET /fs/a", GATEWAY, 401);
    stage_expect("GET /fs/a", NOBODY, 403, "AuthorizationFailure");
    stage_expect("GET /fs/a", STORAGE, 403, "AuthorizationFailure"); /* a person, not a job */
    put_account("\"networkAcls\":{\"defaultAction\":\"Deny\",\"ipRules\":[{\"value\":\"127.0.0.0/8\"}]}");
    (void)asked_until("GET /fs/a", STORAGE, 200);
    put_account("\"publicNetworkAccess\":\"Disabled\",\"networkAcls\":{\"defaultAction\":\"Allow\"}");
    (void)asked_until("GET /fs/a", STORAGE, 403);
}

int main(void) {
    const struct CMUnitTest tests[] = {ON_STAGE(network_rules_change), ON_STAGE(accounts_have_networks)};
    signal(SIGPIPE, SIG_IGN); /* for the client's side */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
