/* Accounts and their keys as administrators see them: one JSON shape for the Resource Manager's routes and the command line. */
#include "account_admin.h"

#include <embergate/encoding.h>
#include <embergate/storage.h>

#include <stdio.h>
#include <stdlib.h>

static eg_err add_key(eg_storage *s, const eg_account *a, int i, json_t *list) {
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = NULL;
    int64_t created;
    char date[EG_RFC3339_LEN];
    char name[8];
    eg_buf text;
    EG_TRY(eg_account_keys_get(s, a, (eg_account_secret)(EG_ACCOUNT_KEY_1 + i), &key, &created));
    eg_time_rfc3339(created, date);
    snprintf(name, sizeof name, "key%d", i + 1);
    eg_buf_init(&text, 128);
    eg_err e = eg_base64(eg_secret_bytes(key), &text);
    json_t *one = e == EG_OK ? json_pack("{s:s,s:s,s:s,s:s}", "keyName", name, "value", text.ptr, "permissions", "FULL", "creationTime", date) : NULL;
    if (e == EG_OK && json_array_append_new(list, one) != 0) {
        e = EG_ERR_NO_MEMORY;
    }
    eg_cleanse(text.ptr, text.len);
    eg_buf_done(&text);
    return e;
}

eg_err eg_account_keys_json(eg_storage *s, const eg_account *a, json_t **ret) {
    json_t *list = json_array();
    eg_err e = list ? EG_OK : EG_ERR_NO_MEMORY;
    for (int i = 0; e == EG_OK && i < 2; i++) {
        e = add_key(s, a, i, list);
    }
    json_t *all = e == EG_OK ? json_pack("{s:O}", "keys", list) : NULL;
    json_decref(list);
    EG_TRY(e);
    if (!all) {
        return EG_ERR_NO_MEMORY;
    }
    *ret = all;
    return EG_OK;
}

eg_err eg_account_key_named(eg_str name, eg_account_secret *ret) {
    if (!eg_str_is(name, "key1") && !eg_str_is(name, "key2")) {
        return EG_ERR_INVALID;
    }
    *ret = eg_str_is(name, "key1") ? EG_ACCOUNT_KEY_1 : EG_ACCOUNT_KEY_2;
    return EG_OK;
}

static eg_err find(eg_storage *s, eg_str account, const eg_account **ret, eg_problem *p) {
    const eg_err e = eg_storage_account(s, account, ret);
    return e == EG_OK ? EG_OK : eg_fail(p, e, "there is no account '%.*s'", EG_FMT(account));
}

static eg_err put_text(json_t *taken, eg_buf *ret) {
    char *text = taken ? json_dumps(taken, JSON_COMPACT) : NULL;
    json_decref(taken);
    if (!text) {
        return EG_ERR_NO_MEMORY;
    }
    const size_t n = strlen(text);
    const eg_err e = eg_buf_add(ret, text, n);
    eg_cleanse(text, n);
    free(text);
    return e;
}

eg_err eg_storage_account_list(eg_storage *s, eg_str account, eg_buf *ret_json, eg_problem *p) {
    json_t *list = json_array();
    for (size_t i = 0; list && i < s->rule_count; i++) {
        const eg_account_rules *r = &s->rules[i];
        const eg_account *a;
        const eg_err e = account.len > 0 && !eg_str_is(account, r->account) ? EG_ERR_NOT_FOUND : eg_storage_account(s, eg_str_of(r->account), &a);
        if (e == EG_OK) {
            (void)json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:b,s:s,s:b}", "name", r->account, "tenant", a->tenant, "id", r->resource_id ? r->resource_id : "",
                "allowSharedKeyAccess", r->allow_shared_key, "minimumTlsVersion", r->minimum_tls ? r->minimum_tls : "", "destroyed", atomic_load(&a->destroyed)));
        }
    }
    if (list && account.len > 0 && json_array_size(list) == 0) {
        json_decref(list);
        return eg_fail(p, EG_ERR_ACCOUNT_NOT_FOUND, "there is no account '%.*s'", EG_FMT(account));
    }
    return list ? put_text(json_pack("{s:o}", "accounts", list), ret_json) : EG_ERR_NO_MEMORY;
}

eg_err eg_storage_account_keys(eg_storage *s, eg_str account, eg_buf *ret_json, eg_problem *p) {
    const eg_account *a;
    json_t *all = NULL;
    EG_TRY(find(s, account, &a, p));
    const eg_err e = eg_account_keys_json(s, a, &all);
    return e == EG_OK ? put_text(all, ret_json) : eg_fail(p, e, "the keys of the account can't be made: %s", eg_err_code(e));
}

eg_err eg_storage_account_key_renew(eg_storage *s, eg_str account, eg_str key, eg_problem *p) {
    eg_account_renewal r = {.which = EG_ACCOUNT_DELEGATION, .now_ns = eg_wall_ns(s->clock)};
    if (!eg_str_is(key, "delegations") && eg_account_key_named(key, &r.which) != EG_OK) {
        return eg_fail(p, EG_ERR_INVALID, "an account has the keys key1 and key2");
    }
    EG_TRY(find(s, account, &r.account, p));
    const eg_txn_op op = {eg_account_keys_renew_apply, &r};
    return eg_commit(s->committer, &op, 1, p);
}
