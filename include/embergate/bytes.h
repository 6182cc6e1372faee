/* Views of bytes and text that somebody else owns, and a growing buffer with a hard maximum. */
#ifndef EMBERGATE_BYTES_H
#define EMBERGATE_BYTES_H

#include <embergate/err.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes. */
typedef struct eg_bytes {
    const uint8_t *ptr;
    size_t len;
} eg_bytes;

/* Borrowed text; not NUL-terminated unless its maker says so. May hold any byte. */
typedef struct eg_str {
    const char *ptr;
    size_t len;
} eg_str;

#define EG_LIT(s) ((eg_str){(s), sizeof(s) - 1})
/* For printf's "%.*s": EG_FMT(v) gives the two arguments. */
#define EG_FMT(v) (int)(v).len, (v).ptr ? (v).ptr : ""

static inline eg_str eg_str_of(const char *z) { return (eg_str){z, z ? strlen(z) : 0}; }
static inline eg_bytes eg_str_bytes(eg_str s) { return (eg_bytes){(const uint8_t *)s.ptr, s.len}; }
static inline eg_str eg_bytes_str(eg_bytes b) { return (eg_str){(const char *)b.ptr, b.len}; }
bool eg_str_eq(eg_str a, eg_str b);
bool eg_str_is(eg_str a, const char *z);
bool eg_str_ieq(eg_str a, eg_str b);              /* ASCII case folded */
/* The parts one after another, NUL-terminated and cut where `size` (not 0) ends: snprintf without its price. */
void eg_str_join(char *ret, size_t size, const eg_str *parts, size_t n);
bool eg_str_starts(eg_str s, const char *prefix);
bool eg_str_ends(eg_str s, const char *suffix);
/* Cuts *rest at the first `sep`: returns what stands before it and leaves what follows; without a
 * separator returns all and leaves rest->ptr NULL. */
eg_str eg_str_cut(eg_str *rest, char sep);
/* Decimal, whole view, no sign, no leading blank; EG_ERR_INVALID otherwise or above max. */
eg_err eg_str_u64(eg_str s, uint64_t max, uint64_t *ret) EG_MUST_CHECK;
bool eg_utf8_valid(eg_str s);                     /* RFC 3629: no overlong forms, no surrogates */

/* A growing buffer. `max` is fixed at init; writing past it fails with EG_ERR_LIMIT, sticky until reset.
 * Always NUL-terminated one byte past len once something was written. */
typedef struct eg_buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t max;
    eg_err err;
} eg_buf;

void eg_buf_init(eg_buf *b, size_t max);
void eg_buf_done(eg_buf *b);                      /* frees; {0} is harmless */
void eg_buf_reset(eg_buf *b);                     /* keeps the memory */
eg_err eg_buf_add(eg_buf *b, const void *p, size_t n);
eg_err eg_buf_adds(eg_buf *b, const char *z);
eg_err eg_buf_addf(eg_buf *b, const char *fmt, ...) EG_PRINTF(2, 3);
/* Room for n more bytes at the end; *ret valid until the next write. The caller then advances b->len. */
eg_err eg_buf_reserve(eg_buf *b, size_t n, char **ret) EG_MUST_CHECK;
static inline eg_bytes eg_buf_bytes(const eg_buf *b) { return (eg_bytes){(const uint8_t *)b->ptr, b->len}; }
static inline eg_str eg_buf_str(const eg_buf *b) { return (eg_str){b->ptr, b->len}; }

/* Big-endian integers, as every format of ours has them. */
static inline void eg_put_u16(uint8_t *p, uint16_t v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }
static inline void eg_put_u32(uint8_t *p, uint32_t v) { for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24 - 8 * i)); }
static inline void eg_put_u64(uint8_t *p, uint64_t v) { for (int i = 0; i < 8; i++) p[i] = (uint8_t)(v >> (56 - 8 * i)); }
static inline uint16_t eg_get_u16(const uint8_t *p) { return (uint16_t)((p[0] << 8) | p[1]); }
static inline uint32_t eg_get_u32(const uint8_t *p) { uint32_t v = 0; for (int i = 0; i < 4; i++) v = (v << 8) | p[i]; return v; }
static inline uint64_t eg_get_u64(const uint8_t *p) { uint64_t v = 0; for (int i = 0; i < 8; i++) v = (v << 8) | p[i]; return v; }

#endif
