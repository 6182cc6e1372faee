/* Changes that wait for a second person: proposed, approved, rejected, and forgotten when nobody came. */
#include "policy_store_state.h"

#include <embergate/clock.h>
#include <stdio.h>

#define PENDING_MAX 100
#define PENDING_BYTES_MAX (16u << 20)
#define PENDING_NS ((int64_t)7 * 24 * 3600 * 1000000000)

static eg_err parse_row(eg_bytes v, json_t **ret) {
    return eg_json_parse(eg_bytes_str(v), PENDING_BYTES_MAX, ret, NULL) == EG_OK ? EG_OK : EG_ERR_CORRUPT;
}

static bool expired(const eg_policy_store *s, const json_t *row) {
    int64_t until = 0;
    return eg_time_parse_rfc3339(eg_json_str(row, "expires"), &until) != EG_OK || until <= eg_wall_ns(s->o.clock);
}

/* Proposing. */

typedef struct propose_step {
    eg_policy_store *s;
    eg_str id;
    eg_bytes row;
} propose_step;

/* Whatever has expired goes with the next one that comes. */
static eg_err apply_propose(eg_kv_txn *t, void *ctx, eg_problem *p) {
    const propose_step *c = ctx;
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *cursor = NULL;
    eg_bytes k, v;
    size_t n = 0;
    eg_err e;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_POLICY_PENDING, (eg_bytes){NULL, 0}, &cursor));
    while ((e = eg_kv_cursor_next(cursor, &k, &v)) == EG_OK) {
        EG_JSON_AUTO row = NULL;
        if (parse_row(v, &row) != EG_OK || expired(c->s, row)) {
            EG_TRY(eg_kv_cursor_del(cursor));
        } else {
            n++;
        }
    }
    EG_TRY(e == EG_ERR_NOT_FOUND ? EG_OK : e);
    if (n >= PENDING_MAX) {
        return eg_fail(p, EG_ERR_LIMIT, "%d changes of policies wait for a second person already.", PENDING_MAX);
    }
    return eg_kv_put(t, EG_DB_POLICY_PENDING, eg_str_bytes(c->id), c->row);
}

static eg_err add_item(const eg_policy_item *m, json_t *puts, json_t *deletes) {
    json_t *v = NULL;
    if (!m->after) {
        return json_array_append_new(deletes, json_pack("{s:s, s:s}", "type", eg_policy_folders[m->kind], "id", m->id)) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
    }
    EG_TRY(eg_json_parse((eg_str){m->after, m->after_len}, EG_POLICY_DOCUMENT_MAX, &v, NULL));
    return json_array_append_new(puts, json_pack("{s:s, s:o}", "type", eg_policy_folders[m->kind], "document", v)) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err proposal(eg_policy_store *s, const eg_policy_set *set, const eg_policy_change *c, const char *id, json_t **ret) {
    EG_JSON_AUTO puts = json_array();
    EG_JSON_AUTO deletes = json_array();
    char time[EG_RFC3339_LEN], expires[EG_RFC3339_LEN];
    const int64_t now = eg_wall_ns(s->o.clock);
    eg_time_rfc3339(now, time);
    eg_time_rfc3339(now + PENDING_NS, expires);
    for (size_t i = 0; i < set->n; i++) {
        EG_TRY(add_item(&set->v[i], puts, deletes));
    }
    *ret = json_pack("{s:s, s:s, s:s, s:o, s:s, s:s%, s:s%, s:I, s:O, s:O}", "id", id, "time", time, "expires", expires, "author", eg_policy_author_json(c->author, c->by), "event",
                     eg_policy_event(c->event), "ticket", c->ticket.ptr ? c->ticket.ptr : "", c->ticket.len, "justification",
                     c->justification.ptr ? c->justification.ptr : "", c->justification.len, "baseVersion", (json_int_t)s->version, "puts", puts, "deletes", deletes);
    return *ret ? EG_OK : EG_ERR_NO_MEMORY;
}

/* The record of a step that changes nothing in force yet. */
static eg_txn_op record_step(eg_policy_store *s, eg_arena *a, const eg_policy_recorder *r, const eg_policy_reason *why, const json_t *row) {
    EG_JSON_AUTO details = json_deep_copy(row);
    json_object_del(details, "puts");
    json_object_del(details, "deletes");
    return r && r->op ? r->op(r->ctx, details) : eg_policy_store_record(s, a, why, s->version, details);
}

eg_err eg_policy_store_propose(eg_policy_store *s, const eg_policy_set *set, const eg_policy_change *c, const eg_policy_recorder *r, char ret_id[EG_UUID_LEN], eg_problem *p) {
    char id[EG_UUID_LEN];
    EG_JSON_AUTO row = NULL;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    EG_CLEANUP(eg_arena_free_p) eg_arena *arena = eg_arena_new(64u << 10);
    eg_buf_init(&text, PENDING_BYTES_MAX);
    eg_uuid_new(id);
    if (!arena || proposal(s, set, c, id, &row) != EG_OK || eg_json_write(row, &text) != EG_OK) {
        return eg_fail(p, EG_ERR_LIMIT, "A change that waits for a second person has at most %u MiB.", PENDING_BYTES_MAX >> 20);
    }
    propose_step step = {s, eg_str_of(id), eg_buf_bytes(&text)};
    const eg_policy_reason why = {.author = c->author, .by = c->by, .event = "policy.propose"};
    eg_txn_op ops[2] = {{.apply = apply_propose, .ctx = &step, .grows = true}};
    size_t n = 1;
    if (s->o.audit || (r && r->op)) {
        ops[n++] = record_step(s, arena, r, &why, row);
    }
    EG_TRY(eg_commit(s->o.committer, ops, n, p));
    memcpy(ret_id, id, sizeof id);
    return EG_OK;
}

/* Reading. */

eg_err eg_policy_store_pending(eg_policy_store *s, json_t **ret) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_JSON_AUTO list = json_array();
    eg_bytes k, v;
    eg_err e;
    EG_TRY(eg_kv_read_begin(s->o.kv, &t));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_POLICY_PENDING, (eg_bytes){NULL, 0}, &c));
    while ((e = eg_kv_cursor_next(c, &k, &v)) == EG_OK) {
        json_t *row = NULL;
        if (parse_row(v, &row) == EG_OK && !expired(s, row)) {
            json_array_append_new(list, row);
        } else {
            json_decref(row);
        }
    }
    EG_TRY(e == EG_ERR_NOT_FOUND ? EG_OK : e);
    *ret = json_incref(list);
    return EG_OK;
}

static eg_err find(eg_policy_store *s, eg_str id, json_t **ret, eg_problem *p) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_JSON_AUTO row = NULL;
    eg_bytes v;
    EG_TRY(eg_kv_read_begin(s->o.kv, &t));
    if (!eg_uuid_valid(id) || eg_kv_get(t, EG_DB_POLICY_PENDING, eg_str_bytes(id), &v) != EG_OK || parse_row(v, &row) != EG_OK || expired(s, row)) {
        return eg_fail(p, EG_ERR_NOT_FOUND, "No change of this id waits for a second person.");
    }
    *ret = json_incref(row);
    return EG_OK;
}

static void author_of(const json_t *row, eg_principal *ret, bool *ret_known) {
    const json_t *a = json_object_get(row, "author");
    const char *oid = json_string_value(json_object_get(a, "oid")), *tenant = json_string_value(json_object_get(a, "tenant"));
    const eg_str kind = eg_json_str(a, "kind");
    *ret_known = oid && tenant;
    *ret = (eg_principal){.refs = 1, .kind = eg_str_is(kind, "user") ? EG_PRINCIPAL_USER : EG_PRINCIPAL_SERVICE};
    if (*ret_known) {
        snprintf(ret->object_id, sizeof ret->object_id, "%s", oid);
        snprintf(ret->tenant, sizeof ret->tenant, "%s", tenant);
    }
}

static bool same_person(const eg_principal *a, const eg_principal *b) {
    return eg_str_ieq(eg_str_of(a->object_id), eg_str_of(b->object_id)) && eg_str_ieq(eg_str_of(a->tenant), eg_str_of(b->tenant));
}

/* What the row asks for, as a set that is compared with the documents of now. */
static eg_err set_of(eg_policy_store *s, const json_t *row, eg_policy_set *set, eg_policy **ret_next, eg_problem *p) {
    const json_t *puts = json_object_get(row, "puts"), *deletes = json_object_get(row, "deletes");
    const eg_policy_change none = {.by = NULL};
    eg_policy_kind kind = 0;
    for (size_t i = 0; i < json_array_size(puts); i++) {
        EG_CLEANUP(eg_buf_done) eg_buf text;
        const json_t *v = json_array_get(puts, i);
        eg_buf_init(&text, EG_POLICY_DOCUMENT_MAX);
        EG_TRY(eg_policy_kind_of(eg_json_str(v, "type"), &kind));
        EG_TRY(eg_json_write(json_object_get(v, "document"), &text));
        EG_TRY(eg_policy_set_put(set, kind, NULL, eg_buf_str(&text), p));
    }
    for (size_t i = 0; i < json_array_size(deletes); i++) {
        const json_t *v = json_array_get(deletes, i);
        EG_TRY(eg_policy_kind_of(eg_json_str(v, "type"), &kind));
        EG_TRY(eg_policy_set_delete(set, kind, eg_json_str(v, "id"), p));
    }
    return eg_policy_store_prepare(s, &none, set, ret_next, p);
}

static eg_err apply_drop(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    return eg_kv_del(t, EG_DB_POLICY_PENDING, eg_str_bytes(*(const eg_str *)ctx));
}

/* Deciding. */

static eg_err approve(eg_policy_store *s, const json_t *row, const eg_principal *approver, const eg_policy_recorder *r, eg_policy_changed *ret, eg_problem *p) {
    eg_pace pace = eg_policy_store_pace(s);
    EG_CLEANUP(eg_policy_set_done) eg_policy_set set = {.pace = &pace};
    EG_CLEANUP(eg_policy_unref_p) eg_policy *next = NULL;
    eg_principal author;
    bool known;
    eg_str id = eg_json_str(row, "id");
    author_of(row, &author, &known);
    if (!approver || (known && same_person(&author, approver))) {
        return eg_fail(p, EG_ERR_POLICY_SECOND_PERSON, "Somebody else than the proposer, known by a token, has to approve this change.");
    }
    if (json_integer_value(json_object_get(row, "baseVersion")) != (json_int_t)s->version) {
        return eg_fail(p, EG_ERR_POLICY_VERSION, "The policies have changed since this was proposed (version %llu is in force): reject it and propose it anew.",
                       (unsigned long long)s->version);
    }
    EG_TRY(set_of(s, row, &set, &next, p));
    if (!next) {
        return eg_fail(p, EG_ERR_POLICY_VERSION, "There is nothing left to change.");
    }
    EG_TRY(eg_policy_store_may_set(s, approver, &set, p));
    const eg_policy_reason why = {.author = known ? &author : NULL, .by = json_string_value(json_object_get(json_object_get(row, "author"), "by")), .approver = approver,
                                  .event = json_string_value(json_object_get(row, "event")), .ticket = eg_json_str(row, "ticket"),
                                  .justification = eg_json_str(row, "justification")};
    const eg_policy_commit commit = {.set = &set, .why = &why, .next = next, .recorder = r, .extra = {.apply = apply_drop, .ctx = &id}};
    const uint64_t version = eg_policy_version(next);
    EG_TRY(eg_policy_store_commit(s, &commit, p));
    next = NULL;
    *ret = (eg_policy_changed){.version = version, .changes = set.n};
    return EG_OK;
}

eg_err eg_policy_store_approve(eg_policy_store *s, eg_str id, const eg_principal *approver, const eg_policy_recorder *r, eg_policy_changed *ret, eg_problem *p) {
    EG_JSON_AUTO row = NULL;
    pthread_mutex_lock(&s->changing);
    eg_err e = find(s, id, &row, p);
    if (e == EG_OK) {
        e = approve(s, row, approver, r, ret, p);
    }
    pthread_mutex_unlock(&s->changing);
    return e;
}

static eg_err reject(eg_policy_store *s, const json_t *row, const eg_principal *by, const eg_policy_recorder *r, eg_problem *p) {
    eg_pace pace = eg_policy_store_pace(s);
    EG_CLEANUP(eg_policy_set_done) eg_policy_set set = {.pace = &pace};
    EG_CLEANUP(eg_policy_unref_p) eg_policy *next = NULL;
    EG_CLEANUP(eg_arena_free_p) eg_arena *arena = eg_arena_new(64u << 10);
    eg_principal author;
    bool known;
    eg_str id = eg_json_str(row, "id");
    author_of(row, &author, &known);
    if (by && !(known && same_person(&author, by))) {
        eg_problem stale = {0};
        const eg_err e = set_of(s, row, &set, &next, &stale);
        EG_TRY(e == EG_OK || e == EG_ERR_POLICY_INVALID || e == EG_ERR_NOT_FOUND ? EG_OK : e);
        EG_TRY(eg_policy_store_may_set(s, by, &set, p));
    }
    const eg_policy_reason why = {.author = by, .event = "policy.reject"};
    eg_txn_op ops[2] = {{.apply = apply_drop, .ctx = &id}};
    size_t n = 1;
    if (s->o.audit || (r && r->op)) {
        ops[n++] = arena ? record_step(s, arena, r, &why, row) : (eg_txn_op){.apply = NULL};
    }
    return arena ? eg_commit(s->o.committer, ops, n, p) : EG_ERR_NO_MEMORY;
}

eg_err eg_policy_store_reject(eg_policy_store *s, eg_str id, const eg_principal *by, const eg_policy_recorder *r, eg_problem *p) {
    EG_JSON_AUTO row = NULL;
    pthread_mutex_lock(&s->changing);
    eg_err e = find(s, id, &row, p);
    if (e == EG_OK) {
        e = reject(s, row, by, r, p);
    }
    pthread_mutex_unlock(&s->changing);
    return e;
}
