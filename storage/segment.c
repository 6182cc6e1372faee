/* Sealing and opening of segments. */
#include "segment.h"

#include <embergate/durable_file.h>
#include <embergate/metrics.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char MAGIC[8] = {'E', 'G', 'S', 'E', 'G', 'M', 'N', 'T'};
#define FORMAT_VERSION 1
#define MEMORY_MAX ((size_t)4 << 20)   /* who keeps more in memory has a mistake */
#define SALT_LEN 32
#define COMMITMENT_LEN 32
#define AD_MAX (2 + 1 + EG_ACCOUNT_NAME_MAX + 16 + 8 + 1)

/* Offsets within the header. */
enum { AT_VERSION = 8, AT_CHUNK_LOG2 = 9, AT_ZERO = 10, AT_SALT = 16, AT_ID = 48, AT_COMMITMENT = 64 };

struct eg_segment_writer {
    char tenant[EG_ACCOUNT_NAME_MAX + 1];
    eg_id id;
    int fd;               /* -1: into `memory` */
    eg_buf memory;
    eg_secret *key;
    eg_aead *aead;
    uint64_t index;       /* of the chunk in `buf` */
    uint64_t plain;
    uint64_t expected;    /* bytes in all; 0 = not known. Then `buf` holds what is sealed already, else what is to be */
    size_t used;
    bool finished;
    size_t cap;           /* of `buf`, without room for the tag: a small segment needs no whole chunk */
    uint8_t *buf;
};

struct eg_segment_reader {
    char tenant[EG_ACCOUNT_NAME_MAX + 1];
    eg_segment_ref ref;
    int fd;
    eg_aead *aead;
    int64_t opened;       /* index of the chunk in `plain`; -1 = none */
    size_t opened_len;
    size_t longest;       /* chunk of the segment */
    uint8_t *sealed;
    uint8_t *plain;       /* NULL until a part of a chunk is asked for */
};

eg_segment_size eg_segment_size_of(uint64_t plain) {
    const uint64_t chunks = (plain + EG_SEGMENT_CHUNK - 1) / EG_SEGMENT_CHUNK;
    return (eg_segment_size){plain, EG_SEGMENT_HEADER_LEN + plain + chunks * EG_GCM_TAG_LEN, (uint32_t)chunks};
}

/* Encryption key ‖ commitment. The commitment makes a segment open under one key only. */
static eg_err derive(eg_bytes key, const uint8_t *salt, const char *tenant, const eg_id *id, uint8_t ret[EG_KEY_LEN + COMMITMENT_LEN]) {
    static const char label[] = "embergate segment v1";
    uint8_t info[sizeof label + 1 + EG_ACCOUNT_NAME_MAX + sizeof id->b];
    const size_t tenant_len = strlen(tenant);
    size_t n = 0;
    memcpy(info, label, sizeof label);
    n += sizeof label;
    info[n++] = (uint8_t)tenant_len;
    memcpy(info + n, tenant, tenant_len);
    n += tenant_len;
    memcpy(info + n, id->b, sizeof id->b);
    n += sizeof id->b;
    return eg_hkdf_sha256(key, (eg_bytes){salt, SALT_LEN}, (eg_bytes){info, n}, ret, EG_KEY_LEN + COMMITMENT_LEN);
}

static eg_bytes chunk_ad(uint8_t ad[AD_MAX], const char *tenant, const eg_id *id, uint64_t index, bool last) {
    const size_t tenant_len = strlen(tenant);
    size_t n = 0;
    ad[n++] = FORMAT_VERSION;
    ad[n++] = EG_SEGMENT_CHUNK_LOG2;
    ad[n++] = (uint8_t)tenant_len;
    memcpy(ad + n, tenant, tenant_len);
    n += tenant_len;
    memcpy(ad + n, id->b, sizeof id->b);
    n += sizeof id->b;
    eg_put_u64(ad + n, index);
    n += 8;
    ad[n++] = last ? 1 : 0;
    return (eg_bytes){ad, n};
}

/* A counter from 0 is safe: no key ever seals two segments. */
static void chunk_nonce(uint8_t nonce[EG_GCM_NONCE_LEN], uint64_t index) {
    memset(nonce, 0, EG_GCM_NONCE_LEN);
    eg_put_u64(nonce + 4, index);
}

static size_t wrap_ad(uint8_t *ad, const char *tenant, const eg_id *inode, const eg_id *segment) {
    static const char label[] = "embergate segment key v1";
    const size_t tenant_len = strlen(tenant);
    size_t n = 0;
    memcpy(ad, label, sizeof label);
    n += sizeof label;
    ad[n++] = (uint8_t)tenant_len;
    memcpy(ad + n, tenant, tenant_len);
    n += tenant_len;
    memcpy(ad + n, inode->b, sizeof inode->b);
    n += sizeof inode->b;
    memcpy(ad + n, segment->b, sizeof segment->b);
    return n + sizeof segment->b;
}

#define WRAP_AD_MAX (25 + 1 + EG_ACCOUNT_NAME_MAX + 32)

static eg_err put_sealed(eg_segment_writer *w, eg_bytes b) {
    return w->fd >= 0 ? eg_write_all(w->fd, b) : eg_buf_add(&w->memory, b.ptr, b.len);
}

static eg_err write_header(eg_segment_writer *w) {
    uint8_t header[EG_SEGMENT_HEADER_LEN] = {0};
    uint8_t derived[EG_KEY_LEN + COMMITMENT_LEN];
    memcpy(header, MAGIC, sizeof MAGIC);
    header[AT_VERSION] = FORMAT_VERSION;
    header[AT_CHUNK_LOG2] = EG_SEGMENT_CHUNK_LOG2;
    eg_random_public(header + AT_SALT, SALT_LEN);
    memcpy(header + AT_ID, w->id.b, sizeof w->id.b);
    EG_TRY(derive(eg_secret_bytes(w->key), header + AT_SALT, w->tenant, &w->id, derived));
    memcpy(header + AT_COMMITMENT, derived + EG_KEY_LEN, COMMITMENT_LEN);
    w->aead = eg_aead_new(derived);
    eg_cleanse(derived, sizeof derived);
    return w->aead ? put_sealed(w, (eg_bytes){header, sizeof header}) : EG_ERR_NO_MEMORY;
}

eg_err eg_segment_writer_new(eg_str tenant, const eg_id *id, int fd, eg_segment_writer **ret) {
    EG_CLEANUP(eg_segment_writer_free_p) eg_segment_writer *w = calloc(1, sizeof *w);
    if (!w) {
        if (fd >= 0) {
            close(fd);
        }
        return EG_ERR_NO_MEMORY;
    }
    w->fd = fd;
    eg_buf_init(&w->memory, MEMORY_MAX);
    if (tenant.len > EG_ACCOUNT_NAME_MAX) {
        return EG_ERR_INVALID;
    }
    w->id = *id;
    memcpy(w->tenant, tenant.ptr, tenant.len);
    w->key = eg_secret_random(EG_KEY_LEN);
    if (!w->key) {
        return EG_ERR_NO_MEMORY;
    }
    EG_TRY(write_header(w));
    *ret = w;
    w = NULL;
    return EG_OK;
}

static eg_err seal_chunk(eg_segment_writer *w, bool last) {
    uint8_t nonce[EG_GCM_NONCE_LEN];
    uint8_t ad[AD_MAX];
    chunk_nonce(nonce, w->index);
    EG_TRY(eg_aead_seal(w->aead, nonce, chunk_ad(ad, w->tenant, &w->id, w->index, last), (eg_bytes){w->buf, w->used}, w->buf));
    EG_TRY(put_sealed(w, (eg_bytes){w->buf, w->used + EG_GCM_TAG_LEN}));
    w->index++;
    w->used = 0;
    return EG_OK;
}

/* Doubles the room for the chunk until `need` fits. */
static eg_err make_room(eg_segment_writer *w, size_t need) {
    size_t cap = w->cap ? w->cap : 4096;
    while (cap < need) {
        cap *= 2;
    }
    if (cap == w->cap) {
        return EG_OK;
    }
    uint8_t *grown = malloc(cap + EG_GCM_TAG_LEN);
    if (!grown) {
        return EG_ERR_NO_MEMORY;
    }
    if (w->buf) {
        memcpy(grown, w->buf, w->used);
        eg_cleanse(w->buf, w->cap);
        free(w->buf);
    }
    w->buf = grown;
    w->cap = cap;
    return EG_OK;
}

void eg_segment_writer_expect(eg_segment_writer *w, uint64_t plain) { w->expected = plain; }

static eg_err begin_chunk(eg_segment_writer *w) {
    uint8_t nonce[EG_GCM_NONCE_LEN];
    uint8_t ad[AD_MAX];
    const uint64_t left = w->expected - w->plain;
    EG_TRY(make_room(w, left < EG_SEGMENT_CHUNK ? (size_t)left : EG_SEGMENT_CHUNK));
    chunk_nonce(nonce, w->index);
    return eg_aead_seal_begin(w->aead, nonce, chunk_ad(ad, w->tenant, &w->id, w->index, left <= EG_SEGMENT_CHUNK));
}

static eg_err end_chunk(eg_segment_writer *w) {
    EG_TRY(eg_aead_seal_end(w->aead, w->buf + w->used));
    EG_TRY(put_sealed(w, (eg_bytes){w->buf, w->used + EG_GCM_TAG_LEN}));
    w->index++;
    w->used = 0;
    return EG_OK;
}

static eg_err add_expected(eg_segment_writer *w, eg_bytes b) {
    if (b.len > w->expected - w->plain) {
        return EG_ERR_INVALID;
    }
    while (b.len > 0) {
        if (w->used == 0) {
            EG_TRY(begin_chunk(w));
        }
        const size_t room = EG_SEGMENT_CHUNK - w->used;
        const size_t n = b.len < room ? b.len : room;
        EG_TRY(eg_aead_seal_add(w->aead, (eg_bytes){b.ptr, n}, w->buf + w->used));
        w->used += n;
        w->plain += n;
        b.ptr += n;
        b.len -= n;
        if (w->used == EG_SEGMENT_CHUNK && w->plain < w->expected) {
            EG_TRY(end_chunk(w));
        }
    }
    return EG_OK;
}

eg_err eg_segment_writer_add(eg_segment_writer *w, eg_bytes b) {
    if (w->finished || w->plain + b.len > EG_PUT_BLOB_MAX) {
        return w->finished ? EG_ERR_INVALID : EG_ERR_LIMIT;
    }
    if (w->expected > 0) {
        return add_expected(w, b);
    }
    while (b.len > 0) {
        /* A full chunk waits for the next byte: only then is it known not to be the last. */
        if (w->used == EG_SEGMENT_CHUNK) {
            EG_TRY(seal_chunk(w, false));
        }
        const size_t room = EG_SEGMENT_CHUNK - w->used;
        const size_t n = b.len < room ? b.len : room;
        EG_TRY(make_room(w, w->used + n));
        memcpy(w->buf + w->used, b.ptr, n);
        w->used += n;
        w->plain += n;
        b.ptr += n;
        b.len -= n;
    }
    return EG_OK;
}

eg_err eg_segment_writer_finish(eg_segment_writer *w, eg_segment_size *ret) {
    if (w->finished || w->plain == 0 || (w->expected > 0 && w->plain != w->expected)) {
        return EG_ERR_INVALID;
    }
    EG_TRY(w->expected > 0 ? end_chunk(w) : seal_chunk(w, true));
    w->finished = true;
    *ret = eg_segment_size_of(w->plain);
    return EG_OK;
}

eg_err eg_segment_writer_spill(eg_segment_writer *w, int fd) {
    if (w->fd >= 0) {
        close(fd);
        return EG_ERR_INVALID;
    }
    w->fd = fd;
    const eg_err e = eg_write_all(fd, eg_buf_bytes(&w->memory));
    eg_buf_done(&w->memory);
    return e;
}

eg_bytes eg_segment_writer_memory(const eg_segment_writer *w) { return eg_buf_bytes(&w->memory); }

uint64_t eg_segment_writer_plain(const eg_segment_writer *w) { return w->plain; }
int eg_segment_writer_fd(const eg_segment_writer *w) { return w->fd; }

eg_err eg_segment_writer_wrap(const eg_segment_writer *w, eg_bytes file_key, const eg_id *inode, eg_buf *ret) {
    uint8_t ad[WRAP_AD_MAX];
    const size_t n = wrap_ad(ad, w->tenant, inode, &w->id);
    return eg_seal(file_key, (eg_bytes){ad, n}, eg_secret_bytes(w->key), ret);
}

void eg_segment_writer_free(eg_segment_writer *w) {
    if (!w) {
        return;
    }
    if (w->fd >= 0) {
        close(w->fd);
    }
    eg_buf_done(&w->memory);
    eg_aead_free(w->aead);
    eg_secret_free(w->key);
    if (w->buf) {
        eg_cleanse(w->buf, w->cap);
        free(w->buf);
    }
    free(w);
}

eg_err eg_segment_rewrap(const eg_segment_ref *ref, eg_bytes from_key, eg_bytes to_key, const eg_id *to, eg_buf *ret) {
    char tenant[EG_ACCOUNT_NAME_MAX + 1] = "";
    uint8_t ad[WRAP_AD_MAX];
    if (ref->tenant.len > EG_ACCOUNT_NAME_MAX) {
        return EG_ERR_INVALID;
    }
    memcpy(tenant, ref->tenant.ptr, ref->tenant.len);
    eg_buf key;
    eg_buf_init(&key, 256);
    eg_err e = eg_open_sealed(from_key, (eg_bytes){ad, wrap_ad(ad, tenant, &ref->inode, &ref->id)}, ref->wrapped, &key);
    if (e == EG_OK) {
        e = eg_seal(to_key, (eg_bytes){ad, wrap_ad(ad, tenant, to, &ref->id)}, eg_buf_bytes(&key), ret);
    } else if (e == EG_ERR_CORRUPT) {
        eg_metric_add(EG_METRIC_STORAGE_CORRUPT, 1);
    }
    if (key.ptr) {
        eg_cleanse(key.ptr, key.cap);
    }
    eg_buf_done(&key);
    return e;
}

static eg_err corrupt(void) {
    eg_metric_add(EG_METRIC_STORAGE_CORRUPT, 1);
    return EG_ERR_CORRUPT;
}

static eg_err check_header(eg_segment_reader *r, const uint8_t *h, eg_bytes key) {
    static const uint8_t zero[AT_SALT - AT_ZERO] = {0};
    if (memcmp(h, MAGIC, sizeof MAGIC) != 0) {
        return corrupt();
    }
    if (h[AT_VERSION] != FORMAT_VERSION) {
        return EG_ERR_FORMAT_VERSION;
    }
    if (h[AT_CHUNK_LOG2] != EG_SEGMENT_CHUNK_LOG2 || memcmp(h + AT_ZERO, zero, sizeof zero) != 0 ||
        memcmp(h + AT_ID, r->ref.id.b, sizeof r->ref.id.b) != 0) {
        return corrupt();
    }
    uint8_t derived[EG_KEY_LEN + COMMITMENT_LEN];
    EG_TRY(derive(key, h + AT_SALT, r->tenant, &r->ref.id, derived));
    const bool fits = eg_ct_eq(derived + EG_KEY_LEN, h + AT_COMMITMENT, COMMITMENT_LEN);
    if (fits) {
        r->aead = eg_aead_new(derived);
    }
    eg_cleanse(derived, sizeof derived);
    if (!fits) {
        return corrupt();
    }
    return r->aead ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err open_header(eg_segment_reader *r, eg_bytes file_key) {
    const eg_segment_size want = eg_segment_size_of(r->ref.size.plain);
    struct stat st;
    if (want.plain == 0 || want.stored != r->ref.size.stored || want.chunks != r->ref.size.chunks) {
        return corrupt();
    }
    if (fstat(r->fd, &st) < 0) {
        return EG_ERR_IO;
    }
    if ((uint64_t)st.st_size < r->ref.offset || (uint64_t)st.st_size - r->ref.offset < want.stored) {
        return corrupt();
    }
    uint8_t header[EG_SEGMENT_HEADER_LEN];
    EG_TRY(eg_pread_all(r->fd, header, sizeof header, (int64_t)r->ref.offset));
    uint8_t ad[WRAP_AD_MAX];
    const size_t n = wrap_ad(ad, r->tenant, &r->ref.inode, &r->ref.id);
    eg_buf key;
    eg_buf_init(&key, 256);
    eg_err e = eg_open_sealed(file_key, (eg_bytes){ad, n}, r->ref.wrapped, &key);
    if (e == EG_OK) {
        e = key.len == EG_KEY_LEN ? check_header(r, header, eg_buf_bytes(&key)) : corrupt();
    } else if (e == EG_ERR_CORRUPT) {
        e = corrupt();
    }
    if (key.ptr) {
        eg_cleanse(key.ptr, key.cap);
    }
    eg_buf_done(&key);
    return e;
}

eg_err eg_segment_reader_new(const eg_segment_ref *ref, eg_bytes file_key, int fd, eg_segment_reader **ret) {
    EG_CLEANUP(eg_segment_reader_free_p) eg_segment_reader *r = calloc(1, sizeof *r);
    if (!r) {
        close(fd);
        return EG_ERR_NO_MEMORY;
    }
    r->fd = fd;
    if (ref->tenant.len > EG_ACCOUNT_NAME_MAX) {
        return EG_ERR_INVALID;
    }
    r->ref = *ref;
    r->opened = -1;
    memcpy(r->tenant, ref->tenant.ptr, ref->tenant.len);
    EG_TRY(open_header(r, file_key));
    r->longest = ref->size.plain < EG_SEGMENT_CHUNK ? (size_t)ref->size.plain : EG_SEGMENT_CHUNK;
    r->sealed = malloc(r->longest + EG_GCM_TAG_LEN);
    if (!r->sealed) {
        return EG_ERR_NO_MEMORY;
    }
    r->ref.tenant = (eg_str){NULL, 0};
    r->ref.wrapped = (eg_bytes){NULL, 0};
    *ret = r;
    r = NULL;
    return EG_OK;
}

static size_t chunk_len(const eg_segment_reader *r, uint64_t index) {
    const bool last = index + 1 == r->ref.size.chunks;
    return last ? (size_t)(r->ref.size.plain - index * EG_SEGMENT_CHUNK) : EG_SEGMENT_CHUNK;
}

/* Into `to`, which has room for the chunk; it is cleansed when the chunk doesn't verify. */
static eg_err open_chunk_into(eg_segment_reader *r, uint64_t index, uint8_t *to, bool wait) {
    const bool last = index + 1 == r->ref.size.chunks;
    const size_t plain = chunk_len(r, index);
    const uint64_t at = r->ref.offset + EG_SEGMENT_HEADER_LEN + index * (EG_SEGMENT_CHUNK + EG_GCM_TAG_LEN);
    uint8_t nonce[EG_GCM_NONCE_LEN];
    uint8_t ad[AD_MAX];
    eg_err e = (wait ? eg_pread_all : eg_pread_cached)(r->fd, r->sealed, plain + EG_GCM_TAG_LEN, (int64_t)at);
    if (e == EG_OK) {
        chunk_nonce(nonce, index);
        e = eg_aead_open(r->aead, nonce, chunk_ad(ad, r->tenant, &r->ref.id, index, last),
            (eg_bytes){r->sealed, plain + EG_GCM_TAG_LEN}, to);
    }
    return e == EG_ERR_CORRUPT ? corrupt() : e;
}

static eg_err open_chunk(eg_segment_reader *r, uint64_t index, bool wait) {
    r->opened = -1;
    if (!r->plain && !(r->plain = malloc(r->longest))) {
        return EG_ERR_NO_MEMORY;
    }
    EG_TRY(open_chunk_into(r, index, r->plain, wait));
    r->opened = (int64_t)index;
    r->opened_len = chunk_len(r, index);
    return EG_OK;
}

typedef struct room { uint8_t *buf; size_t cap; } room;

static eg_err read_at(eg_segment_reader *r, uint64_t offset, room to, bool wait, size_t *ret_n) {
    if (offset >= r->ref.size.plain || to.cap == 0) {
        *ret_n = 0;
        return EG_OK;
    }
    const uint64_t index = offset / EG_SEGMENT_CHUNK;
    if (r->opened != (int64_t)index && offset % EG_SEGMENT_CHUNK == 0 && to.cap >= chunk_len(r, index)) {
        EG_TRY(open_chunk_into(r, index, to.buf, wait)); /* a whole chunk is verified where it is wanted, without a copy */
        *ret_n = chunk_len(r, index);
        return EG_OK;
    }
    if (r->opened != (int64_t)index) {
        EG_TRY(open_chunk(r, index, wait));
    }
    const size_t skip = (size_t)(offset % EG_SEGMENT_CHUNK);
    const size_t left = r->opened_len - skip;
    const size_t n = left < to.cap ? left : to.cap;
    memcpy(to.buf, r->plain + skip, n);
    *ret_n = n;
    return EG_OK;
}

eg_err eg_segment_reader_read(eg_segment_reader *r, uint64_t offset, uint8_t *buf, size_t cap, size_t *ret_n) {
    return read_at(r, offset, (room){buf, cap}, true, ret_n);
}

eg_err eg_segment_reader_try(eg_segment_reader *r, uint64_t offset, uint8_t *buf, size_t cap, size_t *ret_n) {
    return read_at(r, offset, (room){buf, cap}, false, ret_n);
}

void eg_segment_reader_free(eg_segment_reader *r) {
    if (!r) {
        return;
    }
    if (r->fd >= 0) {
        close(r->fd);
    }
    eg_aead_free(r->aead);
    if (r->plain) {
        eg_cleanse(r->plain, r->longest);
        free(r->plain);
    }
    free(r->sealed);
    free(r);
}
