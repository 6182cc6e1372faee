/* The files that init makes besides keys and stores: certificates, trust store, network policy; and who owns what. */
#include "init.h"

#include "certificate_authority.h"
#include "state_dir.h"

#include <embergate/durable_file.h>
#include <embergate/java_trust.h>
#include <embergate/json.h>
#include <embergate/secret.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX 65536

static eg_err put(const char *dir, const char *name, mode_t mode, eg_bytes content, eg_problem *p) {
    char path[EG_STATE_PATH_MAX];
    EG_TRY(eg_state_path(dir, name, path, p));
    return eg_file_replace(AT_FDCWD, path, mode, content, p);
}

#define DOMAIN_NAMES_MAX (4 + 2 * EG_INIT_LIST_MAX)
#define NAMES_MAX (3 + DOMAIN_NAMES_MAX + 1 + EG_INIT_LIST_MAX + 1)

/* Further domains may be somebody else's, Microsoft's say: the certificate names our account there, and nobody else's. */
static void collect_names(const eg_init_options *o, char storage[DOMAIN_NAMES_MAX][300], const char *names[NAMES_MAX]) {
    size_t n = 0, made = 4;
    const char *const usual[] = {"localhost", "127.0.0.1", "::1"};
    for (size_t i = 0; i < 3; i++) {
        names[n++] = usual[i];
    }
    (void)snprintf(storage[0], sizeof storage[0], "%s", o->domain);
    (void)snprintf(storage[1], sizeof storage[1], "*.%s", o->domain);
    (void)snprintf(storage[2], sizeof storage[2], "*.dfs.%s", o->domain);
    (void)snprintf(storage[3], sizeof storage[3], "*.blob.%s", o->domain);
    for (size_t i = 0; i < EG_INIT_LIST_MAX && o->storage_domains[i]; i++) {
        (void)snprintf(storage[made++], sizeof storage[0], "%s.dfs.%s", o->account, o->storage_domains[i]);
        (void)snprintf(storage[made++], sizeof storage[0], "%s.blob.%s", o->account, o->storage_domains[i]);
    }
    for (size_t i = 0; i < made; i++) {
        names[n++] = storage[i];
    }
    if (strcmp(o->address, "127.0.0.1") != 0 && strcmp(o->address, "0.0.0.0") != 0 && strcmp(o->address, "::") != 0) {
        names[n++] = o->address;
    }
    for (size_t i = 0; i < EG_INIT_LIST_MAX && o->names[i]; i++) {
        names[n++] = o->names[i];
    }
    names[n] = NULL;
}

eg_err eg_init_tls(const eg_init_options *o, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf ca_key, ca, key, cert, jks;
    eg_buf_init(&ca_key, PEM_MAX);
    eg_buf_init(&ca, PEM_MAX);
    eg_buf_init(&key, PEM_MAX);
    eg_buf_init(&cert, PEM_MAX);
    eg_buf_init(&jks, PEM_MAX);
    char storage[DOMAIN_NAMES_MAX][300];
    const char *names[NAMES_MAX];
    collect_names(o, storage, names);
    EG_TRY(eg_ca_new("embergate private CA", &ca_key, &ca, p));
    eg_ca_request rq = {.common_name = "embergate gateway", .names = names, .days = EG_SERVER_CERTIFICATE_DAYS};
    EG_TRY(eg_ca_issue(eg_buf_str(&ca_key), eg_buf_str(&ca), &rq, &key, &cert, p));
    EG_TRY(eg_trust_jks(eg_buf_str(&ca), &jks, p));
    EG_TRY(put(o->state_dir, "ca/ca.key", 0600, eg_buf_bytes(&ca_key), p));
    EG_TRY(put(o->state_dir, "ca/ca.pem", 0644, eg_buf_bytes(&ca), p));
    EG_TRY(put(o->state_dir, "tls/ca.pem", 0644, eg_buf_bytes(&ca), p));
    EG_TRY(put(o->state_dir, "tls/trust.jks", 0644, eg_buf_bytes(&jks), p));
    EG_TRY(put(o->state_dir, "tls/server.pem", 0644, eg_buf_bytes(&cert), p));
    EG_TRY(put(o->state_dir, "tls/server.key", 0600, eg_buf_bytes(&key), p));
    eg_cleanse(ca_key.ptr, ca_key.len);
    eg_cleanse(key.ptr, key.len);
    return EG_OK;
}

static eg_err put_json(const char *dir, const char *name, json_t *taken, eg_problem *p) {
    char *text = taken ? json_dumps(taken, JSON_INDENT(2)) : NULL;
    json_decref(taken);
    if (!text) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory");
    }
    eg_err e = put(dir, name, 0644, eg_str_bytes(eg_str_of(text)), p);
    free(text);
    return e;
}

/* On loopback the virtual network is the loopback range, which Azure's default rule AllowVnetInBound lets in. Any other address
 * gets one rule of its own that allows the port from anywhere, for the administrator to narrow. */
eg_err eg_init_network(const eg_init_options *o, const char *subscription, char ret_subnet[256], eg_problem *p) {
    char network[200], group[200], port[8];
    bool loopback = strncmp(o->address, "127.", 4) == 0;
    (void)snprintf(network, sizeof network, "/subscriptions/%s/resourceGroups/embergate/providers/Microsoft.Network/virtualNetworks/default", subscription);
    (void)snprintf(group, sizeof group, "/subscriptions/%s/resourceGroups/embergate/providers/Microsoft.Network/networkSecurityGroups/default", subscription);
    (void)snprintf(ret_subnet, 256, "%s/subnets/gateway", network);
    (void)snprintf(port, sizeof port, "%u", (unsigned)o->port);
    json_t *rules = json_array();
    if (!loopback) {
        json_array_append_new(rules, json_pack("{s:s, s:{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s}}", "name", "allow-gateway", "properties", "priority", 1000,
                                               "direction", "Inbound", "access", "Allow", "protocol", "Tcp", "sourceAddressPrefix", "*", "sourcePortRange", "*",
                                               "destinationAddressPrefix", "*", "destinationPortRange", port));
    }
    EG_TRY(put_json(o->state_dir, "policies/networkSecurityGroups/default.json",
                    json_pack("{s:s, s:s, s:{s:o}}", "id", group, "name", "default", "properties", "securityRules", rules), p));
    const char *prefix = loopback ? "127.0.0.0/8" : "10.0.0.0/8";
    return put_json(o->state_dir, "policies/virtualNetworks/default.json",
                    json_pack("{s:s, s:s, s:{s:{s:[s]}, s:[{s:s, s:s, s:{s:s, s:{s:s}}}]}}", "id", network, "name", "default", "properties", "addressSpace",
                              "addressPrefixes", prefix, "subnets", "id", ret_subnet, "name", "gateway", "properties", "addressPrefix", prefix,
                              "networkSecurityGroup", "id", group), p);
}

static const struct {
    const char *path;
    mode_t mode;
    enum { OF_ROOT, OF_GATEWAY, OF_KEEPER, OF_GATEWAY_GROUP } owner;
    bool whole_tree;
} state_owners[] = {
    {"", 0711, OF_ROOT, false},               /* jobs pass through to clusters/, but list nothing */
    {"gateway", 0700, OF_GATEWAY, true},      /* store, segments, audit log */
    {"keeper", 0700, OF_KEEPER, true},        /* every long-term key */
    {"ca", 0700, OF_ROOT, true},
    {"profiles", 0700, OF_ROOT, true},        /* secrets of local principals */
    {"tls", 0755, OF_ROOT, false},            /* public certificates … */
    {"tls/server.key", 0600, OF_GATEWAY, false}, /* … and the one key beside them */
    {"policies", 0750, OF_GATEWAY_GROUP, false}, /* root writes, the gateway reads */
    {"run", 0711, OF_ROOT, false},
    {"clusters", 0711, OF_ROOT, false},
    {"embergate.yaml", 0644, OF_ROOT, false},
    {"FORMAT", 0644, OF_ROOT, false},
};

eg_err eg_init_owners(const eg_config *c, eg_problem *p) {
    eg_unix_user us, gateway, keeper;
    EG_TRY(eg_unix_user_find("", &us, p));
    EG_TRY(eg_unix_user_find(c->user_gateway, &gateway, p));
    EG_TRY(eg_unix_user_find(c->user_keeper, &keeper, p));
    for (size_t i = 0; i < sizeof state_owners / sizeof state_owners[0]; i++) {
        char path[EG_STATE_PATH_MAX];
        EG_TRY(eg_state_path(c->state_dir, state_owners[i].path, path, p));
        eg_unix_user u = state_owners[i].owner == OF_GATEWAY ? gateway : state_owners[i].owner == OF_KEEPER ? keeper : us;
        if (state_owners[i].owner == OF_GATEWAY_GROUP) {
            u.gid = gateway.gid;
        }
        if (state_owners[i].whole_tree) {
            EG_TRY(eg_unix_user_own_tree(path, &u, p));
        }
        if (strcmp(state_owners[i].path, "policies") == 0 && access(path, F_OK) != 0) {
            continue; /* they are in the store */
        }
        if (lchown(path, u.uid, u.gid) != 0 || chmod(path, state_owners[i].mode) != 0) {
            return eg_fail(p, eg_err_from_errno(errno), "'%s' can't be given its owner and mode: %s", path, strerror(errno));
        }
    }
    return EG_OK;
}
