/* The strict reader of a request body's framing. */
#include "http_body.h"

#include "door_limits.h"

enum { SIZE = 0, SIZE_LF, DATA, DATA_CR, DATA_LF, LAST_CR, LAST_LF };

void eg_http_body_init(eg_http_body *b, int64_t content_length) {
    *b = (eg_http_body){.chunked = content_length < 0,
                        .left = content_length > 0 ? (uint64_t)content_length : 0,
                        .done = content_length == 0};
}

static int hex_value(uint8_t c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One byte of framing. Chunk extensions and trailer fields are refused: no client of ours sends them, and proxies
 * disagree about them (RFC 9112 sections 7.1.1 and 7.1.2). */
static eg_err framing_byte(eg_http_body *b, uint8_t c) {
    int v = hex_value(c);
    switch (b->state) {
    case SIZE:
        if (v >= 0 && b->digits < EG_DOOR_CHUNK_DIGITS) {
            b->left = b->left << 4 | (unsigned)v;
            b->digits++;
            return EG_OK;
        }
        if (c != '\r' || b->digits == 0) {
            return EG_ERR_HTTP_FRAMING;
        }
        b->state = SIZE_LF;
        return EG_OK;
    case SIZE_LF:
        b->state = b->left == 0 ? LAST_CR : DATA;
        b->digits = 0;
        return c == '\n' ? EG_OK : EG_ERR_HTTP_FRAMING;
    case DATA_CR:
    case LAST_CR:
        b->state++;
        return c == '\r' ? EG_OK : EG_ERR_HTTP_FRAMING;
    case DATA_LF:
        b->state = SIZE;
        return c == '\n' ? EG_OK : EG_ERR_HTTP_FRAMING;
    case LAST_LF:
        b->done = c == '\n';
        return b->done ? EG_OK : EG_ERR_HTTP_FRAMING;
    default:
        return EG_ERR_HTTP_FRAMING;
    }
}

eg_err eg_http_body_feed(eg_http_body *b, eg_bytes in, size_t *ret_used, eg_bytes *ret_data) {
    size_t used = 0;
    eg_bytes data = {in.ptr, 0};
    while (used < in.len && !b->done) {
        if (b->chunked && b->state != DATA) {
            EG_TRY(framing_byte(b, in.ptr[used]));
            used++;
            continue;
        }
        data.ptr = in.ptr + used;
        data.len = b->left < in.len - used ? (size_t)b->left : in.len - used;
        b->left -= data.len;
        used += data.len;
        if (b->left == 0) {
            b->done = !b->chunked;
            b->state = b->chunked ? DATA_CR : b->state;
        }
        break;
    }
    *ret_used = used;
    *ret_data = data;
    return EG_OK;
}
