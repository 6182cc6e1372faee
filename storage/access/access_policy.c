/* Reading, writing and use of stored access policies. */
#include "access_policy.h"

static bool text_ok(eg_str v, size_t max) {
    for (size_t i = 0; i < v.len; i++) {
        const char c = v.ptr[i];
        if (c < ' ' || c == 0x7f || c == '<' || c == '>' || c == '&' || c == '"') {
            return false;
        }
    }
    return v.len <= max;
}

static bool policy_ok(const eg_access_policy *a) {
    int64_t t;
    return a->id.len > 0 && text_ok(a->id, EG_ACCESS_POLICY_ID_MAX) && text_ok(a->permission, 32) &&
        (a->start.len == 0 || eg_sas_time(a->start, &t) == EG_OK) && (a->expiry.len == 0 || eg_sas_time(a->expiry, &t) == EG_OK);
}

static eg_err add(eg_access_policies *all, const eg_access_policy *a) {
    for (size_t i = 0; i < all->n; i++) {
        if (eg_str_eq(all->v[i].id, a->id)) {
            return EG_ERR_INVALID;
        }
    }
    if (all->n == EG_ACCESS_POLICIES_MAX || !policy_ok(a)) {
        return EG_ERR_INVALID;
    }
    all->v[all->n++] = *a;
    return EG_OK;
}

/* Where `what` begins in s; s.len when it doesn't. */
static size_t find(eg_str s, const char *what) {
    const void *at = s.len ? memmem(s.ptr, s.len, what, strlen(what)) : NULL;
    return at ? (size_t)((const char *)at - s.ptr) : s.len;
}

/* The text between open and close; false when there is none. *rest goes on behind it. */
static bool element(eg_str *rest, const char *open, const char *close, eg_str *ret) {
    const size_t from = find(*rest, open);
    if (from == rest->len) {
        return false;
    }
    const eg_str inner = {rest->ptr + from + strlen(open), rest->len - from - strlen(open)};
    const size_t to = find(inner, close);
    if (to == inner.len) {
        return false;
    }
    *ret = (eg_str){inner.ptr, to};
    *rest = (eg_str){inner.ptr + to + strlen(close), inner.len - to - strlen(close)};
    return true;
}

static eg_str field(eg_str within, const char *open, const char *close) {
    eg_str v = {"", 0};
    return element(&within, open, close, &v) ? v : EG_LIT("");
}

static eg_err bad_xml(eg_problem *p) {
    return eg_fail(p, EG_ERR_INVALID, "The body is not a list of at most %d signed identifiers with ids, times and permissions.", EG_ACCESS_POLICIES_MAX);
}

eg_err eg_access_policies_parse_xml(eg_str xml, eg_access_policies *ret, eg_problem *p) {
    eg_access_policies all = {.n = 0};
    eg_str one;
    if (xml.len == 0) {
        *ret = all;
        return EG_OK;
    }
    if (find(xml, "<SignedIdentifiers") == xml.len || find(xml, "<!") != xml.len) {
        return bad_xml(p);
    }
    for (eg_str rest = xml; element(&rest, "<SignedIdentifier>", "</SignedIdentifier>", &one);) {
        const eg_access_policy a = {field(one, "<Id>", "</Id>"), field(one, "<Start>", "</Start>"), field(one, "<Expiry>", "</Expiry>"),
            field(one, "<Permission>", "</Permission>")};
        if (add(&all, &a) != EG_OK) {
            return bad_xml(p);
        }
    }
    *ret = all;
    return EG_OK;
}

static void put(eg_buf *b, const char *name, eg_str v) {
    if (v.len > 0) {
        (void)eg_buf_addf(b, "<%s>%.*s</%s>", name, EG_FMT(v), name);
    }
}

eg_err eg_access_policies_xml(const eg_access_policies *a, eg_buf *ret) {
    (void)eg_buf_adds(ret, "<?xml version=\"1.0\" encoding=\"utf-8\"?><SignedIdentifiers>");
    for (size_t i = 0; i < a->n; i++) {
        (void)eg_buf_adds(ret, "<SignedIdentifier>");
        put(ret, "Id", a->v[i].id);
        (void)eg_buf_adds(ret, "<AccessPolicy>");
        put(ret, "Start", a->v[i].start);
        put(ret, "Expiry", a->v[i].expiry);
        put(ret, "Permission", a->v[i].permission);
        (void)eg_buf_adds(ret, "</AccessPolicy></SignedIdentifier>");
    }
    return eg_buf_adds(ret, "</SignedIdentifiers>");
}

eg_err eg_access_policies_parse(eg_str stored, eg_access_policies *ret) {
    eg_access_policies all = {.n = 0};
    for (eg_str rest = stored; rest.ptr && stored.len > 0;) {
        eg_str one = eg_str_cut(&rest, '\n');
        eg_access_policy a;
        a.id = eg_str_cut(&one, '\t');
        a.start = eg_str_cut(&one, '\t');
        a.expiry = eg_str_cut(&one, '\t');
        a.permission = one.ptr ? one : EG_LIT("");
        if (!one.ptr || add(&all, &a) != EG_OK) {
            return EG_ERR_CORRUPT;
        }
    }
    *ret = all;
    return EG_OK;
}

eg_err eg_access_policies_text(const eg_access_policies *a, eg_buf *ret) {
    for (size_t i = 0; i < a->n; i++) {
        const eg_access_policy *v = &a->v[i];
        (void)eg_buf_addf(ret, "%s%.*s\t%.*s\t%.*s\t%.*s", i ? "\n" : "", EG_FMT(v->id), EG_FMT(v->start), EG_FMT(v->expiry), EG_FMT(v->permission));
    }
    return ret->err;
}

static eg_err fail(eg_problem *p, const char *why) { return eg_fail(p, EG_ERR_AUTH_FAILED, "Server failed to authenticate the request. %s", why); }

static eg_err fill(const eg_access_policy *a, eg_sas *sas, eg_problem *p) {
    const struct {
        eg_str says;
        eg_sas_field field;
    } fields[] = {{a->start, EG_SAS_ST}, {a->expiry, EG_SAS_SE}, {a->permission, EG_SAS_SP}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (fields[i].says.len > 0 && sas->f[fields[i].field].len > 0) {
            return fail(p, "A field of the signature stands in the stored access policy too.");
        }
        sas->f[fields[i].field] = fields[i].says.len > 0 ? fields[i].says : sas->f[fields[i].field];
    }
    return EG_OK;
}

static eg_err read_root(eg_storage *s, const eg_account *a, eg_str container, eg_arena *arena, eg_str *ret) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    eg_container c;
    eg_inode root;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    EG_TRY(eg_ns_container_get(t, a, container, &c));
    EG_TRY(eg_ns_inode_get(t, a, &c.root, &root));
    const eg_bytes stored = root.attr[EG_ATTR_ACCESS_POLICIES];
    *ret = stored.len > 0 ? eg_arena_str(arena, eg_bytes_str(stored)) : EG_LIT("");
    return ret->ptr ? EG_OK : EG_ERR_NO_MEMORY;
}

eg_err eg_access_policy_use(eg_storage *s, const eg_account *a, eg_str container, eg_arena *arena, eg_sas *sas, eg_problem *p) {
    eg_str stored;
    eg_access_policies all;
    if (sas->f[EG_SAS_SI].len == 0) {
        return EG_OK;
    }
    const eg_err e = read_root(s, a, container, arena, &stored);
    if (e == EG_ERR_FILESYSTEM_NOT_FOUND) {
        return fail(p, "The stored access policy was not found.");
    }
    EG_TRY(e);
    EG_TRY(eg_access_policies_parse(stored, &all));
    for (size_t i = 0; i < all.n; i++) {
        if (eg_str_eq(all.v[i].id, sas->f[EG_SAS_SI])) {
            return fill(&all.v[i], sas, p);
        }
    }
    return fail(p, "The stored access policy was not found.");
}
