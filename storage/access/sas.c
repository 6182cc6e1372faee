/* Reading and checking of shared access signatures; "Create an account SAS", "… a service SAS", "… a user delegation SAS" of Azure's docs. */
#include "sas.h"

#include <embergate/clock.h>
#include <embergate/encoding.h>

#include <arpa/inet.h>
#include <stdio.h>

#define FIELD_MAX 1024
#define DYNAMIC_SINCE "2025-11-05"

static const char *const field_names[EG_SAS_FIELD_COUNT] = {
#define X(id, name) [EG_SAS_##id] = name,
    EG_SAS_FIELDS(X)
#undef X
};

static eg_err fail(eg_problem *p, const char *why) {
    return eg_fail(p, EG_ERR_AUTH_FAILED, "Server failed to authenticate the request. %s", why);
}

static bool names(eg_str query, const char *parameter) {
    for (eg_str rest = query; rest.ptr && query.len > 0;) {
        eg_str value = eg_str_cut(&rest, '&');
        if (eg_str_is(eg_str_cut(&value, '='), parameter)) {
            return true;
        }
    }
    return false;
}

bool eg_sas_present(eg_str query) { return names(query, "sig"); }

bool eg_sas_names_user(eg_str query) { return names(query, "sduoid") || names(query, "skdutid"); }

/* Control characters would let one signed string be read as two. */
static bool field_ok(eg_str v) {
    if (v.len > FIELD_MAX) {
        return false;
    }
    for (size_t i = 0; i < v.len; i++) {
        if ((unsigned char)v.ptr[i] < ' ' || v.ptr[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool version_ok(eg_str v) {
    static const char form[] = "dddd-dd-dd";
    if (v.len != sizeof form - 1) {
        return false;
    }
    for (size_t i = 0; i < v.len; i++) {
        if (form[i] == 'd' ? v.ptr[i] < '0' || v.ptr[i] > '9' : v.ptr[i] != '-') {
            return false;
        }
    }
    return memcmp(v.ptr, "2018-11-09", 10) >= 0;
}

static bool since(const eg_sas *s, const char *version) { return memcmp(s->f[EG_SAS_SV].ptr, version, 10) >= 0; }

static eg_err check_kind(eg_sas *s, eg_problem *p) {
    const eg_str *f = s->f;
    if (!version_ok(f[EG_SAS_SV])) {
        return fail(p, "The signed version (sv) is missing, malformed or before 2018-11-09.");
    }
    s->kind = f[EG_SAS_SS].len > 0 || f[EG_SAS_SRT].len > 0 ? EG_SAS_ACCOUNT : f[EG_SAS_SKOID].len > 0 ? EG_SAS_DELEGATION : EG_SAS_SERVICE;
    if (s->kind == EG_SAS_ACCOUNT && (f[EG_SAS_SR].len > 0 || f[EG_SAS_SI].len > 0 || f[EG_SAS_SKOID].len > 0)) {
        return fail(p, "The signature mixes parameters of an account SAS with others.");
    }
    if (s->kind == EG_SAS_DELEGATION && f[EG_SAS_SI].len > 0) {
        return fail(p, "A user delegation SAS has no stored access policy.");
    }
    /* What a version doesn't sign binds nothing. */
    const bool user = f[EG_SAS_SDUOID].len > 0 || f[EG_SAS_SKDUTID].len > 0;
    const bool dynamic = f[EG_SAS_SRH].len > 0 || f[EG_SAS_SRQ].len > 0;
    if ((user && (s->kind != EG_SAS_DELEGATION || !since(s, "2025-07-05"))) || (dynamic && (s->kind != EG_SAS_DELEGATION || !since(s, DYNAMIC_SINCE)))) {
        return fail(p, "Signed users, headers and query parameters are of user delegation SAS of newer versions.");
    }
    return (f[EG_SAS_SDUOID].len > 0 && !eg_uuid_valid(f[EG_SAS_SDUOID])) || (f[EG_SAS_SKDUTID].len > 0 && !eg_uuid_valid(f[EG_SAS_SKDUTID]))
               ? fail(p, "The signed user or its tenant is no object id.")
               : EG_OK;
}

eg_err eg_sas_parse(eg_arena *arena, eg_str query, eg_sas *ret, eg_problem *p) {
    eg_sas s = {.kind = EG_SAS_NONE};
    size_t n = 0;
    for (size_t i = 0; i < EG_SAS_FIELD_COUNT; i++) {
        const eg_err e = eg_query_get(arena, query, field_names[i], &s.f[i]);
        if (e == EG_ERR_NOT_FOUND) {
            s.f[i] = (eg_str){"", 0};
        } else if (e == EG_ERR_NO_MEMORY || e == EG_ERR_LIMIT) {
            return e;
        } else if (e != EG_OK || !field_ok(s.f[i])) {
            return fail(p, "A parameter of the signature is malformed or stands twice.");
        }
    }
    if (eg_unbase64(s.f[EG_SAS_SIG], s.signature, sizeof s.signature, &n) != EG_OK || n != sizeof s.signature) {
        return fail(p, "The signature is not well formed.");
    }
    EG_TRY(check_kind(&s, p));
    *ret = s;
    return EG_OK;
}

/* The directory of the first sdd names. */
static eg_err directory_of(const eg_sas *s, eg_str path, eg_str *ret) {
    uint64_t depth = 0;
    size_t at = 0;
    if (eg_str_u64(s->f[EG_SAS_SDD], EG_PATH_DEPTH_MAX, &depth) != EG_OK) {
        return EG_ERR_AUTH_FAILED;
    }
    for (uint64_t i = 0; i < depth; i++) {
        if (at >= path.len) {
            return EG_ERR_AUTH_FAILED;
        }
        at += at > 0; /* the slash */
        while (at < path.len && path.ptr[at] != '/') {
            at++;
        }
    }
    *ret = (eg_str){path.ptr, at};
    return EG_OK;
}

eg_err eg_sas_bounds_of(const eg_sas *s, const eg_sas_request *r, eg_sas_bounds *ret) {
    eg_sas_bounds b = {.letters = 0, .container = r->container, .path = r->path};
    const eg_str sr = s->f[EG_SAS_SR];
    for (size_t i = 0; i < s->f[EG_SAS_SP].len; i++) {
        b.letters |= eg_sas_letter(s->f[EG_SAS_SP].ptr[i]);
    }
    if (s->kind == EG_SAS_ACCOUNT) {
        /* Of other services: 'p' processes messages, and must not change permissions. */
        for (const char *c = "emop"; *c; c++) {
            b.letters &= ~eg_sas_letter(*c);
        }
        b.container = (eg_str){"", 0};
        *ret = b;
        return EG_OK;
    }
    if (r->container.len == 0) {
        return EG_ERR_AUTH_FAILED;
    }
    if (eg_str_is(sr, "c")) {
        b.path = (eg_str){"", 0};
        b.beneath = true;
    } else if (eg_str_is(sr, "d")) {
        EG_TRY(directory_of(s, r->path, &b.path));
        b.beneath = true;
    } else if (!((eg_str_is(sr, "b") || eg_str_is(sr, "bs") || eg_str_is(sr, "bv")) && r->path.len > 0)) {
        return EG_ERR_AUTH_FAILED;
    }
    *ret = b;
    return EG_OK;
}

static void line(eg_buf *b, eg_str v) { (void)eg_buf_addf(b, "%.*s\n", EG_FMT(v)); }

static void lines(const eg_sas *s, const eg_sas_field *which, size_t n, eg_buf *b) {
    for (size_t i = 0; i < n; i++) {
        line(b, s->f[which[i]]);
    }
}

static eg_err account_string(const eg_sas *s, const eg_sas_request *r, eg_buf *ret) {
    static const eg_sas_field order[] = {EG_SAS_SP, EG_SAS_SS, EG_SAS_SRT, EG_SAS_ST, EG_SAS_SE, EG_SAS_SIP, EG_SAS_SPR, EG_SAS_SV};
    line(ret, r->account);
    lines(s, order, sizeof order / sizeof order[0], ret);
    if (since(s, "2020-12-06")) {
        line(ret, s->f[EG_SAS_SES]);
    }
    return ret->err;
}

static void delegation_lines(const eg_sas *s, eg_buf *ret) {
    static const eg_sas_field key[] = {EG_SAS_SKOID, EG_SAS_SKTID, EG_SAS_SKT, EG_SAS_SKE, EG_SAS_SKS, EG_SAS_SKV};
    static const eg_sas_field agents[] = {EG_SAS_SAOID, EG_SAS_SUOID, EG_SAS_SCID};
    static const eg_sas_field users[] = {EG_SAS_SKDUTID, EG_SAS_SDUOID};
    lines(s, key, 6, ret);
    if (since(s, "2020-02-10")) {
        lines(s, agents, 3, ret);
    }
    if (since(s, "2025-07-05")) {
        lines(s, users, 2, ret);
    }
}

eg_err eg_sas_string(const eg_sas *s, const eg_sas_request *r, unsigned form, eg_buf *ret) {
    static const eg_sas_field begin[] = {EG_SAS_SP, EG_SAS_ST, EG_SAS_SE};
    static const eg_sas_field middle[] = {EG_SAS_SIP, EG_SAS_SPR, EG_SAS_SV, EG_SAS_SR};
    static const eg_sas_field end[] = {EG_SAS_RSCC, EG_SAS_RSCD, EG_SAS_RSCE, EG_SAS_RSCL, EG_SAS_RSCT};
    eg_sas_bounds b;
    /* The second form has two lines more: of signed headers and parameters. */
    const bool dynamic = s->kind == EG_SAS_DELEGATION && since(s, DYNAMIC_SINCE);
    const bool named = s->f[EG_SAS_SRH].len > 0 || s->f[EG_SAS_SRQ].len > 0;
    if (form > (dynamic ? 1u : 0u) || (named && form == 0)) {
        return EG_ERR_NOT_FOUND;
    }
    if (s->kind == EG_SAS_ACCOUNT) {
        return account_string(s, r, ret);
    }
    EG_TRY(eg_sas_bounds_of(s, r, &b));
    lines(s, begin, 3, ret);
    (void)eg_buf_addf(ret, "/blob/%.*s/%.*s%s%.*s\n", EG_FMT(r->account), EG_FMT(b.container), b.path.len ? "/" : "", EG_FMT(b.path));
    if (s->kind == EG_SAS_DELEGATION) {
        delegation_lines(s, ret);
    } else {
        line(ret, s->f[EG_SAS_SI]);
    }
    lines(s, middle, 4, ret);
    line(ret, eg_str_is(s->f[EG_SAS_SR], "bs") ? s->f[EG_SAS_SNAPSHOT] : eg_str_is(s->f[EG_SAS_SR], "bv") ? s->f[EG_SAS_VERSIONID] : EG_LIT(""));
    if (since(s, "2020-12-06")) {
        line(ret, s->f[EG_SAS_SES]);
    }
    if (form == 1) {
        line(ret, r->headers);
        line(ret, r->parameters);
    }
    lines(s, end, 5, ret);
    if (ret->err == EG_OK) {
        ret->len--; /* no line break at the end */
    }
    return ret->err;
}

eg_err eg_sas_time(eg_str s, int64_t *ret_ns) {
    const eg_str midnight = EG_LIT("T00:00:00Z"), minute = EG_LIT(":00Z");
    char z[40];
    eg_str whole = s;
    const bool day = s.len == 10, minutes = s.len == 17 && s.ptr[16] == 'Z';
    if (day || minutes) { /* by bytes: what stands in the text may be a NUL, at which printf would stop and find the rest well-formed */
        const size_t kept = day ? 10 : 16;
        const eg_str rest = day ? midnight : minute;
        memcpy(z, s.ptr, kept);
        memcpy(z + kept, rest.ptr, rest.len);
        whole = (eg_str){z, kept + rest.len};
    } else if (s.len < 20 || s.ptr[s.len - 1] != 'Z') {
        return EG_ERR_INVALID;
    }
    return eg_time_parse_rfc3339_far(whole, ret_ns) == EG_OK ? EG_OK : EG_ERR_INVALID;
}

static bool read_v4(eg_str s, uint32_t *ret) {
    char z[INET_ADDRSTRLEN];
    struct in_addr a;
    if (s.len == 0 || s.len >= sizeof z) {
        return false;
    }
    memcpy(z, s.ptr, s.len);
    z[s.len] = '\0';
    if (inet_pton(AF_INET, z, &a) != 1) {
        return false;
    }
    *ret = ntohl(a.s_addr);
    return true;
}

/* One IPv4 address or "from-to". */
static bool address_fits(eg_str sip, const char *address) {
    uint32_t from;
    uint32_t to;
    uint32_t peer;
    eg_str rest = sip;
    const eg_str first = eg_str_cut(&rest, '-');
    const char *v4 = strncmp(address, "::ffff:", 7) == 0 ? address + 7 : address;
    return read_v4(eg_str_of(v4), &peer) && read_v4(first, &from) && read_v4(rest.ptr ? rest : first, &to) && from <= peer && peer <= to;
}

static eg_err check_time(const eg_sas *s, int64_t now_ns, eg_problem *p) {
    int64_t from = INT64_MIN;
    int64_t until = 0;
    if (s->f[EG_SAS_SE].len == 0 || eg_sas_time(s->f[EG_SAS_SE], &until) != EG_OK) {
        return fail(p, "The signed expiry time (se) is missing or malformed.");
    }
    if (s->f[EG_SAS_ST].len > 0 && eg_sas_time(s->f[EG_SAS_ST], &from) != EG_OK) {
        return fail(p, "The signed start time (st) is malformed.");
    }
    if (now_ns >= until || now_ns < from) {
        return fail(p, "Signature not valid in the specified time frame.");
    }
    return EG_OK;
}

eg_err eg_sas_check(const eg_sas *s, const eg_sas_request *r, eg_problem *p) {
    const eg_str spr = s->f[EG_SAS_SPR];
    EG_TRY(check_time(s, r->now_ns, p));
    if (s->f[EG_SAS_SP].len == 0) {
        return fail(p, "The signed permissions (sp) are missing.");
    }
    if (spr.len > 0 && !eg_str_is(spr, "https") && !eg_str_is(spr, "https,http")) {
        return eg_fail(p, EG_ERR_SAS_PROTOCOL, "This request is not authorized to perform this operation using this protocol.");
    }
    if (s->f[EG_SAS_SIP].len > 0 && !address_fits(s->f[EG_SAS_SIP], r->address)) {
        return eg_fail(p, EG_ERR_SAS_SOURCE_IP, "This request is not authorized to perform this operation using this source IP %s.", r->address);
    }
    return EG_OK;
}
