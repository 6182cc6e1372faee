/* Checks that a configuration is taken whole or refused with its file, line, key and what was expected. covers: config_check.c config_load.c config_lookup.c config_prescan.c config_render.c config_rules.c config_schema.c config_value.c */
#include "config/config.h"
#include "config/config_schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TENANT "11111111-1111-1111-1111-111111111111"
#define WITNESS "w.test/1+919fb179+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY"
#define SUBNET "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n"

/* 9 lines; what tests add begins at line 10. */
static const char minimal[] = "state_dir: state\n"
                              "public_url: https://127.0.0.1:8443\n"
                              "listeners:\n"
                              "  - name: main\n"
                              "    port: 8443\n"
                              "tenants:\n"
                              "  - id: " TENANT "\n"
                              "    name: example\n"
                              "limits: {}\n";

static const char cluster[] = "clusters:\n"
                              "  - name: spark\n"
                              "    tenant: " TENANT "\n"
                              "    subscription: " TENANT "\n"
                              "    resource_group: rg\n"
                              "    spark_home: spark\n";

static eg_err parse(const char *first, const char *second, eg_config **ret, eg_problem *p) {
    eg_buf b;
    eg_buf_init(&b, (size_t)2 << 20);
    eg_buf_adds(&b, first);
    eg_buf_adds(&b, second);
    eg_err e = eg_config_parse(eg_buf_str(&b), "test.yaml", ret, p);
    eg_buf_done(&b);
    return e;
}

static void refuse(const char *first, const char *second, unsigned line, const char *key, const char *expected) {
    eg_config *c = NULL;
    eg_problem p = {0};
    char where[32];
    snprintf(where, sizeof where, "test.yaml:%u", line);
    assert_int_equal(parse(first, second, &c, &p), EG_ERR_CONFIG);
    assert_null(c);
    assert_int_equal(p.code, EG_ERR_CONFIG);
    if (strcmp(p.where, where) != 0 || !strstr(p.message, key) || !strstr(p.message, expected)) {
        fail_msg("expected %s, \"%s\" and \"%s\"; got %s, \"%s\"", where, key, expected, p.where, p.message);
    }
}

static void defaults(void **state) {
    (void)state;
    eg_config *c = NULL;
    eg_problem p = {0};
    char cwd[4096];
    char want[5000];
    assert_int_equal(parse(minimal, "", &c, &p), EG_OK);
    assert_non_null(getcwd(cwd, sizeof cwd));
    snprintf(want, sizeof want, "%s/state", cwd);
    assert_string_equal(c->state_dir, want);
    snprintf(want, sizeof want, "%s/state/policies", cwd);
    assert_string_equal(c->policies_dir, want);
    snprintf(want, sizeof want, "%s/state/tls/server.pem", cwd);
    assert_string_equal(c->tls_certificate, want);
    assert_string_equal(c->domain, "embergate.internal");
    assert_string_equal(c->log_level, "info");
    assert_string_equal(c->user_gateway, "");
    assert_string_equal(c->tls_minimum_version, "1.2");
    assert_int_equal(c->listener_count, 1);
    assert_string_equal(c->listeners[0].address, "127.0.0.1");
    assert_int_equal(c->listeners[0].port, 8443);
    assert_string_equal(c->listeners[0].subnet, "");
    assert_int_equal(c->cluster_count, 0);
    eg_config_limits limits = EG_CONFIG_LIMITS_DEFAULT;
    assert_memory_equal(&c->limits, &limits, sizeof limits);
    eg_config_free(c);
    eg_config_free(NULL);
}

static const char full[] = "state_dir: /var/lib/embergate\n"
                           "public_url: \"https://gateway.example:8443\"\n"
                           "domain: storage.example\n"
                           "storage_domains: [core.windows.net, other.example]\n"
                           "policies_dir: /etc/embergate/policies\n"
                           "log_level: debug\n"
                           "workers: 2\n"
                           "pool_threads: 16\n"
                           "users: {gateway: embergate, keeper: ember-keeper}\n"
                           "tls: {certificate: /c.pem, key: /k.pem, ca: /ca.pem, minimum_version: 1.3, bind_tokens: false}\n"
                           "listeners:\n"
                           "  - {name: inside, address: \"::1\", port: 8443, subnet: " SUBNET ", proxies: [192.0.2.7, \"2001:db8::/32\"], client_certificates: sign_in}\n"
                           "  - {name: outside, address: 0.0.0.0, port: 443}\n"
                           "tenants: [{id: " TENANT ", name: \"quo\\\"te\\\\ \xc3\xa9\"}]\n"
                           "issuers:\n"
                           "  - issuer: https://login.example/{tenantid}/v2.0\n"
                           "    tenant: " TENANT "\n"
                           "    discovery_url: https://login.example/.well-known/openid-configuration\n"
                           "    ca_file: /ca.pem\n"
                           "    audiences: [api://one, two]\n"
                           "    required_claims: [acr=high, a.b=c=d]\n"
                           "    client_audiences: [\"api://middle=x=" TENANT "\"]\n"
                           "    scopes: [use]\n"
                           "    app_roles: [Loader]\n"
                           "    claim_object_id: employee\n"
                           "    claim_groups: realm_access.roles\n"
                           "    claim_name: known_as\n"
                           "    claim_roles: entitlements\n"
                           "    graph_url: https://graph.example/v1.0\n"
                           "    graph_token_url: https://login.example/token\n"
                           "    graph_client_id: gateway\n"
                           "    graph_secret_file: /secret\n"
                           "    graph_scope: https://graph.example/.default\n"
                           "    graph_fresh_seconds: 60\n"
                           "    graph_grace_seconds: 600\n"
                           "    graph_groups_max: 5000\n"
                           "    skew_seconds: 60\n"
                           "    key_grace_seconds: 0\n"
                           "clusters:\n"
                           "  - name: spark\n"
                           "    tenant: " TENANT "\n"
                           "    subscription: " TENANT "\n"
                           "    resource_group: rg\n"
                           "    user: spark-one\n"
                           "    subnet: " SUBNET "\n"
                           "    workers: 3\n"
                           "    worker_cores: 4\n"
                           "    worker_memory_mb: 2048\n"
                           "    idle_stop_seconds: 60\n"
                           "    batch_retention_days: 30\n"
                           "    max_processes: 4096\n"
                           "    max_memory_mb: 16384\n"
                           "    max_disk_mb: 10240\n"
                           "    isolation: cluster\n"
                           "    http_basic: true\n"
                           "    csrf: false\n"
                           "    file_roots: [/srv/jobs, /srv/more]\n"
                           "    spark_home: /opt/spark\n"
                           "    python: /usr/bin/python3\n"
                           "    java_home: /opt/jdk\n"
                           "    jars: [/opt/hadoop-azure.jar]\n"
                           "accounts:\n"
                           "  - {name: lake, tenant: " TENANT ", subscription: " TENANT ", resource_group: rg, default: true, delete_retention_days: 7, "
                           "allowSharedKeyAccess: true, minimumTlsVersion: TLS1_3, supportsHttpsTrafficOnly: true}\n"
                           "quotas:\n"
                           "  - {name: people, per: tenant, only: " TENANT ", requests_per_second: 5, kib_in_per_second: 6, kib_out_per_second: 7, burst_seconds: 8, jobs: 9, "
                           "cores: 10, memory_mb: 11, stored_mib: 12}\n"
                           "policies: {source: store, require_ticket: true, two_person: true, separation_of_duties: true}\n"
                           "operations: {loopback: true, backup_max_age_seconds: 120, witness_seconds: 30}\n"
                           "witnesses:\n"
                           "  - {key: \"" WITNESS "\", url: \"https://witness.example/w1\", ca_file: /etc/witness.pem}\n"
                           "limits: {connections: 10, connections_per_address: 5, handshake_seconds: 1, head_seconds: 2, body_seconds: 3, "
                           "idle_seconds: 4, write_seconds: 5, stop_seconds: 0, store_mib: 64}\n";

static void assert_full(const eg_config *c) {
    assert_string_equal(c->state_dir, "/var/lib/embergate");
    assert_string_equal(c->tls_minimum_version, "1.3");
    assert_string_equal(c->user_keeper, "ember-keeper");
    assert_int_equal(c->workers, 2);
    assert_int_equal(c->listener_count, 2);
    assert_string_equal(c->listeners[0].address, "::1");
    assert_string_equal(c->listeners[0].subnet, SUBNET);
    assert_string_equal(c->tenants[0].name, "quo\"te\\ \xc3\xa9");
    assert_string_equal(c->issuers[0].issuer, "https://login.example/{tenantid}/v2.0");
    assert_string_equal(c->issuers[0].audiences[0], "api://one");
    assert_string_equal(c->issuers[0].audiences[1], "two");
    assert_null(c->issuers[0].audiences[2]);
    assert_string_equal(c->issuers[0].required_claims[1], "a.b=c=d");
    assert_string_equal(c->issuers[0].client_audiences[0], "api://middle=x=" TENANT);
    assert_string_equal(c->issuers[0].scopes[0], "use");
    assert_string_equal(c->issuers[0].app_roles[0], "Loader");
    assert_string_equal(c->issuers[0].claim_object_id, "employee");
    assert_string_equal(c->issuers[0].claim_groups, "realm_access.roles");
    assert_string_equal(c->issuers[0].claim_name, "known_as");
    assert_string_equal(c->issuers[0].claim_roles, "entitlements");
    assert_string_equal(c->issuers[0].graph_url, "https://graph.example/v1.0");
    assert_string_equal(c->issuers[0].graph_scope, "https://graph.example/.default");
    assert_int_equal(c->issuers[0].graph_groups_max, 5000);
    assert_int_equal(c->issuers[0].graph_fresh_seconds, 60);
    assert_int_equal(c->issuers[0].skew_seconds, 60);
    assert_int_equal(c->issuers[0].key_grace_seconds, 0);
    assert_int_equal(c->clusters[0].workers, 3);
    assert_int_equal(c->clusters[0].worker_memory_mb, 2048);
    assert_true(!c->clusters[0].csrf && c->clusters[0].http_basic);
    assert_string_equal(c->listeners[0].client_certificates, "sign_in");
    assert_string_equal(c->listeners[1].client_certificates, "off");
    assert_false(c->tls_bind_tokens);
    assert_string_equal(c->clusters[0].file_roots[1], "/srv/more");
    assert_string_equal(c->clusters[0].jars[0], "/opt/hadoop-azure.jar");
    assert_string_equal(c->clusters[0].user, "spark-one");
    assert_int_equal(c->clusters[0].max_disk_mb, 10240);
    assert_int_equal(c->accounts[0].delete_retention_days, 7);
    assert_true(c->loopback_details);
    assert_string_equal(c->policies_source, "store");
    assert_true(c->policies_require_ticket && c->policies_two_person && c->policies_separation_of_duties);
    assert_int_equal(c->backup_max_age_s, 120);
    assert_string_equal(c->storage_domains[0], "core.windows.net");
    assert_string_equal(c->storage_domains[1], "other.example");
    assert_null(c->storage_domains[2]);
    assert_true(c->accounts[0].is_default);
    assert_true(c->accounts[0].allow_shared_key && c->accounts[0].https_only);
    assert_string_equal(c->accounts[0].minimum_tls, "TLS1_3");
    assert_string_equal(c->clusters[0].subnet, SUBNET);
    assert_string_equal(c->listeners[0].proxies[1], "2001:db8::/32");
    assert_null(c->listeners[0].proxies[2]);
    assert_true(c->quota_count == 1 && c->quotas[0].requests_per_second == 5 && c->quotas[0].kib_out_per_second == 7 && c->quotas[0].memory_mb == 11 && c->quotas[0].stored_mib == 12);
    assert_string_equal(c->quotas[0].only, TENANT);
    assert_true(c->witness_count == 1 && c->witness_s == 30);
    assert_string_equal(c->witnesses[0].key, WITNESS);
    assert_string_equal(c->witnesses[0].url, "https://witness.example/w1");
    assert_string_equal(c->witnesses[0].ca_file, "/etc/witness.pem");
    assert_int_equal(c->limits.connections, 10);
    assert_int_equal(c->limits.stop_seconds, 0);
    assert_int_equal(c->limits.store_mib, 64);
}

static void every_key_and_back(void **state) {
    (void)state;
    eg_config *c = NULL;
    eg_config *again = NULL;
    eg_problem p = {0};
    eg_buf one;
    eg_buf two;
    eg_buf_init(&one, 1 << 20);
    eg_buf_init(&two, 1 << 20);
    if (parse(full, "", &c, &p) != EG_OK) {
        fail_msg("%s: %s", p.where, p.message);
    }
    assert_full(c);
    assert_int_equal(eg_config_render(c, &one), EG_OK);
    if (eg_config_parse(eg_buf_str(&one), "rendered", &again, &p) != EG_OK) {
        fail_msg("%s: %s\n%s", p.where, p.message, one.ptr);
    }
    assert_full(again);
    assert_int_equal(eg_config_render(again, &two), EG_OK);
    assert_string_equal(one.ptr, two.ptr);
    /* Every key stands in the rendered file, so that a test of all keys is a test of all rows. */
    for (int i = 0; i < EG_CONFIG_SECTIONS; i++) {
        for (size_t r = 0; r < eg_config_sections[i].row_count; r++) {
            char key[64];
            snprintf(key, sizeof key, "%s: ", eg_config_sections[i].rows[r].key);
            assert_non_null(strstr(full, key));
            assert_non_null(strstr(one.ptr, key));
        }
    }
    eg_config_free(c);
    eg_config_free(again);
    eg_buf_done(&one);
    eg_buf_done(&two);
}

/* Line ends and other signs that YAML 1.1 folds or refuses come back as they were. */
static void odd_signs_are_written_so_that_they_are_read(void **state) {
    (void)state;
    static const char *const names[] = {
        "a\xe2\x80\xa8 b", "\xe2\x80\xa9", "a\xc2\x85", "\xc2\x80\xc2\x9f", "\xef\xbb\xbfx", "\xef\xbf\xbe\xef\xbf\xbf", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\xa5",
    };
    eg_config *c = NULL;
    eg_problem p = {0};
    assert_int_equal(parse(full, "", &c, &p), EG_OK);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        eg_config *again = NULL;
        eg_buf b;
        eg_buf_init(&b, 1 << 20);
        const char *was = c->tenants[0].name;
        c->tenants[0].name = names[i];
        assert_int_equal(eg_config_render(c, &b), EG_OK);
        c->tenants[0].name = was;
        if (eg_config_parse(eg_buf_str(&b), "rendered", &again, &p) != EG_OK) {
            fail_msg("%zu: %s: %s", i, p.where, p.message);
        }
        assert_string_equal(again->tenants[0].name, names[i]);
        eg_config_free(again);
        eg_buf_done(&b);
    }
    eg_config_free(c);
}

static void half_filled_configurations_render(void **state) {
    (void)state;
    eg_config c = {.state_dir = "/s", .limits = EG_CONFIG_LIMITS_DEFAULT};
    eg_buf b;
    eg_buf_init(&b, 1 << 20);
    assert_int_equal(eg_config_render(&c, &b), EG_OK);
    assert_non_null(strstr(b.ptr, "state_dir: \"/s\"\n"));
    assert_non_null(strstr(b.ptr, "clusters: []\n"));
    eg_buf_done(&b);
    eg_buf_init(&b, 100);
    assert_int_equal(eg_config_render(&c, &b), EG_ERR_LIMIT);
    eg_buf_done(&b);
}

static void keys(void **state) {
    (void)state;
    refuse(minimal, "stat_dir: x\n", 10, "stat_dir", "expected one of state_dir, public_url");
    refuse(minimal, "stat_dir: x\n", 10, "limits", "there is no such key");
    refuse(minimal, "domain: a\ndomain: b\n", 11, "domain", "given twice");
    refuse(minimal, "tenants: []\n", 10, "tenants", "given twice");
    refuse(minimal, "users: {gateway: a, gateway: b}\n", 10, "users.gateway", "given twice");
    refuse(minimal, "users:\n  root: a\n", 11, "users.root", "expected one of gateway, keeper");
    refuse(minimal, "[a]: 1\n", 10, "a list", "there is no such key");
    refuse("state_dir: s\n", "", 1, "public_url", "missing");
    refuse(minimal, "clusters:\n  - {name: spark}\n", 11, "clusters[0].tenant", "missing; expected a GUID");
    refuse("state_dir: s\npublic_url: https://a\nlisteners: [{name: a}]\ntenants: []\n", "", 3, "listeners[0].port", "missing; expected a whole number");
    refuse("state_dir: s\npublic_url: https://a\n", "", 1, "listeners", "expected from 1 to 16 entries, found 0");
}

static void kinds(void **state) {
    (void)state;
    refuse(minimal, "workers: many\n", 10, "workers", "expected a whole number from 0 to 256, without quotes, found \"many\"");
    refuse(minimal, "workers: \"2\"\n", 10, "workers", "without quotes");
    refuse(minimal, "workers: 257\n", 10, "workers", "from 0 to 256");
    refuse(minimal, "workers: -1\n", 10, "workers", "from 0 to 256");
    refuse(minimal, "workers: 1.0\n", 10, "workers", "from 0 to 256");
    refuse(minimal, "workers: [1]\n", 10, "workers", "expected a single value, found a list");
    refuse(minimal, "users: x\n", 10, "users", "expected a mapping");
    refuse(minimal, "clusters: {}\n", 10, "clusters", "expected a list, found a mapping");
    refuse(minimal, "clusters: [x]\n", 10, "clusters[0]", "expected a mapping");
    refuse(minimal, "domain:\n", 10, "domain", "\"\"");
    refuse(minimal, "domain: null\n", 10, "domain", "a text");
    refuse(minimal, "domain: \"a\\0b\"\n", 10, "domain", "without control characters");
    refuse(minimal, "policies_dir: \"a\\nb\"\n", 10, "policies_dir", "without control characters");
    refuse("- a\n", "", 1, "The file", "expected a mapping");
    refuse("", "", 1, "empty", "expected at least state_dir");
    refuse("# nothing\n", "", 1, "empty", "expected at least state_dir");
}

static void in_cluster(const char *line, const char *key, const char *expected) {
    char text[1200];
    snprintf(text, sizeof text, "%s    %s\n", cluster, line);
    refuse(minimal, text, 16, key, expected);
}

static void values(void **state) {
    (void)state;
    refuse("state_dir: s\npublic_url: https://a\nlisteners: [{name: a, port: 1, client_certificates: on}]\ntenants: []\n", "", 3, "listeners[0].client_certificates", "off, request or sign_in");
    in_cluster("http_basic: maybe", "clusters[0].http_basic", "true or false");
    in_cluster("csrf: yes", "clusters[0].csrf", "true or false");
    in_cluster("isolation: principal", "clusters[0].isolation", "does not build principal");
    in_cluster("workers: 0", "clusters[0].workers", "from 1 to 64");
    in_cluster("user: Root", "clusters[0].user", "UNIX user");
    in_cluster("file_roots: /srv", "clusters[0].file_roots", "a list");
    in_cluster("file_roots: [\"\"]", "clusters[0].file_roots", "not empty");
    in_cluster("jars: [{a: b}]", "clusters[0].jars", "a text, found a mapping");
    refuse(minimal, "log_level: loud\n", 10, "log_level", "debug, info, warn or error");
    refuse(minimal, "domain: Upper.case\n", 10, "domain", "a domain name in lower case");
    refuse(minimal, "storage_domains: [Upper.case]\n", 10, "storage_domains", "a domain name in lower case");
    refuse(minimal, "tls: {minimum_version: 1.1}\n", 10, "tls.minimum_version", "\"1.2\" or \"1.3\"");
    refuse(minimal, "accounts: [{name: Lake}]\n", 10, "accounts[0].name", "3 to 24");
    static const char *const urls[] = {"http://a", "https://", "https://a/b", "https://u@a", "https://a:0", "https://a:99999", "https://a?b", "https://a b", "https://[::1",
                                       "https://[1]", "https://[::1]x", "https://a_b"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "state_dir: s\npublic_url: \"%s\"\n", urls[i]);
        refuse(text, "", 2, "public_url", "https://HOST or https://HOST:PORT");
    }
    static const char *const subnets[] = {"short", "/subscriptions/s", SUBNET "/x", "/subscriptions//resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n"};
    for (size_t i = 0; i < sizeof subnets / sizeof subnets[0]; i++) {
        char text[400];
        snprintf(text, sizeof text, "state_dir: s\npublic_url: https://[::1]:1\nlisteners:\n  - {name: a, port: 1, subnet: %s}\n", subnets[i]);
        refuse(text, "", 4, "listeners[0].subnet", "/subscriptions/{s}");
    }
    refuse("state_dir: s\npublic_url: https://a\nlisteners:\n  - {name: a, port: 1, address: localhost}\n", "", 4, "listeners[0].address", "IPv4 or IPv6");
    refuse("state_dir: s\npublic_url: https://a\nlisteners:\n  - {name: a, port: 65536}\n", "", 4, "listeners[0].port", "from 1 to 65535");
}

static void rules(void **state) {
    (void)state;
    char text[2000];
    snprintf(text, sizeof text, "%s%s", cluster, cluster + strlen("clusters:\n"));
    refuse(minimal, text, 16, "clusters[1].name", "is that of clusters[0] already");
    refuse(minimal, "accounts:\n  - {name: lake, tenant: 22222222-2222-2222-2222-222222222222, subscription: " TENANT ", resource_group: g}\n", 11,
           "accounts[0].tenant", "the id of an entry of tenants");
    refuse(minimal, "accounts:\n  - {name: lake, tenant: " TENANT ", subscription: " TENANT ", resource_group: g, supportsHttpsTrafficOnly: false}\n", 11,
           "supportsHttpsTrafficOnly", "expected true");
    refuse(minimal, "accounts:\n  - {name: lake, tenant: " TENANT ", subscription: " TENANT ", resource_group: g, minimumTlsVersion: TLS1_0}\n", 11,
           "accounts[0].minimumTlsVersion", "TLS1_2 or TLS1_3");
    refuse(minimal,
           "accounts:\n  - {name: one, tenant: " TENANT ", subscription: " TENANT ", resource_group: g, default: true}\n"
           "  - {name: two, tenant: " TENANT ", subscription: " TENANT ", resource_group: g, default: true}\n",
           12, "accounts[1].default", "at most one");
    refuse(minimal, "witnesses:\n  - {key: \"w+00000000+AAAA\", url: \"https://w.example\"}\n", 11, "witnesses[0].key", "name+hash+base64");
    refuse(minimal, "witnesses:\n  - {key: \"" WITNESS "\", url: \"http://w.example\"}\n", 11, "witnesses[0].url", "https://");
    refuse(minimal, "witnesses:\n  - {key: \"" WITNESS "\", url: \"https://w.example\"}\n  - {key: \"" WITNESS "\", url: \"https://v.example\"}\n", 12, "witnesses[1].key", "");
    refuse(minimal, "quotas:\n  - {name: q, per: cluster, only: absent, jobs: 1}\n", 11, "quotas[0].only", "the name of an entry of clusters");
    refuse(minimal, "quotas:\n  - {name: q, per: tenant, only: 22222222-2222-2222-2222-222222222222, jobs: 1}\n", 11, "quotas[0].only", "the id of an entry of tenants");
    refuse(minimal, "quotas:\n  - {name: q, only: somebody, jobs: 1}\n", 11, "quotas[0].only", "an object id");
    refuse(minimal, "quotas:\n  - {name: q}\n", 11, "quotas[0]", "at least one bound");
    refuse(minimal, "quotas:\n  - {name: q, per: person, jobs: 1}\n", 11, "quotas[0].per", "tenant, principal, cluster or account");
    refuse(minimal, "quotas:\n  - {name: q, per: principal, stored_mib: 1}\n", 11, "quotas[0].stored_mib", "per: tenant or account");
    refuse(minimal, "quotas:\n  - {name: q, per: account, jobs: 1}\n", 11, "quotas[0]", "only stored_mib");
    refuse(minimal, "quotas:\n  - {name: q, per: account, only: absent, stored_mib: 1}\n", 11, "quotas[0].only", "the name of an entry of accounts");
    refuse("state_dir: s\npublic_url: https://a\nlisteners:\n  - {name: a, port: 1, proxies: [192.0.2.7/24]}\n", "", 4, "listeners[0].proxies", "without bits behind it");
    refuse(minimal, "tls: {certificate: /c}\n", 1, "tls.certificate and tls.key", "both or neither");
    refuse(minimal, "issuers:\n  - {issuer: https://a, tenant: " TENANT ", discovery_url: https://a/b, audiences: [a], required_claims: [acr]}\n", 11,
           "issuers[0].required_claims", "CLAIM=VALUE");
    refuse(minimal, "issuers:\n  - {issuer: https://a, tenant: " TENANT ", discovery_url: https://a/b, audiences: [a], graph_url: https://g}\n", 11, "issuers[0]", "or none");
    refuse(minimal, "issuers:\n  - {issuer: https://a, tenant: " TENANT ", discovery_url: https://a/b, audiences: [a], graph_url: http://g}\n", 11, "issuers[0].graph_url",
           "an https:// URL");
    refuse(minimal, "issuers:\n  - {issuer: https://a, tenant: " TENANT ", discovery_url: https://a/b, audiences: [a], client_audiences: [api://x=y]}\n", 11,
           "issuers[0].client_audiences", "AUDIENCE=CLIENT_ID");
    refuse(minimal, "issuers:\n  - {issuer: https://a, tenant: " TENANT ", discovery_url: https://a/b, audiences: []}\n", 11, "issuers[0].audiences",
           "from 1 to 256");
}

static void yaml_itself(void **state) {
    (void)state;
    refuse(minimal, "domain: &a b\n", 10, "Anchors", "not accepted");
    refuse(minimal, "domain: *a\n", 10, "aliases", "not accepted");
    refuse(minimal, "domain: !!str b\n", 10, "Tags", "not accepted");
    refuse(minimal, "---\nstate_dir: x\n", 10, "second document", "expected one");
    refuse(minimal, "domain: [[[[[[[[[[[1]]]]]]]]]]]\n", 10, "nested deeper", "8");
    refuse(minimal, "domain: \"a\n", 11, "not valid YAML", "");
    refuse(minimal, "\tdomain: a\n", 10, "not valid YAML", "");
    refuse(minimal, "domain: \xff\n", 1, "not valid YAML", "");
    char *longer = malloc((1 << 20) + 2);
    memset(longer, '#', (1 << 20) + 1);
    longer[(1 << 20) + 1] = '\0';
    refuse(longer, "", 1, "longer than 1048576", "");
    free(longer);
}

static void files(void **state) {
    (void)state;
    char dir[] = "tmp-config-XXXXXX";
    char path[64];
    char linked[64];
    eg_config *c = NULL;
    eg_problem p = {0};
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/real.yaml", dir);
    snprintf(linked, sizeof linked, "%s/link.yaml", dir);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(minimal, f);
    fclose(f);
    assert_int_equal(symlink("real.yaml", linked), 0);
    assert_int_equal(eg_config_load(linked, &c, &p), EG_OK);
    assert_int_equal(c->state_dir[0], '/');
    char ends[80];
    snprintf(ends, sizeof ends, "/%s/state", dir);
    assert_true(eg_str_ends(eg_str_of(c->state_dir), ends)); /* relative to the file, not to us */
    eg_config_free(c);
    c = NULL;
    assert_int_equal(chmod(path, 0666), 0);
    assert_int_equal(eg_config_load(path, &c, &p), EG_ERR_CONFIG);
    assert_non_null(strstr(p.message, "everybody"));
    assert_string_equal(p.where, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(eg_config_load(path, &c, &p), EG_ERR_CONFIG);
    assert_string_equal(p.where, path);
    assert_int_equal(eg_config_load(dir, &c, &p), EG_ERR_CONFIG);
    assert_null(c);
    unlink(linked);
    rmdir(dir);
}

/* The page is found from this file's own place in the source tree. */
static void look_ups(void **state) {
    (void)state;
    eg_config *c = NULL;
    eg_problem p = {0};
    assert_int_equal(parse(minimal, "", &c, &p), EG_OK);
    assert_string_equal(eg_config_tenant_named(c, "example")->id, TENANT);
    assert_string_equal(eg_config_tenant_named(c, TENANT)->name, "example");
    assert_ptr_equal(eg_config_tenant_named(c, NULL), &c->tenants[0]);
    assert_null(eg_config_tenant_named(c, "other"));
    assert_string_equal(eg_config_subscription(c, TENANT), TENANT);
    eg_config_free(c);
}

static void the_reference_is_current(void **state) {
    (void)state;
    char path[4096];
    const char *slash = strrchr(__FILE__, '/');
    snprintf(path, sizeof path, "%.*s/../../../docs/CONFIGURATION.md", slash ? (int)(slash - __FILE__) : 1, slash ? __FILE__ : ".");
    eg_buf want;
    eg_buf_init(&want, 1 << 20);
    assert_int_equal(eg_config_reference(&want), EG_OK);
    char *have = calloc(1, want.len + 2);
    FILE *f = fopen(path, "re");
    if (!f) {
        fail_msg("%s cannot be read", path);
    }
    size_t n = fread(have, 1, want.len + 1, f);
    fclose(f);
    if (n != want.len || memcmp(have, want.ptr, n) != 0) {
        fail_msg("%s is not current: run this program with --reference and write what it prints there", path);
    }
    free(have);
    eg_buf_done(&want);
}

static int print_reference(void) {
    eg_buf b;
    eg_buf_init(&b, 1 << 20);
    int rc = eg_config_reference(&b) == EG_OK && fwrite(b.ptr, 1, b.len, stdout) == b.len ? 0 : 1;
    eg_buf_done(&b);
    return rc;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--reference") == 0) {
        return print_reference();
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults), cmocka_unit_test(look_ups), cmocka_unit_test(every_key_and_back), cmocka_unit_test(odd_signs_are_written_so_that_they_are_read),
        cmocka_unit_test(half_filled_configurations_render), cmocka_unit_test(keys),
        cmocka_unit_test(kinds), cmocka_unit_test(values), cmocka_unit_test(rules), cmocka_unit_test(yaml_itself), cmocka_unit_test(files),
        cmocka_unit_test(the_reference_is_current)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
