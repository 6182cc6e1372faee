/* The journal's files: framing, group sync, taking turns, and reading back after a crash. docs/AUDIT-LOG.md is their page. */
#include "journal_file.h"

#include <embergate/crypto.h>
#include <embergate/durable_file.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "envelope.h"

#define MAGIC "EGJRNL1\n"
#define MAGIC_LEN 8u
#define SALT_LEN 16u
#define GROUP_MAX ((size_t)4 << 20)
#define HALF_MIN (EG_JOURNAL_FILE_HEAD + EG_JOURNAL_FRAME_HEAD + (uint64_t)EG_ENVELOPE_MAX)

static const char *const names[2] = {"journal.0", "journal.1"};

typedef struct half {
    int fd;
    uint64_t at;       /* where the next frame goes */
    uint64_t last_seq; /* of the frames in it; 0 = none */
} half;

struct eg_journal_file {
    half halves[2];
    unsigned now;
    uint64_t half_bytes;
    uint8_t salt[SALT_LEN]; /* random, in both heads: frames of an earlier life never check */
    uint64_t group_last;
    eg_buf group;
};

/* A frame's checksum covers the salt and the number, so that neither an old frame nor one of another place is taken for it. */
static void checksum(const uint8_t salt[SALT_LEN], const uint8_t head[12], eg_bytes record, uint8_t ret[8]) {
    uint8_t digest[EG_SHA256_LEN];
    const eg_bytes in[3] = {{salt, SALT_LEN}, {head, 12}, record};
    eg_sha256_v(in, 3, digest);
    memcpy(ret, digest, 8);
}

/* Reading. */

typedef struct scan {
    uint8_t *bytes;
    uint64_t length;
    uint64_t at;
    uint64_t seq;     /* of the frame at `at` when record.ptr is set */
    eg_bytes record;
} scan;

static void scan_next(scan *s) {
    const uint8_t *p = s->bytes + s->at;
    uint64_t left = s->length - s->at;
    bool first = s->record.ptr == NULL;
    uint64_t expected = s->seq + 1;
    s->record = (eg_bytes){NULL, 0};
    if (left < EG_JOURNAL_FRAME_HEAD) {
        return;
    }
    uint32_t n = eg_get_u32(p);
    uint64_t seq = eg_get_u64(p + 4);
    if (n == 0 || n > EG_ENVELOPE_MAX || n > left - EG_JOURNAL_FRAME_HEAD || seq == 0 || (!first && seq != expected)) {
        return;
    }
    uint8_t sum[8];
    eg_bytes record = {p + EG_JOURNAL_FRAME_HEAD, n};
    checksum(s->bytes + MAGIC_LEN, p, record, sum);
    if (memcmp(sum, p + 12, sizeof sum) != 0) {
        return;
    }
    s->record = record;
    s->seq = seq;
    s->at += EG_JOURNAL_FRAME_HEAD + n;
}

static eg_err scan_open(int dir_fd, const char *name, scan *s, eg_problem *p) {
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? EG_OK : eg_fail(p, eg_err_from_errno(errno), "Cannot open the audit journal \"%s\".", name);
    }
    struct stat st;
    eg_err e = fstat(fd, &st) == 0 && st.st_size >= 0 ? EG_OK : EG_ERR_IO;
    if (e == EG_OK && st.st_size > EG_JOURNAL_FILE_HEAD) {
        s->bytes = malloc((size_t)st.st_size);
        s->length = (uint64_t)st.st_size;
        e = s->bytes ? eg_pread_all(fd, s->bytes, (size_t)st.st_size, 0) : EG_ERR_NO_MEMORY;
    }
    close(fd);
    if (e != EG_OK) {
        return eg_fail(p, e, "Cannot read the audit journal \"%s\".", name);
    }
    if (s->bytes && memcmp(s->bytes, MAGIC, MAGIC_LEN) == 0) {
        s->at = EG_JOURNAL_FILE_HEAD;
        scan_next(s);
    }
    return EG_OK;
}

static eg_err scan_both(scan s[2], eg_err (*each)(void *, uint64_t, eg_bytes), void *ctx) {
    /* The halves hold two runs of numbers, one after the other. */
    unsigned first = s[0].record.ptr && (!s[1].record.ptr || s[0].seq < s[1].seq) ? 0 : 1;
    for (unsigned i = 0; i < 2; i++) {
        for (scan *h = &s[first ^ i]; h->record.ptr; scan_next(h)) {
            EG_TRY(each(ctx, h->seq, h->record));
        }
    }
    return EG_OK;
}

eg_err eg_journal_scan(int dir_fd, eg_err (*each)(void *ctx, uint64_t seq, eg_bytes record), void *ctx, eg_problem *p) {
    scan s[2] = {{0}};
    eg_err e = scan_open(dir_fd, names[0], &s[0], p);
    if (e == EG_OK) {
        e = scan_open(dir_fd, names[1], &s[1], p);
    }
    if (e == EG_OK) {
        e = scan_both(s, each, ctx);
    }
    free(s[0].bytes);
    free(s[1].bytes);
    return e;
}

/* Writing. */

static eg_err pwrite_all(int fd, eg_bytes b, uint64_t at) {
    while (b.len > 0) {
        ssize_t n = pwrite(fd, b.ptr, b.len, (off_t)at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n == 0 ? EG_ERR_IO : eg_err_from_errno(errno);
        }
        b.ptr += n;
        b.len -= (size_t)n;
        at += (uint64_t)n;
    }
    return EG_OK;
}

/* A new file under another name first, so that the old one stands until the new one is whole. */
static eg_err create_half(eg_journal_file *j, int dir_fd, unsigned i) {
    char fresh[32];
    snprintf(fresh, sizeof fresh, "%s.new", names[i]);
    if (unlinkat(dir_fd, fresh, 0) != 0 && errno != ENOENT) {
        return eg_err_from_errno(errno);
    }
    int fd = openat(dir_fd, fresh, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return eg_err_from_errno(errno);
    }
    j->halves[i] = (half){.fd = fd, .at = EG_JOURNAL_FILE_HEAD};
    int rc = posix_fallocate(fd, 0, (off_t)j->half_bytes);
    if (rc != 0) {
        return eg_err_from_errno(rc);
    }
    uint8_t head[MAGIC_LEN + SALT_LEN];
    memcpy(head, MAGIC, MAGIC_LEN);
    memcpy(head + MAGIC_LEN, j->salt, SALT_LEN);
    EG_TRY(pwrite_all(fd, (eg_bytes){head, sizeof head}, 0));
    if (fsync(fd) != 0 || renameat(dir_fd, fresh, dir_fd, names[i]) != 0) {
        return eg_err_from_errno(errno);
    }
    return EG_OK;
}

eg_err eg_journal_create(int dir_fd, uint64_t bytes, eg_journal_file **ret, eg_problem *p) {
    eg_journal_file *j = calloc(1, sizeof *j);
    if (!j) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "No memory for the audit journal.");
    }
    j->halves[0].fd = j->halves[1].fd = -1;
    j->half_bytes = bytes / 2 > HALF_MIN ? bytes / 2 : HALF_MIN;
    eg_buf_init(&j->group, GROUP_MAX);
    eg_random(j->salt, sizeof j->salt);
    eg_err e = create_half(j, dir_fd, 0);
    if (e == EG_OK) {
        e = create_half(j, dir_fd, 1);
    }
    if (e == EG_OK) {
        e = eg_dir_sync(dir_fd);
    }
    if (e != EG_OK) {
        eg_journal_free(j);
        return eg_fail(p, e, "Cannot make the audit journal: %s.", eg_err_code(e));
    }
    *ret = j;
    return EG_OK;
}

void eg_journal_free(eg_journal_file *j) {
    if (!j) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (j->halves[i].fd >= 0) {
            close(j->halves[i].fd);
        }
    }
    eg_buf_done(&j->group);
    free(j);
}

size_t eg_journal_room(const eg_journal_file *j) {
    uint64_t half_room = j->half_bytes - EG_JOURNAL_FILE_HEAD;
    return half_room < GROUP_MAX ? (size_t)half_room : GROUP_MAX;
}

void eg_journal_drop_group(eg_journal_file *j) {
    eg_buf_reset(&j->group);
}

eg_err eg_journal_add(eg_journal_file *j, uint64_t seq, eg_bytes record) {
    if (record.len == 0 || record.len > EG_ENVELOPE_MAX || j->group.len + EG_JOURNAL_FRAME_HEAD + record.len > eg_journal_room(j)) {
        return EG_ERR_LIMIT;
    }
    uint8_t head[EG_JOURNAL_FRAME_HEAD];
    eg_put_u32(head, (uint32_t)record.len);
    eg_put_u64(head + 4, seq);
    checksum(j->salt, head, record, head + 12);
    EG_TRY(eg_buf_add(&j->group, head, sizeof head));
    EG_TRY(eg_buf_add(&j->group, record.ptr, record.len));
    j->group_last = seq;
    return EG_OK;
}

eg_err eg_journal_sync(eg_journal_file *j, uint64_t integrated) {
    if (j->group.len == 0) {
        return EG_OK;
    }
    half *h = &j->halves[j->now];
    if (h->at + j->group.len > j->half_bytes) {
        half *other = &j->halves[j->now ^ 1];
        if (other->last_seq > integrated) {
            return EG_ERR_BUSY;
        }
        /* What remains of its old frames has lower numbers than the frame before it will have, so that a scan ends there. */
        other->at = EG_JOURNAL_FILE_HEAD;
        other->last_seq = 0;
        j->now ^= 1;
        h = other;
    }
    eg_err e = pwrite_all(h->fd, eg_buf_bytes(&j->group), h->at);
    if (e == EG_OK && fdatasync(h->fd) != 0) {
        e = eg_err_from_errno(errno);
    }
    if (e == EG_OK) {
        h->at += j->group.len;
        h->last_seq = j->group_last;
    }
    eg_buf_reset(&j->group);
    return e;
}
