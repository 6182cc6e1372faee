/* Asks the launcher over its socket. */
#include "launcher.h"

#include <embergate/metrics.h>

#include "launcher_messages.h"

#include <stdlib.h>

#define CONNECTIONS 4
#define CALL_MS 20000 /* the launcher itself gives a runner 15 s to say that it started */

struct eg_launcher_client {
    eg_ipc_client *ipc;
    _Atomic int isolation;    /* what the last start said; -1 = none yet */
};

eg_launcher_client *eg_launcher_client_new(const char *socket_path) {
    eg_launcher_client *c = calloc(1, sizeof *c);
    if (c) {
        c->isolation = -1;
        c->ipc = eg_ipc_client_new(socket_path, CONNECTIONS);
    }
    if (c && !c->ipc) {
        free(c);
        c = NULL;
    }
    return c;
}

void eg_launcher_client_free(eg_launcher_client *c) {
    if (c) {
        eg_ipc_client_free(c->ipc);
        free(c);
    }
}

static eg_bytes text(const char *z) {
    return eg_str_bytes(eg_str_of(z));
}

bool eg_launcher_client_lacks(const eg_launcher_client *c, unsigned isolation) {
    return c->isolation >= 0 && ((unsigned)c->isolation & isolation) == 0;
}

/* Ends the message. A launcher that can't be reached is one error, whatever the way it failed. */
static eg_err call(eg_launcher_client *c, eg_ipc_msg *m, eg_problem *p) {
    eg_problem here = {0};
    eg_err e = eg_ipc_call(c->ipc, m, CALL_MS, &here);
    uint64_t isolation;
    eg_ipc_reader reply = eg_ipc_read(m);
    if (e == EG_OK && m->type == EG_LAUNCHER_START && eg_ipc_take_u64(&reply, &isolation) == EG_OK) {
        c->isolation = (int)(isolation & 0xFFFF);
    }
    eg_ipc_msg_done(m);
    if (e == EG_OK) {
        return EG_OK;
    }
    /* What the launcher itself refuses comes with its own words. Trouble with the socket has these codes: */
    if (e == EG_ERR_IO || e == EG_ERR_UNAVAILABLE || e == EG_ERR_TIMEOUT || e == EG_ERR_CANCELLED || e == EG_ERR_NOT_FOUND) {
        bool told = e == EG_ERR_NOT_FOUND && here.where[0] != '\0';
        if (!told) {
            e = EG_ERR_LAUNCHER;
        }
    }
    here.code = e;
    if (p) {
        *p = here;
    }
    return e;
}

static void put_ref(eg_ipc_msg *m, const char *cluster, eg_runner_kind kind, const char *id) {
    eg_ipc_put(m, text(cluster));
    eg_ipc_put_u64(m, (uint64_t)kind);
    eg_ipc_put(m, text(id));
}

eg_err eg_launcher_ensure(eg_launcher_client *c, const char *cluster, eg_problem *p) {
    eg_ipc_msg m;
    eg_ipc_msg_init(&m, EG_LAUNCHER_ENSURE);
    eg_ipc_put(&m, text(cluster));
    return call(c, &m, p);
}

eg_err eg_launcher_start(eg_launcher_client *c, const eg_launch_spec *s, eg_problem *p) {
    eg_ipc_msg m;
    eg_ipc_msg_init(&m, EG_LAUNCHER_START);
    put_ref(&m, s->cluster, s->kind, s->id);
    eg_ipc_put(&m, s->log_key);
    eg_ipc_put(&m, s->properties);
    eg_ipc_put_u64(&m, s->port);
    eg_ipc_put_u64(&m, s->ui_port);
    eg_ipc_put(&m, s->credential);
    eg_ipc_put(&m, eg_str_bytes(s->main_class));
    eg_ipc_put(&m, eg_str_bytes(s->file));
    eg_ipc_put_u64(&m, s->arg_count);
    for (size_t i = 0; i < s->arg_count; i++) {
        eg_ipc_put(&m, eg_str_bytes(s->args[i]));
    }
    EG_TRY(call(c, &m, p));
    eg_metric_add(EG_METRIC_RUNNERS_STARTED, 1);
    return EG_OK;
}

eg_err eg_launcher_stop(eg_launcher_client *c, const char *cluster, eg_runner_kind kind, const char *id, eg_launch_stop how, eg_problem *p) {
    eg_ipc_msg m;
    eg_ipc_msg_init(&m, EG_LAUNCHER_STOP);
    put_ref(&m, cluster, kind, id);
    eg_ipc_put_u64(&m, (uint64_t)how);
    return call(c, &m, p);
}

eg_err eg_launcher_discard(eg_launcher_client *c, const char *cluster, eg_runner_kind kind, const char *id, eg_problem *p) {
    eg_ipc_msg m;
    eg_ipc_msg_init(&m, EG_LAUNCHER_DISCARD);
    put_ref(&m, cluster, kind, id);
    return call(c, &m, p);
}
