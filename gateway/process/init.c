/* `embergate init`: makes a state directory with everything that `embergate serve` needs. */
#include "init.h"

#include "../policy/policy_open.h"
#include "state_dir.h"
#include "store_digest.h"

#include <embergate/durable_file.h>
#include <embergate/audit.h>
#include <embergate/keys.h>
#include <embergate/storage.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const admin_roles[] = {"Owner", "Storage Blob Data Owner", "Embergate Job Submitter", "Embergate Auditor", NULL};
static const struct {
    const char *path;
    mode_t mode;
} state_folders[] = {
    {"gateway", 0700}, {"gateway/db", 0700}, {"gateway/segments", 0700}, {"gateway/audit", 0700}, {"keeper", 0700}, {"ca", 0700},
    {"profiles", 0700}, {"tls", 0755}, {"policies", 0755}, {"policies/roleAssignments", 0755}, {"policies/roleDefinitions", 0755},
    {"policies/networkSecurityGroups", 0755}, {"policies/virtualNetworks", 0755}, {"policies/storageAccounts", 0755}, {"run", 0755}, {"clusters", 0755},
};

static eg_err must_be_empty(const char *dir, eg_problem *p) {
    DIR *d = opendir(dir);
    if (!d) {
        return errno == ENOENT ? EG_OK : eg_fail(p, eg_err_from_errno(errno), "'%s' can't be opened: %s", dir, strerror(errno));
    }
    bool empty = true;
    for (struct dirent *e; empty && (e = readdir(d));) {
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    }
    closedir(d);
    if (empty) {
        return EG_OK;
    }
    (void)eg_fail(p, EG_ERR_EXISTS, "'%s' is not empty", dir);
    return eg_fail_hint(p, "init never writes over anything: name another directory, or remove this one yourself");
}

static eg_err make_folders(const char *dir, eg_problem *p) {
    EG_TRY(eg_dir_make(dir, 0700, p));
    if (chmod(dir, 0700) != 0) {
        return eg_fail(p, eg_err_from_errno(errno), "'%s' can't be closed to others: %s", dir, strerror(errno));
    }
    for (size_t i = 0; i < sizeof state_folders / sizeof state_folders[0]; i++) {
        char path[EG_STATE_PATH_MAX];
        EG_TRY(eg_state_path(dir, state_folders[i].path, path, p));
        EG_TRY(eg_dir_make(path, state_folders[i].mode, p));
    }
    return EG_OK;
}

typedef struct init_plan {
    eg_init_options o;
    eg_init_tenant tenants[EG_INIT_LIST_MAX];
    size_t tenant_count;
    char subnet[256];
    char cluster_users[EG_INIT_LIST_MAX][64];
    char public_url[300];
    char paths[4][EG_STATE_PATH_MAX];
} init_plan;

static eg_err init_keys(const init_plan *plan, eg_buf *ret_recovery, eg_problem *p) {
    char keeper[EG_STATE_PATH_MAX];
    EG_TRY(eg_state_path(plan->o.state_dir, "keeper", keeper, p));
    EG_TRY(eg_keeper_init(keeper, ret_recovery, p));
    EG_TRY(eg_keeper_add_tenant(keeper, EG_LIT(EG_AUDIT_SERVER_TENANT), p));
    for (size_t i = 0; i < plan->tenant_count; i++) {
        EG_TRY(eg_keeper_add_tenant(keeper, eg_str_of(plan->tenants[i].id), p));
    }
    return EG_OK;
}

static eg_err init_config(init_plan *plan, eg_problem *p) {
    const eg_init_options *o = &plan->o;
    const char *const none[] = {NULL};
    eg_config_listener listener = {.name = "https", .address = o->address, .port = o->port, .subnet = plan->subnet, .client_certificates = "off"};
    eg_config_tenant tenants[EG_INIT_LIST_MAX];
    for (size_t i = 0; i < plan->tenant_count; i++) {
        tenants[i] = (eg_config_tenant){.id = plan->tenants[i].id, .name = o->tenants[i]};
    }
    eg_config_cluster clusters[EG_INIT_LIST_MAX];
    size_t cluster_count = 0;
    for (; cluster_count < EG_INIT_LIST_MAX && o->clusters[cluster_count]; cluster_count++) {
        clusters[cluster_count] = (eg_config_cluster){
            .name = o->clusters[cluster_count], .tenant = plan->tenants[0].id, .subscription = plan->tenants[0].subscription, .resource_group = "embergate",
            .user = plan->cluster_users[cluster_count], .workers = o->workers, .worker_cores = o->worker_cores, .worker_memory_mb = o->worker_memory_mb,
            .idle_stop_seconds = 900, .max_processes = 8192, .max_disk_mb = 32768, .isolation = "cluster", .csrf = true, .file_roots = none, .spark_home = o->spark_home, .python = o->python,
            .java_home = "", .jars = o->jars};
    }
    eg_config_account account = {.name = o->account, .minimum_tls = "TLS1_2", .https_only = true, .tenant = plan->tenants[0].id, .subscription = plan->tenants[0].subscription,
                                 .resource_group = "embergate", .is_default = true};
    eg_config c = {.state_dir = o->state_dir, .public_url = plan->public_url, .domain = o->domain, .storage_domains = o->storage_domains, .policies_dir = "", .policies_source = o->policies_source, .log_level = "info",
                   .user_gateway = o->make_users ? "embergate" : "", .user_keeper = o->make_users ? "embergate-keeper" : "", .tls_certificate = "",
                   .tls_key = "", .tls_ca = "", .tls_minimum_version = "1.2", .tls_bind_tokens = true, .listeners = &listener, .listener_count = 1, .tenants = tenants,
                   .tenant_count = plan->tenant_count, .clusters = clusters, .cluster_count = cluster_count, .accounts = &account, .account_count = 1,
                   .witness_s = EG_CONFIG_WITNESS_SECONDS_DEFAULT, .limits = EG_CONFIG_LIMITS_DEFAULT};
    EG_CLEANUP(eg_buf_done) eg_buf yaml;
    eg_buf_init(&yaml, 1u << 20);
    EG_TRY(eg_config_render(&c, &yaml));
    char path[EG_STATE_PATH_MAX];
    EG_TRY(eg_state_path(o->state_dir, "embergate.yaml", path, p));
    return eg_file_replace(AT_FDCWD, path, 0644, eg_buf_bytes(&yaml), p);
}

/* The account and its container, by the storage room itself, with the keys opened in this process. */
static eg_err init_storage(const init_plan *plan, eg_problem *p) {
    char db[EG_STATE_PATH_MAX], segments[EG_STATE_PATH_MAX], keeper[EG_STATE_PATH_MAX];
    EG_TRY(eg_state_path(plan->o.state_dir, "gateway/db", db, p));
    EG_TRY(eg_state_path(plan->o.state_dir, "gateway/segments", segments, p));
    EG_TRY(eg_state_path(plan->o.state_dir, "keeper", keeper, p));
    eg_kv *kv = NULL;
    eg_committer *committer = NULL;
    eg_keys *keys = NULL;
    eg_storage *storage = NULL;
    eg_kv_options ko = {.dir = db};
    eg_err e = eg_kv_open(&ko, &kv, p);
    e = e != EG_OK ? e : eg_committer_start(kv, &committer);
    e = e != EG_OK ? e : eg_keeper_open_local(keeper, &keys, p);
    bool counted = false;
    e = e != EG_OK ? e : eg_store_digest_start(kv, committer, keys, NULL, &counted, p);
    eg_storage_options so = {.dir = segments, .kv = kv, .committer = committer, .keys = keys, .clock = &eg_clock_system};
    e = e != EG_OK ? e : eg_storage_open(&so, &storage, p);
    e = e != EG_OK ? e : eg_storage_ensure_account(storage, eg_str_of(plan->o.account), eg_str_of(plan->tenants[0].id), p);
    e = e != EG_OK ? e : eg_storage_ensure_container(storage, eg_str_of(plan->o.account), eg_str_of(plan->o.container), p);
    if (storage) {
        eg_storage_close(storage);
    }
    if (keys) {
        eg_keeper_local_free(keys);
    }
    if (committer) {
        eg_committer_stop(committer);
    }
    if (kv) {
        eg_kv_close(kv);
    }
    return e;
}

static eg_err take_document(void *ctx, eg_policy_kind kind, const char *file, eg_str text, eg_problem *p) {
    eg_policy_changed done;
    const eg_policy_put put = {kind, text, file};
    const eg_policy_change c = {.by = "init", .puts = &put, .put_count = 1, .settled = true};
    return eg_policy_store_change(ctx, &c, NULL, &done, p);
}

/* What was written as files becomes the store's first versions, and the files go: they would be believed to be in force. */
static eg_err init_policies(const init_plan *plan, const eg_config *c, eg_problem *p) {
    char dir[EG_STATE_PATH_MAX];
    if (strcmp(c->policies_source, "store") != 0) {
        return EG_OK;
    }
    EG_TRY(eg_state_path(plan->o.state_dir, "policies", dir, p));
    EG_CLEANUP(eg_policy_offline_done) eg_policy_offline store = {0};
    EG_TRY(eg_policy_offline_open(c, &store, p));
    EG_TRY(eg_policy_read_dir(dir, (eg_policy_sink){take_document, store.store}, p));
    static const char *const gone[] = {"policies/networkSecurityGroups/default.json", "policies/virtualNetworks/default.json"};
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
        char path[EG_STATE_PATH_MAX];
        EG_TRY(eg_state_path(plan->o.state_dir, gone[i], path, p));
        (void)unlink(path);
    }
    for (size_t i = sizeof state_folders / sizeof state_folders[0]; i-- > 0;) {
        char path[EG_STATE_PATH_MAX];
        if (strncmp(state_folders[i].path, "policies", 8) == 0) {
            EG_TRY(eg_state_path(plan->o.state_dir, state_folders[i].path, path, p));
            if (rmdir(path) != 0) {
                return eg_fail(p, eg_err_from_errno(errno), "'%s' can't be removed: %s", path, strerror(errno));
            }
        }
    }
    return EG_OK;
}

static eg_err init_administrator(const init_plan *plan, const eg_config *c, eg_problem *p) {
    eg_new_principal admin = {.state_dir = plan->o.state_dir, .tenant = plan->tenants[0].id, .subscription = plan->tenants[0].subscription, .name = "admin"};
    for (size_t i = 0; admin_roles[i]; i++) {
        admin.roles[i] = admin_roles[i];
    }
    return eg_init_principal(c, &admin, p);
}

static eg_err init_users(init_plan *plan, eg_problem *p) {
    for (size_t i = 0; i < EG_INIT_LIST_MAX && plan->o.clusters[i]; i++) {
        if (plan->o.make_users) {
            (void)snprintf(plan->cluster_users[i], sizeof plan->cluster_users[i], "eg-c-%s", plan->o.clusters[i]);
            EG_TRY(eg_unix_user_ensure(plan->cluster_users[i], p));
        }
    }
    if (plan->o.make_users) {
        EG_TRY(eg_unix_user_ensure("embergate", p));
        EG_TRY(eg_unix_user_ensure("embergate-keeper", p));
    }
    return EG_OK;
}

static eg_err put_format(const char *dir, eg_problem *p) {
    char path[EG_STATE_PATH_MAX];
    EG_TRY(eg_state_path(dir, "FORMAT", path, p));
    return eg_file_replace(AT_FDCWD, path, 0644, eg_str_bytes(EG_LIT(EG_STATE_FORMAT "\n")), p);
}

/* FORMAT is written last: a directory without it was not finished, and nothing serves it. */
static eg_err init_all(init_plan *plan, eg_buf *ret_recovery, eg_problem *p) {
    char path[EG_STATE_PATH_MAX];
    for (plan->tenant_count = 0; plan->tenant_count < EG_INIT_LIST_MAX && plan->o.tenants[plan->tenant_count]; plan->tenant_count++) {
        eg_uuid_new(plan->tenants[plan->tenant_count].id);
        eg_uuid_new(plan->tenants[plan->tenant_count].subscription);
    }
    (void)snprintf(plan->public_url, sizeof plan->public_url, "https://%s:%u", strcmp(plan->o.address, "0.0.0.0") == 0 ? "127.0.0.1" : plan->o.address,
                   (unsigned)plan->o.port);
    EG_TRY(must_be_empty(plan->o.state_dir, p));
    EG_TRY(init_users(plan, p));
    EG_TRY(make_folders(plan->o.state_dir, p));
    EG_TRY(eg_init_tls(&plan->o, p));
    EG_TRY(eg_init_network(&plan->o, plan->tenants[0].subscription, plan->subnet, p));
    EG_TRY(init_keys(plan, ret_recovery, p));
    EG_TRY(init_config(plan, p));
    EG_TRY(eg_state_path(plan->o.state_dir, "embergate.yaml", path, p));
    EG_CLEANUP(eg_config_free_p) eg_config *c = NULL;
    EG_TRY(eg_config_load(path, &c, p));
    EG_TRY(init_storage(plan, p));
    EG_TRY(init_policies(plan, c, p));
    EG_TRY(init_administrator(plan, c, p));
    EG_TRY(put_format(plan->o.state_dir, p));
    return eg_init_owners(c, p);
}

static const struct option init_long[] = {
    {"state", required_argument, NULL, 's'},       {"address", required_argument, NULL, 'a'}, {"port", required_argument, NULL, 'p'},
    {"domain", required_argument, NULL, 'd'},      {"storage-domain", required_argument, NULL, 'D'},
        {"name", required_argument, NULL, 'n'},    {"tenant", required_argument, NULL, 't'},
    {"cluster", required_argument, NULL, 'c'},     {"account", required_argument, NULL, 'A'}, {"container", required_argument, NULL, 'C'},
    {"spark-home", required_argument, NULL, 'S'},  {"python", required_argument, NULL, 'P'},  {"jar", required_argument, NULL, 'j'},
    {"workers", required_argument, NULL, 'w'},     {"worker-cores", required_argument, NULL, 'k'}, {"worker-memory-mb", required_argument, NULL, 'm'},
    {"one-user", no_argument, NULL, 'u'},          {"policies", required_argument, NULL, 'o'},
    {NULL, 0, NULL, 0},
};

static bool append(const char **list, const char *value) {
    size_t n = 0;
    while (n < EG_INIT_LIST_MAX && list[n]) {
        n++;
    }
    if (n + 1 >= EG_INIT_LIST_MAX) {
        return false;
    }
    list[n] = value;
    return true;
}

static bool number(const char *text, uint64_t max, unsigned *ret) {
    uint64_t v = 0;
    if (eg_str_u64(eg_str_of(text), max, &v) != EG_OK || v == 0) {
        return false;
    }
    *ret = (unsigned)v;
    return true;
}

static bool take_option(eg_init_options *o, int c) {
    unsigned v = 0;
    switch (c) {
    case 's': o->state_dir = optarg; return true;
    case 'a': o->address = optarg; return true;
    case 'p':
        if (!number(optarg, 65535, &v)) {
            return false;
        }
        o->port = (uint16_t)v;
        return true;
    case 'd': o->domain = optarg; return true;
    case 'D': return append(o->storage_domains, optarg);
    case 'c': return append(o->clusters, optarg);
    case 'A': o->account = optarg; return true;
    case 'C': o->container = optarg; return true;
    case 'S': o->spark_home = optarg; return true;
    case 'P': o->python = optarg; return true;
    case 'n': return append(o->names, optarg);
    case 't': return append(o->tenants, optarg);
    case 'j': return append(o->jars, optarg);
    case 'w': return number(optarg, 64, &o->workers);
    case 'k': return number(optarg, 256, &o->worker_cores);
    case 'm': return number(optarg, 1048576, &o->worker_memory_mb);
    case 'o': o->policies_source = optarg; return strcmp(optarg, "store") == 0 || strcmp(optarg, "files") == 0;
    case 'u': o->make_users = false; return true;
    default: return false;
    }
}

static void tell(const init_plan *plan, const eg_buf *recovery) {
    printf("state directory   %s\n", plan->o.state_dir);
    printf("endpoint          %s\n", plan->public_url);
    for (size_t i = 0; i < plan->tenant_count; i++) {
        printf("tenant            %s  %s (subscription %s)\n", plan->o.tenants[i], plan->tenants[i].id, plan->tenants[i].subscription);
    }
    for (size_t i = 0; i < EG_INIT_LIST_MAX && plan->o.clusters[i]; i++) {
        printf("cluster           %s (%u workers with %u core%s and %u MB each)\n", plan->o.clusters[i], plan->o.workers, plan->o.worker_cores,
               plan->o.worker_cores == 1 ? "" : "s", plan->o.worker_memory_mb);
    }
    printf("storage           account %s, container %s\n", plan->o.account, plan->o.container);
    printf("administrator     %s/profiles/admin.json (holds a secret, readable by its owner only)\n", plan->o.state_dir);
    printf("recovery key      %.*s\n", (int)recovery->len, recovery->ptr);
    printf("                  Write it down now and keep it elsewhere: it opens a restored backup, and it is not shown again.\n");
    printf("next              embergate serve --state %s\n", plan->o.state_dir);
    if (!plan->o.make_users) {
        printf("missing           all processes run as one UNIX user: jobs are not kept from the state directory. Run as root for that.\n");
    }
}

int eg_command_init(int argc, char **argv) {
    static init_plan plan; /* large, and there is one */
    plan.o = (eg_init_options){.address = "127.0.0.1", .port = 8443, .domain = "embergate.internal", .account = "lake",
                               .container = "data", .spark_home = "", .python = "/usr/bin/python3", .workers = 2, .worker_cores = 1,
                               .worker_memory_mb = 2048, .policies_source = "store", .make_users = geteuid() == 0};
    eg_problem p = {0};
    for (int c; (c = getopt_long(argc, argv, "", init_long, NULL)) != -1;) {
        if (!take_option(&plan.o, c)) {
            (void)eg_fail(&p, EG_ERR_INVALID, "init: an option is unknown or its value is wrong");
            (void)eg_fail_hint(&p, "see: embergate init --help");
            return eg_process_complain(&p);
        }
    }
    if (!plan.o.make_users && geteuid() == 0) {
        (void)eg_fail(&p, EG_ERR_INVALID, "init: --one-user is for people who are not root: nothing of embergate that reads the network runs as root");
        return eg_process_complain(&p);
    }
    if (!plan.o.state_dir) {
        (void)eg_fail(&p, EG_ERR_INVALID, "init: --state DIR is owed");
        return eg_process_complain(&p);
    }
    if (!plan.o.tenants[0]) {
        plan.o.tenants[0] = "default";
    }
    if (!plan.o.clusters[0]) {
        plan.o.clusters[0] = "analytics";
    }
    char absolute[PATH_MAX];
    if (plan.o.state_dir[0] != '/') {
        if (!getcwd(absolute, sizeof absolute / 2) || strlen(absolute) + strlen(plan.o.state_dir) + 2 > sizeof absolute) {
            (void)eg_fail(&p, EG_ERR_INVALID, "init: the path of --state is too long");
            return eg_process_complain(&p);
        }
        (void)snprintf(absolute + strlen(absolute), sizeof absolute - strlen(absolute), "/%s", plan.o.state_dir);
        plan.o.state_dir = absolute;
    }
    umask(022);
    EG_CLEANUP(eg_buf_done) eg_buf recovery;
    eg_buf_init(&recovery, 1024);
    if (init_all(&plan, &recovery, &p) != EG_OK) {
        return eg_process_complain(&p);
    }
    tell(&plan, &recovery);
    return 0;
}
