/* What versions there were, what each changed, and the way back to one. */
#include "policy_store_state.h"

#include <embergate/encoding.h>
#include <stdio.h>

/* What only the store needs. */
static void tidy(json_t *row) {
    static const char *const own[] = {"bytes", "total", "oldest", "recorded"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        json_object_del(row, own[i]);
    }
}

eg_err eg_policy_store_history(eg_policy_store *s, uint64_t before, size_t limit, json_t **ret) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_JSON_AUTO list = json_array();
    eg_err e = eg_kv_read_begin(s->o.kv, &t);
    for (size_t i = 0; e == EG_OK && i < limit; i++) {
        json_t *row = NULL;
        uint64_t version = 0;
        e = before == 1 ? EG_ERR_NOT_FOUND : eg_policy_version_read(t, before, &version, &row);
        if (e == EG_OK) {
            tidy(row);
            e = json_array_append_new(list, row) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
            before = version;
        }
    }
    if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
        return e;
    }
    *ret = json_incref(list);
    return EG_OK;
}

static eg_err add_change(void *ctx, const json_t *change) {
    return json_array_append_new(ctx, json_deep_copy(change)) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err no_version(uint64_t version, eg_problem *p) {
    return eg_fail(p, EG_ERR_NOT_FOUND, "There is no version %llu of the policies.", (unsigned long long)version);
}

static uint64_t oldest_content(eg_kv_txn *t) {
    EG_JSON_AUTO row = NULL;
    uint64_t version;
    const json_int_t n = eg_policy_version_read(t, 0, &version, &row) == EG_OK ? json_integer_value(json_object_get(row, "oldest")) : 0;
    return n > 0 ? (uint64_t)n : 0;
}

eg_err eg_policy_store_show(eg_policy_store *s, uint64_t version, json_t **ret, eg_problem *p) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_JSON_AUTO row = NULL;
    EG_JSON_AUTO list = json_array();
    EG_TRY(eg_kv_read_begin(s->o.kv, &t));
    if (eg_policy_version_get(t, version, &row) != EG_OK) {
        return no_version(version, p);
    }
    EG_TRY(eg_policy_changes_each(t, version, add_change, list));
    if (version < oldest_content(t)) {
        json_object_set_new(row, "contentDropped", json_true());
    }
    tidy(row);
    json_object_set(row, "documents", list);
    *ret = json_incref(row);
    return EG_OK;
}

/* id in lower case → {"type","id","document" or null}: what the document was at the version; later changes are undone from the newest back, so that the last one told wins. */
typedef struct undone {
    json_t *by_id;
} undone;

static eg_err undo(void *ctx, const json_t *change) {
    const undone *u = ctx;
    const char *type = json_string_value(json_object_get(change, "type")), *id = json_string_value(json_object_get(change, "id"));
    eg_policy_kind kind;
    uint8_t digest[EG_SHA256_LEN];
    char key[2 * EG_SHA256_LEN + 24];
    if (!type || !id || eg_policy_kind_of(eg_str_of(type), &kind) != EG_OK) {
        return EG_ERR_CORRUPT;
    }
    eg_policy_id_digest(kind, eg_str_of(id), digest);
    snprintf(key, sizeof key, "%u/", (unsigned)kind);
    eg_hex((eg_bytes){digest, sizeof digest}, key + strlen(key));
    json_t *was = json_pack("{s:s, s:s, s:O}", "type", type, "id", id, "document", json_object_get(change, "before"));
    return json_object_set_new(u->by_id, key, was) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

static bool is_there(eg_kv_txn *t, const json_t *was) {
    eg_policy_kind kind = 0;
    uint8_t digest[EG_SHA256_LEN];
    eg_bytes v;
    if (eg_policy_kind_of(eg_json_str(was, "type"), &kind) != EG_OK) {
        return false;
    }
    eg_policy_id_digest(kind, eg_json_str(was, "id"), digest);
    const eg_policy_key key = eg_policy_document_key(kind, digest);
    return eg_kv_get(t, EG_DB_POLICY_DOCUMENT, eg_policy_key_bytes(&key), &v) == EG_OK;
}

static eg_err sort_out(eg_kv_txn *t, json_t *by_id, json_t *puts, json_t *deletes) {
    const char *key;
    json_t *was;
    json_object_foreach(by_id, key, was) {
        const bool gone = json_is_null(json_object_get(was, "document"));
        if (gone && !is_there(t, was)) {
            continue;
        }
        if (gone) {
            json_object_del(was, "document");
        } else {
            json_object_del(was, "id");
        }
        EG_TRY(json_array_append(gone ? deletes : puts, was) == 0 ? EG_OK : EG_ERR_NO_MEMORY);
    }
    return EG_OK;
}

eg_err eg_policy_store_way_back(eg_policy_store *s, uint64_t version, json_t **ret, eg_problem *p) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_JSON_AUTO by_id = json_object();
    EG_JSON_AUTO puts = json_array();
    EG_JSON_AUTO deletes = json_array();
    EG_JSON_AUTO row = NULL;
    EG_JSON_AUTO newest_row = NULL;
    uint64_t newest = 0;
    EG_TRY(eg_kv_read_begin(s->o.kv, &t));
    if (eg_policy_version_get(t, version, &row) != EG_OK || eg_policy_version_read(t, 0, &newest, &newest_row) != EG_OK) {
        return no_version(version, p);
    }
    if (version + 1 < oldest_content(t)) {
        return eg_fail(p, EG_ERR_NOT_FOUND, "The content of version %llu is not kept any more; the oldest one that can be returned to is %llu.", (unsigned long long)version,
                       (unsigned long long)oldest_content(t) - 1);
    }
    undone u = {by_id};
    for (uint64_t v = newest; v > version; v--) {
        EG_TRY(eg_policy_changes_each(t, v, undo, &u));
    }
    EG_TRY(sort_out(t, by_id, puts, deletes));
    *ret = json_pack("{s:O, s:O}", "puts", puts, "deletes", deletes);
    return *ret ? EG_OK : EG_ERR_NO_MEMORY;
}
