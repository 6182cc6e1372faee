/* Counts, destroys, forgets, checks, signs: each step can be done again after a crash, and nothing is said to be gone that isn't. */
#include "erasure.h"

#include "signed_statement.h"

#include <embergate/durable_file.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define INVENTORY_MAX ((size_t)32768)

static eg_err file_of(const eg_admin_options *o, eg_str tenant, const char *what, char ret[4096]) {
    const int n = eg_uuid_valid(tenant) ? snprintf(ret, 4096, "%s/%.*s.%s", o->erasures_dir, EG_FMT(tenant), what) : -1;
    return n > 0 && n < 4096 ? EG_OK : EG_ERR_INVALID;
}

/* Written down before anything is destroyed: afterwards nobody could count any more. */
static eg_err take_inventory(const eg_admin_options *o, eg_str tenant, eg_buf *ret, eg_problem *p) {
    char path[4096];
    EG_TRY(file_of(o, tenant, "inventory.json", path));
    EG_TRY(eg_dir_make(o->erasures_dir, 0700, p));
    if (eg_file_read(AT_FDCWD, path, INVENTORY_MAX, ret, NULL) == EG_OK) {
        return EG_OK;
    }
    eg_buf_reset(ret);
    const eg_err e = eg_storage_inventory(o->storage, tenant, ret);
    if (e != EG_OK) {
        return eg_fail(p, e, "what the tenant has could not be counted: %s", eg_err_code(e));
    }
    return eg_file_replace(AT_FDCWD, path, 0600, eg_buf_bytes(ret), p);
}

static eg_err record(const eg_admin_options *o, const eg_erasure *e, const char *event, const json_t *details) {
    const eg_audit_record r = {.event = event, .outcome = "allowed", .resource = e->tenant, .details = details};
    return eg_audit_append_wait(o->audit, &r);
}

/* EG_ERR_CORRUPT: something of the tenant still opens. */
static eg_err destroy(const eg_admin_options *o, eg_str tenant, uint64_t *ret_wrapped, eg_problem *p) {
    uint64_t opened = 0;
    const eg_err e = o->keys->destroy_tenant(o->keys->ctx, tenant);
    if (e != EG_OK) {
        return eg_fail(p, e, "the keeper did not destroy the keys: %s", eg_err_code(e));
    }
    EG_TRY(eg_storage_forget_tenant(o->storage, tenant));
    eg_audit_forget_tenant(o->audit, tenant);
    eg_compute_forget_keys(o->compute);
    EG_TRY(eg_storage_probe_tenant(o->storage, tenant, ret_wrapped, &opened));
    EG_CLEANUP(eg_buf_done) eg_buf keys;
    eg_buf_init(&keys, 4096);
    EG_TRY(o->keys->list_keys(o->keys->ctx, tenant, &keys));
    EG_TRY(eg_buf_add(&keys, "", 1));
    if (opened > 0 || !strstr(keys.ptr, "\"destroyed\":true,\"keys\":[]")) {
        return eg_fail(p, EG_ERR_CORRUPT, "%llu wrapped keys of the tenant are not refused by the keeper", (unsigned long long)opened);
    }
    return EG_OK;
}

static eg_err certify(const eg_admin_options *o, const json_t *value, eg_buf *ret, eg_problem *p) {
    uint8_t sig[64], pub[32];
    EG_CLEANUP(eg_buf_done) eg_buf body;
    eg_buf_init(&body, EG_STATEMENT_MAX);
    EG_TRY(eg_statement_body(EG_STATEMENT_ERASURE, value, &body));
    const eg_str origin = eg_str_of(o->origin);
    eg_err e = o->keys->sign_statement(o->keys->ctx, origin, eg_buf_str(&body), sig);
    e = e != EG_OK ? e : o->keys->log_public_key(o->keys->ctx, origin, pub);
    return e != EG_OK ? eg_fail(p, e, "the certificate could not be signed: %s", eg_err_code(e)) : eg_statement_file(eg_buf_str(&body), origin, pub, sig, ret);
}

static json_t *now_text(void) {
    char time[EG_RFC3339_LEN];
    eg_time_rfc3339(eg_wall_ns(&eg_clock_system), time);
    return json_string(time);
}

eg_err eg_erasure_run(const eg_admin_options *o, const eg_erasure *e, eg_buf *ret_certificate, eg_problem *p) {
    uint64_t wrapped = 0;
    char path[4096];
    EG_JSON_AUTO inventory = NULL;
    EG_JSON_AUTO escrows = NULL;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, INVENTORY_MAX);
    if (!eg_uuid_valid(e->tenant) || eg_str_is(e->tenant, EG_AUDIT_SERVER_TENANT)) {
        return eg_fail(p, EG_ERR_INVALID, "there is no such tenant to be erased");
    }
    EG_TRY(take_inventory(o, e->tenant, &text, p));
    EG_TRY(eg_json_parse(eg_buf_str(&text), INVENTORY_MAX, &inventory, p));
    EG_TRY(eg_json_parse(e->escrows.len ? e->escrows : EG_LIT("[]"), INVENTORY_MAX, &escrows, p));
    EG_JSON_AUTO began = now_text();
    EG_JSON_AUTO details = json_pack("{s:s%, s:O}", "reason", e->reason.ptr, e->reason.len, "has", inventory);
    EG_TRY(record(o, e, "key.erase.begin", details)); /* no erasure that the log doesn't know of */
    EG_TRY(destroy(o, e->tenant, &wrapped, p));
    EG_JSON_AUTO ended = now_text();
    EG_JSON_AUTO value = json_pack("{s:s%, s:s%, s:O, s:O, s:O, s:{s:I, s:I}, s:O}", "tenant", e->tenant.ptr, e->tenant.len, "reason", e->reason.ptr, e->reason.len,
                                   "began", began, "destroyed", ended, "unreadable", inventory, "check", "wrappedKeys", (json_int_t)wrapped, "opened", (json_int_t)0,
                                   "escrows", escrows);
    EG_TRY(value ? EG_OK : EG_ERR_NO_MEMORY);
    EG_TRY(certify(o, value, ret_certificate, p));
    EG_TRY(file_of(o, e->tenant, "certificate.json", path));
    EG_TRY(eg_file_replace(AT_FDCWD, path, 0600, eg_buf_bytes(ret_certificate), p));
    return record(o, e, "key.erase", value);
}

eg_err eg_erasure_verify(eg_str certificate, eg_str verifier_key, eg_buf *ret_statement, eg_problem *p) {
    EG_JSON_AUTO value = NULL;
    EG_TRY(eg_statement_open(EG_STATEMENT_ERASURE, certificate, verifier_key, &value, p));
    return eg_json_write(value, ret_statement);
}
