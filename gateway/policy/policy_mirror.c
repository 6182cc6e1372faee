/* Takes a policy directory over into the store: each directory that is in force is a version of the history too. */
#include "policy_store_state.h"

#include <embergate/encoding.h>

static eg_err take(void *ctx, eg_policy_kind kind, const char *file, eg_str text, eg_problem *p) {
    return eg_policy_set_put(ctx, kind, file, text, p);
}

/* The digest of the newest version, in hex: "" when there is none. */
static eg_err newest_digest(eg_kv_txn *t, char ret[2 * EG_SHA256_LEN + 1]) {
    EG_JSON_AUTO row = NULL;
    uint64_t version;
    const eg_err e = eg_policy_version_read(t, 0, &version, &row);
    const eg_str hex = e == EG_OK ? eg_json_str(row, "digest") : (eg_str){NULL, 0};
    ret[0] = '\0';
    if (hex.len == 2 * EG_SHA256_LEN) {
        memcpy(ret, hex.ptr, hex.len);
        ret[hex.len] = '\0';
    }
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

/* Ends the read transaction before the commit. */
static eg_err compare(eg_policy_store *s, const char *dir, const char *hex, eg_policy_set *set, bool *ret_same, eg_problem *p) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    char last[2 * EG_SHA256_LEN + 1];
    EG_TRY(eg_kv_read_begin(s->o.kv, &t));
    EG_TRY(newest_digest(t, last));
    *ret_same = strcmp(last, hex) == 0;
    if (*ret_same) {
        return EG_OK;
    }
    EG_TRY(eg_policy_read_dir(dir, (eg_policy_sink){take, set}, p));
    EG_TRY(eg_policy_set_sort(set, false, p));
    EG_TRY(eg_policy_set_rest(set, t, p));
    return eg_policy_set_compare(set, t, p);
}

static eg_err mirror(eg_policy_store *s, const char *dir, eg_policy *taken, eg_pace *pace, eg_problem *p) {
    EG_CLEANUP(eg_policy_set_done) eg_policy_set set = {.pace = pace};
    uint8_t digest[EG_SHA256_LEN];
    char hex[2 * EG_SHA256_LEN + 1];
    bool same = false;
    eg_policy_digest(taken, digest);
    eg_hex((eg_bytes){digest, sizeof digest}, hex);
    EG_TRY(compare(s, dir, hex, &set, &same, p));
    if (same) {
        eg_policy_number(taken, s->version);
        eg_policy_store_replace(s, taken);
        return EG_OK;
    }
    eg_policy_number(taken, s->version + 1);
    const eg_policy_reason why = {.by = "files"};
    const eg_policy_commit commit = {.set = &set, .why = &why, .next = taken};
    return eg_policy_store_commit(s, &commit, p);
}

eg_err eg_policy_store_mirror(eg_policy_store *s, const char *dir, eg_policy *taken, eg_pace *pace, eg_problem *p) {
    pthread_mutex_lock(&s->changing);
    const eg_err e = mirror(s, dir, taken, pace, p);
    pthread_mutex_unlock(&s->changing);
    return e;
}
