/* The row `token-signing` of the database meta: version (1), the newest key's moment (i64, seconds), its kid. */
#include "key_mark.h"

#include <embergate/audit.h>
#include <embergate/clock.h>
#include <embergate/json.h>

#define VERSION 1
#define HEAD_LEN 9
#define KID_MAX 64
#define LIST_MAX ((size_t)65536)

typedef struct mark {
    int64_t from_s;
    char kid[KID_MAX + 1];
} mark;

static const uint8_t name[] = {'t', 'o', 'k', 'e', 'n', '-', 's', 'i', 'g', 'n', 'i', 'n', 'g'};
static const eg_bytes row_key = {name, sizeof name};

/* The last one. Whether `kid` is among them. */
static eg_err read_list(eg_str json, const char *kid, mark *ret, bool *ret_there) {
    EG_JSON_AUTO doc = NULL;
    EG_TRY(eg_json_parse(json, LIST_MAX, &doc, NULL));
    const json_t *keys = json_object_get(doc, "keys");
    mark m = {.from_s = 0};
    *ret_there = false;
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *one = json_array_get(keys, i);
        const eg_str id = eg_json_str(one, "kid"), from = eg_json_str(one, "from");
        int64_t ns = 0;
        if (id.len == 0 || id.len > KID_MAX || (from.len > 0 && eg_time_parse_rfc3339(from, &ns) != EG_OK)) {
            return EG_ERR_CORRUPT;
        }
        memcpy(m.kid, id.ptr, id.len);
        m.kid[id.len] = '\0';
        m.from_s = ns / 1000000000;
        *ret_there = *ret_there || strcmp(m.kid, kid) == 0;
    }
    *ret = m;
    return m.kid[0] ? EG_OK : EG_ERR_CORRUPT;
}

static eg_err apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const mark *m = ctx;
    uint8_t row[HEAD_LEN + KID_MAX] = {VERSION};
    const size_t n = strlen(m->kid);
    eg_put_u64(row + 1, (uint64_t)m->from_s);
    memcpy(row + HEAD_LEN, m->kid, n);
    return eg_kv_put(t, EG_DB_META, row_key, (eg_bytes){row, HEAD_LEN + n});
}

static eg_err put(const eg_key_mark *m, mark *now, eg_problem *p) {
    const eg_txn_op op = {.apply = apply, .ctx = now};
    return eg_commit(m->committer, &op, 1, p);
}

/* Without one: an empty kid. */
static eg_err get(const eg_key_mark *m, mark *ret) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    eg_bytes row;
    *ret = (mark){.from_s = 0};
    EG_TRY(eg_kv_read_begin(m->kv, &t));
    const eg_err e = eg_kv_get(t, EG_DB_META, row_key, &row);
    if (e != EG_OK) {
        return e == EG_ERR_NOT_FOUND ? EG_OK : e;
    }
    if (row.len <= HEAD_LEN || row.len > HEAD_LEN + KID_MAX || row.ptr[0] != VERSION) {
        return row.len > 0 && row.ptr[0] != VERSION ? EG_ERR_FORMAT_VERSION : EG_ERR_CORRUPT;
    }
    ret->from_s = (int64_t)eg_get_u64(row.ptr + 1);
    memcpy(ret->kid, row.ptr + HEAD_LEN, row.len - HEAD_LEN);
    return EG_OK;
}

static void record(const eg_key_mark *m, const mark *gone) {
    EG_JSON_AUTO details = json_pack("{s:s}", "missing", gone->kid);
    const eg_audit_record r = {.event = "identity.keys.older", .outcome = "failed", .details = details};
    eg_audit_note(m->audit, &r);
}

eg_err eg_key_mark_put(const eg_key_mark *m, eg_str json, eg_problem *p) {
    mark now;
    bool unused = false;
    EG_TRY(read_list(json, "", &now, &unused));
    return put(m, &now, p);
}

eg_err eg_key_mark_check(const eg_key_mark *m, bool *ret_ended, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf list;
    mark was, now;
    bool there = false;
    *ret_ended = false;
    eg_buf_init(&list, LIST_MAX);
    EG_TRY(get(m, &was));
    EG_TRY(m->keys->list_token_keys(m->keys->ctx, &list));
    EG_TRY(read_list(eg_buf_str(&list), was.kid, &now, &there));
    if (strcmp(was.kid, now.kid) == 0) {
        return EG_OK;
    }
    /* A rotation makes a later one; whoever ended a key that still waited is asked to end once more, if it was killed before it could say so. */
    if (was.kid[0] && !there && now.from_s <= was.from_s) {
        eg_buf_reset(&list);
        EG_TRY(m->keys->rotate_token_key(m->keys->ctx, 0, true, &list));
        EG_TRY(read_list(eg_buf_str(&list), "", &now, &there));
        record(m, &was);
        *ret_ended = true;
    }
    return put(m, &now, p);
}
