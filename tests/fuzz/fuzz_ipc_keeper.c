/* Fuzzes eg_ipc_recv and the message table of storage/keys/keeper_server.c over real keys: whatever the gateway process sends, each message is answered by its own
 * handler within its bounds or refused. The input is frames as they come from the socket.
 *
 *   ./dev fuzz ipc_keeper */
#include "keys/keeper_server.c" /* Exception to "every file by itself": the table is static, and it is what is fuzzed */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TENANT "11111111-1111-4111-8111-111111111111"

static char top[256], dir[300];
static eg_keys *keys;

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

static void remove_all(const char *path) {
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        char inner[512];
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && snprintf(inner, sizeof inner, "%s/%s", path, e->d_name) < (int)sizeof inner) {
            remove_all(inner);
        }
    }
    if (d) {
        closedir(d);
    }
    (void)remove(path);
}

static void done(void) {
    eg_keeper_local_free(keys);
    remove_all(top);
}

static void open_keys(void) {
    eg_buf recovery;
    eg_problem p = {0};
    eg_buf_init(&recovery, 1024);
    const char *tmp = getenv("TMPDIR"); /* of the runner, which removes it: a fuzzer that is ended runs no atexit */
    require(snprintf(top, sizeof top, "%s/embergate-fuzz-XXXXXX", tmp ? tmp : P_tmpdir) < (int)sizeof top);
    require(mkdtemp(top) != NULL && snprintf(dir, sizeof dir, "%s/keys", top) > 0);
    require(eg_keeper_init(dir, &recovery, &p) == EG_OK && eg_keeper_add_tenant(dir, EG_LIT(TENANT), &p) == EG_OK);
    require(eg_keeper_open_local(dir, &keys, &p) == EG_OK);
    eg_buf_done(&recovery);
    atexit(done);
}

static void serve(eg_ipc_msg *m) {
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
        if (handlers[i].type != m->type || m->payload.len > handlers[i].max_payload) {
            continue;
        }
        eg_ipc_msg reply;
        eg_problem p = {0};
        eg_ipc_msg_init(&reply, m->type);
        eg_ipc_reader in = eg_ipc_read(m);
        if (handlers[i].fn(keys, &in, &reply, &p) == EG_OK) {
            require(in.rest.len == 0 && reply.payload.err == EG_OK && reply.payload.len > 0);
        }
        eg_ipc_msg_done(&reply);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int pair[2];
    if (!keys) {
        open_keys();
    }
    if (size > 60000 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
        return 0;
    }
    require(send(pair[0], data, size, MSG_DONTWAIT) == (ssize_t)size || size == 0);
    close(pair[0]);
    for (eg_err e = EG_OK; e == EG_OK;) {
        eg_ipc_msg m;
        e = eg_ipc_recv(pair[1], &m, 1000);
        require(e != EG_ERR_TIMEOUT);
        if (e == EG_OK) {
            serve(&m);
            eg_ipc_msg_done(&m);
        }
    }
    close(pair[1]);
    return 0;
}
