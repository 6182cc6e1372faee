/* The verbs of policy administration: documents, change, history, version, rollback, pending, approve, reject. */
#include "policy_desk.h"

#include "policy_rows.h"

#include <embergate/clock.h>
#include <stdio.h>
#include <stdlib.h>

#define LIST_DEFAULT 50
#define LIST_MAX 1000
#define WHAT_IF_MAX (4u << 20)
#define BY_MAX 200

typedef struct desk {
    eg_policy_store *s;
    const json_t *in;
    const eg_policy_asker *asker;
} desk;

/* Whether a document is of the asker's tenant. */
static bool is_shown(const desk *d, eg_policy_kind kind, eg_str text) {
    EG_CLEANUP(eg_arena_free_p) eg_arena *arena = d->asker->who ? eg_arena_new(256u << 10) : NULL;
    const eg_policy_document document = {kind, eg_policy_folders[kind], text, NULL};
    eg_str scopes[EG_POLICY_SCOPES_MAX];
    size_t n = 0;
    if (!d->asker->who) {
        return true;
    }
    if (!arena || eg_policy_document_scopes(&document, arena, scopes, &n, NULL) != EG_OK) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const eg_str tenant = eg_policy_store_tenant_of(d->s, scopes[i]);
        if (tenant.len > 0 && eg_str_ieq(tenant, eg_str_of(d->asker->who->tenant))) {
            return true;
        }
    }
    return false;
}

static bool is_shown_json(const desk *d, eg_policy_kind kind, const json_t *v) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_POLICY_DOCUMENT_MAX);
    return json_is_object(v) && eg_json_write(v, &text) == EG_OK && is_shown(d, kind, eg_buf_str(&text));
}

/* documents */

typedef struct collecting {
    const desk *d;
    eg_policy_kind kind;
    json_t *list;
} collecting;

static eg_err collect(void *ctx, eg_str text) {
    const collecting *c = ctx;
    json_t *v = NULL;
    if (!is_shown(c->d, c->kind, text)) {
        return EG_OK;
    }
    EG_TRY(eg_json_parse(text, EG_POLICY_DOCUMENT_MAX, &v, NULL));
    return json_array_append_new(c->list, json_pack("{s:s, s:o}", "type", eg_policy_folders[c->kind], "document", v)) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err run_documents(const desk *d, json_t **ret, eg_problem *p) {
    EG_JSON_AUTO list = json_array();
    const uint64_t version = eg_policy_store_version(d->s);
    for (eg_policy_kind k = 0; k < EG_POLICY_KIND_COUNT; k++) {
        collecting c = {d, k, list};
        EG_TRY(eg_policy_store_each(d->s, k, collect, &c));
    }
    if (eg_policy_store_version(d->s) != version) {
        return eg_fail(p, EG_ERR_POLICY_VERSION, "The policies changed while they were read: ask again.");
    }
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = eg_policy_store_snapshot(d->s);
    *ret = json_pack("{s:I, s:b, s:O}", "version", (json_int_t)version, "separationOfDuties", pol && eg_policy_separates_duties(pol), "documents", list);
    return *ret ? EG_OK : EG_ERR_NO_MEMORY;
}

/* change and rollback */

typedef struct changing {
    eg_policy_put *puts;
    eg_policy_delete *deletes;
    char **texts;
    size_t put_count, delete_count;
} changing;

static void changing_done(changing *c) {
    for (size_t i = 0; c->texts && i < c->put_count; i++) {
        free(c->texts[i]);
    }
    free(c->texts);
    free(c->puts);
    free(c->deletes);
}

static eg_err kind_of(const json_t *v, eg_policy_kind *ret, eg_problem *p) {
    const eg_str type = eg_json_str(v, "type");
    return type.ptr && eg_policy_kind_of(type, ret) == EG_OK ? EG_OK : eg_fail(p, EG_ERR_BODY_FIELD, "\"type\" is one of the folders of a policy directory, such as roleAssignments.");
}

static eg_err read_changing(const json_t *from, changing *c, eg_problem *p) {
    const json_t *puts = json_object_get(from, "puts"), *deletes = json_object_get(from, "deletes");
    const size_t n = json_array_size(puts), m = json_array_size(deletes);
    c->puts = calloc(n + 1, sizeof *c->puts);
    c->texts = calloc(n + 1, sizeof *c->texts);
    c->deletes = calloc(m + 1, sizeof *c->deletes);
    if (!c->puts || !c->texts || !c->deletes) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(puts, i), *name = json_object_get(v, "name");
        EG_TRY(kind_of(v, &c->puts[i].kind, p));
        c->texts[i] = json_dumps(json_object_get(v, "document"), JSON_COMPACT);
        if (!c->texts[i]) {
            return eg_fail(p, EG_ERR_BODY_FIELD, "puts[%zu].document is an object.", i);
        }
        c->put_count = i + 1;
        c->puts[i].text = eg_str_of(c->texts[i]);
        c->puts[i].name = json_string_value(name);
    }
    for (size_t i = 0; i < m; i++) {
        const json_t *v = json_array_get(deletes, i);
        EG_TRY(kind_of(v, &c->deletes[i].kind, p));
        c->deletes[i].id = eg_json_str(v, "id");
        c->delete_count = i + 1;
    }
    return EG_OK;
}

static eg_err tell_change(const eg_policy_changed *done, const eg_buf *words, json_t **ret) {
    json_t *v = json_pack("{s:I, s:I, s:s%}", "version", (json_int_t)done->version, "changes", (json_int_t)done->changes, "whatIf", words->ptr ? words->ptr : "", words->len);
    if (v && done->pending[0]) {
        json_object_set_new(v, "pending", json_string(done->pending));
    }
    *ret = v;
    return v ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err make_change(const desk *d, const json_t *from, const char *event, json_t **ret, eg_problem *p) {
    EG_CLEANUP(changing_done) changing c = {0};
    EG_CLEANUP(eg_buf_done) eg_buf words;
    eg_policy_changed done;
    int64_t expected = 0;
    char by[BY_MAX + 16];
    const eg_str author = eg_json_str(d->in, "author");
    eg_buf_init(&words, WHAT_IF_MAX);
    EG_TRY(eg_json_get_int(d->in, "expectedVersion", 0, 0, INT64_MAX, &expected, p));
    EG_TRY(read_changing(from, &c, p));
    if (author.len > BY_MAX) {
        return eg_fail(p, EG_ERR_BODY_FIELD, "\"author\" has at most %d bytes.", BY_MAX);
    }
    snprintf(by, sizeof by, "operator%s%.*s", author.len ? ": " : "", EG_FMT(author));
    const eg_policy_change change = {.author = d->asker->who, .by = by, .event = event, .ticket = eg_json_str(d->in, "ticket"), .justification = eg_json_str(d->in, "justification"),
                                     .puts = c.puts, .put_count = c.put_count, .deletes = c.deletes, .delete_count = c.delete_count,
                                     .expected_version = (uint64_t)expected, .dry_run = json_is_true(json_object_get(d->in, "dryRun")), .what_if = &words};
    if (d->asker->who) {
        EG_TRY(eg_policy_store_may_change(d->s, d->asker->who, &change, p));
    }
    EG_TRY(eg_policy_store_change(d->s, &change, d->asker->recorder, &done, p));
    return tell_change(&done, &words, ret);
}

static eg_err run_change(const desk *d, json_t **ret, eg_problem *p) { return make_change(d, d->in, "policy.change", ret, p); }

static eg_err version_of(const desk *d, uint64_t *ret, eg_problem *p) {
    int64_t version = 0;
    EG_TRY(eg_json_get_int(d->in, "version", 0, 1, INT64_MAX, &version, p));
    *ret = (uint64_t)version;
    return version > 0 ? EG_OK : eg_fail(p, EG_ERR_BODY_FIELD, "\"version\" is a number from 1.");
}

static eg_err run_rollback(const desk *d, json_t **ret, eg_problem *p) {
    uint64_t version = 0;
    EG_JSON_AUTO back = NULL;
    EG_TRY(version_of(d, &version, p));
    EG_TRY(eg_policy_store_way_back(d->s, version, &back, p));
    return make_change(d, back, "policy.rollback", ret, p);
}

/* history and version: of versions that touch nothing of the asker's tenant there are none. */

static bool keep_own(const desk *d, json_t *row) {
    json_t *list = json_object_get(row, "documents");
    if (!d->asker->who) {
        return true;
    }
    for (size_t i = json_array_size(list); i-- > 0;) {
        const json_t *v = json_array_get(list, i);
        eg_policy_kind kind = 0;
        if (eg_policy_kind_of(eg_json_str(v, "type"), &kind) != EG_OK ||
            !(is_shown_json(d, kind, json_object_get(v, "before")) || is_shown_json(d, kind, json_object_get(v, "after")))) {
            json_array_remove(list, i);
        }
    }
    return json_array_size(list) > 0;
}

static eg_err run_version(const desk *d, json_t **ret, eg_problem *p) {
    uint64_t version = 0;
    EG_JSON_AUTO row = NULL;
    EG_TRY(version_of(d, &version, p));
    EG_TRY(eg_policy_store_show(d->s, version, &row, p));
    if (!keep_own(d, row)) {
        return eg_fail(p, EG_ERR_NOT_FOUND, "There is no version %llu of the policies.", (unsigned long long)version);
    }
    *ret = json_incref(row);
    return EG_OK;
}

static eg_err run_history(const desk *d, json_t **ret, eg_problem *p) {
    int64_t before = 0, limit = LIST_DEFAULT;
    EG_JSON_AUTO all = NULL;
    EG_JSON_AUTO own = json_array();
    EG_TRY(eg_json_get_int(d->in, "before", 0, 0, INT64_MAX, &before, p));
    EG_TRY(eg_json_get_int(d->in, "limit", LIST_DEFAULT, 1, LIST_MAX, &limit, p));
    EG_TRY(eg_policy_store_history(d->s, (uint64_t)before, (size_t)limit, &all));
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *row = json_array_get(all, i);
        EG_JSON_AUTO whole = NULL;
        const json_int_t version = json_integer_value(json_object_get(row, "version"));
        if (!d->asker->who || (eg_policy_store_show(d->s, (uint64_t)version, &whole, NULL) == EG_OK && keep_own(d, whole))) {
            json_array_append(own, row);
        }
    }
    *ret = json_pack("{s:O}", "versions", own);
    return *ret ? EG_OK : EG_ERR_NO_MEMORY;
}

/* pending, approve and reject */

static eg_err run_pending(const desk *d, json_t **ret, eg_problem *p) {
    (void)p;
    EG_JSON_AUTO all = NULL;
    EG_JSON_AUTO own = json_array();
    EG_TRY(eg_policy_store_pending(d->s, &all));
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *row = json_array_get(all, i);
        const eg_str tenant = eg_json_str(json_object_get(row, "author"), "tenant");
        if (!d->asker->who || eg_str_ieq(tenant, eg_str_of(d->asker->who->tenant))) {
            json_array_append(own, row);
        }
    }
    *ret = json_pack("{s:O}", "pending", own);
    return *ret ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err run_approve(const desk *d, json_t **ret, eg_problem *p) {
    eg_policy_changed done;
    const eg_buf none = {0};
    EG_TRY(eg_policy_store_approve(d->s, eg_json_str(d->in, "id"), d->asker->who, d->asker->recorder, &done, p));
    return tell_change(&done, &none, ret);
}

static eg_err run_reject(const desk *d, json_t **ret, eg_problem *p) {
    EG_TRY(eg_policy_store_reject(d->s, eg_json_str(d->in, "id"), d->asker->who, d->asker->recorder, p));
    *ret = json_object();
    return *ret ? EG_OK : EG_ERR_NO_MEMORY;
}

static const struct {
    const char *verb;
    eg_err (*run)(const desk *d, json_t **ret, eg_problem *p);
} verbs[] = {
    {"documents", run_documents}, {"change", run_change}, {"rollback", run_rollback}, {"history", run_history},
    {"version", run_version},     {"pending", run_pending}, {"approve", run_approve}, {"reject", run_reject},
};

eg_err eg_policy_desk(eg_policy_store *s, eg_str verb, const json_t *in, const eg_policy_asker *asker, json_t **ret, eg_problem *p) {
    const desk d = {s, in, asker};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (eg_str_is(verb, verbs[i].verb)) {
            return verbs[i].run(&d, ret, p);
        }
    }
    return eg_fail(p, EG_ERR_ROUTE_UNKNOWN, "There is no such verb of policies.");
}
