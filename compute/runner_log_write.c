/* The writing side of a runner's sealed log: buffers what the program says and appends it as sealed records. */
#include "runner_files.h"
#include "runner_log_format.h"

#include <embergate/durable_file.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER (32u << 10)

struct eg_runner_log_writer {
    int fd;
    eg_aead *aead;
    uint64_t bound;   /* bytes of the file */
    uint64_t offset;  /* where the next record goes; all before it is whole */
    uint64_t seq;
    uint64_t lines;   /* newlines in the records before */
    uint64_t lost;    /* bytes that a failing disk cost */
    bool cut;
    size_t len;
    uint8_t buffer[BUFFER];
    uint8_t record[EG_LOG_RECORD_HEAD + EG_LOG_PLAIN_MAX + EG_GCM_TAG_LEN];
};

eg_err eg_runner_log_aead(eg_bytes log_key, const uint8_t head[EG_LOG_HEAD], const char *name, eg_aead **ret) {
    char info[192];
    int n = snprintf(info, sizeof info, "embergate runner log 1 %s", name);
    if (n <= 0 || (size_t)n >= sizeof info || log_key.len != EG_RUNNER_LOG_KEY_LEN) {
        return EG_ERR_INVALID;
    }
    uint8_t key[EG_KEY_LEN];
    EG_TRY(eg_hkdf_sha256(log_key, (eg_bytes){head + EG_LOG_MAGIC_LEN, EG_LOG_SALT_LEN}, (eg_bytes){(const uint8_t *)info, (size_t)n}, key, sizeof key));
    eg_aead *a = eg_aead_new(key);
    eg_cleanse(key, sizeof key);
    if (!a) {
        return EG_ERR_NO_MEMORY;
    }
    *ret = a;
    return EG_OK;
}

eg_err eg_runner_log_writer_new(int fd, eg_bytes log_key, const char *name, eg_runner_log_writer **ret) {
    uint8_t head[EG_LOG_HEAD];
    memcpy(head, EG_LOG_MAGIC, EG_LOG_MAGIC_LEN);
    eg_random(head + EG_LOG_MAGIC_LEN, EG_LOG_SALT_LEN);
    eg_aead *a = NULL;
    EG_TRY(eg_runner_log_aead(log_key, head, name, &a));
    eg_runner_log_writer *w = calloc(1, sizeof *w);
    eg_err e = w ? eg_write_all(fd, (eg_bytes){head, sizeof head}) : EG_ERR_NO_MEMORY;
    if (e != EG_OK) {
        eg_aead_free(a);
        free(w);
        return e;
    }
    w->fd = fd;
    w->aead = a;
    w->bound = EG_RUNNER_LOG_MAX;
    w->offset = EG_LOG_HEAD;
    *ret = w;
    return EG_OK;
}

void eg_runner_log_writer_bound(eg_runner_log_writer *w, uint64_t file_bytes) {
    w->bound = file_bytes;
}

void eg_runner_log_writer_free(eg_runner_log_writer *w) {
    if (w) {
        eg_aead_free(w->aead);
        eg_cleanse(w, sizeof *w);
        free(w);
    }
}

bool eg_runner_log_was_cut(const eg_runner_log_writer *w) {
    return w->cut;
}

static uint64_t newlines(eg_bytes b) {
    uint64_t n = 0;
    for (size_t i = 0; i < b.len; i++) {
        n += b.ptr[i] == '\n';
    }
    return n;
}

/* Appends one record, or leaves the file as it was. */
static eg_err append(eg_runner_log_writer *w, eg_bytes plain, uint8_t flags) {
    uint8_t nonce[EG_GCM_NONCE_LEN];
    eg_log_record_head h = {.sealed = (uint32_t)(plain.len + EG_GCM_TAG_LEN), .seq = w->seq, .lines_before = w->lines, .flags = flags};
    eg_log_put_head(&h, w->record);
    eg_log_nonce(w->seq, nonce);
    EG_TRY(eg_aead_seal(w->aead, nonce, (eg_bytes){w->record, EG_LOG_RECORD_HEAD}, plain, w->record + EG_LOG_RECORD_HEAD));
    size_t n = EG_LOG_RECORD_HEAD + plain.len + EG_GCM_TAG_LEN;
    eg_err e = eg_write_all(w->fd, (eg_bytes){w->record, n});
    /* The number is spent even when the write failed: a nonce is never used for two texts. */
    w->seq++;
    if (e != EG_OK) {
        if (ftruncate(w->fd, (off_t)w->offset) != 0 || lseek(w->fd, (off_t)w->offset, SEEK_SET) < 0) {
            w->cut = true; /* a torn record stays: nothing after it could be read */
        }
        return e;
    }
    w->offset += n;
    w->lines += newlines(plain);
    return EG_OK;
}

static eg_err say(eg_runner_log_writer *w, uint8_t flags, const char *fmt, uint64_t value) EG_PRINTF(3, 0);
static eg_err say(eg_runner_log_writer *w, uint8_t flags, const char *fmt, uint64_t value) {
    char text[160];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int n = snprintf(text, sizeof text, fmt, (unsigned long long)value);
#pragma GCC diagnostic pop
    return append(w, (eg_bytes){(const uint8_t *)text, (size_t)n}, flags);
}

static void store(eg_runner_log_writer *w, eg_bytes plain) {
    if (w->lost > 0) {
        if (say(w, 0, "\n[embergate: %llu bytes of output could not be stored]\n", w->lost) != EG_OK) {
            w->lost += plain.len;
            return;
        }
        w->lost = 0;
    }
    if (append(w, plain, 0) != EG_OK) {
        w->lost += plain.len;
    }
}

void eg_runner_log_flush(eg_runner_log_writer *w) {
    eg_bytes plain = {w->buffer, w->len};
    w->len = 0;
    if (plain.len == 0 || w->cut) {
        return;
    }
    uint64_t room = w->bound > w->offset ? w->bound - w->offset : 0;
    if (room < EG_LOG_RECORD_HEAD + plain.len + EG_GCM_TAG_LEN) {
        eg_err e = say(w, EG_LOG_FLAG_CUT, "\n[embergate: the log has reached its bound of %llu bytes; the rest is not kept]\n", w->bound);
        w->cut = w->cut || e == EG_OK;
        return;
    }
    store(w, plain);
}

void eg_runner_log_write(eg_runner_log_writer *w, eg_bytes chunk) {
    while (chunk.len > 0) {
        size_t n = BUFFER - w->len < chunk.len ? BUFFER - w->len : chunk.len;
        memcpy(w->buffer + w->len, chunk.ptr, n);
        w->len += n;
        chunk.ptr += n;
        chunk.len -= n;
        if (w->len == BUFFER) {
            eg_runner_log_flush(w);
        }
    }
}
