/* The store of policies: what is in force, and how one change after the other takes its place. */
#include "policy_store_state.h"

#include <embergate/clock.h>
#include <embergate/encoding.h>
#include <embergate/metrics.h>
#include <stdlib.h>

#define RECORD_ARENA (64u << 10)
#define TELL_MAX 40                  /* changed ids in an audit record */
#define TEXT_MAX 1000                /* of ticket and justification */
#define UNRECORDED_MAX 1000

const char *eg_policy_event(const char *event) { return event ? event : "policy.change"; }

json_t *eg_policy_author_json(const eg_principal *who, const char *by) {
    if (!who) {
        return json_pack("{s:s}", "by", by ? by : "operator");
    }
    return json_pack("{s:s, s:s, s:s}", "oid", who->object_id, "tenant", who->tenant, "kind", eg_principal_kind_name(who->kind));
}

/* Snapshots. */

eg_policy *eg_policy_store_snapshot(eg_policy_store *s) {
    pthread_mutex_lock(&s->lock);
    eg_policy *p = eg_policy_ref(s->policy);
    pthread_mutex_unlock(&s->lock);
    return p;
}

uint64_t eg_policy_store_version(eg_policy_store *s) {
    pthread_mutex_lock(&s->lock);
    const uint64_t v = s->version;
    pthread_mutex_unlock(&s->lock);
    return v;
}

/* Called with the lock. NULL: it is kept for the next sweep. */
static eg_policy *keep_replaced(eg_policy_store *s, eg_policy *old) {
    for (size_t i = 0; old && i < EG_POLICY_REPLACED_MAX; i++) {
        if (!s->replaced[i]) {
            s->replaced[i] = old;
            return NULL;
        }
    }
    return old;
}

void eg_policy_store_replace(eg_policy_store *s, eg_policy *next) {
    pthread_mutex_lock(&s->lock);
    eg_policy *old = keep_replaced(s, s->policy);
    s->policy = next;
    s->version = eg_policy_version(next);
    pthread_mutex_unlock(&s->lock);
    eg_policy_unref(old);
}

void eg_policy_store_sweep(eg_policy_store *s) {
    for (size_t i = 0; i < EG_POLICY_REPLACED_MAX; i++) {
        pthread_mutex_lock(&s->lock);
        eg_policy *old = eg_policy_is_shared(s->replaced[i]) ? NULL : s->replaced[i];
        s->replaced[i] = old ? NULL : s->replaced[i];
        pthread_mutex_unlock(&s->lock);
        eg_policy_unref(old);
    }
}

static void put_in_force(eg_policy_store *s, eg_policy *next) {
    eg_policy_store_replace(s, next);
    eg_metric_set(EG_METRIC_POLICY_VERSION, (int64_t)eg_policy_version(next));
}

eg_pace eg_policy_store_pace(const eg_policy_store *s) {
    return s->o.audit ? eg_pace_beside() : (eg_pace){0};
}

/* Reading documents. */

eg_err eg_policy_store_get(eg_policy_store *s, eg_policy_kind kind, eg_str id, eg_buf *ret) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    uint8_t digest[EG_SHA256_LEN];
    eg_bytes v;
    eg_policy_id_digest(kind, id, digest);
    const eg_policy_key key = eg_policy_document_key(kind, digest);
    EG_TRY(eg_kv_read_begin(s->o.kv, &t));
    EG_TRY(eg_kv_get(t, EG_DB_POLICY_DOCUMENT, eg_policy_key_bytes(&key), &v));
    return eg_buf_add(ret, v.ptr, v.len);
}

eg_err eg_policy_store_each(eg_policy_store *s, eg_policy_kind kind, eg_err (*each)(void *ctx, eg_str text), void *ctx) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->o.kv, &t));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    const eg_policy_key prefix = eg_policy_kind_prefix(kind);
    eg_bytes k, v;
    eg_err e;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_POLICY_DOCUMENT, eg_policy_key_bytes(&prefix), &c));
    while ((e = eg_kv_cursor_next(c, &k, &v)) == EG_OK && k.len > prefix.len && memcmp(k.ptr, prefix.bytes, prefix.len) == 0) {
        EG_TRY(each(ctx, eg_bytes_str(v)));
    }
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

/* Committing a version. */

typedef struct commit_step {
    const eg_policy_set *set;
    json_t *row;
    uint64_t version;
} commit_step;

static eg_err put_item(eg_kv_txn *t, uint64_t version, uint32_t index, const eg_policy_item *m) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    uint8_t at[12];
    const eg_policy_key key = eg_policy_document_key(m->kind, m->digest);
    EG_JSON_AUTO id = json_string(m->id);
    eg_buf_init(&text, 2 * EG_POLICY_DOCUMENT_MAX + 4096);
    eg_policy_change_key(version, index, at);
    EG_TRY(m->after ? eg_kv_put(t, EG_DB_POLICY_DOCUMENT, eg_policy_key_bytes(&key), (eg_bytes){(const uint8_t *)m->after, m->after_len})
                    : eg_kv_del(t, EG_DB_POLICY_DOCUMENT, eg_policy_key_bytes(&key)));
    EG_JSON_AUTO head = json_pack("{s:s, s:O}", "type", eg_policy_folders[m->kind], "id", id);
    EG_TRY(head ? eg_json_write(head, &text) : EG_ERR_NO_MEMORY);
    text.len--; /* the brace */
    EG_TRY(eg_buf_addf(&text, ",\"before\":"));
    EG_TRY(m->before ? eg_buf_add(&text, m->before, m->before_len) : eg_buf_adds(&text, "null"));
    EG_TRY(eg_buf_addf(&text, ",\"after\":"));
    EG_TRY(m->after ? eg_buf_add(&text, m->after, m->after_len) : eg_buf_adds(&text, "null"));
    EG_TRY(eg_buf_adds(&text, "}"));
    return eg_kv_put(t, EG_DB_POLICY_CHANGE, (eg_bytes){at, sizeof at}, eg_buf_bytes(&text));
}

static uint64_t number_of(const json_t *row, const char *name) {
    const json_int_t n = json_integer_value(json_object_get(row, name));
    return n > 0 ? (uint64_t)n : 0;
}

/* Lets go of the oldest content until what is kept fits. `total` and `oldest` stand in the newest row, so that nothing is counted anew. */
static eg_err prune(eg_kv_txn *t, commit_step *c, const json_t *last) {
    uint64_t total = number_of(last, "total") + number_of(c->row, "bytes"), oldest = last ? number_of(last, "oldest") : c->version;
    while (total > EG_POLICY_HISTORY_BYTES_MAX && oldest < c->version) {
        EG_JSON_AUTO row = NULL;
        if (eg_policy_version_get(t, oldest, &row) == EG_OK) {
            const uint64_t held = number_of(row, "bytes");
            total = total > held ? total - held : 0;
        }
        EG_TRY(eg_policy_changes_drop(t, oldest++));
    }
    if (c->version > EG_POLICY_HISTORY_VERSIONS_MAX) {
        uint8_t key[8];
        eg_put_u64(key, c->version - EG_POLICY_HISTORY_VERSIONS_MAX);
        EG_TRY(eg_kv_del(t, EG_DB_POLICY_VERSION, (eg_bytes){key, sizeof key}));
    }
    json_object_set_new(c->row, "total", json_integer((json_int_t)total));
    return json_object_set_new(c->row, "oldest", json_integer((json_int_t)oldest)) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err apply_version(eg_kv_txn *t, void *ctx, eg_problem *p) {
    commit_step *c = ctx;
    EG_JSON_AUTO last = NULL;
    uint64_t newest = 0;
    const eg_err e = eg_policy_version_read(t, 0, &newest, &last);
    if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
        return e;
    }
    if (newest + 1 != c->version) {
        return eg_fail(p, EG_ERR_POLICY_VERSION, "Version %llu is in force by now.", (unsigned long long)newest);
    }
    for (size_t i = 0; i < c->set->n; i++) {
        EG_TRY(put_item(t, c->version, (uint32_t)i, &c->set->v[i]));
    }
    EG_TRY(prune(t, c, last));
    return eg_policy_version_put(t, c->version, c->row);
}

static eg_err version_row(eg_policy_store *s, const eg_policy_commit *c, uint64_t version, bool recorded, json_t **ret) {
    uint8_t digest[EG_SHA256_LEN];
    char hex[2 * EG_SHA256_LEN + 1], time[EG_RFC3339_LEN];
    const eg_policy_reason *w = c->why;
    eg_policy_digest(c->next, digest);
    eg_hex((eg_bytes){digest, sizeof digest}, hex);
    eg_time_rfc3339(eg_wall_ns(s->o.clock), time);
    json_t *row = json_pack("{s:I, s:s, s:o, s:s, s:s%, s:s%, s:s, s:I, s:I, s:b}", "version", (json_int_t)version, "time", time, "author",
                            eg_policy_author_json(w->author, w->by), "event", eg_policy_event(w->event), "ticket", w->ticket.ptr ? w->ticket.ptr : "", w->ticket.len,
                            "justification", w->justification.ptr ? w->justification.ptr : "", w->justification.len, "digest", hex, "changes", (json_int_t)c->set->n,
                            "bytes", (json_int_t)c->set->bytes, "recorded", recorded);
    if (row && w->approver && json_object_set_new(row, "approver", eg_policy_author_json(w->approver, NULL)) != 0) {
        json_decref(row);
        row = NULL;
    }
    *ret = row;
    return row ? EG_OK : EG_ERR_NO_MEMORY;
}

/* What a record says of a change: all of the row but what only the store needs, and the first ids. */
static json_t *details_of(const json_t *row, const eg_policy_set *set) {
    json_t *d = json_deep_copy(row), *ids = json_array();
    for (size_t i = 0; set && i < set->n && i < TELL_MAX; i++) {
        json_array_append_new(ids, json_string(set->v[i].id));
    }
    if (d) {
        json_object_del(d, "bytes");
        json_object_del(d, "recorded");
        json_object_set(d, "documents", ids);
    }
    json_decref(ids);
    return d;
}

eg_txn_op eg_policy_store_record(eg_policy_store *s, eg_arena *a, const eg_policy_reason *why, uint64_t version, const json_t *details) {
    const eg_audit_record r = {.tenant = why->author ? eg_str_of(why->author->tenant) : (eg_str){"", 0}, .event = eg_policy_event(why->event), .outcome = "allowed",
                               .actor = why->approver ? why->approver : why->author, .resource = EG_LIT("policies"), .policy_version = version, .details = details};
    return eg_audit_op(s->o.audit, a, &r);
}

eg_err eg_policy_store_commit(eg_policy_store *s, const eg_policy_commit *c, eg_problem *p) {
    EG_JSON_AUTO row = NULL;
    EG_CLEANUP(eg_arena_free_p) eg_arena *arena = eg_arena_new(RECORD_ARENA);
    const uint64_t version = eg_policy_version(c->next);
    const bool other = c->recorder && c->recorder->op, recorded = other || s->o.audit;
    if (!arena || version_row(s, c, version, recorded, &row) != EG_OK) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "There is no memory for this change of policies; its texts must be UTF-8.");
    }
    EG_JSON_AUTO details = details_of(row, c->set);
    commit_step step = {c->set, row, version};
    eg_txn_op ops[3] = {{.apply = apply_version, .ctx = &step, .grows = true}};
    size_t n = 1;
    if (recorded) {
        ops[n++] = other ? c->recorder->op(c->recorder->ctx, details) : eg_policy_store_record(s, arena, c->why, version, details);
    }
    if (c->extra.apply) {
        ops[n++] = c->extra;
    }
    EG_TRY(eg_commit(s->o.committer, ops, n, p));
    put_in_force(s, c->next);
    if (s->o.audit) {
        eg_audit_poke(s->o.audit);
    }
    return EG_OK;
}

/* Changing. */

static eg_err must_be_new(const eg_policy_set *set, eg_kv_txn *t, eg_problem *p) {
    for (size_t i = 0; i < set->n; i++) {
        const eg_policy_key key = eg_policy_document_key(set->v[i].kind, set->v[i].digest);
        eg_bytes unused;
        if (set->v[i].after && eg_kv_get(t, EG_DB_POLICY_DOCUMENT, eg_policy_key_bytes(&key), &unused) == EG_OK) {
            return eg_fail(p, EG_ERR_EXISTS, "There is such a document already: %.250s", set->v[i].id);
        }
    }
    return EG_OK;
}

eg_err eg_policy_store_prepare(eg_policy_store *s, const eg_policy_change *c, eg_policy_set *set, eg_policy **ret_next, eg_problem *p) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    for (size_t i = 0; i < c->put_count; i++) {
        EG_TRY(eg_policy_set_put(set, c->puts[i].kind, c->puts[i].name, c->puts[i].text, p));
    }
    for (size_t i = 0; i < c->delete_count; i++) {
        EG_TRY(eg_policy_set_delete(set, c->deletes[i].kind, c->deletes[i].id, p));
    }
    EG_TRY(eg_policy_set_sort(set, true, p));
    const eg_err e = eg_kv_read_begin(s->o.kv, &t);
    if (e != EG_OK) {
        return eg_fail(p, e, "The policies can't be read: %s.", eg_err_code(e));
    }
    EG_TRY(c->only_new ? must_be_new(set, t, p) : EG_OK);
    EG_TRY(eg_policy_set_compare(set, t, p));
    if (set->n == 0) {
        *ret_next = NULL;
        return EG_OK;
    }
    EG_TRY(eg_policy_set_load_upon(set, s->policy, t, ret_next, p));
    eg_policy_separate_duties(*ret_next, s->o.separation_of_duties);
    return EG_OK;
}

static eg_err check(const eg_policy_store *s, const eg_policy_change *c, eg_problem *p) {
    if (s->o.files) {
        (void)eg_fail(p, EG_ERR_POLICY_FILES, "The policies of this gateway are files in its policy directory (policies.source: files): change them there.");
        return EG_ERR_POLICY_FILES;
    }
    if (c->ticket.len > TEXT_MAX || c->justification.len > TEXT_MAX || !eg_utf8_valid(c->ticket) || !eg_utf8_valid(c->justification)) {
        return eg_fail(p, EG_ERR_INVALID, "Ticket and justification are texts of at most %d bytes.", TEXT_MAX);
    }
    if (s->o.require_ticket && !c->settled && (c->ticket.len == 0 || c->justification.len == 0)) {
        return eg_fail(p, EG_ERR_POLICY_TICKET, "A ticket and a justification are owed for every change of policies (policies.require_ticket).");
    }
    if (c->expected_version && c->expected_version != s->version) {
        return eg_fail(p, EG_ERR_POLICY_VERSION, "The policies have changed meanwhile: version %llu is in force, not %llu.", (unsigned long long)s->version,
                       (unsigned long long)c->expected_version);
    }
    return EG_OK;
}

static eg_err check_duties(eg_policy_store *s, const eg_policy *next, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf names;
    eg_buf_init(&names, 1u << 20);
    if (!s->o.separation_of_duties) {
        return EG_OK;
    }
    EG_TRY(eg_policy_duties(s->policy, next, &names));
    if (names.len == 0) {
        return EG_OK;
    }
    return eg_fail(p, EG_ERR_POLICY_DUTIES, "Who may write policies may hold no data actions too (policies.separation_of_duties): %.*s", (int)(names.len < 250 ? names.len : 250),
                   names.ptr);
}

static eg_err change(eg_policy_store *s, const eg_policy_change *c, const eg_policy_recorder *r, eg_policy_changed *ret, eg_problem *p) {
    eg_pace pace = eg_policy_store_pace(s);
    EG_CLEANUP(eg_policy_set_done) eg_policy_set set = {.pace = &pace};
    EG_CLEANUP(eg_policy_unref_p) eg_policy *next = NULL;
    eg_policy_changed out = {.version = s->version};
    EG_TRY(check(s, c, p));
    EG_TRY(eg_policy_store_prepare(s, c, &set, &next, p));
    out.changes = set.n;
    if (next) {
        EG_TRY(check_duties(s, next, p));
        eg_pace_step(&pace);
        EG_TRY(eg_policy_store_share(s, next, c->author, p));
        eg_pace_step(&pace);
        out.version = eg_policy_version(next);
    }
    if (next && c->what_if && eg_policy_what_if(s->policy, next, c->what_if) != EG_OK) {
        return eg_fail(p, EG_ERR_LIMIT, "What this would change is more than can be told.");
    }
    if (next && !c->dry_run && s->o.two_person && !c->settled) {
        EG_TRY(eg_policy_store_propose(s, &set, c, r, out.pending, p));
        out.version = s->version;
    } else if (next && !c->dry_run) {
        const eg_policy_reason why = {c->author, c->by, NULL, c->event, c->ticket, c->justification};
        const eg_policy_commit commit = {.set = &set, .why = &why, .next = next, .recorder = r};
        EG_TRY(eg_policy_store_commit(s, &commit, p));
        next = NULL;
    }
    *ret = out;
    return EG_OK;
}

eg_err eg_policy_store_change(eg_policy_store *s, const eg_policy_change *c, const eg_policy_recorder *r, eg_policy_changed *ret, eg_problem *p) {
    pthread_mutex_lock(&s->changing);
    const eg_err e = change(s, c, r, ret, p);
    pthread_mutex_unlock(&s->changing);
    return e;
}

static eg_txn_op record_request(void *ctx, const json_t *details) {
    const eg_policy_request_record *state = ctx;
    eg_request *rq = state->rq;
    json_decref(rq->record_details);
    rq->record_details = json_deep_copy(details);
    return rq->ops->record_op(rq, state->status);
}

eg_policy_recorder eg_policy_request_recorder(eg_policy_request_record *state) { return (eg_policy_recorder){record_request, state}; }

/* Opening. */

static eg_err mark_recorded(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    json_t *row = ctx;
    json_object_set_new(row, "recorded", json_true());
    return eg_policy_version_put(t, number_of(row, "version"), row);
}

/* Versions that were made while no audit log was open get their records now: each is marked in the transaction of its record. */
static eg_err record_late(eg_policy_store *s, eg_problem *p) {
    uint64_t before = 0, first = 0, version;
    for (int i = 0; i < UNRECORDED_MAX; i++) {
        EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
        EG_JSON_AUTO row = NULL;
        EG_TRY(eg_kv_read_begin(s->o.kv, &t));
        if (eg_policy_version_read(t, before, &version, &row) != EG_OK || json_is_true(json_object_get(row, "recorded"))) {
            break;
        }
        first = before = version;
    }
    for (version = first; first && version <= s->version; version++) {
        EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
        EG_JSON_AUTO row = NULL;
        EG_CLEANUP(eg_arena_free_p) eg_arena *arena = eg_arena_new(RECORD_ARENA);
        EG_TRY(eg_kv_read_begin(s->o.kv, &t));
        EG_TRY(arena ? eg_policy_version_get(t, version, &row) : EG_ERR_NO_MEMORY);
        eg_kv_read_end(t);
        t = NULL;
        EG_JSON_AUTO details = details_of(row, NULL);
        const char *event = json_string_value(json_object_get(row, "event"));
        const eg_policy_reason why = {.event = event};
        const eg_txn_op ops[] = {{.apply = mark_recorded, .ctx = row}, eg_policy_store_record(s, arena, &why, version, details)};
        EG_TRY(eg_commit(s->o.committer, ops, 2, p));
    }
    return EG_OK;
}

static eg_err load_newest(eg_policy_store *s, eg_problem *p) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_JSON_AUTO row = NULL;
    const eg_policy_set none = {0};
    EG_TRY(eg_kv_read_begin(s->o.kv, &t));
    const eg_err e = eg_policy_version_read(t, 0, &s->version, &row);
    if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
        return eg_fail(p, e, "The newest version of the policies can't be read: %s.", eg_err_code(e));
    }
    if (s->o.files) {
        return EG_OK;
    }
    EG_TRY(eg_policy_set_load(&none, t, s->version, &s->policy, p));
    eg_policy_separate_duties(s->policy, s->o.separation_of_duties);
    return EG_OK;
}

eg_err eg_policy_store_open(const eg_policy_store_options *o, eg_policy_store **ret, eg_problem *p) {
    eg_policy_store *s = calloc(1, sizeof *s);
    if (!s) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "There is no memory for the policies.");
    }
    s->o = *o;
    pthread_mutex_init(&s->changing, NULL);
    pthread_mutex_init(&s->lock, NULL);
    eg_err e = load_newest(s, p);
    if (e == EG_OK && o->audit) {
        e = record_late(s, p);
    }
    if (e != EG_OK) {
        eg_policy_store_close(s);
        return e;
    }
    *ret = s;
    return EG_OK;
}

void eg_policy_store_close(eg_policy_store *s) {
    if (!s) {
        return;
    }
    eg_policy_unref(s->policy);
    for (size_t i = 0; i < EG_POLICY_REPLACED_MAX; i++) {
        eg_policy_unref(s->replaced[i]);
    }
    pthread_mutex_destroy(&s->changing);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
