/* Rows of delegators in fs.account: "g/{account}/{object id}" → when, and the groups. docs/NAMESPACE-FORMAT.md. */
#include "delegator.h"

#include "delegation_key.h"
#include "record.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY_MAX (2 + EG_ACCOUNT_NAME_MAX + 1 + EG_UUID_LEN)
#define ROW_MAX ((size_t)16384)
#define HOUR_NS ((int64_t)3600 * 1000000000)
/* A key may have been given an hour after what was kept for the one before it. */
#define KEPT_NS (EG_DELEGATION_NS_MAX + 2 * HOUR_NS)
#define PRUNED_AT_ONCE 100

static eg_bytes key_of(const eg_account *a, const char *object_id, char ret[KEY_MAX]) {
    const int n = snprintf(ret, KEY_MAX, "g/%s/%s", a->name, object_id);
    return (eg_bytes){(const uint8_t *)ret, n > 0 && n < (int)KEY_MAX ? (size_t)n : 0};
}

static eg_err encode(const eg_delegator_note *n, int64_t at_ns, eg_bytes key, eg_buf *ret) {
    const eg_principal *who = n->who;
    eg_record_start(ret, ROW_MAX);
    eg_record_u64(ret, (uint64_t)at_ns);
    eg_record_u8(ret, who->groups_unknown ? 1 : 0);
    eg_record_u16(ret, (uint16_t)(who->groups_unknown ? 0 : who->group_count));
    for (size_t i = 0; !who->groups_unknown && i < who->group_count; i++) {
        eg_record_text(ret, eg_str_bytes(eg_str_of(who->groups[i])));
    }
    return eg_record_seal(n->account, EG_ROW_DELEGATOR, key, ret);
}

/* Rows of the account that no key can need any more; a few at a time. */
static eg_err prune(eg_kv_txn *t, const eg_delegator_note *n) {
    char prefix[KEY_MAX];
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    const eg_bytes from = key_of(n->account, "", prefix);
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_ACCOUNT, from, &c));
    for (size_t i = 0; i < PRUNED_AT_ONCE; i++) {
        eg_bytes k;
        eg_bytes v;
        eg_record_reader r;
        const eg_err e = eg_kv_cursor_next(c, &k, &v);
        if (e == EG_ERR_NOT_FOUND || (e == EG_OK && (k.len < from.len || memcmp(k.ptr, from.ptr, from.len) != 0))) {
            break;
        }
        EG_TRY(e);
        if (eg_record_open(n->account, EG_ROW_DELEGATOR, k, v, &r) == EG_OK && (int64_t)eg_record_get_u64(&r) + KEPT_NS < n->now_ns) {
            EG_TRY(eg_kv_cursor_del(c));
        }
    }
    return EG_OK;
}

eg_err eg_delegator_note_apply(eg_kv_txn *t, void *note, eg_problem *p) {
    (void)p;
    const eg_delegator_note *n = note;
    char key[KEY_MAX];
    const eg_bytes k = key_of(n->account, n->who->object_id, key);
    eg_buf row;
    EG_TRY(k.len == 0 || n->who->group_count > EG_PRINCIPAL_GROUPS_MAX ? EG_ERR_INVALID : EG_OK);
    EG_TRY(prune(t, n));
    eg_err e = encode(n, n->now_ns, k, &row);
    e = e == EG_OK ? eg_kv_put(t, EG_DB_FS_ACCOUNT, k, eg_buf_bytes(&row)) : e;
    eg_buf_done(&row);
    return e;
}

bool eg_delegator_noted(eg_storage *s, const eg_delegator_note *n) {
    char key[KEY_MAX];
    const eg_bytes k = key_of(n->account, n->who->object_id, key);
    eg_bytes stored;
    eg_record_reader r;
    eg_buf row;
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    if (eg_kv_read_begin(s->kv, &t) != EG_OK || eg_kv_get(t, EG_DB_FS_ACCOUNT, k, &stored) != EG_OK ||
        eg_record_open(n->account, EG_ROW_DELEGATOR, k, stored, &r) != EG_OK) {
        return false;
    }
    const int64_t at_ns = (int64_t)eg_record_get_u64(&r);
    const bool same = encode(n, at_ns, k, &row) == EG_OK && row.len == stored.len && memcmp(row.ptr, stored.ptr, row.len) == 0;
    eg_buf_done(&row);
    return same && at_ns <= n->now_ns && n->now_ns - at_ns < HOUR_NS;
}

static eg_err take_groups(eg_record_reader *r, size_t n, eg_principal *who) {
    EG_TRY(n > EG_PRINCIPAL_GROUPS_MAX ? eg_record_corrupt() : EG_OK);
    who->groups = n > 0 ? calloc(n, sizeof who->groups[0]) : NULL;
    EG_TRY(n > 0 && !who->groups ? EG_ERR_NO_MEMORY : EG_OK);
    for (size_t i = 0; i < n; i++) {
        const eg_str g = eg_bytes_str(eg_record_get_text(r));
        EG_TRY(!g.ptr || g.len >= EG_UUID_LEN ? eg_record_corrupt() : EG_OK);
        memcpy(who->groups[i], g.ptr, g.len);
    }
    who->group_count = n;
    return eg_record_end(r);
}

eg_err eg_delegator_groups(eg_storage *s, const eg_account *a, eg_principal *who) {
    char key[KEY_MAX];
    eg_bytes stored;
    eg_record_reader r;
    const eg_bytes k = key_of(a, who->object_id, key);
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    who->groups_unknown = true;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    const eg_err e = eg_kv_get(t, EG_DB_FS_ACCOUNT, k, &stored);
    if (e == EG_ERR_NOT_FOUND) {
        return EG_OK;
    }
    EG_TRY(e);
    EG_TRY(eg_record_open(a, EG_ROW_DELEGATOR, k, stored, &r));
    (void)eg_record_get_u64(&r);
    const bool unknown = eg_record_get_u8(&r) != 0;
    EG_TRY(take_groups(&r, eg_record_get_u16(&r), who));
    who->groups_unknown = unknown;
    eg_principal_index_groups(who);
    return EG_OK;
}
