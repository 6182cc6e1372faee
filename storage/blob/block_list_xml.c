/* A parser for the one document that Put Block List takes: it knows four elements and nothing else of XML. */
#include "block_list_xml.h"

#include <embergate/encoding.h>

static void skip_blanks(eg_str *s) {
    while (s->len > 0 && (s->ptr[0] == ' ' || s->ptr[0] == '\t' || s->ptr[0] == '\r' || s->ptr[0] == '\n')) {
        s->ptr++;
        s->len--;
    }
}

static bool take(eg_str *s, const char *text) {
    if (!eg_str_starts(*s, text)) {
        return false;
    }
    const size_t n = strlen(text);
    s->ptr += n;
    s->len -= n;
    return true;
}

/* "name …>" or "name …/>" of a start tag whose '<' was taken. */
static bool take_root(eg_str *s, bool *ret_empty) {
    if (!take(s, "BlockList")) {
        return false;
    }
    const char *end = s->len > 0 ? memchr(s->ptr, '>', s->len) : NULL;
    if (!end || (s->ptr[0] != '>' && s->ptr[0] != ' ' && s->ptr[0] != '/') || memchr(s->ptr, '<', (size_t)(end - s->ptr))) {
        return false;
    }
    *ret_empty = end > s->ptr && end[-1] == '/';
    const size_t n = (size_t)(end - s->ptr) + 1;
    s->ptr += n;
    s->len -= n;
    return true;
}

static bool take_prolog(eg_str *s) {
    (void)take(s, "\xef\xbb\xbf");
    skip_blanks(s);
    if (take(s, "<?xml ")) {
        while (s->len > 0 && !eg_str_starts(*s, "?>")) {
            if (s->ptr[0] == '<') {
                return false;
            }
            s->ptr++;
            s->len--;
        }
        if (!take(s, "?>")) {
            return false;
        }
        skip_blanks(s);
    }
    return take(s, "<");
}

eg_err eg_block_id_parse(eg_str base64, uint8_t ret[EG_BLOCK_ID_RAW_MAX], size_t *ret_n) {
    return eg_unbase64(base64, ret, EG_BLOCK_ID_RAW_MAX, ret_n) == EG_OK && *ret_n > 0 ? EG_OK : EG_ERR_BLOCK_ID;
}

static const struct {
    const char *start;
    const char *end;
    eg_block_where where;
} elements[] = {
    {"<Latest>", "</Latest>", EG_BLOCK_LATEST},
    {"<Committed>", "</Committed>", EG_BLOCK_COMMITTED},
    {"<Uncommitted>", "</Uncommitted>", EG_BLOCK_UNCOMMITTED},
};

/* The text up to the next '<', without blanks around it. */
static eg_str take_text(eg_str *s) {
    skip_blanks(s);
    const char *end = s->len > 0 ? memchr(s->ptr, '<', s->len) : NULL;
    eg_str text = {s->ptr, end ? (size_t)(end - s->ptr) : s->len};
    s->ptr += text.len;
    s->len -= text.len;
    while (text.len > 0 && memchr(" \t\r\n", text.ptr[text.len - 1], 4)) {
        text.len--;
    }
    return text;
}

static eg_err take_element(eg_str *s, eg_err (*each)(void *ctx, eg_block_where where, eg_bytes id), void *ctx) {
    for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
        if (take(s, elements[i].start)) {
            uint8_t id[EG_BLOCK_ID_RAW_MAX];
            size_t n = 0;
            const eg_str text = take_text(s);
            if (!take(s, elements[i].end)) {
                return EG_ERR_BODY_XML;
            }
            EG_TRY(eg_block_id_parse(text, id, &n));
            return each(ctx, elements[i].where, (eg_bytes){id, n});
        }
    }
    return EG_ERR_BODY_XML;
}

eg_err eg_block_list_parse(eg_str text, eg_err (*each)(void *ctx, eg_block_where where, eg_bytes id), void *ctx) {
    eg_str s = text.ptr ? text : EG_LIT("");
    bool empty = false;
    if (!take_prolog(&s) || !take_root(&s, &empty)) {
        return EG_ERR_BODY_XML;
    }
    skip_blanks(&s);
    while (!empty && !take(&s, "</BlockList>")) {
        EG_TRY(take_element(&s, each, ctx));
        skip_blanks(&s);
    }
    skip_blanks(&s);
    return s.len == 0 ? EG_OK : EG_ERR_BODY_XML;
}
