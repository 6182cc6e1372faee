/* The store's write-ahead log: two files in turns, each with a base and the records behind it. */
#include "kv_log.h"

#include <embergate/crypto.h>
#include <embergate/durable_file.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char HEADER_MAGIC[8] = {'E', 'G', 'K', 'V', 'L', 'O', 'G', 1};
static const char RECORD_MAGIC[8] = {'E', 'G', 'R', 'E', 'C', 'O', 'R', 'D'};
#define BLOCK ((size_t)4096)
#define COPY_AT ((uint64_t)8192)            /* of the header: one of the two is whole whatever happens to the other */
#define RECORDS_AT ((uint64_t)16384)
#define STEP ((uint64_t)1 << 20)            /* a file grows by so much at once, with zeros: then most syncs change no length */
#define KEY_LEN EG_KEYED_HASH_LEN
enum { H_GENERATION = 8, H_TXNID = 16, H_PAGE = 24, H_KEY = 32, H_METAS = 48, H_HASH = H_METAS + 2 * EG_KV_META_KEPT, HEADER_LEN = H_HASH + EG_KEYED_HASH_LEN };
enum { R_GENERATION = 8, R_TXNID = 16, R_LEN = 24, R_PAYLOAD = 32, R_HASH = 48 };

typedef struct log_file {
    int fd;
    uint64_t length;
    uint64_t generation;   /* of its header; 0: none */
    eg_kv_base base;
} log_file;

struct eg_kv_log {
    log_file files[2];
    int active;
    uint64_t generation;   /* of the records that are written */
    uint64_t at;           /* where the next one goes */
    uint64_t last;         /* where the last one began */
    uint8_t key[KEY_LEN];  /* nobody else writes what looks like a record */
};

static void hash(const uint8_t key[KEY_LEN], eg_bytes b, uint8_t ret[EG_KEYED_HASH_LEN]) { eg_keyed_hash(key, &b, 1, ret); }

static bool fits(const uint8_t key[KEY_LEN], eg_bytes b, const uint8_t want[EG_KEYED_HASH_LEN]) {
    uint8_t got[EG_KEYED_HASH_LEN];
    hash(key, b, got);
    return memcmp(got, want, sizeof got) == 0;
}

static uint64_t padded(uint64_t n) { return (n + BLOCK - 1) / BLOCK * BLOCK; }

static eg_err write_at(int fd, const uint8_t *p, size_t n, uint64_t at) {
    while (n > 0) {
        const ssize_t put = pwrite(fd, p, n, (off_t)at);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return put < 0 ? eg_err_from_errno(errno) : EG_ERR_IO;
        }
        p += put;
        n -= (size_t)put;
        at += (uint64_t)put;
    }
    return EG_OK;
}

/* Headers. */

typedef enum header_state { HEADER_DAMAGED, HEADER_NONE, HEADER_WHOLE, HEADER_OTHER_VERSION } header_state;

static header_state read_header(const log_file *f, uint64_t at, uint8_t key[KEY_LEN], eg_kv_base *ret) {
    static const uint8_t zero[HEADER_LEN];
    uint8_t h[HEADER_LEN];
    if (f->length < at + BLOCK || eg_pread_all(f->fd, h, sizeof h, (int64_t)at) != EG_OK) {
        return f->length < at + BLOCK ? HEADER_NONE : HEADER_DAMAGED;
    }
    if (memcmp(h, zero, sizeof h) == 0) {
        return HEADER_NONE;
    }
    if (memcmp(h, HEADER_MAGIC, sizeof HEADER_MAGIC - 1) != 0 || !fits(h + H_KEY, (eg_bytes){h, H_HASH}, h + H_HASH)) {
        return HEADER_DAMAGED;
    }
    if (h[sizeof HEADER_MAGIC - 1] != (uint8_t)HEADER_MAGIC[sizeof HEADER_MAGIC - 1]) {
        return HEADER_OTHER_VERSION;
    }
    ret->generation = eg_get_u64(h + H_GENERATION);
    ret->txnid = eg_get_u64(h + H_TXNID);
    ret->page_size = eg_get_u32(h + H_PAGE);
    memcpy(ret->metas, h + H_METAS, sizeof ret->metas);
    memcpy(key, h + H_KEY, KEY_LEN);
    return HEADER_WHOLE;
}

/* A copy that a crash or a fault of the disk damaged becomes as the other one, before anything rests on there being two. */
static eg_err mend_copy(const log_file *f, uint64_t from, uint64_t to) {
    uint8_t block[BLOCK];
    EG_TRY(eg_pread_all(f->fd, block, sizeof block, (int64_t)from));
    EG_TRY(write_at(f->fd, block, sizeof block, to));
    return fdatasync(f->fd) < 0 ? eg_err_from_errno(errno) : EG_OK;
}

/* The newer of the two copies. While the first is written the second still has what was before, and the other way round, so both of them damaged is no crash's work. */
static eg_err read_file(eg_kv_log *l, log_file *f, eg_problem *p) {
    eg_kv_base b[2] = {{0}};
    uint8_t key[2][KEY_LEN];
    const header_state one = read_header(f, 0, key[0], &b[0]), two = read_header(f, COPY_AT, key[1], &b[1]);
    if (one == HEADER_OTHER_VERSION || two == HEADER_OTHER_VERSION) {
        return eg_fail(p, EG_ERR_FORMAT_VERSION, "The store's log has a version that this program does not know.");
    }
    if (one == HEADER_DAMAGED && two == HEADER_DAMAGED) {
        return eg_fail(p, EG_ERR_CORRUPT, "The store's log is damaged: both copies of a header do not verify.");
    }
    if (one == HEADER_DAMAGED || two == HEADER_DAMAGED) {
        EG_TRY(one == HEADER_DAMAGED ? mend_copy(f, COPY_AT, 0) : mend_copy(f, 0, COPY_AT));
    }
    const int best = b[1].generation > b[0].generation ? 1 : 0;
    if (b[best].generation > 0) {
        f->base = b[best];
        f->generation = b[best].generation;
        memcpy(l->key, key[best], KEY_LEN);
    }
    return EG_OK;
}

static eg_err open_file(int dir_fd, const char *name, log_file *f) {
    struct stat st;
    f->fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (f->fd < 0 || fstat(f->fd, &st) < 0) {
        return eg_err_from_errno(errno);
    }
    f->length = (uint64_t)st.st_size;
    if (f->length < RECORDS_AT) {
        EG_TRY(eg_write_zeros(f->fd, f->length, RECORDS_AT));
        f->length = RECORDS_AT;
        return fsync(f->fd) < 0 ? eg_err_from_errno(errno) : EG_OK;
    }
    return EG_OK;
}

eg_err eg_kv_log_open(int dir_fd, eg_kv_log **ret, eg_kv_base *ret_base, eg_problem *p) {
    static const char *const names[2] = {EG_KV_LOG_FIRST_FILE, "log.1"};
    eg_kv_log *l = calloc(1, sizeof *l);
    if (!l) {
        return EG_ERR_NO_MEMORY;
    }
    l->files[0].fd = l->files[1].fd = -1;
    eg_random(l->key, sizeof l->key);
    eg_err e = EG_OK;
    for (int i = 0; i < 2 && e == EG_OK; i++) {
        e = open_file(dir_fd, names[i], &l->files[i]);
        e = e == EG_OK ? read_file(l, &l->files[i], p) : e;
    }
    e = e == EG_OK ? eg_dir_sync(dir_fd) : e;
    if (e != EG_OK) {
        eg_kv_log_close(l);
        return e;
    }
    l->active = l->files[1].generation > l->files[0].generation ? 1 : 0;
    /* Behind what both files may have: of the base, and of one that was begun and has no header. */
    l->generation = l->files[l->active].generation + 1;
    l->at = RECORDS_AT;
    *ret_base = l->files[l->active].base;
    *ret = l;
    return EG_OK;
}

void eg_kv_log_close(eg_kv_log *l) {
    if (!l) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (l->files[i].fd >= 0) {
            close(l->files[i].fd);
        }
    }
    free(l);
}

eg_err eg_kv_log_mark_open(eg_kv_log *l) { return flock(l->files[0].fd, LOCK_EX | LOCK_NB) == 0 ? EG_OK : EG_ERR_LOCKED; }

uint64_t eg_kv_log_turn(eg_kv_log *l) {
    l->active ^= 1;
    l->at = RECORDS_AT;
    return ++l->generation;
}

eg_err eg_kv_log_put_base(eg_kv_log *l, const eg_kv_base *b) {
    uint8_t h[BLOCK] = {0};
    const int fd = l->files[l->active].fd;
    memcpy(h, HEADER_MAGIC, sizeof HEADER_MAGIC);
    eg_put_u64(h + H_GENERATION, b->generation);
    eg_put_u64(h + H_TXNID, b->txnid);
    eg_put_u32(h + H_PAGE, b->page_size);
    memcpy(h + H_KEY, l->key, KEY_LEN);
    memcpy(h + H_METAS, b->metas, sizeof b->metas);
    hash(l->key, (eg_bytes){h, H_HASH}, h + H_HASH);
    for (int copy = 0; copy < 2; copy++) {
        EG_TRY(write_at(fd, h, sizeof h, copy * COPY_AT));
        if (fdatasync(fd) < 0) {
            return eg_err_from_errno(errno);
        }
    }
    return EG_OK;
}

/* Records. */

static eg_err make_room(log_file *f, uint64_t end) {
    if (end > EG_KV_LOG_FILE_MAX) {
        return EG_ERR_LIMIT;
    }
    if (end > f->length) {
        const uint64_t to = end + STEP < EG_KV_LOG_FILE_MAX ? end + STEP : EG_KV_LOG_FILE_MAX;
        if (eg_write_zeros(f->fd, f->length, to) != EG_OK) {
            return EG_ERR_LIMIT; /* a full disk: what is there already has to do */
        }
        f->length = to;
    }
    return EG_OK;
}

eg_err eg_kv_log_append(eg_kv_log *l, uint64_t txnid, eg_buf *record) {
    log_file *f = &l->files[l->active];
    const size_t len = record->len - EG_KV_RECORD_HEADER;
    const size_t pad = padded(record->len) - record->len;
    char *room = NULL;
    EG_TRY(make_room(f, l->at + record->len + pad));
    EG_TRY(eg_buf_reserve(record, pad, &room));
    memset(room, 0, pad);
    uint8_t *h = (uint8_t *)record->ptr;
    memcpy(h, RECORD_MAGIC, sizeof RECORD_MAGIC);
    eg_put_u64(h + R_GENERATION, l->generation);
    eg_put_u64(h + R_TXNID, txnid);
    eg_put_u64(h + R_LEN, len);
    hash(l->key, (eg_bytes){h + EG_KV_RECORD_HEADER, len}, h + R_PAYLOAD);
    hash(l->key, (eg_bytes){h, R_HASH}, h + R_HASH);
    EG_TRY(write_at(f->fd, h, EG_KV_RECORD_HEADER + len + pad, l->at));
    if (fdatasync(f->fd) < 0) {
        return eg_err_from_errno(errno);
    }
    l->last = l->at;
    l->at += EG_KV_RECORD_HEADER + len + pad;
    return EG_OK;
}

eg_err eg_kv_log_undo(eg_kv_log *l) {
    static const uint8_t zero[BLOCK];
    const int fd = l->files[l->active].fd;
    EG_TRY(write_at(fd, zero, sizeof zero, l->last));
    if (fdatasync(fd) < 0) {
        return eg_err_from_errno(errno);
    }
    l->at = l->last;
    return EG_OK;
}

uint64_t eg_kv_log_used(const eg_kv_log *l) { return l->at - RECORDS_AT; }

/* Reading. */

typedef struct scan {
    const eg_kv_log *log;
    const log_file *file;
    uint64_t generation;
    uint64_t at;
    uint64_t txnid;        /* of the last one that was given */
    eg_kv_record_fn fn;
    void *ctx;
} scan;

/* The header of a record of this generation. */
static bool header_at(const scan *s, uint64_t at, uint8_t h[EG_KV_RECORD_HEADER]) {
    return at + BLOCK <= s->file->length && eg_pread_all(s->file->fd, h, EG_KV_RECORD_HEADER, (int64_t)at) == EG_OK &&
        memcmp(h, RECORD_MAGIC, sizeof RECORD_MAGIC) == 0 && fits(s->log->key, (eg_bytes){h, R_HASH}, h + R_HASH) &&
        eg_get_u64(h + R_GENERATION) == s->generation;
}

/* EG_ERR_NOT_FOUND: there is no whole record that follows. */
static eg_err next_record(scan *s) {
    uint8_t h[EG_KV_RECORD_HEADER];
    if (!header_at(s, s->at, h) || eg_get_u64(h + R_TXNID) != s->txnid + 1) {
        return EG_ERR_NOT_FOUND;
    }
    const uint64_t len = eg_get_u64(h + R_LEN);
    if (len > EG_KV_LOG_FILE_MAX || s->at + EG_KV_RECORD_HEADER + len > s->file->length) {
        return EG_ERR_NOT_FOUND;
    }
    uint8_t *changes = malloc(len ? len : 1);
    if (!changes) {
        return EG_ERR_NO_MEMORY;
    }
    eg_err e = eg_pread_all(s->file->fd, changes, len, (int64_t)(s->at + EG_KV_RECORD_HEADER));
    if (e == EG_OK) {
        e = fits(s->log->key, (eg_bytes){changes, len}, h + R_PAYLOAD) ? s->fn(s->ctx, s->txnid + 1, (eg_bytes){changes, len}) : EG_ERR_NOT_FOUND;
    }
    free(changes);
    if (e == EG_OK) {
        s->txnid++;
        s->at += padded(EG_KV_RECORD_HEADER + len);
    }
    return e;
}

/* A record is written when the one before it is on the disk. So a whole one behind where reading ended means that something was damaged, not that a crash cut it. */
static eg_err check_end(const scan *s) {
    uint8_t h[EG_KV_RECORD_HEADER];
    for (uint64_t at = s->at; at < s->file->length; at += BLOCK) {
        if (header_at(s, at, h) && eg_get_u64(h + R_TXNID) > s->txnid + 1) {
            return EG_ERR_CORRUPT;
        }
    }
    return EG_OK;
}

static eg_err read_records(scan *s) {
    eg_err e = EG_OK;
    s->at = RECORDS_AT;
    while (e == EG_OK) {
        e = next_record(s);
    }
    return e == EG_ERR_NOT_FOUND ? check_end(s) : e;
}

eg_err eg_kv_log_each(eg_kv_log *l, const eg_kv_base *base, eg_kv_record_fn fn, void *ctx) {
    const int first = l->files[1].generation > l->files[0].generation ? 1 : 0;
    scan s = {.log = l, .file = &l->files[first], .generation = base->generation, .txnid = base->txnid, .fn = fn, .ctx = ctx};
    EG_TRY(read_records(&s));
    s.file = &l->files[first ^ 1];
    s.generation++;
    return read_records(&s);
}
