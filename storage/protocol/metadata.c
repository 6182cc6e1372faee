/* Both forms of metadata. */
#include "metadata.h"

#include "json_text.h"

#include <embergate/encoding.h>

#define NAME_MAX_LEN 128
#define PREFIX EG_LIT("x-ms-meta-")

static bool name_ok(eg_str name) {
    if (name.len == 0 || name.len > NAME_MAX_LEN) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i > 0 && ((c >= '0' && c <= '9') || c == '-' || c == '.'))) {
            return false;
        }
    }
    return true;
}

/* Whether one of those before it has the same name; as headers they would be one. */
static bool named_before(eg_str all, size_t upto, eg_str name) {
    for (eg_str rest = {all.ptr, upto}; rest.ptr && upto > 0;) {
        eg_str pair = eg_str_cut(&rest, ',');
        if (eg_str_ieq(eg_str_cut(&pair, '='), name)) {
            return true;
        }
    }
    return false;
}

bool eg_metadata_ok(eg_str all) {
    uint8_t raw[EG_METADATA_MAX];
    size_t names = 0;
    for (eg_str rest = all; rest.ptr;) {
        eg_str value = eg_str_cut(&rest, ',');
        const eg_str name = eg_str_cut(&value, '=');
        size_t n;
        if (!value.ptr || ++names > EG_METADATA_NAMES_MAX || !name_ok(name) || named_before(all, (size_t)(name.ptr - all.ptr), name) ||
            eg_unbase64(value, raw, sizeof raw, &n) != EG_OK) {
            return false;
        }
    }
    return true;
}

/* The name of a metadata header; len 0 = it is none. */
static eg_str meta_name(const eg_header *h) {
    const size_t n = PREFIX.len;
    if (h->name.len < n || !eg_str_ieq((eg_str){h->name.ptr, n}, PREFIX)) {
        return (eg_str){NULL, 0};
    }
    return (eg_str){h->name.ptr + n, h->name.len - n};
}

static bool seen_before(const eg_request *rq, size_t upto, eg_str name) {
    for (size_t i = 0; i < upto; i++) {
        const eg_str other = meta_name(&rq->headers[i]);
        if (other.ptr && eg_str_ieq(other, name)) {
            return true;
        }
    }
    return false;
}

static eg_err collect(eg_request *rq, const char *skip, eg_buf *all) {
    size_t bytes = 0;
    size_t names = 0;
    for (size_t i = 0; i < rq->header_count; i++) {
        const eg_str name = meta_name(&rq->headers[i]);
        const eg_str value = rq->headers[i].value;
        if (!name.ptr || (skip && eg_str_ieq(name, eg_str_of(skip)))) {
            continue;
        }
        if (!name_ok(name) || seen_before(rq, i, name)) {
            return eg_fail(&rq->problem, EG_ERR_METADATA, "The metadata specified is invalid: a name begins with a letter, has letters, digits, '_', '-' "
                "and '.', and stands once.");
        }
        bytes += name.len + value.len;
        if (bytes > EG_METADATA_MAX) {
            return eg_fail(&rq->problem, EG_ERR_METADATA_TOO_LARGE, "The size of the metadata exceeds %d bytes.", EG_METADATA_MAX);
        }
        if (++names > EG_METADATA_NAMES_MAX) {
            return eg_fail(&rq->problem, EG_ERR_METADATA_TOO_LARGE, "There are more than %d names in the metadata.", EG_METADATA_NAMES_MAX);
        }
        (void)eg_buf_addf(all, "%s%.*s=", all->len ? "," : "", EG_FMT(name));
        (void)eg_base64(eg_str_bytes(value), all);
    }
    return all->err;
}

eg_err eg_metadata_of_headers(eg_request *rq, const char *skip, eg_str *ret) {
    eg_buf all;
    eg_buf_init(&all, (size_t)4 * EG_METADATA_MAX);
    const eg_err e = collect(rq, skip, &all);
    const eg_str copy = e == EG_OK && all.len > 0 ? eg_arena_str(rq->arena, eg_buf_str(&all)) : EG_LIT("");
    eg_buf_done(&all);
    EG_TRY(e);
    if (!copy.ptr) {
        return EG_ERR_NO_MEMORY;
    }
    *ret = copy;
    return EG_OK;
}

eg_err eg_metadata_headers(eg_request *rq, eg_str all) {
    size_t names = 0; /* what was stored before they were counted must not make a file unreadable */
    for (eg_str rest = all; rest.ptr && all.len > 0 && names < EG_METADATA_NAMES_MAX; names++) {
        eg_str value = eg_str_cut(&rest, ',');
        const eg_str name = eg_str_cut(&value, '=');
        uint8_t raw[EG_METADATA_MAX];
        size_t n = 0;
        const eg_str header = eg_arena_printf(rq->arena, "x-ms-meta-%.*s", EG_FMT(name));
        if (header.ptr && eg_unbase64(value, raw, sizeof raw, &n) == EG_OK) {
            const eg_err e = eg_response_header(rq, header.ptr, "%.*s", (int)n, (const char *)raw);
            EG_TRY(e == EG_ERR_INVALID ? EG_OK : e);
        }
    }
    return EG_OK;
}

eg_err eg_metadata_xml(eg_buf *b, eg_str all) {
    for (eg_str rest = all; rest.ptr && all.len > 0;) {
        eg_str value = eg_str_cut(&rest, ',');
        const eg_str name = eg_str_cut(&value, '=');
        uint8_t raw[EG_METADATA_MAX];
        size_t n = 0;
        if (eg_unbase64(value, raw, sizeof raw, &n) == EG_OK) {
            (void)eg_buf_addf(b, "<%.*s>", EG_FMT(name));
            (void)eg_xml_text(b, (eg_str){(const char *)raw, n});
            (void)eg_buf_addf(b, "</%.*s>", EG_FMT(name));
        }
    }
    return b->err;
}
