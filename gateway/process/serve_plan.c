/* Resolves users and paths, binds the sockets, and turns the configuration into what the rooms take. */
#include "serve_plan.h"

#include "admin_protocol.h"

#include <arpa/inet.h>
#include <embergate/ipc.h>
#include <embergate/policy.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096
#define PLAN_ARENA_BYTES (1u << 20)

static eg_err choose(const char *configured, const char *state, const char *rest, char ret[EG_STATE_PATH_MAX], eg_problem *p) {
    if (!*configured) {
        return eg_state_path(state, rest, ret, p);
    }
    int n = snprintf(ret, EG_STATE_PATH_MAX, "%s", configured);
    return n > 0 && n < EG_STATE_PATH_MAX ? EG_OK : eg_fail(p, EG_ERR_CONFIG, "a configured path is too long");
}

static eg_err resolve_paths(const eg_config *c, eg_serve_plan *plan, eg_problem *p) {
    const struct { char *to; const char *configured; const char *rest; } rows[] = {
        {plan->keeper_socket, "", "run/keeper.sock"},
        {plan->launcher_socket, "", "run/launcher.sock"},
        {plan->admin_socket, "", EG_ADMIN_SOCKET},
        {plan->erasures, "", "gateway/erasures"},
        {plan->db, "", "gateway/db"},
        {plan->segments, "", "gateway/segments"},
        {plan->audit, "", "gateway/audit"},
        {plan->keeper, "", "keeper"},
        {plan->clusters_dir, "", "clusters"},
        {plan->policies, c->policies_dir, "policies"},
        {plan->tls_certificate, c->tls_certificate, "tls/server.pem"},
        {plan->tls_key, c->tls_key, "tls/server.key"},
        {plan->tls_ca, c->tls_ca, "tls/ca.pem"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EG_TRY(choose(rows[i].configured, c->state_dir, rows[i].rest, rows[i].to, p));
    }
    return EG_OK;
}

static eg_err bind_one(const eg_config_listener *l, int *ret, eg_problem *p) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(l->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(l->port)};
    bool is4 = inet_pton(AF_INET, l->address, &v4.sin_addr) == 1;
    if (!is4 && inet_pton(AF_INET6, l->address, &v6.sin6_addr) != 1) {
        return eg_fail(p, EG_ERR_CONFIG, "listener '%s': '%s' is not an IP address", l->name, l->address);
    }
    int one = 1, fd = socket(is4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return eg_fail(p, eg_err_from_errno(errno), "no socket could be made: %s", strerror(errno));
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    int rc = is4 ? bind(fd, (const struct sockaddr *)&v4, sizeof v4) : bind(fd, (const struct sockaddr *)&v6, sizeof v6);
    if (rc != 0 || listen(fd, BACKLOG) != 0) {
        int saved = errno;
        close(fd);
        (void)eg_fail(p, EG_ERR_UNAVAILABLE, "%s port %u can't be listened on: %s", l->address, (unsigned)l->port, strerror(saved));
        return eg_fail_hint(p, saved == EADDRINUSE ? "another program has this port: end it, or change listeners in the configuration"
                                                   : "choose another address or port under listeners in the configuration");
    }
    *ret = fd;
    return EG_OK;
}

static eg_err bind_all(const eg_config *c, eg_serve_plan *plan, eg_problem *p) {
    if (c->listener_count == 0 || c->listener_count > EG_LISTENERS_MAX) {
        return eg_fail(p, EG_ERR_CONFIG, "between 1 and %d listeners are wanted", EG_LISTENERS_MAX);
    }
    for (size_t i = 0; i < c->listener_count; i++) {
        EG_TRY(bind_one(&c->listeners[i], &plan->listener_fds[i], p));
    }
    EG_TRY(eg_ipc_listen(plan->keeper_socket, &plan->keeper_fd, p));
    EG_TRY(eg_ipc_listen(plan->launcher_socket, &plan->launcher_fd, p));
    EG_TRY(eg_ipc_listen(plan->admin_socket, &plan->admin_fd, p)); /* ours: nobody else administers */
    /* Only the gateway's user may connect; the servers check the peer's uid as well. */
    if (chown(plan->keeper_socket, plan->user_gateway.uid, plan->user_gateway.gid) != 0 ||
        chown(plan->launcher_socket, plan->user_gateway.uid, plan->user_gateway.gid) != 0) {
        return eg_fail(p, eg_err_from_errno(errno), "the sockets can't be given to the gateway's user: %s", strerror(errno));
    }
    return EG_OK;
}

static eg_err check_cluster(const eg_config_cluster *k, eg_problem *p) {
    char program[EG_STATE_PATH_MAX];
    int n = snprintf(program, sizeof program, "%s/bin/spark-submit", k->spark_home);
    if (n < 0 || n >= (int)sizeof program || access(program, X_OK) != 0) {
        (void)eg_fail(p, EG_ERR_CONFIG, "cluster '%s': there is no Spark in '%s'", k->name, k->spark_home);
        return eg_fail_hint(p, "spark_home is the folder that holds bin/spark-submit; `./dev setup` installs one");
    }
    const char *java = *k->java_home ? k->java_home : "/usr";
    n = snprintf(program, sizeof program, "%s/bin/java", java);
    if (n < 0 || n >= (int)sizeof program || access(program, X_OK) != 0) {
        (void)eg_fail(p, EG_ERR_CONFIG, "cluster '%s': there is no Java in '%s/bin'", k->name, java);
        return eg_fail_hint(p, "install openjdk-17-jre-headless, or name another in java_home");
    }
    return EG_OK;
}

static eg_err make_clusters(const eg_config *c, eg_serve_plan *plan, eg_problem *p) {
    plan->clusters = eg_arena_alloc(plan->arena, (c->cluster_count + 1) * sizeof *plan->clusters);
    if (!plan->clusters) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < c->cluster_count; i++) {
        const eg_config_cluster *k = &c->clusters[i];
        eg_unix_user u;
        EG_TRY(check_cluster(k, p));
        EG_TRY(eg_unix_user_find(k->user, &u, p));
        eg_str id = eg_arena_printf(plan->arena, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.HDInsight/clusters/%s", k->subscription,
                                    k->resource_group, k->name);
        if (!id.ptr) {
            return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory");
        }
        plan->clusters[i] = (eg_cluster_config){
            .name = k->name, .tenant = k->tenant, .resource_id = id.ptr, .user = k->user, .workers = k->workers, .worker_cores = k->worker_cores,
            .worker_memory_mb = k->worker_memory_mb, .idle_stop_s = k->idle_stop_seconds, .batch_retention_days = k->batch_retention_days, .file_roots = k->file_roots,
            .max_processes = k->max_processes, .max_memory_mb = k->max_memory_mb, .max_disk_mb = k->max_disk_mb, .spark_home = k->spark_home, .python = k->python, .java_home = k->java_home, .jars = k->jars};
    }
    return EG_OK;
}

eg_err eg_serve_plan_make(const eg_config *c, eg_serve_plan *ret, eg_problem *p) {
    ret->config = c;
    ret->arena = eg_arena_new(PLAN_ARENA_BYTES);
    if (!ret->arena) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory");
    }
    EG_TRY(eg_unix_user_find(c->user_gateway, &ret->user_gateway, p));
    EG_TRY(eg_unix_user_find(c->user_keeper, &ret->user_keeper, p));
    EG_TRY(eg_unix_user_find("", &ret->user_us, p));
    if (ret->user_us.uid != 0 && (ret->user_gateway.uid != ret->user_us.uid || ret->user_keeper.uid != ret->user_us.uid)) {
        (void)eg_fail(p, EG_ERR_CONFIG, "the configuration names UNIX users that only root can become");
        return eg_fail_hint(p, "run `embergate serve` as root, or make a state directory with init --one-user");
    }
    if (ret->user_gateway.uid == 0 || ret->user_keeper.uid == 0) {
        (void)eg_fail(p, EG_ERR_CONFIG, "gateway and keeper must not run as root");
        return eg_fail_hint(p, "name other UNIX users under `users`, as `embergate init` does when it is run as root");
    }
    EG_TRY(resolve_paths(c, ret, p));
    EG_TRY(make_clusters(c, ret, p));
    /* The gateway reloads them itself; here a person is told at once what would keep it from starting. */
    if (strcmp(c->policies_source, "files") == 0) {
        eg_policy *policies = NULL;
        EG_TRY(eg_policy_load(ret->policies, 1, &policies, p));
        eg_policy_unref(policies);
    }
    return bind_all(c, ret, p);
}
