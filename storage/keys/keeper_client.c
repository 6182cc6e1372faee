/* The keys as a client of the keeper's socket sees them. */
#include <embergate/keys.h>

#include "keeper_file.h"
#include "keeper_protocol.h"

#include <embergate/metrics.h>

#include <stdlib.h>

#define TIMEOUT_MS 5000
#define CONNECTIONS 8u

/* Errors that the keeper itself answers with; all others mean that it could not be asked. */
static bool is_answer(eg_err e) {
    switch (e) {
    case EG_ERR_INVALID:
    case EG_ERR_NOT_FOUND:
    case EG_ERR_EXISTS:
    case EG_ERR_CORRUPT:
    case EG_ERR_KEY_DESTROYED:
    case EG_ERR_LIMIT:
    case EG_ERR_NO_MEMORY:
    case EG_ERR_CRYPTO:
    case EG_ERR_FORMAT_VERSION:
    case EG_ERR_DISK_FULL:
        return true;
    default:
        return false;
    }
}

static eg_err call(void *ctx, eg_ipc_msg *m) {
    eg_metric_add(EG_METRIC_KEEPER_CALLS, 1);
    eg_err e = m->payload.err;
    if (e == EG_OK) {
        e = eg_ipc_call(ctx, m, TIMEOUT_MS, NULL);
    }
    return e == EG_OK || is_answer(e) ? e : EG_ERR_KEEPER;
}

static void begin(eg_ipc_msg *m, uint16_t type, eg_str a, eg_str b) {
    eg_ipc_msg_init(m, type);
    if (a.ptr) {
        eg_ipc_put(m, eg_str_bytes(a));
    }
    if (b.ptr) {
        eg_ipc_put(m, eg_str_bytes(b));
    }
}

/* A reply of another shape than asked for: not a keeper of ours. */
static eg_err take_exact(eg_ipc_reader *in, uint8_t *ret, size_t n) {
    eg_bytes b;
    if (eg_ipc_take(in, &b) != EG_OK || b.len != n) {
        return EG_ERR_KEEPER;
    }
    memcpy(ret, b.ptr, n);
    return EG_OK;
}

static eg_err take_key(eg_ipc_reader *in, eg_secret **ret) {
    eg_bytes b;
    if (eg_ipc_take(in, &b) != EG_OK || b.len != EG_KEY_LEN) {
        return EG_ERR_KEEPER;
    }
    eg_secret *s = eg_secret_new(b.ptr, b.len);
    if (!s) {
        return EG_ERR_NO_MEMORY;
    }
    *ret = s;
    return EG_OK;
}

/* The reply's one field, added to *ret. */
static eg_err call_for_text(void *ctx, eg_ipc_msg *m, eg_buf *ret) {
    EG_TRY(call(ctx, m));
    eg_ipc_reader in = eg_ipc_read(m);
    eg_bytes b;
    if (eg_ipc_take(&in, &b) != EG_OK) {
        return EG_ERR_KEEPER;
    }
    return eg_buf_add(ret, b.ptr, b.len);
}

static eg_err new_data_key(void *ctx, eg_str tenant, eg_str purpose, eg_secret **ret_key, uint8_t ret_wrapped[EG_WRAPPED_KEY_MAX], size_t *ret_n) {
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin(&m, EG_KEEPER_MSG_NEW_DATA_KEY, tenant, purpose);
    EG_TRY(call(ctx, &m));
    eg_ipc_reader in = eg_ipc_read(&m);
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = NULL;
    eg_bytes wrapped;
    EG_TRY(take_key(&in, &key));
    if (eg_ipc_take(&in, &wrapped) != EG_OK || wrapped.len == 0 || wrapped.len > EG_WRAPPED_KEY_MAX) {
        return EG_ERR_KEEPER;
    }
    memcpy(ret_wrapped, wrapped.ptr, wrapped.len);
    *ret_n = wrapped.len;
    *ret_key = key;
    key = NULL;
    return EG_OK;
}

static eg_err unwrap(void *ctx, eg_str tenant, eg_str purpose, eg_bytes wrapped, eg_secret **ret_key) {
    if (wrapped.len == 0 || wrapped.len > EG_WRAPPED_KEY_MAX) {
        return EG_ERR_CORRUPT;
    }
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin(&m, EG_KEEPER_MSG_UNWRAP, tenant, purpose);
    eg_ipc_put(&m, wrapped);
    EG_TRY(call(ctx, &m));
    eg_ipc_reader in = eg_ipc_read(&m);
    return take_key(&in, ret_key);
}

static eg_err sign_token(void *ctx, eg_str claims_json, eg_buf *ret) {
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin(&m, EG_KEEPER_MSG_SIGN_TOKEN, claims_json, (eg_str){NULL, 0});
    return call_for_text(ctx, &m, ret);
}

static eg_err token_keys(void *ctx, eg_buf *ret_jwks) {
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin(&m, EG_KEEPER_MSG_TOKEN_KEYS, (eg_str){NULL, 0}, (eg_str){NULL, 0});
    return call_for_text(ctx, &m, ret_jwks);
}

static eg_err rotate_token_key(void *ctx, uint32_t delay_s, bool end_old, eg_buf *ret_json) {
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin(&m, EG_KEEPER_MSG_ROTATE_TOKEN_KEY, (eg_str){NULL, 0}, (eg_str){NULL, 0});
    eg_ipc_put_u64(&m, delay_s);
    eg_ipc_put_u64(&m, end_old ? 1 : 0);
    return call_for_text(ctx, &m, ret_json);
}

static eg_err list_token_keys(void *ctx, eg_buf *ret_json) {
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin(&m, EG_KEEPER_MSG_LIST_TOKEN_KEYS, (eg_str){NULL, 0}, (eg_str){NULL, 0});
    return call_for_text(ctx, &m, ret_json);
}

static eg_err sign_checkpoint(void *ctx, eg_str origin, eg_str body, uint8_t ret_sig[64]) {
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin(&m, EG_KEEPER_MSG_SIGN_CHECKPOINT, origin, body);
    EG_TRY(call(ctx, &m));
    eg_ipc_reader in = eg_ipc_read(&m);
    return take_exact(&in, ret_sig, 64);
}

static eg_err recall_checkpoint(void *ctx, const eg_signed_checkpoint *c, bool remember, bool *ret_forgotten) {
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin(&m, EG_KEEPER_MSG_RECALL_CHECKPOINT, c->origin, c->body);
    eg_ipc_put(&m, (eg_bytes){c->signature, sizeof c->signature});
    eg_ipc_put_u64(&m, remember ? 1 : 0);
    EG_TRY(call(ctx, &m));
    eg_ipc_reader in = eg_ipc_read(&m);
    uint64_t forgotten = 0;
    if (eg_ipc_take_u64(&in, &forgotten) != EG_OK || forgotten > 1) {
        return EG_ERR_KEEPER;
    }
    *ret_forgotten = forgotten == 1;
    return EG_OK;
}

static eg_err log_public_key(void *ctx, eg_str origin, uint8_t ret_pub[32]) {
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin(&m, EG_KEEPER_MSG_LOG_PUBLIC_KEY, origin, (eg_str){NULL, 0});
    EG_TRY(call(ctx, &m));
    eg_ipc_reader in = eg_ipc_read(&m);
    return take_exact(&in, ret_pub, 32);
}

static void begin_use(eg_ipc_msg *m, uint16_t type, const eg_key_use *use) {
    begin(m, type, use->tenant, use->key.ptr ? use->key : EG_LIT(""));
    eg_ipc_put(m, eg_str_bytes(use->purpose));
}

static eg_err take_wrapped(eg_ipc_reader *in, uint8_t ret_wrapped[EG_WRAPPED_KEY_MAX], size_t *ret_n) {
    eg_bytes wrapped;
    if (eg_ipc_take(in, &wrapped) != EG_OK || wrapped.len == 0 || wrapped.len > EG_WRAPPED_KEY_MAX) {
        return EG_ERR_KEEPER;
    }
    memcpy(ret_wrapped, wrapped.ptr, wrapped.len);
    *ret_n = wrapped.len;
    return EG_OK;
}

static eg_err new_data_key_under(void *ctx, const eg_key_use *use, eg_secret **ret_key, uint8_t ret_wrapped[EG_WRAPPED_KEY_MAX], size_t *ret_n) {
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin_use(&m, EG_KEEPER_MSG_NEW_DATA_KEY_UNDER, use);
    EG_TRY(call(ctx, &m));
    eg_ipc_reader in = eg_ipc_read(&m);
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = NULL;
    EG_TRY(take_key(&in, &key));
    EG_TRY(take_wrapped(&in, ret_wrapped, ret_n));
    *ret_key = key;
    key = NULL;
    return EG_OK;
}

/* A reply that ends early is no keeper's of ours: what came of it is let go. */
static eg_err new_data_keys(void *ctx, const eg_key_use *use, const eg_str *purposes, size_t n, eg_fresh_key *ret) {
    if (n == 0 || n > EG_FRESH_KEYS_MAX) {
        return EG_ERR_INVALID;
    }
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin(&m, EG_KEEPER_MSG_NEW_DATA_KEYS, use->tenant, use->key.ptr ? use->key : EG_LIT(""));
    for (size_t i = 0; i < n; i++) {
        eg_ipc_put(&m, eg_str_bytes(purposes[i]));
    }
    EG_TRY(call(ctx, &m));
    eg_ipc_reader in = eg_ipc_read(&m);
    eg_err e = EG_OK;
    size_t taken = 0;
    while (e == EG_OK && taken < n) {
        e = take_key(&in, &ret[taken].secret);
        if (e == EG_OK) {
            e = take_wrapped(&in, ret[taken].wrapped, &ret[taken].wrapped_len);
            taken++;
        }
    }
    while (e != EG_OK && taken > 0) {
        taken--;
        eg_secret_free(ret[taken].secret);
        ret[taken].secret = NULL;
    }
    return e;
}

static eg_err rewrap(void *ctx, const eg_key_use *use, eg_bytes wrapped, uint8_t ret_wrapped[EG_WRAPPED_KEY_MAX], size_t *ret_n) {
    if (wrapped.len == 0 || wrapped.len > EG_WRAPPED_KEY_MAX) {
        return EG_ERR_CORRUPT;
    }
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin_use(&m, EG_KEEPER_MSG_REWRAP, use);
    eg_ipc_put(&m, wrapped);
    EG_TRY(call(ctx, &m));
    eg_ipc_reader in = eg_ipc_read(&m);
    return take_wrapped(&in, ret_wrapped, ret_n);
}

static eg_err make_key(void *ctx, eg_str tenant, eg_str key) {
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin(&m, EG_KEEPER_MSG_MAKE_KEY, tenant, key);
    return call(ctx, &m);
}

static eg_err rotate_key(void *ctx, eg_str tenant, eg_str key, uint32_t *ret_version) {
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin(&m, EG_KEEPER_MSG_ROTATE_KEY, tenant, key);
    EG_TRY(call(ctx, &m));
    eg_ipc_reader in = eg_ipc_read(&m);
    uint64_t version = 0;
    if (eg_ipc_take_u64(&in, &version) != EG_OK || version == 0 || version > UINT32_MAX) {
        return EG_ERR_KEEPER;
    }
    *ret_version = (uint32_t)version;
    return EG_OK;
}

static eg_err retire_key(void *ctx, eg_str tenant, eg_str key, uint32_t below) {
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin(&m, EG_KEEPER_MSG_RETIRE_KEY, tenant, key);
    eg_ipc_put_u64(&m, below);
    return call(ctx, &m);
}

static eg_err list_keys(void *ctx, eg_str tenant, eg_buf *ret_json) {
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin(&m, EG_KEEPER_MSG_LIST_KEYS, tenant, (eg_str){NULL, 0});
    return call_for_text(ctx, &m, ret_json);
}

static eg_err destroy_tenant(void *ctx, eg_str tenant) {
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin(&m, EG_KEEPER_MSG_DESTROY_TENANT, tenant, (eg_str){NULL, 0});
    return call(ctx, &m);
}

static eg_err sign_statement(void *ctx, eg_str origin, eg_str body, uint8_t ret_sig[64]) {
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin(&m, EG_KEEPER_MSG_SIGN_STATEMENT, origin, body);
    EG_TRY(call(ctx, &m));
    eg_ipc_reader in = eg_ipc_read(&m);
    return take_exact(&in, ret_sig, 64);
}

static eg_err installation_key(void *ctx, eg_str purpose, eg_secret **ret_key) {
    EG_CLEANUP(eg_ipc_msg_done) eg_ipc_msg m;
    begin(&m, EG_KEEPER_MSG_INSTALLATION_KEY, purpose, (eg_str){NULL, 0});
    EG_TRY(call(ctx, &m));
    eg_ipc_reader in = eg_ipc_read(&m);
    return take_key(&in, ret_key);
}

eg_err eg_keeper_client_new(const char *socket_path, eg_keys **ret) {
    eg_keys *k = calloc(1, sizeof *k);
    eg_ipc_client *client = eg_ipc_client_new(socket_path, CONNECTIONS);
    if (!k || !client) {
        eg_ipc_client_free(client);
        free(k);
        return EG_ERR_NO_MEMORY;
    }
    *k = (eg_keys){
        .ctx = client,
        .new_data_key = new_data_key,
        .unwrap = unwrap,
        .sign_token = sign_token,
        .token_keys = token_keys,
        .rotate_token_key = rotate_token_key,
        .list_token_keys = list_token_keys,
        .sign_checkpoint = sign_checkpoint,
        .recall_checkpoint = recall_checkpoint,
        .log_public_key = log_public_key,
        .new_data_key_under = new_data_key_under,
        .new_data_keys = new_data_keys,
        .rewrap = rewrap,
        .make_key = make_key,
        .rotate_key = rotate_key,
        .retire_key = retire_key,
        .list_keys = list_keys,
        .destroy_tenant = destroy_tenant,
        .sign_statement = sign_statement,
        .installation_key = installation_key,
    };
    *ret = k;
    return EG_OK;
}

void eg_keeper_client_free(eg_keys *k) {
    if (k) {
        eg_ipc_client_free(k->ctx);
        free(k);
    }
}
