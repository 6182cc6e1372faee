/* Reading and checking of conditional headers. */
#include "conditions.h"

typedef struct names {
    const char *match, *none_match, *modified, *unmodified;
} names;

static eg_err read_date(const eg_request *rq, const char *name, bool *ret_has, int64_t *ret_ns, eg_problem *p) {
    const eg_str v = eg_request_header(rq, name);
    if (v.len == 0) {
        return EG_OK;
    }
    if (eg_time_parse_http_date(v, ret_ns) != EG_OK) {
        return eg_fail(p, EG_ERR_HTTP_HEADER, "The header %s is not an HTTP date.", name);
    }
    *ret_has = true;
    return EG_OK;
}

static eg_err read_all(const eg_request *rq, const names *n, eg_conditions *ret, eg_problem *p) {
    eg_conditions c = {.if_match = eg_request_header(rq, n->match), .if_none_match = eg_request_header(rq, n->none_match)};
    EG_TRY(read_date(rq, n->modified, &c.has_modified_since, &c.modified_since_ns, p));
    EG_TRY(read_date(rq, n->unmodified, &c.has_unmodified_since, &c.unmodified_since_ns, p));
    *ret = c;
    return EG_OK;
}

eg_err eg_conditions_read(const eg_request *rq, eg_conditions *ret, eg_problem *p) {
    static const names n = {"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"};
    return read_all(rq, &n, ret, p);
}

eg_err eg_conditions_read_source(const eg_request *rq, eg_conditions *ret, eg_problem *p) {
    static const names n = {"x-ms-source-if-match", "x-ms-source-if-none-match", "x-ms-source-if-modified-since",
        "x-ms-source-if-unmodified-since"};
    return read_all(rq, &n, ret, p);
}

/* One tag or a list of them; quotes are optional, weak tags never match. */
static bool names_etag(eg_str list, const char *etag) {
    while (list.ptr) {
        eg_str tag = eg_str_cut(&list, ',');
        while (tag.len > 0 && tag.ptr[0] == ' ') {
            tag.ptr++;
            tag.len--;
        }
        while (tag.len > 0 && tag.ptr[tag.len - 1] == ' ') {
            tag.len--;
        }
        if (tag.len >= 2 && tag.ptr[0] == '"' && tag.ptr[tag.len - 1] == '"') {
            tag.ptr++;
            tag.len -= 2;
        }
        if (eg_str_is(tag, etag)) {
            return true;
        }
    }
    return false;
}

static eg_err not_met(eg_problem *p) {
    return eg_fail(p, EG_ERR_CONDITION_NOT_MET, "The condition specified using HTTP conditional header(s) is not met.");
}

/* Azure: at most a pair of If-None-Match and If-Modified-Since, or of If-Match and If-Unmodified-Since; and one tag. */
static eg_err check_combination(const eg_conditions *c, eg_problem *p) {
    const bool first = c->if_match.len > 0 || c->has_unmodified_since;
    const bool second = c->if_none_match.len > 0 || c->has_modified_since;
    const bool list = memchr(c->if_match.ptr ? c->if_match.ptr : "", ',', c->if_match.len) ||
        memchr(c->if_none_match.ptr ? c->if_none_match.ptr : "", ',', c->if_none_match.len);
    return (first && second) || list ? eg_fail(p, EG_ERR_CONDITIONS_TOO_MANY, "Multiple condition headers are not supported.") : EG_OK;
}

/* HTTP dates have whole seconds. */
static bool modified_after(const eg_inode *i, int64_t ns) { return i->modified_ns / 1000000000 > ns / 1000000000; }

eg_err eg_conditions_check_read(const eg_conditions *c, const eg_inode *i, eg_problem *p) {
    char etag[EG_ETAG_LEN];
    eg_ns_etag(i, etag);
    if (eg_str_is(c->if_none_match, "*")) {
        return eg_fail(p, EG_ERR_CONDITION_UNSATISFIABLE, "The request includes an unsatisfiable condition for this operation.");
    }
    if ((c->if_match.len > 0 && !eg_str_is(c->if_match, "*") && !names_etag(c->if_match, etag)) ||
        (c->has_unmodified_since && modified_after(i, c->unmodified_since_ns))) {
        return not_met(p);
    }
    /* Either of the two that holds is enough. */
    const bool asks = c->if_none_match.len > 0 || c->has_modified_since;
    const bool other = c->if_none_match.len > 0 && !names_etag(c->if_none_match, etag);
    const bool newer = c->has_modified_since && modified_after(i, c->modified_since_ns);
    if (asks && !other && !newer) {
        return eg_fail(p, EG_ERR_NOT_MODIFIED, "The condition specified using HTTP conditional header(s) is not met.");
    }
    return EG_OK;
}

eg_err eg_conditions_check(const eg_conditions *c, const eg_inode *i, eg_problem *p) {
    EG_TRY(check_combination(c, p));
    if (!i) {
        return c->if_match.len > 0 ? not_met(p) : EG_OK;
    }
    char etag[EG_ETAG_LEN];
    eg_ns_etag(i, etag);
    if (eg_str_is(c->if_none_match, "*")) {
        return eg_fail(p, EG_ERR_PATH_EXISTS, "The specified path already exists.");
    }
    if (c->if_none_match.len > 0 && names_etag(c->if_none_match, etag)) {
        return not_met(p);
    }
    if (c->if_match.len > 0 && !eg_str_is(c->if_match, "*") && !names_etag(c->if_match, etag)) {
        return not_met(p);
    }
    if (c->has_modified_since && c->if_none_match.len == 0 && !modified_after(i, c->modified_since_ns)) {
        return not_met(p);
    }
    if (c->has_unmodified_since && c->if_match.len == 0 && modified_after(i, c->unmodified_since_ns)) {
        return not_met(p);
    }
    return EG_OK;
}
