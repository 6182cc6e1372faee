/* Access control lists as text, as the Data Lake API writes them. */
#include "acl.h"

static eg_err bad(eg_problem *p, eg_str entry) {
    return eg_fail(p, EG_ERR_HTTP_HEADER, "The entry \"%.*s\" of the access control list can't be read.", EG_FMT(entry));
}

static bool read_rights(eg_str s, uint8_t *ret) {
    static const char letters[] = "rwx";
    unsigned rights = 0;
    if (s.len != 3) {
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        if (s.ptr[i] == letters[i]) {
            rights |= 4u >> i;
        } else if (s.ptr[i] != '-') {
            return false;
        }
    }
    *ret = (uint8_t)rights;
    return true;
}

/* An object id, a user principal name or "$superuser". It goes into headers and JSON as it is. */
static bool id_ok(eg_str id) {
    if (id.len > EG_ACL_ID_MAX || !eg_utf8_valid(id)) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        const unsigned char c = (unsigned char)id.ptr[i];
        if (c <= ' ' || c == 0x7f || c == '"' || c == '\\') {
            return false;
        }
    }
    return true;
}

static eg_acl_tag tag_of(eg_str kind, bool named) {
    static const struct {
        const char *kind;
        eg_acl_tag tag[2];  /* without and with an id */
    } kinds[] = {
        {"user", {EG_ACL_OWNER, EG_ACL_USER}},
        {"group", {EG_ACL_OWNING_GROUP, EG_ACL_GROUP}},
        {"mask", {EG_ACL_MASK, EG_ACL_NONE}},
        {"other", {EG_ACL_OTHER, EG_ACL_NONE}},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (eg_str_is(kind, kinds[i].kind)) {
            return kinds[i].tag[named];
        }
    }
    return EG_ACL_NONE;
}

static bool listed(const eg_acl_list *l, const eg_acl_entry *e) {
    for (size_t i = 0; i < l->n; i++) {
        if (l->v[i].tag == e->tag && eg_str_ieq(l->v[i].id, e->id)) {
            return true;
        }
    }
    return false;
}

static eg_err read_entry(eg_str text, bool removal, eg_acl *a, eg_problem *p) {
    const bool is_default = eg_str_starts(text, "default:");
    eg_str rest = is_default ? (eg_str){text.ptr + 8, text.len - 8} : text;
    const eg_str kind = eg_str_cut(&rest, ':');
    const eg_str id = rest.ptr ? eg_str_cut(&rest, ':') : EG_LIT("");
    eg_acl_entry e = {.tag = tag_of(kind, id.len > 0), .id = id};
    if (e.tag == EG_ACL_NONE || !id_ok(id)) {
        return bad(p, text);
    }
    /* A removal may end with the colon that would stand before the rights. */
    if (removal ? rest.ptr && rest.len > 0 : !rest.ptr || !read_rights(rest, &e.rights)) {
        return bad(p, text);
    }
    eg_acl_list *l = is_default ? &a->dflt : &a->access;
    if (listed(l, &e)) {
        return eg_fail(p, EG_ERR_HTTP_HEADER, "The entry \"%.*s\" of the access control list stands twice.", EG_FMT(text));
    }
    return eg_acl_list_insert(l, e, p);
}

static eg_err parse(eg_str text, bool removal, eg_acl *ret, eg_problem *p) {
    eg_acl a = {.sticky = false};
    if (text.len == 0 || text.len > EG_ACL_TEXT_MAX) {
        return eg_fail(p, EG_ERR_HTTP_HEADER, "An access control list has 1 to %d bytes.", EG_ACL_TEXT_MAX);
    }
    for (eg_str rest = text; rest.ptr;) {
        EG_TRY(read_entry(eg_str_cut(&rest, ','), removal, &a, p));
    }
    *ret = a;
    return EG_OK;
}

eg_err eg_acl_parse(eg_str text, eg_acl *ret, eg_problem *p) { return parse(text, false, ret, p); }
eg_err eg_acl_parse_removal(eg_str text, eg_acl *ret, eg_problem *p) { return parse(text, true, ret, p); }

static void add_list(const eg_acl_list *l, const char *scope, eg_buf *b) {
    static const char *const kinds[] = {
        [EG_ACL_NONE] = "?", [EG_ACL_OWNER] = "user", [EG_ACL_USER] = "user", [EG_ACL_OWNING_GROUP] = "group",
        [EG_ACL_GROUP] = "group", [EG_ACL_MASK] = "mask", [EG_ACL_OTHER] = "other",
    };
    for (size_t i = 0; i < l->n; i++) {
        const eg_acl_entry *e = &l->v[i];
        (void)eg_buf_addf(b, "%s%s%s:%.*s:%c%c%c", b->len ? "," : "", scope, kinds[e->tag], EG_FMT(e->id), e->rights & EG_ACL_R ? 'r' : '-',
            e->rights & EG_ACL_W ? 'w' : '-', e->rights & EG_ACL_X ? 'x' : '-');
    }
}

eg_err eg_acl_text(const eg_acl *a, eg_buf *ret) {
    add_list(&a->access, "", ret);
    add_list(&a->dflt, "default:", ret);
    return ret->err != EG_OK ? ret->err : ret->len > EG_ACL_TEXT_MAX ? EG_ERR_LIMIT : EG_OK;
}
