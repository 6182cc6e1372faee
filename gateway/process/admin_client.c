/* The asking side of run/admin.sock. */
#include "admin_protocol.h"

#include "state_dir.h"

#include <embergate/clock.h>
#include <unistd.h>

static eg_err no_server(const char *state, eg_problem *p) {
    (void)eg_fail(p, EG_ERR_UNAVAILABLE, "no server answers on this state directory, or you are not the user who runs it");
    return eg_fail_hint(p, "start one with: embergate serve --state %s", state);
}

static eg_err exchange(int fd, const eg_admin_call *c, eg_ipc_msg *ret) {
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    eg_ipc_msg_init(&m, c->type);
    for (size_t i = 0; i < c->count; i++) {
        EG_TRY(eg_ipc_put(&m, eg_str_bytes(c->fields[i].ptr ? c->fields[i] : EG_LIT(""))));
    }
    EG_TRY(eg_ipc_send(fd, &m, 10000));
    return eg_ipc_recv(fd, ret, c->timeout_ms ? c->timeout_ms : 30000);
}

/* A refusal's payload: message, where, hint. */
static eg_err refusal(const eg_ipc_msg *m, eg_problem *p) {
    const eg_err e = m->status < EG_ERR_COUNT ? (eg_err)m->status : EG_ERR_INTERNAL;
    eg_ipc_reader in = eg_ipc_read(m);
    eg_bytes text = {NULL, 0};
    if (eg_ipc_take(&in, &text) != EG_OK) {
        text = (eg_bytes){NULL, 0};
    }
    const eg_str s = text.len > 0 ? eg_bytes_str(text) : eg_str_of(eg_err_code(e));
    return eg_fail(p, e, "%.*s", EG_FMT(s));
}

/* One connection a call, and no retry: a command that was heard twice would be done twice. */
eg_err eg_admin_ask_message(const eg_admin_call *c, eg_ipc_msg *ret, eg_problem *p) {
    char path[EG_STATE_PATH_MAX];
    int fd = -1;
    eg_problem ignored = {0};
    EG_TRY(eg_state_path(c->state_dir, EG_ADMIN_SOCKET, path, p));
    if (eg_ipc_connect(path, &fd, &ignored) != EG_OK) {
        return no_server(c->state_dir, p);
    }
    eg_ipc_msg reply;
    const eg_err e = exchange(fd, c, &reply);
    close(fd);
    if (e == EG_ERR_CANCELLED) {
        return no_server(c->state_dir, p);
    }
    if (e != EG_OK) {
        return eg_fail(p, e, "the server did not answer: %s", eg_err_code(e));
    }
    if (reply.status != 0) {
        const eg_err refused = refusal(&reply, p);
        eg_ipc_msg_done(&reply);
        return refused;
    }
    *ret = reply;
    return EG_OK;
}

eg_err eg_admin_ask(const eg_admin_call *c, eg_buf *ret, eg_problem *p) {
    eg_ipc_msg reply;
    EG_TRY(eg_admin_ask_message(c, &reply, p));
    eg_ipc_reader in = eg_ipc_read(&reply);
    eg_bytes text;
    eg_err e = eg_ipc_take(&in, &text);
    if (e == EG_OK && ret) {
        e = eg_buf_add(ret, text.ptr, text.len);
    }
    eg_ipc_msg_done(&reply);
    return e == EG_OK ? e : eg_fail(p, e, "the server's answer can't be read");
}
