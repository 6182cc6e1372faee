/* The reading side of a runner's sealed log: pages of lines, also while it is written. */
#include "runner_files.h"
#include "runner_log_format.h"

#include <embergate/durable_file.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES (64u << 10)
#define REPLACEMENT "\xEF\xBF\xBD"

typedef struct log_file {
    int fd;
    eg_aead *aead;
    int64_t size;
    uint8_t *sealed;  /* one record */
    size_t plain_len;
} log_file;

static void log_file_done(log_file *f) {
    if (f->fd >= 0) {
        close(f->fd);
    }
    eg_aead_free(f->aead);
    if (f->sealed) {
        eg_cleanse(f->sealed, EG_LOG_PLAIN_MAX + EG_GCM_TAG_LEN);
    }
    free(f->sealed);
}

static eg_err log_file_open(const eg_runner_ref *ref, eg_bytes key, log_file *f) {
    char path[PATH_MAX];
    EG_TRY(eg_runner_path(ref, EG_RUNNER_FILE_LOG, path, sizeof path));
    f->fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (f->fd < 0 || fstat(f->fd, &st) != 0) {
        return eg_err_from_errno(errno);
    }
    f->size = st.st_size;
    if (f->size < EG_LOG_HEAD) {
        return EG_ERR_NOT_FOUND;
    }
    uint8_t head[EG_LOG_HEAD];
    EG_TRY(eg_pread_all(f->fd, head, sizeof head, 0));
    if (memcmp(head, EG_LOG_MAGIC, EG_LOG_MAGIC_LEN) != 0) {
        return EG_ERR_FORMAT_VERSION;
    }
    char name[128];
    snprintf(name, sizeof name, "%s/%s-%s", ref->cluster, eg_runner_kind_name(ref->kind), ref->id);
    EG_TRY(eg_runner_log_aead(key, head, name, &f->aead));
    f->sealed = malloc(EG_LOG_PLAIN_MAX + EG_GCM_TAG_LEN);
    return f->sealed ? EG_OK : EG_ERR_NO_MEMORY;
}

/* The head at `at`; EG_ERR_NOT_FOUND at the end (also of a record that is being written), EG_ERR_CORRUPT for nonsense. */
static eg_err head_at(const log_file *f, int64_t at, eg_log_record_head *ret) {
    if (at + EG_LOG_RECORD_HEAD > f->size) {
        return EG_ERR_NOT_FOUND;
    }
    uint8_t raw[EG_LOG_RECORD_HEAD];
    EG_TRY(eg_pread_all(f->fd, raw, sizeof raw, at));
    eg_log_record_head h = eg_log_get_head(raw);
    if (h.sealed < EG_GCM_TAG_LEN || h.sealed > EG_LOG_PLAIN_MAX + EG_GCM_TAG_LEN) {
        return EG_ERR_CORRUPT;
    }
    if (at + EG_LOG_RECORD_HEAD + (int64_t)h.sealed > f->size) {
        return EG_ERR_NOT_FOUND;
    }
    *ret = h;
    return EG_OK;
}

static int64_t after(int64_t at, const eg_log_record_head *h) {
    return at + EG_LOG_RECORD_HEAD + (int64_t)h->sealed;
}

/* Opens a record into f->sealed[0 .. f->plain_len). */
static eg_err open_record(log_file *f, int64_t at, const eg_log_record_head *h) {
    uint8_t raw[EG_LOG_RECORD_HEAD];
    uint8_t nonce[EG_GCM_NONCE_LEN];
    eg_log_put_head(h, raw);
    eg_log_nonce(h->seq, nonce);
    EG_TRY(eg_pread_all(f->fd, f->sealed, h->sealed, at + EG_LOG_RECORD_HEAD));
    EG_TRY(eg_aead_open(f->aead, nonce, (eg_bytes){raw, sizeof raw}, (eg_bytes){f->sealed, h->sealed}, f->sealed));
    f->plain_len = h->sealed - EG_GCM_TAG_LEN;
    return EG_OK;
}

/* Walks the heads: the last record that begins before line `from` does (or the first record), and the last of all. */
typedef struct places {
    int64_t start, last;
    eg_log_record_head last_head;
    bool any, damaged;
} places;

static places walk(const log_file *f, uint64_t from) {
    places r = {.start = EG_LOG_HEAD};
    int64_t at = EG_LOG_HEAD;
    eg_log_record_head h;
    eg_err e;
    uint64_t lines = 0;
    while ((e = head_at(f, at, &h)) == EG_OK) {
        /* Numbers may skip (a failed write spends one) but neither they nor the lines go back. */
        if (r.any && (h.seq <= r.last_head.seq || h.lines_before < lines)) {
            e = EG_ERR_CORRUPT;
            break;
        }
        lines = h.lines_before;
        if (h.lines_before < from) {
            r.start = at;
        }
        r.any = true;
        r.last = at;
        r.last_head = h;
        at = after(at, &h);
    }
    r.damaged = e != EG_ERR_NOT_FOUND;
    return r;
}

/* All lines so far. */
static eg_err total_lines(log_file *f, const places *r, uint64_t *ret) {
    *ret = 0;
    if (!r->any) {
        return EG_OK;
    }
    EG_TRY(open_record(f, r->last, &r->last_head));
    uint64_t n = r->last_head.lines_before;
    for (size_t i = 0; i < f->plain_len; i++) {
        n += f->sealed[i] == '\n';
    }
    bool open_line = f->plain_len > 0 && f->sealed[f->plain_len - 1] != '\n';
    *ret = n + (open_line ? 1 : 0);
    return EG_OK;
}

static size_t utf8_step(const uint8_t *s, size_t n) {
    for (size_t k = 1; k <= 4 && k <= n; k++) {
        if (eg_utf8_valid((eg_str){(const char *)s, k})) {
            return k;
        }
    }
    return 0;
}

/* A line as people may see it: invalid UTF-8 and NUL replaced, a carriage return at its end dropped. */
static eg_err put_line(eg_runner_log *l, const eg_buf *line) {
    const uint8_t *s = (const uint8_t *)line->ptr;
    size_t n = line->len;
    if (n > 0 && s[n - 1] == '\r') {
        n--;
    }
    bool plain = n == 0 || (eg_utf8_valid((eg_str){(const char *)s, n}) && !memchr(s, 0, n));
    if (plain) {
        EG_TRY(eg_buf_add(&l->lines, n ? (const char *)s : "", n));
    }
    for (size_t i = 0; !plain && i < n;) {
        size_t k = s[i] ? utf8_step(s + i, n - i) : 0;
        EG_TRY(k ? eg_buf_add(&l->lines, s + i, k) : eg_buf_adds(&l->lines, REPLACEMENT));
        i += k ? k : 1;
    }
    EG_TRY(eg_buf_add(&l->lines, "\n", 1));
    l->count++;
    return EG_OK;
}

typedef struct page {
    eg_runner_log *out;
    eg_buf line;
    uint64_t number;  /* of the line being collected */
    size_t size;
    bool full;
} page;

static eg_err feed(page *g, const uint8_t *s, size_t n) {
    for (size_t i = 0; i < n && !g->full;) {
        const uint8_t *nl = memchr(s + i, '\n', n - i);
        size_t piece = nl ? (size_t)(nl - (s + i)) : n - i;
        if (g->number >= g->out->from) {
            size_t room = LINE_MAX_BYTES - g->line.len;
            EG_TRY(eg_buf_add(&g->line, s + i, piece < room ? piece : room));
        }
        i += piece + (nl ? 1 : 0);
        if (nl) {
            if (g->number >= g->out->from) {
                /* Three bytes a byte at worst, and the newline. */
                if (g->out->lines.len + 3 * g->line.len + 1 > EG_RUNNER_LOG_PAGE_MAX) {
                    g->full = true;
                    return EG_OK;
                }
                EG_TRY(put_line(g->out, &g->line));
                g->full = g->out->count >= g->size;
            }
            eg_buf_reset(&g->line);
            g->number++;
        }
    }
    return EG_OK;
}

static eg_err read_page(log_file *f, int64_t at, page *g) {
    eg_log_record_head h;
    bool first = true;
    while (!g->full && head_at(f, at, &h) == EG_OK) {
        if (open_record(f, at, &h) != EG_OK) {
            g->out->damaged = true;
            break;
        }
        if (first) {
            g->number = h.lines_before;
            first = false;
        }
        g->out->cut = g->out->cut || (h.flags & EG_LOG_FLAG_CUT);
        EG_TRY(feed(g, f->sealed, f->plain_len));
        at = after(at, &h);
    }
    if (!g->full && g->line.len > 0 && g->out->lines.len + 3 * g->line.len + 1 <= EG_RUNNER_LOG_PAGE_MAX) {
        EG_TRY(put_line(g->out, &g->line));
    }
    return EG_OK;
}

static eg_err fill(log_file *f, int64_t from, size_t size, eg_runner_log *l) {
    places r = walk(f, from < 0 ? 0 : (uint64_t)from);
    l->damaged = r.damaged;
    l->cut = r.any && (r.last_head.flags & EG_LOG_FLAG_CUT);
    if (total_lines(f, &r, &l->total) != EG_OK) {
        l->damaged = true;
        l->total = r.last_head.lines_before;
    }
    l->from = from >= 0 ? (uint64_t)from : (l->total > size ? l->total - size : 0);
    if (l->from >= l->total || size == 0) {
        return EG_OK;
    }
    if (from < 0) {
        r = walk(f, l->from);
    }
    page g = {.out = l, .size = size};
    eg_buf_init(&g.line, LINE_MAX_BYTES);
    eg_err e = read_page(f, r.start, &g);
    if (g.line.ptr) {
        eg_cleanse(g.line.ptr, g.line.cap);
    }
    eg_buf_done(&g.line);
    return e;
}

eg_err eg_runner_log_read(const eg_runner_ref *ref, eg_bytes log_key, int64_t from, size_t size, eg_runner_log *ret, eg_problem *p) {
    log_file f = {.fd = -1};
    eg_runner_log l = {.from = from < 0 ? 0 : (uint64_t)from};
    eg_buf_init(&l.lines, EG_RUNNER_LOG_PAGE_MAX);
    eg_err e = log_file_open(ref, log_key, &f);
    if (e == EG_OK) {
        e = fill(&f, from, size, &l);
    } else if (e == EG_ERR_NOT_FOUND) {
        e = EG_OK; /* nothing was written yet */
    }
    log_file_done(&f);
    if (e != EG_OK) {
        eg_runner_log_done(&l);
        return eg_fail(p, e, "Cannot read the log of %s \"%s\".", eg_runner_kind_name(ref->kind), ref->id);
    }
    *ret = l;
    return EG_OK;
}

void eg_runner_log_done(eg_runner_log *l) {
    if (l->lines.ptr) {
        eg_cleanse(l->lines.ptr, l->lines.cap);
    }
    eg_buf_done(&l->lines);
}
