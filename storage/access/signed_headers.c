/* The canonical text of the headers and parameters that a signature names, as Azure's SDKs put it together. */
#include "signed_headers.h"

#define NAME_MAX_LEN 128
#define TEXT_MAX 16384

static eg_err refuse(eg_request *rq, const char *what) {
    return eg_fail(&rq->problem, EG_ERR_AUTH_FAILED, "Server failed to authenticate the request. %s", what);
}

static bool name_ok(eg_str name) {
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '$')) {
            return false;
        }
    }
    return name.len > 0 && name.len <= NAME_MAX_LEN;
}

/* A line break within a value would let one signed text be read as another. */
static bool value_ok(eg_str v) {
    for (size_t i = 0; i < v.len; i++) {
        if ((unsigned char)v.ptr[i] < ' ' || v.ptr[i] == 0x7f) {
            return false;
        }
    }
    return v.ptr != NULL;
}

/* Of a header that stands twice nobody could say which one was signed, and which one a handler takes. */
static eg_err header_of(const eg_request *rq, const char *name, eg_str *ret) {
    size_t found = 0;
    for (size_t i = 0; i < rq->header_count; i++) {
        if (eg_str_ieq(rq->headers[i].name, eg_str_of(name))) {
            *ret = rq->headers[i].value;
            found++;
        }
    }
    return found == 1 ? EG_OK : EG_ERR_NOT_FOUND;
}

static eg_err value_of(eg_request *rq, bool parameter, const char *name, eg_str *ret) {
    return parameter ? eg_request_query(rq, name, ret) : header_of(rq, name, ret);
}

/* "name:value\n" of each header; "\nname:value" of each parameter. */
static eg_err read_list(eg_request *rq, eg_str list, bool parameters, eg_str *ret) {
    eg_buf b;
    size_t n = 0;
    *ret = EG_LIT("");
    eg_buf_init(&b, TEXT_MAX);
    for (eg_str rest = list; rest.len > 0;) {
        const eg_str name = eg_str_cut(&rest, ',');
        eg_str value = {NULL, 0};
        const char *z = name_ok(name) && n++ < EG_SIGNED_HEADERS_MAX ? eg_arena_printf(rq->arena, "%.*s", EG_FMT(name)).ptr : NULL;
        if (!z || value_of(rq, parameters, z, &value) != EG_OK || !value_ok(value)) {
            eg_buf_done(&b);
            return refuse(rq, parameters ? "A signed query parameter is not in the request, or its name is malformed." : "A signed header is not in the request, or its name is malformed.");
        }
        (void)eg_buf_addf(&b, parameters ? "\n%.*s:%.*s" : "%.*s:%.*s\n", EG_FMT(name), EG_FMT(value));
    }
    const eg_err e = b.err;
    if (e == EG_OK && b.len > 0) {
        *ret = eg_arena_str(rq->arena, eg_buf_str(&b));
    }
    eg_buf_done(&b);
    return e == EG_ERR_LIMIT ? refuse(rq, "The signed headers are too long.") : e != EG_OK ? e : ret->ptr ? EG_OK : EG_ERR_NO_MEMORY;
}

eg_err eg_signed_headers_read(eg_request *rq, const eg_sas *sas, eg_sas_request *at) {
    EG_TRY(read_list(rq, sas->f[EG_SAS_SRH], false, &at->headers));
    return read_list(rq, sas->f[EG_SAS_SRQ], true, &at->parameters);
}
