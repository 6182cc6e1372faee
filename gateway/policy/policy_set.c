/* Changes of policies as a sorted set, and the documents of the store with it laid over them. */
#include "policy_set.h"

#include <stdio.h>
#include <stdlib.h>

#define ITEMS_MAX 100000

static eg_err no_memory(eg_problem *p) { return eg_fail(p, EG_ERR_NO_MEMORY, "There is no memory for this change of policies."); }

static void item_done(eg_policy_item *i) {
    free(i->id);
    free(i->after);
    free(i->before);
}

void eg_policy_set_done(eg_policy_set *s) {
    for (size_t i = 0; i < s->n; i++) {
        item_done(&s->v[i]);
    }
    free(s->v);
    *s = (eg_policy_set){0};
}

static char *copy(eg_str s) {
    char *z = malloc(s.len + 1);
    if (z) {
        memcpy(z, s.ptr, s.len);
        z[s.len] = '\0';
    }
    return z;
}

/* Takes the item's texts, also on failure. */
static eg_err add(eg_policy_set *s, eg_policy_item item, eg_problem *p) {
    eg_err e = EG_OK;
    if (s->n >= ITEMS_MAX || s->bytes + item.after_len > EG_POLICY_CHANGE_BYTES_MAX) {
        e = eg_fail(p, EG_ERR_LIMIT, "A change of policies has at most %d documents of %u MiB together.", ITEMS_MAX, EG_POLICY_CHANGE_BYTES_MAX >> 20);
    } else if (s->n == s->cap) {
        const size_t cap = s->cap ? s->cap * 2 : 16;
        eg_policy_item *more = realloc(s->v, cap * sizeof *more);
        e = more ? EG_OK : no_memory(p);
        s->v = more ? more : s->v;
        s->cap = more ? cap : s->cap;
    }
    if (e != EG_OK) {
        item_done(&item);
        return e;
    }
    s->bytes += item.after_len;
    s->v[s->n++] = item;
    return EG_OK;
}

static eg_err compact(eg_policy_kind kind, const char *name, eg_str text, eg_buf *ret, eg_problem *p) {
    EG_JSON_AUTO v = NULL;
    eg_problem why = {0};
    eg_err e = eg_json_parse(text, EG_POLICY_DOCUMENT_MAX, &v, &why);
    if (e == EG_OK && (!json_is_object(v) || eg_json_write(v, ret) != EG_OK)) {
        e = eg_fail(&why, EG_ERR_POLICY_INVALID, "A document is an object of at most %u MiB.", EG_POLICY_DOCUMENT_MAX >> 20);
    }
    if (e != EG_OK && p) {
        (void)eg_fail(p, EG_ERR_POLICY_INVALID, "%s", why.message);
        return eg_fail_at(p, "%s%s%s", name ? name : eg_policy_folders[kind], why.where[0] ? ": " : "", why.where);
    }
    return e == EG_OK ? EG_OK : EG_ERR_POLICY_INVALID;
}

eg_err eg_policy_set_put(eg_policy_set *s, eg_policy_kind kind, const char *name, eg_str text, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf plain, id;
    eg_pace_step(s->pace);
    eg_buf_init(&plain, EG_POLICY_DOCUMENT_MAX);
    eg_buf_init(&id, EG_POLICY_ID_MAX + 1);
    EG_TRY(compact(kind, name, text, &plain, p));
    const eg_policy_document d = {kind, name ? name : eg_policy_folders[kind], eg_buf_str(&plain), NULL};
    EG_TRY(eg_policy_document_id(&d, &id, p));
    eg_policy_item item = {.kind = kind, .id = copy(eg_buf_str(&id)), .after = copy(eg_buf_str(&plain)), .after_len = plain.len};
    if (!item.id || !item.after) {
        item_done(&item);
        return no_memory(p);
    }
    eg_policy_id_digest(kind, eg_buf_str(&id), item.digest);
    return add(s, item, p);
}

eg_err eg_policy_set_delete(eg_policy_set *s, eg_policy_kind kind, eg_str id, eg_problem *p) {
    eg_policy_item item = {.kind = kind};
    if (id.len == 0 || id.len > EG_POLICY_ID_MAX) {
        return eg_fail(p, EG_ERR_INVALID, "The id of a document has 1 to %d characters.", EG_POLICY_ID_MAX);
    }
    item.id = copy(id);
    if (!item.id) {
        return no_memory(p);
    }
    eg_policy_id_digest(kind, id, item.digest);
    return add(s, item, p);
}

static int order(const void *x, const void *y) {
    const eg_policy_item *a = x, *b = y;
    return a->kind != b->kind ? (a->kind < b->kind ? -1 : 1) : memcmp(a->digest, b->digest, sizeof a->digest);
}

eg_err eg_policy_set_sort(eg_policy_set *s, bool strict, eg_problem *p) {
    if (s->n < 2) {
        return EG_OK;
    }
    qsort(s->v, s->n, sizeof *s->v, order);
    size_t n = 1;
    for (size_t i = 1; i < s->n; i++) {
        if (order(&s->v[n - 1], &s->v[i]) != 0) {
            s->v[n++] = s->v[i];
            continue;
        }
        if (strict) {
            (void)eg_fail(p, EG_ERR_POLICY_INVALID, "The change speaks of this document twice.");
            eg_err e = p ? eg_fail_at(p, "%.150s", s->v[i].id) : EG_ERR_POLICY_INVALID;
            memmove(&s->v[n], &s->v[i], (s->n - i) * sizeof *s->v);
            s->n -= i - n;
            return e;
        }
        item_done(&s->v[n - 1]);
        s->v[n - 1] = s->v[i];
    }
    s->n = n;
    return EG_OK;
}

eg_err eg_policy_set_compare(eg_policy_set *s, eg_kv_txn *t, eg_problem *p) {
    size_t n = 0;
    eg_err e = EG_OK;
    for (size_t i = 0; i < s->n; i++) {
        eg_policy_item *m = &s->v[i];
        const eg_policy_key key = eg_policy_document_key(m->kind, m->digest);
        eg_bytes now = {NULL, 0};
        eg_pace_step(s->pace);
        eg_err found = e == EG_OK ? eg_kv_get(t, EG_DB_POLICY_DOCUMENT, eg_policy_key_bytes(&key), &now) : EG_ERR_NOT_FOUND;
        if (e == EG_OK && found != EG_OK && found != EG_ERR_NOT_FOUND) {
            e = eg_fail(p, found, "The policies can't be read: %s.", eg_err_code(found));
        } else if (e == EG_OK && found == EG_ERR_NOT_FOUND && !m->after) {
            e = eg_fail(p, EG_ERR_NOT_FOUND, "There is no such document in %s: %.200s", eg_policy_folders[m->kind], m->id);
        } else if (found == EG_OK && m->after && now.len == m->after_len && memcmp(now.ptr, m->after, now.len) == 0) {
            s->bytes -= m->after_len;
            item_done(m);
            continue;
        } else if (found == EG_OK) {
            m->before = copy(eg_bytes_str(now));
            m->before_len = now.len;
            s->bytes += now.len;
            e = m->before ? EG_OK : no_memory(p);
        }
        s->v[n++] = *m;
    }
    s->n = n;
    return e;
}

/* A document of the store, read in the order of set items. */
typedef struct walk {
    const eg_policy_set *s;
    const eg_policy_upon *upon;  /* rows of kinds that it doesn't read again are left out; NULL = all are read */
    eg_kv_txn *t;
    eg_kv_cursor *c;
    eg_policy_kind kind;
    size_t next;                 /* item */
    bool has;                    /* a row of the store waits */
    eg_bytes key, value;
    char name[160];
    uint8_t id[EG_SHA256_LEN];
} walk;

static void walk_done(walk *w) { eg_kv_cursor_close(w->c); }

static eg_err advance(walk *w) {
    if (w->upon && !w->upon->again[w->kind]) {
        w->has = false;
        return EG_OK;
    }
    const eg_policy_key prefix = eg_policy_kind_prefix(w->kind);
    if (!w->c) {
        EG_TRY(eg_kv_cursor_open(w->t, EG_DB_POLICY_DOCUMENT, eg_policy_key_bytes(&prefix), &w->c));
    }
    eg_err e = eg_kv_cursor_next(w->c, &w->key, &w->value);
    w->has = e == EG_OK && w->key.len == prefix.len + EG_SHA256_LEN && memcmp(w->key.ptr, prefix.bytes, prefix.len) == 0;
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

static eg_err begin_kind(walk *w, eg_policy_kind kind) {
    eg_kv_cursor_close(w->c);
    w->c = NULL;
    w->kind = kind;
    return advance(w);
}

/* For problems alone: the name that stands before everything else is found without reading the document twice. */
static void name_of(walk *w, eg_str text) {
    static const char member[] = "\"name\":\"";
    const char *at = memmem(text.ptr, text.len, member, sizeof member - 1), *properties = memmem(text.ptr, text.len, "\"properties\":", 13);
    EG_JSON_AUTO v = NULL;
    eg_str name = {"", 0};
    if (at && (!properties || at < properties)) {
        eg_str rest = {at + sizeof member - 1, (size_t)(text.ptr + text.len - at) - (sizeof member - 1)};
        name = eg_str_cut(&rest, '"');
    } else if (eg_json_parse(text, EG_POLICY_DOCUMENT_MAX, &v, NULL) == EG_OK) {
        name = eg_json_str(v, "name");
    }
    snprintf(w->name, sizeof w->name, "%s/%.*s", eg_policy_folders[w->kind], (int)(name.len < 120 ? name.len : 120), name.ptr ? name.ptr : "");
}

/* Merges rows and items, both in the order of kind and digest; an item goes before the row that it replaces. */
static eg_err next(void *ctx, eg_policy_document *ret, eg_problem *p) {
    walk *w = ctx;
    for (;;) {
        const eg_policy_item *m = w->next < w->s->n && w->s->v[w->next].kind == w->kind ? &w->s->v[w->next] : NULL;
        const int o = !w->has ? (m ? -1 : 0) : !m ? 1 : memcmp(m->digest, w->key.ptr + w->key.len - EG_SHA256_LEN, EG_SHA256_LEN);
        eg_str text = {NULL, 0};
        const uint8_t *id = o <= 0 ? (m ? m->digest : NULL) : w->key.ptr + w->key.len - EG_SHA256_LEN;
        if (!w->has && !m) {
            if (w->kind + 1 >= EG_POLICY_KIND_COUNT) {
                return EG_ERR_NOT_FOUND;
            }
            EG_TRY(begin_kind(w, w->kind + 1));
            continue;
        }
        if (o <= 0) {
            text = (eg_str){m->after, m->after_len};
            w->next++;
        } else {
            text = eg_bytes_str(w->value);
        }
        if (text.ptr) {
            memcpy(w->id, id, sizeof w->id);
        }
        if (o >= 0 && w->has) {
            const eg_err e = advance(w);
            if (e != EG_OK) {
                return eg_fail(p, e, "The policies can't be read: %s.", eg_err_code(e));
            }
        }
        if (text.ptr) {
            name_of(w, text);
            *ret = (eg_policy_document){w->kind, w->name, text, w->id};
            return EG_OK;
        }
    }
}

eg_err eg_policy_set_load(const eg_policy_set *s, eg_kv_txn *t, uint64_t version, eg_policy **ret, eg_problem *p) {
    EG_CLEANUP(walk_done) walk w = {.s = s, .t = t};
    EG_TRY(begin_kind(&w, 0));
    const eg_policy_documents all = {next, &w, s->pace};
    return eg_policy_load_from(&all, version, ret, p);
}

eg_err eg_policy_set_load_upon(const eg_policy_set *s, const eg_policy *base, eg_kv_txn *t, eg_policy **ret, eg_problem *p) {
    eg_policy_touched *touched = calloc(s->n + 1, sizeof *touched);
    eg_policy_upon u = {.base = base, .v = touched, .n = s->n};
    EG_CLEANUP(walk_done) walk w = {.s = s, .t = t, .upon = &u};
    const uint64_t version = eg_policy_version(base) + 1;
    for (size_t i = 0; touched && i < s->n; i++) {
        touched[i] = (eg_policy_touched){s->v[i].kind, s->v[i].digest};
        u.bytes += s->v[i].after_len;
    }
    eg_err e;
    if (!touched || !eg_policy_upon_plan(&u)) {
        e = eg_policy_set_load(s, t, version, ret, p);
    } else if ((e = begin_kind(&w, 0)) == EG_OK) {
        const eg_policy_documents some = {next, &w, s->pace};
        e = eg_policy_load_upon(&u, &some, version, ret, p);
    }
    free(touched);
    return e;
}

static bool in_set(const eg_policy_set *s, size_t n, eg_policy_kind kind, const uint8_t *digest) {
    eg_policy_item key = {.kind = kind};
    memcpy(key.digest, digest, sizeof key.digest);
    return n > 0 && bsearch(&key, s->v, n, sizeof *s->v, order) != NULL;
}

eg_err eg_policy_set_rest(eg_policy_set *s, eg_kv_txn *t, eg_problem *p) {
    const size_t n = s->n;
    for (eg_policy_kind k = 0; k < EG_POLICY_KIND_COUNT; k++) {
        EG_CLEANUP(walk_done) walk w = {.s = s, .t = t};
        EG_TRY(begin_kind(&w, k));
        while (w.has) {
            const uint8_t *digest = w.key.ptr + w.key.len - EG_SHA256_LEN;
            if (!in_set(s, n, k, digest)) {
                EG_CLEANUP(eg_buf_done) eg_buf id;
                eg_buf_init(&id, EG_POLICY_ID_MAX + 1);
                const eg_policy_document d = {k, eg_policy_folders[k], eg_bytes_str(w.value), NULL};
                EG_TRY(eg_policy_document_id(&d, &id, p));
                EG_TRY(eg_policy_set_delete(s, k, eg_buf_str(&id), p));
            }
            eg_pace_step(s->pace);
            EG_TRY(advance(&w));
        }
    }
    return eg_policy_set_sort(s, true, p);
}
