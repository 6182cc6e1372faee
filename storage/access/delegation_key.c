/* Derivation of user delegation keys. */
#include "delegation_key.h"

#define TEXT_MAX 1024

eg_err eg_delegation_key(eg_storage *s, const eg_account *a, const eg_delegation *d, uint8_t ret[EG_SHA256_LEN]) {
    EG_CLEANUP(eg_secret_free_p) eg_secret *root = NULL;
    const eg_str fields[] = {d->oid, d->tid, d->start, d->expiry, d->service, d->version};
    int64_t created;
    eg_buf text;
    EG_TRY(eg_account_keys_get(s, a, EG_ACCOUNT_DELEGATION, &root, &created));
    eg_buf_init(&text, TEXT_MAX);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        (void)eg_buf_addf(&text, "%.*s\n", EG_FMT(fields[i]));
    }
    if (d->user_tenant.len > 0) {
        (void)eg_buf_addf(&text, "for users of %.*s\n", EG_FMT(d->user_tenant));
    }
    const eg_err e = text.err;
    if (e == EG_OK) {
        eg_hmac_sha256(eg_secret_bytes(root), eg_buf_bytes(&text), ret);
    }
    eg_buf_done(&text);
    return e;
}
