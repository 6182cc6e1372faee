/* The keeper process: the permission table of its socket over the keys of a directory. */
#include <embergate/keys.h>

#include "keeper_file.h"
#include "keeper_protocol.h"

#include <stdlib.h>

static eg_err take_str(eg_ipc_reader *in, eg_str *ret) {
    eg_bytes b;
    EG_TRY(eg_ipc_take(in, &b));
    *ret = eg_bytes_str(b);
    return EG_OK;
}

/* Nothing may follow the last field. */
static eg_err finished(const eg_ipc_reader *in) {
    return in->rest.len == 0 ? EG_OK : EG_ERR_INVALID;
}

static eg_err take_two(eg_ipc_reader *in, eg_str *ret_first, eg_str *ret_second) {
    EG_TRY(take_str(in, ret_first));
    EG_TRY(take_str(in, ret_second));
    return finished(in);
}

static eg_err on_NEW_DATA_KEY(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    const eg_keys *keys = ctx;
    eg_str tenant;
    eg_str purpose;
    EG_TRY(take_two(in, &tenant, &purpose));
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = NULL;
    uint8_t wrapped[EG_WRAPPED_KEY_MAX];
    size_t n = 0;
    EG_TRY(keys->new_data_key(keys->ctx, tenant, purpose, &key, wrapped, &n));
    EG_TRY(eg_ipc_put(reply, eg_secret_bytes(key)));
    return eg_ipc_put(reply, (eg_bytes){wrapped, n});
}

static eg_err on_UNWRAP(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    const eg_keys *keys = ctx;
    eg_str tenant;
    eg_str purpose;
    eg_bytes wrapped;
    EG_TRY(take_str(in, &tenant));
    EG_TRY(take_str(in, &purpose));
    EG_TRY(eg_ipc_take(in, &wrapped));
    EG_TRY(finished(in));
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = NULL;
    EG_TRY(keys->unwrap(keys->ctx, tenant, purpose, wrapped, &key));
    return eg_ipc_put(reply, eg_secret_bytes(key));
}

static eg_err on_SIGN_TOKEN(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    const eg_keys *keys = ctx;
    eg_str claims;
    EG_TRY(take_str(in, &claims));
    EG_TRY(finished(in));
    EG_CLEANUP(eg_keeper_buf_done) eg_buf token;
    eg_buf_init(&token, EG_KEEPER_TOKEN_MAX);
    EG_TRY(keys->sign_token(keys->ctx, claims, &token));
    return eg_ipc_put(reply, eg_str_bytes(eg_buf_str(&token)));
}

static eg_err on_TOKEN_KEYS(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    const eg_keys *keys = ctx;
    EG_TRY(finished(in));
    EG_CLEANUP(eg_buf_done) eg_buf jwks;
    eg_buf_init(&jwks, EG_KEEPER_JWKS_MAX);
    EG_TRY(keys->token_keys(keys->ctx, &jwks));
    return eg_ipc_put(reply, eg_str_bytes(eg_buf_str(&jwks)));
}

static eg_err sign(const eg_keys *keys, eg_err (*with)(void *ctx, eg_str origin, eg_str body, uint8_t ret[64]), eg_ipc_reader *in, eg_ipc_msg *reply) {
    eg_str origin;
    eg_str body;
    uint8_t sig[64];
    EG_TRY(take_two(in, &origin, &body));
    EG_TRY(with(keys->ctx, origin, body, sig));
    return eg_ipc_put(reply, (eg_bytes){sig, sizeof sig});
}

static eg_err on_SIGN_CHECKPOINT(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    return sign(ctx, ((const eg_keys *)ctx)->sign_checkpoint, in, reply);
}

static eg_err on_RECALL_CHECKPOINT(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    const eg_keys *keys = ctx;
    eg_signed_checkpoint c = {.signature = {0}};
    eg_bytes sig;
    uint64_t remember = 0;
    bool forgotten = false;
    EG_TRY(take_str(in, &c.origin));
    EG_TRY(take_str(in, &c.body));
    EG_TRY(eg_ipc_take(in, &sig));
    EG_TRY(eg_ipc_take_u64(in, &remember));
    EG_TRY(finished(in));
    if (sig.len != sizeof c.signature || remember > 1) {
        return EG_ERR_INVALID;
    }
    memcpy(c.signature, sig.ptr, sig.len);
    EG_TRY(keys->recall_checkpoint(keys->ctx, &c, remember == 1, &forgotten));
    return eg_ipc_put_u64(reply, forgotten ? 1 : 0);
}

static eg_err on_LOG_PUBLIC_KEY(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    const eg_keys *keys = ctx;
    eg_str origin;
    uint8_t pub[32];
    EG_TRY(take_str(in, &origin));
    EG_TRY(finished(in));
    EG_TRY(keys->log_public_key(keys->ctx, origin, pub));
    return eg_ipc_put(reply, (eg_bytes){pub, sizeof pub});
}

static eg_err take_use(eg_ipc_reader *in, eg_key_use *ret) {
    EG_TRY(take_str(in, &ret->tenant));
    EG_TRY(take_str(in, &ret->key));
    return take_str(in, &ret->purpose);
}

static eg_err on_NEW_DATA_KEY_UNDER(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    const eg_keys *keys = ctx;
    eg_key_use use;
    EG_TRY(take_use(in, &use));
    EG_TRY(finished(in));
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = NULL;
    uint8_t wrapped[EG_WRAPPED_KEY_MAX];
    size_t n = 0;
    EG_TRY(keys->new_data_key_under(keys->ctx, &use, &key, wrapped, &n));
    EG_TRY(eg_ipc_put(reply, eg_secret_bytes(key)));
    return eg_ipc_put(reply, (eg_bytes){wrapped, n});
}

static eg_err put_fresh(eg_ipc_msg *reply, const eg_fresh_key *fresh, size_t n) {
    for (size_t i = 0; i < n; i++) {
        EG_TRY(eg_ipc_put(reply, eg_secret_bytes(fresh[i].secret)));
        EG_TRY(eg_ipc_put(reply, (eg_bytes){fresh[i].wrapped, fresh[i].wrapped_len}));
    }
    return EG_OK;
}

/* Purposes until the message ends. */
static eg_err on_NEW_DATA_KEYS(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    const eg_keys *keys = ctx;
    eg_key_use use = {.purpose = EG_LIT("")};
    eg_str purposes[EG_FRESH_KEYS_MAX] = {{NULL, 0}};
    size_t n = 0;
    EG_TRY(take_str(in, &use.tenant));
    EG_TRY(take_str(in, &use.key));
    while (in->rest.len > 0) {
        EG_TRY(n < EG_FRESH_KEYS_MAX ? take_str(in, &purposes[n++]) : EG_ERR_INVALID);
    }
    eg_fresh_key *fresh = n > 0 ? calloc(n, sizeof *fresh) : NULL;
    if (!fresh) {
        return n > 0 ? EG_ERR_NO_MEMORY : EG_ERR_INVALID;
    }
    eg_err e = keys->new_data_keys(keys->ctx, &use, purposes, n, fresh);
    e = e == EG_OK ? put_fresh(reply, fresh, n) : e;
    for (size_t i = 0; i < n; i++) {
        eg_secret_free(fresh[i].secret);
    }
    free(fresh);
    return e;
}

static eg_err on_REWRAP(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    const eg_keys *keys = ctx;
    eg_key_use use;
    eg_bytes wrapped;
    EG_TRY(take_use(in, &use));
    EG_TRY(eg_ipc_take(in, &wrapped));
    EG_TRY(finished(in));
    uint8_t again[EG_WRAPPED_KEY_MAX];
    size_t n = 0;
    EG_TRY(keys->rewrap(keys->ctx, &use, wrapped, again, &n));
    return eg_ipc_put(reply, (eg_bytes){again, n});
}

static eg_err on_MAKE_KEY(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    const eg_keys *keys = ctx;
    eg_str tenant;
    eg_str key;
    EG_TRY(take_two(in, &tenant, &key));
    EG_TRY(keys->make_key(keys->ctx, tenant, key));
    return eg_ipc_put_u64(reply, 1);
}

static eg_err on_ROTATE_KEY(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    const eg_keys *keys = ctx;
    eg_str tenant;
    eg_str key;
    uint32_t version = 0;
    EG_TRY(take_two(in, &tenant, &key));
    EG_TRY(keys->rotate_key(keys->ctx, tenant, key, &version));
    return eg_ipc_put_u64(reply, version);
}

static eg_err on_RETIRE_KEY(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    const eg_keys *keys = ctx;
    eg_str tenant;
    eg_str key;
    uint64_t below = 0;
    EG_TRY(take_str(in, &tenant));
    EG_TRY(take_str(in, &key));
    EG_TRY(eg_ipc_take_u64(in, &below));
    EG_TRY(finished(in));
    EG_TRY(below <= UINT32_MAX ? keys->retire_key(keys->ctx, tenant, key, (uint32_t)below) : EG_ERR_INVALID);
    return eg_ipc_put_u64(reply, below);
}

static eg_err on_LIST_KEYS(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    const eg_keys *keys = ctx;
    eg_str tenant;
    EG_TRY(take_str(in, &tenant));
    EG_TRY(finished(in));
    EG_CLEANUP(eg_buf_done) eg_buf json;
    eg_buf_init(&json, EG_KEEPER_LIST_MAX);
    EG_TRY(keys->list_keys(keys->ctx, tenant, &json));
    return eg_ipc_put(reply, eg_buf_bytes(&json));
}

static eg_err on_DESTROY_TENANT(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    const eg_keys *keys = ctx;
    eg_str tenant;
    EG_TRY(take_str(in, &tenant));
    EG_TRY(finished(in));
    EG_TRY(keys->destroy_tenant(keys->ctx, tenant));
    return eg_ipc_put_u64(reply, 1);
}

static eg_err on_ROTATE_TOKEN_KEY(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    const eg_keys *keys = ctx;
    uint64_t delay_s = 0, end_old = 0;
    EG_TRY(eg_ipc_take_u64(in, &delay_s));
    EG_TRY(eg_ipc_take_u64(in, &end_old));
    EG_TRY(finished(in));
    EG_TRY(delay_s <= UINT32_MAX && end_old <= 1 ? EG_OK : EG_ERR_INVALID);
    EG_CLEANUP(eg_buf_done) eg_buf json;
    eg_buf_init(&json, EG_KEEPER_JWKS_MAX);
    EG_TRY(keys->rotate_token_key(keys->ctx, (uint32_t)delay_s, end_old == 1, &json));
    return eg_ipc_put(reply, eg_buf_bytes(&json));
}

static eg_err on_LIST_TOKEN_KEYS(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    const eg_keys *keys = ctx;
    EG_TRY(finished(in));
    EG_CLEANUP(eg_buf_done) eg_buf json;
    eg_buf_init(&json, EG_KEEPER_JWKS_MAX);
    EG_TRY(keys->list_token_keys(keys->ctx, &json));
    return eg_ipc_put(reply, eg_buf_bytes(&json));
}

static eg_err on_INSTALLATION_KEY(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    const eg_keys *keys = ctx;
    eg_str purpose;
    EG_TRY(take_str(in, &purpose));
    EG_TRY(finished(in));
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = NULL;
    EG_TRY(keys->installation_key(keys->ctx, purpose, &key));
    return eg_ipc_put(reply, eg_secret_bytes(key));
}

static eg_err on_SIGN_STATEMENT(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    return sign(ctx, ((const eg_keys *)ctx)->sign_statement, in, reply);
}

/* Whatever is not a row here is refused by eg_ipc_serve. Keys come out only as data keys that the asker can name. */
static const eg_ipc_handler handlers[] = {
#define X(id, number, name, max) {number, name, max, on_##id},
    EG_KEEPER_MSG_LIST(X)
#undef X
};

eg_err eg_keeper_run(const eg_keeper_options *o, const atomic_int *stop, eg_problem *p) {
    eg_keys *keys = NULL;
    EG_TRY(eg_keeper_open_local(o->dir, &keys, p));
    eg_ipc_server_options server = {
        .listen_fd = o->listen_fd,
        .allowed_uid = o->gateway_uid,
        .handlers = handlers,
        .handler_count = sizeof handlers / sizeof handlers[0],
        .ctx = keys,
    };
    eg_err e = eg_ipc_serve(&server, stop);
    eg_keeper_local_free(keys);
    return e == EG_OK ? EG_OK : eg_fail(p, e, "The keeper's socket could not be served.");
}
